"""ECGs written in the layout of PTB-XL come back from its reader, marked synthetic."""

import numpy as np
import pytest
import wfdb

from models.ecg import ECG, Conditions
from models.records import open_ptbxl, read_wfdb
from models.records_written import write_ptbxl
from models.synthetic import Simulator

ASKED = [
    Conditions(age=61, sex="female", heart_rate=72, text="sinus rhythm | LBBB"),
    Conditions(),
    Conditions(age=30, sex="male"),
]


@pytest.fixture(scope="module")
def three():
    return Simulator().generate(ASKED, [4, 5, 4])


def test_what_was_written_is_read_back(three, tmp_path):
    folder = write_ptbxl(
        tmp_path / "mein Herz ♥", [three[:2], three[2:]], lambda text: {"CLBBB": 0.5} if text else {}
    )
    records = open_ptbxl(folder)
    np.testing.assert_allclose(records.ecg(slice(None)).signals, three.signals, atol=0.0006)
    table = records.table
    assert table["age"].tolist()[::2] == [61, 30]
    assert table["sex"].tolist()[::2] == ["female", "male"]
    assert table["text"][0] == ASKED[0].text
    assert table["statements"].tolist() == [{"CLBBB": 0.5}, {}, {}]
    assert table["patient_id"].tolist() == [1, 2, 1], "one seed is one heart"
    assert table["fold"][0] == table["fold"][2]


def test_every_header_says_that_it_is_synthetic(three, tmp_path):
    write_ptbxl(tmp_path, [three])
    header = wfdb.rdheader(str(tmp_path / "records500/00000/00001_hr"))
    assert header.comments[0] == "SYNTHETIC ECG, not a patient"
    assert "seed: 4" in header.comments
    assert read_wfdb(tmp_path / "records500/00000/00001_hr").conditions[0].age == 61


def test_samples_that_are_not_known_stay_so_and_large_ones_are_clipped(tmp_path):
    signals = np.zeros((1, 12, 50), np.float32)
    signals[0, 0, 7], signals[0, 1, 8] = np.nan, 50.0
    write_ptbxl(tmp_path, [ECG(signals, 100.0)])
    read = open_ptbxl(tmp_path, fs=100).ecg(0).signals
    assert np.isnan(read[0, 0, 7])
    assert np.isnan(read).sum() == 1
    assert read[0, 1, 8] == pytest.approx(32.767)


def test_a_folder_with_something_in_it_is_left_alone(three, tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="folder must be new or empty, got "):
        write_ptbxl(tmp_path, [three])


def test_nothing_and_mixed_frequencies_are_refused(three, tmp_path):
    with pytest.raises(ValueError, match="batches must hold at least one ECG to be written to .*, got none"):
        write_ptbxl(tmp_path / "a", [])
    strips = [ECG(np.zeros((1, 12, 50), np.float32), fs) for fs in (500.0, 100.0)]
    with pytest.raises(ValueError, match="ECGs must all be sampled alike, got 100 Hz after others"):
        write_ptbxl(tmp_path / "b", strips)


def test_other_frequencies_are_resampled_and_say_so(tmp_path):
    times = np.arange(2500) / 250
    wave = np.sin(2 * np.pi * 5 * times)[None, None].repeat(12, axis=1)
    folder = write_ptbxl(tmp_path, [ECG(wave, 250.0, provenance={"source": "made", "synthetic": True})])
    read = open_ptbxl(folder).ecg(0)
    assert read.fs == 500 and read.signals.shape[2] == 5000
    expected = np.sin(2 * np.pi * 5 * np.arange(5000) / 500)
    assert np.abs(read.signals[0, 0, 200:-200] - expected[200:-200]).max() < 0.01
    assert "resampled: from 250 Hz" in next(folder.rglob("*.hea")).read_text()
