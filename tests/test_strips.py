import numpy as np
import pandas as pd
import pytest

from models.ecg import INDEPENDENT_LEADS, LEADS, twelve_leads
from models.records import read_files
from models.strips import known_conditions, millivolts_per, read_csv, read_npz, standard_leads

EIGHT = np.random.default_rng(0).normal(0, 0.3, (2, 8, 50)).astype(np.float32)
TWELVE = twelve_leads(EIGHT)


def write_csv(path, notes=(), columns=LEADS, time=None, scale=1.0):
    """A CSV table of one ECG, with lines of notes above it."""
    table = pd.DataFrame(TWELVE[0].T * scale, columns=LEADS)[list(columns)]
    if time is not None:
        table.insert(0, *time)
    text = "".join(f"# {note}\n" for note in notes) + table.to_csv(index=False)
    path.write_text(text)
    return path


def test_csv_with_notes_is_read(tmp_path):
    notes = ["fs: 250", "unit: uV", "age: 61", "sex: female", "heart_rate: 72", "text: sinus rhythm | LBBB"]
    ecg = read_csv(write_csv(tmp_path / "anna.csv", notes, scale=1000))
    np.testing.assert_allclose(ecg.signals, TWELVE[:1], atol=1e-5)
    assert ecg.fs == 250
    assert ecg.conditions[0].to_dict() == {
        "age": 61,
        "sex": "female",
        "heart_rate": 72,
        "text": "sinus rhythm | LBBB",
    }
    assert ecg.provenance == {"source": "anna.csv", "synthetic": False}


@pytest.mark.parametrize(("name", "step"), [("time", 0.002), ("time_ms", 2.0)])
def test_csv_with_a_time_column_needs_no_notes(tmp_path, name, step):
    ecg = read_csv(write_csv(tmp_path / "one.csv", time=(name, np.arange(50) * step)))
    assert ecg.fs == 500
    np.testing.assert_allclose(ecg.signals, TWELVE[:1], atol=1e-5)


def test_csv_columns_may_stand_in_any_order(tmp_path):
    ecg = read_csv(write_csv(tmp_path / "one.csv", ["fs: 500 Hz"], columns=LEADS[::-1]))
    assert ecg.leads == LEADS
    np.testing.assert_allclose(ecg.signals, TWELVE[:1], atol=1e-5)


def test_csv_that_does_not_say_enough_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="one.csv must say its sampling frequency, got neither: add the line"
    ):
        read_csv(write_csv(tmp_path / "one.csv"))
    with pytest.raises(ValueError, match="fs must be a number of Hz, got 'fast' in one.csv"):
        read_csv(write_csv(tmp_path / "one.csv", ["fs: fast"]))
    with pytest.raises(ValueError, match="unit must be one of V, mV, uV, nV, got 'counts' in one.csv"):
        read_csv(write_csv(tmp_path / "one.csv", ["fs: 500", "unit: counts"]))
    (tmp_path / "empty.csv").write_text("# fs: 500\n")
    with pytest.raises(ValueError, match="empty.csv must hold a header with lead names, got no line of data"):
        read_csv(tmp_path / "empty.csv")
    (tmp_path / "words.csv").write_text("# fs: 500\nI,II\nhigh,low\n")
    with pytest.raises(ValueError, match="words.csv must hold numbers in lead I, got 'high'"):
        read_csv(tmp_path / "words.csv")
    (tmp_path / "other.csv").write_text("# fs: 500\nabp,resp\n1,2\n")
    with pytest.raises(ValueError, match="leads must be among I II .*, got none"):
        read_csv(tmp_path / "other.csv")


def test_npz_gives_one_ecg_after_another_with_what_is_known(tmp_path):
    np.savez(
        tmp_path / "both.npz",
        signals=TWELVE,
        fs=250.0,
        age=[30, np.nan],
        sex=["female", "M"],
        record=["a", "b"],
    )
    read = dict(read_files([tmp_path / "both.npz"]))
    assert list(read) == ["a", "b"]
    np.testing.assert_array_equal(read["b"].signals, TWELVE[1:])
    assert (read["a"].conditions[0].age, read["b"].conditions[0].age) == (30, None)
    assert read["b"].conditions[0].sex == "male"
    assert read["a"].fs == 250


def test_npz_of_eight_leads_becomes_twelve_and_rows_are_numbered(tmp_path):
    np.savez(tmp_path / "eight.npz", signals=EIGHT, fs=500)
    read = dict(read_npz(tmp_path / "eight.npz"))
    assert list(read) == ["eight[0]", "eight[1]"]
    np.testing.assert_allclose(read["eight[1]"].signals, TWELVE[1:], atol=1e-6)


def test_npz_of_one_ecg_is_named_after_its_file(tmp_path):
    np.savez(tmp_path / "single.npz", signals=TWELVE[0], fs=500, leads=list(LEADS))
    assert [name for name, _ in read_npz(tmp_path / "single.npz")] == ["single"]


def test_npz_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, signals=TWELVE)
    with pytest.raises(ValueError, match="bad.npz must hold an array 'fs', got signals"):
        next(read_npz(path))
    np.savez(path, signals=TWELVE[0, 0], fs=500)
    with pytest.raises(ValueError, match=r"bad.npz must hold signals of shape .*, got \(50,\)"):
        next(read_npz(path))
    np.savez(path, signals=TWELVE[:, :3], fs=500)
    with pytest.raises(ValueError, match="bad.npz must name one lead per row of signals, got 12 for 3"):
        next(read_npz(path))
    np.savez(path, signals=TWELVE, fs=500, age=[30])
    with pytest.raises(ValueError, match="bad.npz must hold one age per ECG, got 1 for 2 ECGs"):
        next(read_npz(path))


def test_npz_with_pickled_objects_is_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", signals=TWELVE, fs=500, text=np.array([{}, None], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        next(read_npz(tmp_path / "pickled.npz"))


def test_leads_are_found_by_name_whatever_their_case_and_order():
    order = [11, 3, 0, 1, 2, 5, 4, 10, 9, 8, 7, 6]
    signals, leads = standard_leads(TWELVE[:, order], [LEADS[at].upper() for at in order])
    assert leads == LEADS
    np.testing.assert_array_equal(signals, TWELVE)


def test_channels_that_are_no_leads_are_left_out():
    signals, leads = standard_leads(TWELVE[:, :3], ["ABP", "II", "V1"])
    assert leads == ("II", "V1")
    np.testing.assert_array_equal(signals, TWELVE[:, 1:3])


def test_a_lead_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match="leads must differ in name, got 'aVR' twice among aVR AVR"):
        standard_leads(TWELVE[:, :2], ["aVR", "AVR"])


def test_the_eight_independent_leads_are_told_in_any_order():
    signals, leads = standard_leads(EIGHT[:, ::-1], INDEPENDENT_LEADS[::-1])
    assert leads == LEADS
    np.testing.assert_allclose(signals, TWELVE, atol=1e-6)


@pytest.mark.parametrize("age", ["NaN", None, "unknown", 430, -3, float("nan"), float("inf"), ""])
def test_an_odd_recorded_age_is_unknown(age):
    assert known_conditions({"age": age}).age is None


def test_units_are_voltages():
    assert millivolts_per("V", "here") == 1000
    assert millivolts_per(" uV ", "here") == pytest.approx(1e-3)
