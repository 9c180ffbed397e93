import numpy as np
import pandas as pd
import pytest
import wfdb

from models.ecg import INDEPENDENT_LEADS, LEADS, twelve_leads
from models.records import Records, download_ptbxl, open_mimic, open_ptbxl, read_files, read_wfdb

FS = 500
MIMIC_LEADS = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
STEP_MV = 0.001


def strip(seed, samples=500):
    """Twelve leads of smooth noise, mV, exact in whole microvolts."""
    eight = np.random.default_rng(seed).integers(-800, 800, (1, 8, samples)) * 2 * STEP_MV
    return twelve_leads(eight)[0]


def write_record(path, signals, names=LEADS, units="mV", comments=(), scale=1.0):
    """One WFDB record at a path, from leads in mV in the order of `LEADS`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [LEADS.index({"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}.get(name, name)) for name in names]
    wfdb.wrsamp(
        path.name,
        fs=FS,
        units=[units] * len(rows),
        sig_name=list(names),
        p_signal=signals[rows].T * scale,
        fmt=["16"] * len(rows),
        adc_gain=[1 / STEP_MV / scale] * len(rows),
        baseline=[0] * len(rows),
        comments=list(comments),
        write_dir=str(path.parent),
    )


@pytest.fixture
def ptbxl(tmp_path):
    """Three records in the layout of PTB-XL."""
    rows = [
        (7, 21.0, 50.0, 1, "sinusrhythmus", "{'NORM': 80.0, 'SR': 0.0}", 1),
        (9, 22.0, 300.0, 0, "linksschenkelblock", "{'CLBBB': 100.0, 'IMI': 0.0}", 9),
        (12, 22.0, np.nan, 0, np.nan, "{}", 9),
    ]
    names = ["ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "strat_fold"]
    table = pd.DataFrame(rows, columns=names)
    table["filename_lr"] = [f"records100/00000/{number:05d}_lr" for number in table["ecg_id"]]
    table["filename_hr"] = [f"records500/00000/{number:05d}_hr" for number in table["ecg_id"]]
    table.to_csv(tmp_path / "ptbxl_database.csv", index=False)
    codes = pd.DataFrame(
        {
            "description": ["normal ECG", "sinus rhythm", "complete left bundle branch block", "inferior MI"],
            "form": np.nan,
            "rhythm": [np.nan, 1.0, np.nan, np.nan],
        },
        index=["NORM", "SR", "CLBBB", "IMI"],
    )
    codes.to_csv(tmp_path / "scp_statements.csv")
    upper = [name.upper() for name in LEADS]
    for number, path in zip(table["ecg_id"], table["filename_hr"], strict=True):
        write_record(tmp_path / path, strip(number), upper)
    return tmp_path


@pytest.fixture
def mimic(tmp_path):
    """Two records in the layout of MIMIC-IV-ECG, aVF before aVL."""
    listed = pd.DataFrame(
        {
            "subject_id": [10000032, 10000117],
            "study_id": [40689238, 41256771],
            "file_name": [40689238, 41256771],
            "ecg_time": ["2180-07-23 08:44:00", "2181-03-04 17:14:00"],
        }
    )
    pairs = zip(listed["subject_id"], listed["study_id"], strict=True)
    listed["path"] = [f"files/p{str(who)[:4]}/p{who}/s{study}/{study}" for who, study in pairs]
    machine = listed[["subject_id", "study_id", "ecg_time"]].assign(cart_id=6848296, rr_interval=[659, 29999])
    for line in range(18):
        machine[f"report_{line}"] = np.nan
    machine = machine.astype({f"report_{line}": object for line in range(18)})
    machine.loc[0, ["report_0", "report_1", "report_10"]] = ["Sinus rhythm", "Possible LVH", "Borderline ECG"]
    listed.to_csv(tmp_path / "record_list.csv", index=False)
    machine.iloc[::-1].to_csv(tmp_path / "machine_measurements.csv", index=False)
    for study, path in zip(listed["study_id"], listed["path"], strict=True):
        write_record(tmp_path / path, strip(study), MIMIC_LEADS)
    return tmp_path


def test_ptbxl_table_says_what_is_known_of_each_record(ptbxl):
    records = open_ptbxl(ptbxl)
    table = records.table
    assert list(table["record"]) == [7, 9, 12]
    assert list(table["patient_id"]) == [21, 22, 22]
    assert list(table["sex"]) == ["female", "male", "male"]
    assert list(table["fold"]) == [1, 9, 9]
    assert table["heart_rate"].isna().all()
    assert records.descriptions["SR"] == "sinus rhythm"


def test_ptbxl_age_300_is_read_as_90_and_an_unknown_age_stays_unknown(ptbxl):
    assert open_ptbxl(ptbxl).table["age"].fillna(-1).tolist() == [50, 90, -1]


def test_ptbxl_likelihood_zero_is_certain_for_a_rhythm_and_even_for_a_diagnosis(ptbxl):
    assert open_ptbxl(ptbxl).table["statements"].tolist() == [
        {"NORM": 0.8, "SR": 1},
        {"CLBBB": 1, "IMI": 0.5},
        {},
    ]


def test_ptbxl_signals_come_back_in_millivolts_with_their_conditions(ptbxl):
    ecg = open_ptbxl(ptbxl).ecg([1, 0])
    np.testing.assert_allclose(ecg.signals, [strip(9), strip(7)], atol=1e-6)
    assert ecg.signals.dtype == np.float32
    assert (ecg.fs, ecg.leads, ecg.seeds) == (FS, LEADS, (-1, -1))
    assert ecg.conditions[0].to_dict() == {
        "age": 90,
        "sex": "male",
        "heart_rate": None,
        "text": "linksschenkelblock",
    }
    assert ecg.provenance["source"] == "PTB-XL"
    assert ecg.provenance["licence"] == "CC BY 4.0"
    assert ecg.provenance["synthetic"] is False
    assert ecg.annotations["record"].tolist() == [9, 7]


def test_a_record_of_unknown_age_and_text_has_unknown_conditions(ptbxl):
    known = open_ptbxl(ptbxl).ecg(2).conditions[0]
    assert (known.age, known.text) == (None, None)


def test_rows_may_be_a_number_a_list_a_slice_or_a_mask(ptbxl):
    records = open_ptbxl(ptbxl)
    wanted = {
        "number": (2, [12]),
        "list": ([2, 0], [12, 7]),
        "slice": (slice(1, None), [9, 12]),
        "mask": (np.array([True, False, True]), [7, 12]),
    }
    for rows, names in wanted.values():
        assert records.ecg(rows).annotations["record"].tolist() == names


def test_batches_follow_the_table_and_lose_nothing(ptbxl):
    sizes = [len(batch) for batch in open_ptbxl(ptbxl).batches(2)]
    assert sizes == [2, 1]


def test_where_keeps_the_records_that_follow_a_rule(ptbxl):
    records = open_ptbxl(ptbxl)
    assert list(records.where("fold == 9 and age > 80").table["record"]) == [9]
    assert list(records.where(records.table["patient_id"] == 22).table["record"]) == [9, 12]
    assert list(records.stating("CLBBB").table["record"]) == [9]
    assert len(records.where("fold == 9").ecg([0, 1])) == 2


def test_measured_heart_rates_reach_the_conditions(ptbxl):
    records = open_ptbxl(ptbxl).with_heart_rate([61.5, np.nan, 400])
    rates = [known.heart_rate for known in records.ecg([0, 1, 2]).conditions]
    assert rates == [61.5, None, None]


def test_row_finds_a_record_by_its_name(ptbxl):
    assert open_ptbxl(ptbxl).row(12) == 2
    assert open_ptbxl(ptbxl).row("12") == 2


def test_mimic_leads_are_put_into_order_by_name(mimic):
    ecg = open_mimic(mimic).ecg([0, 1])
    np.testing.assert_allclose(ecg.signals, [strip(40689238), strip(41256771)], atol=1e-6)
    assert ecg.leads == LEADS
    assert ecg.provenance["source"] == "MIMIC-IV-ECG"


def test_mimic_text_and_rate_come_from_the_machine_measurements_of_the_same_study(mimic):
    table = open_mimic(mimic).table
    assert table["text"].tolist() == ["Sinus rhythm|Possible LVH|Borderline ECG", ""]
    assert table["heart_rate"].round(2).fillna(-1).tolist() == [91.05, -1]
    assert table["statements"].tolist() == [{}, {}]
    assert table["age"].isna().all()


def test_mimic_folds_depend_on_the_patient_alone(mimic):
    fold = open_mimic(mimic).table["fold"]
    assert fold.between(1, 10).all()
    assert fold.tolist() == open_mimic(mimic).table["fold"].tolist() == [1, 9]


def test_mimic_statements_come_from_the_recogniser_it_is_given(mimic):
    table = open_mimic(mimic, recognise=lambda text: {"SR": 1.0} if "Sinus rhythm" in text else {}).table
    assert table["statements"].tolist() == [{"SR": 1.0}, {}]


def test_mimic_age_and_sex_come_from_the_table_of_patients(mimic):
    people = pd.DataFrame({"subject_id": [10000117, 10000032], "gender": ["F", "M"], "anchor_age": [48, 52]})
    people.assign(anchor_year=[2174, 2180]).to_csv(mimic / "patients.csv", index=False)
    table = open_mimic(mimic).table
    assert table["age"].tolist() == [52, 55]
    assert table["sex"].tolist() == ["male", "female"]


def test_the_download_asks_for_the_tables_and_then_for_every_record_of_them(ptbxl, monkeypatch):
    asked = []
    monkeypatch.setattr(wfdb, "dl_files", lambda name, folder, files: asked.append((name, folder, files)))
    assert download_ptbxl(ptbxl, part=4) == ptbxl
    assert {name for name, _, _ in asked} == {"ptb-xl"}
    assert {folder for _, folder, _ in asked} == {str(ptbxl)}
    assert asked[0][2][:2] == ["ptbxl_database.csv", "scp_statements.csv"]
    records = [file for _, _, files in asked[1:] for file in files]
    assert [len(files) for _, _, files in asked[1:]] == [4, 2]
    assert records[:2] == ["records500/00000/00007_hr.hea", "records500/00000/00007_hr.dat"]


def test_samples_marked_invalid_are_not_numbers(tmp_path):
    signals = strip(1)
    signals[3, 40:50] = np.nan
    write_record(tmp_path / "gap", signals)
    ecg = read_wfdb(tmp_path / "gap")
    assert np.isnan(ecg.lead(LEADS[3])[0, 40:50]).all()
    assert np.isfinite(ecg.signals).sum() == signals.size - 10


def test_a_header_may_tell_age_and_sex(tmp_path):
    write_record(tmp_path / "one", strip(1), comments=["<age>: 63  <sex>: F", "<diagnoses>: none"])
    write_record(tmp_path / "two", strip(1), comments=["Age: NaN", "Sex: Male", "Dx: 426783006"])
    first, second = (read_wfdb(tmp_path / name).conditions[0] for name in ("one", "two"))
    assert (first.age, first.sex) == (63, "female")
    assert (second.age, second.sex) == (None, "male")


@pytest.mark.parametrize(("units", "scale"), [("uV", 1e3), ("mV", 1.0), ("V", 1e-3)])
def test_every_unit_becomes_millivolts(tmp_path, units, scale):
    write_record(tmp_path / "one", strip(3), units=units, scale=scale)
    np.testing.assert_allclose(read_wfdb(tmp_path / "one").signals[0], strip(3), atol=1e-5)


def test_the_eight_independent_leads_become_twelve(tmp_path):
    write_record(tmp_path / "eight", strip(4), INDEPENDENT_LEADS[::-1])
    np.testing.assert_allclose(read_wfdb(tmp_path / "eight.hea").signals[0], strip(4), atol=1e-5)


def test_fewer_leads_stay_fewer(tmp_path):
    write_record(tmp_path / "holter", strip(5), ["V5", "II"])
    ecg = read_wfdb(tmp_path / "holter")
    assert ecg.leads == ("II", "V5")
    np.testing.assert_allclose(ecg.lead("V5")[0], strip(5)[LEADS.index("V5")], atol=1e-6)


def test_a_folder_with_RECORDS_is_read_in_its_order(tmp_path):
    for name in ("b", "a", "unlisted"):
        write_record(tmp_path / name, strip(6))
    (tmp_path / "RECORDS").write_text("b\na\n")
    assert [name for name, _ in read_files([tmp_path])] == ["b", "a"]


def test_folders_of_public_data_sets_are_read_with_what_is_known(ptbxl):
    read = dict(read_files([ptbxl]))
    assert list(read) == ["7", "9", "12"]
    assert read["7"].conditions[0].sex == "female"


def test_any_other_folder_is_read_with_all_below_it(tmp_path):
    write_record(tmp_path / "deep" / "one", strip(7))
    np.savez(tmp_path / "two.npz", signals=strip(8), fs=FS)
    read = dict(read_files([tmp_path, tmp_path / "deep" / "one"]))
    assert list(read) == ["one", "two"]


def test_missing_folders_tables_and_records_are_told_by_name(ptbxl, mimic, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder must exist, got .*nowhere: `make data` downloads"):
        open_ptbxl(tmp_path / "nowhere")
    (ptbxl / "scp_statements.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"folder must hold scp_statements.csv, got"):
        open_ptbxl(ptbxl)
    (mimic / "machine_measurements.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"folder must hold machine_measurements.csv, got"):
        open_mimic(mimic)
    with pytest.raises(
        FileNotFoundError, match=r"record must be on disk with its header and signals, got .*none"
    ):
        read_wfdb(tmp_path / "none")


def test_a_missing_table_of_patients_is_told(mimic):
    with pytest.raises(
        FileNotFoundError, match=r"patients must be the file patients.csv of MIMIC-IV, got .*gone"
    ):
        open_mimic(mimic, patients=mimic / "gone.csv")


def test_bad_arguments_are_refused_with_the_value_in_the_sentence(ptbxl):
    records = open_ptbxl(ptbxl)
    with pytest.raises(ValueError, match="record must be one of the 3 in .*, got 8"):
        records.row(8)
    with pytest.raises(ValueError, match="rows must lie between 0 and 2, got 1 to 3"):
        records.ecg([1, 3])
    with pytest.raises(ValueError, match="rows must name at least one of the 3 records, got none"):
        records.ecg([])
    with pytest.raises(ValueError, match="size must be 1 or more ECGs, got 0"):
        next(records.batches(0))
    with pytest.raises(ValueError, match="fs must be 500 or 100 Hz for PTB-XL, got 250"):
        open_ptbxl(ptbxl, fs=250)
    with pytest.raises(ValueError, match="heart_rate must have one value per record, got 2 for 3 records"):
        records.with_heart_rate([60, 70])
    with pytest.raises(ValueError, match=r"rule must be a query or 3 bools, got int64 of shape \(2,\)"):
        records.where(np.array([0, 1], dtype=np.int64))
    with pytest.raises(ValueError, match="table must hold the columns .*, got none named 'path'"):
        Records(ptbxl, records.table.drop(columns="path"))


def test_a_folder_without_ecgs_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="folder must hold WFDB records, CSV or NPZ files, got .*: choose another"
    ):
        list(read_files([tmp_path]))


def test_a_unit_that_is_no_voltage_is_refused(tmp_path):
    write_record(tmp_path / "pressure", strip(1), units="mmHg")
    with pytest.raises(ValueError, match="unit must be one of V, mV, uV, nV, got 'mmHg' in pressure"):
        read_wfdb(tmp_path / "pressure")


def test_recorded_ptbxl_is_read(shared_data):
    records = open_ptbxl(shared_data / "ptb-xl")
    assert set(records.table["fold"]) <= set(range(1, 11))
    assert records.table["age"].max() == 90
    assert set(records.table["sex"]) == {"female", "male"}
    assert all(0 < value <= 1 for held in records.table["statements"] for value in held.values())
    ecg = records.where("fold == 9").ecg(slice(0, 8))
    assert ecg.signals.shape == (8, 12, 5000)
    assert ecg.fs == 500
    assert 0.1 < np.abs(ecg.signals).max() < 20
    einthoven = ecg.lead("III") - (ecg.lead("II") - ecg.lead("I"))
    assert np.abs(einthoven).max() < 0.01


def test_recorded_strips_of_a_RECORDS_folder_are_read(shared_data):
    name, ecg = next(read_files([shared_data / "cinc2011"]))
    assert name == (shared_data / "cinc2011" / "RECORDS").read_text().split()[0]
    assert ecg.leads == LEADS
    assert ecg.seconds == 10
