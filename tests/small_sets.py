"""Small data sets in the layouts of PTB-XL and MIMIC-IV-ECG, made by the simulator and measured."""

import numpy as np
import pandas as pd
import wfdb

from discovery.cli import main as discovery
from models.ecg import LEADS, Conditions
from models.records_written import at_a_version_of_ptbxl, write_ptbxl
from models.statements import recognise
from models.synthetic import Simulator
from models.vocabulary import STATEMENTS

COUNT = 76
TEXTS = ("Sinus rhythm|Normal ECG", "Sinus rhythm|Left bundle branch block", "Atrial fibrillation")
MIMIC_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


def simulated(count=COUNT):
    """ECGs of several texts, ages, sexes and rates."""
    draw = np.random.default_rng(0)
    asked = [
        Conditions(
            float(draw.integers(20, 90)),
            ("female", "male")[int(draw.integers(2))],
            float(draw.integers(55, 100)),
            TEXTS[row % len(TEXTS)],
        )
        for row in range(count)
    ]
    return at_a_version_of_ptbxl(Simulator().generate(asked, range(count)))


def write_set(folder, layout):
    """A data set in this layout, and beside it `measured.parquet`."""
    ecg = simulated()
    if layout == "ptb-xl":
        write_ptbxl(folder, [ecg], lambda text: recognise(text, STATEMENTS).statements)
    else:
        write_mimic(folder, ecg)
    measured = folder.parent / f"{folder.name}.parquet"
    assert discovery(["measure", str(folder), "--out", str(measured), "--quiet"]) == 0
    return folder, measured


def write_mimic(folder, ecg):
    """ECGs in the layout of MIMIC-IV-ECG, two of each patient, with a table of patients a year before."""
    folder.mkdir()
    listed = pd.DataFrame(
        {
            "subject_id": [10_000_000 + row // 2 * 7 for row in range(len(ecg))],
            "study_id": [40_000_000 + row for row in range(len(ecg))],
        }
    )
    listed["file_name"], listed["ecg_time"] = listed["study_id"], "2181-03-04 17:14:00"
    pairs = zip(listed["subject_id"], listed["study_id"], strict=True)
    listed["path"] = [f"files/p{str(who)[:4]}/p{who}/s{study}/{study}" for who, study in pairs]
    machine = listed[["subject_id", "study_id"]].assign(
        cart_id=1, rr_interval=[60_000 / asked.heart_rate for asked in ecg.conditions]
    )
    for line in range(18):
        parts = [asked.text.split("|") for asked in ecg.conditions]
        machine[f"report_{line}"] = [part[line] if line < len(part) else np.nan for part in parts]
    listed.to_csv(folder / "record_list.csv", index=False)
    machine.to_csv(folder / "machine_measurements.csv", index=False)
    order = [LEADS.index(lead) for lead in MIMIC_LEADS]
    for row, path in enumerate(listed["path"]):
        (folder / path).parent.mkdir(parents=True)
        wfdb.wrsamp(
            (folder / path).name,
            fs=500,
            units=["mV"] * 12,
            sig_name=list(MIMIC_LEADS),
            p_signal=ecg.signals[row, order].T.astype(float),
            fmt=["16"] * 12,
            adc_gain=[200.0] * 12,
            baseline=[0] * 12,
            write_dir=str((folder / path).parent),
        )


def write_patients(folder, ecg):
    """MIMIC-IV's table of patients: ages in the year before the ECGs."""
    asked = ecg.conditions[::2]
    people = pd.DataFrame(
        {
            "subject_id": [10_000_000 + row * 7 for row in range(len(asked))],
            "gender": [known.sex[0].upper() for known in asked],
            "anchor_age": [int(known.age) for known in asked],
            "anchor_year": 2180,
        }
    )
    people.to_csv(folder / "patients.csv", index=False)
    return folder / "patients.csv"


class Letters:
    """A text encoder that counts letters."""

    def encode(self, texts):
        return np.array(
            [[text.lower().count(letter) for letter in "abcdefghilmnorst"] for text in texts], float
        )
