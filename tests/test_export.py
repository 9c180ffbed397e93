"""ECGs written to files come back the same, and every file of a generated ECG says that it is synthetic."""

import numpy as np
import pytest

from discovery.export import save_ecg
from discovery.measure import measure
from discovery.style import SYNTHETIC_MARK
from models.ecg import Conditions
from models.strips import read_csv, read_npz
from models.synthetic import Simulator

ASKED = Conditions(age=61, sex="female", heart_rate=72, text="sinus rhythm | LBBB")


@pytest.fixture(scope="module")
def three():
    return Simulator().generate([ASKED, Conditions(), ASKED], [4, 5, 6])


def test_npz_comes_back_the_same(three, tmp_path):
    (path,) = save_ecg(three, tmp_path / "some.npz")
    read = list(read_npz(path))
    assert [name for name, _ in read] == ["simulator-4", "simulator-5", "simulator-6"]
    for row, (_, ecg) in enumerate(read):
        np.testing.assert_array_equal(ecg.signals[0], three.signals[row])
        assert ecg.conditions == three[row].conditions
        assert (ecg.fs, ecg.leads) == (three.fs, three.leads)
    with np.load(path) as archive:
        assert SYNTHETIC_MARK in str(archive["provenance"])
        assert archive["seed"].tolist() == [4, 5, 6]


def test_csv_comes_back_to_a_hundredth_of_a_microvolt(three, tmp_path):
    paths = save_ecg(three, tmp_path / "strip.csv")
    assert [path.name for path in paths] == ["strip-1.csv", "strip-2.csv", "strip-3.csv"]
    read = read_csv(paths[0])
    np.testing.assert_allclose(read.signals[0], three.signals[0], atol=1e-5)
    assert read.conditions[0] == ASKED
    assert read.fs == three.fs
    assert SYNTHETIC_MARK in paths[0].read_text()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_are_written_one_each(three, tmp_path, ending):
    paths = save_ecg(three[:2], tmp_path / f"ecg.{ending}", layout="12x1")
    assert [path.stat().st_size > 5000 for path in paths] == [True, True]


def test_a_page_holds_them_all_with_what_was_measured(three, tmp_path):
    (path,) = save_ecg(three, tmp_path / "page.html", measured=measure(three))
    page = path.read_text()
    assert page.count("data:image/png") == 3
    assert SYNTHETIC_MARK in page
    assert "<script" not in page


def test_another_ending_is_refused(three, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in one of \.png, .*got 'ecg\.mat'"):
        save_ecg(three, tmp_path / "ecg.mat")
