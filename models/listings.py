"""What public data sets say of their records, as one table of the same columns for each of them."""

import ast
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.ecg import ECG

COLUMNS = ("record", "patient_id", "age", "sex", "heart_rate", "text", "statements", "fold", "path")
FOLDS = 10
VERSIONS = {500.0: ("filename_hr", "hr"), 100.0: ("filename_lr", "lr")}
OVER_89 = 90.0
LIKELIHOOD_UNKNOWN = 0.5
RR_LIMITS_MS = (200.0, 3000.0)


def ptbxl_listing(folder: Path, fs: int = 500) -> pd.DataFrame:
    """One row per record of PTB-XL, with the columns `COLUMNS`; see `models.records.open_ptbxl`."""
    names = {500: "filename_hr", 100: "filename_lr"}
    if fs not in names:
        raise ValueError(f"fs must be 500 or 100 Hz for PTB-XL, got {fs}")
    listed = pd.read_csv(_file(folder, "ptbxl_database.csv"))
    known = _ptbxl_codes(folder)
    seen = set(known.index[(known["form"] == 1) | (known["rhythm"] == 1)])
    return pd.DataFrame(
        {
            "record": listed["ecg_id"].astype(int),
            "patient_id": listed["patient_id"].astype("int64"),
            "age": listed["age"].where(listed["age"] < OVER_89, OVER_89).where(listed["age"].notna()),
            "sex": listed["sex"].map({1: "female", 0: "male"}),
            "heart_rate": np.nan,
            "text": listed["report"],
            "statements": [_likelihoods(codes, seen) for codes in listed["scp_codes"]],
            "fold": listed["strat_fold"].astype(int),
            "path": listed[names[fs]],
        }
    )


def ptbxl_descriptions(folder: Path) -> dict[str, str]:
    """What each statement code of PTB-XL means, in words."""
    return _ptbxl_codes(folder)["description"].to_dict()


def ptbxl_row(ecg: ECG, index: int, number: int, patients: dict[int, int]) -> dict[str, Any]:
    """What PTB-XL's table says of one ECG; `patients` are numbered as their seeds are met."""
    asked, seed = ecg.conditions[index], ecg.seeds[index]
    patient = patients.setdefault(seed if seed >= 0 else -number, len(patients) + 1)
    column, ending = VERSIONS[ecg.fs]
    paths = {"filename_lr": "", "filename_hr": ""}
    paths[column] = f"records{ecg.fs:g}/{number // 1000 * 1000:05d}/{number:05d}_{ending}"
    return {
        "ecg_id": number,
        "patient_id": patient,
        "age": asked.age,
        "sex": {"female": 1, "male": 0}.get(asked.sex),
        "report": asked.text or "",
        "strat_fold": 1 + zlib.crc32(str(patient).encode()) % FOLDS,
        "heart_rate": asked.heart_rate,
        "seed": seed,
        "record": str(ecg.annotations["record"][index]) if "record" in ecg.annotations else "",
        "source": f"{'SYNTHETIC: ' if ecg.provenance.get('synthetic') else ''}{ecg.provenance.get('source', '')}",
    } | paths


def mimic_listing(
    folder: Path,
    patients: str | Path | None = None,
    recognise: Callable[[str], Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """One row per record of MIMIC-IV-ECG, with the columns `COLUMNS`; see `models.records.open_mimic`."""
    listed = pd.read_csv(_file(folder, "record_list.csv"))
    machine = pd.read_csv(_file(folder, "machine_measurements.csv"), low_memory=False)
    reports = sorted(
        (name for name in machine if re.fullmatch(r"report_\d+", name)), key=lambda name: int(name[7:])
    )
    lines = machine[reports].fillna("").astype(str).to_numpy()
    machine["text"] = ["|".join(line.strip() for line in row if line.strip()) for row in lines]
    listed = listed.merge(
        machine[["study_id", "rr_interval", "text"]], on="study_id", how="left", validate="1:1"
    )
    rr_ms = pd.to_numeric(listed["rr_interval"], errors="coerce")
    age, sex = _age_and_sex(listed, folder, patients)
    texts = listed["text"].fillna("")
    return pd.DataFrame(
        {
            "record": listed["study_id"].astype("int64"),
            "patient_id": listed["subject_id"].astype("int64"),
            "age": age,
            "sex": sex,
            "heart_rate": (60_000.0 / rr_ms).where(rr_ms.between(*RR_LIMITS_MS)),
            "text": texts,
            "statements": [dict(recognise(text)) if recognise else {} for text in texts],
            "fold": [1 + zlib.crc32(str(patient).encode()) % FOLDS for patient in listed["subject_id"]],
            "path": listed["path"],
        }
    )


def _ptbxl_codes(folder: Path) -> pd.DataFrame:
    """The statements of PTB-XL by their codes."""
    return pd.read_csv(_file(folder, "scp_statements.csv"), index_col=0)


def _file(folder: Path, name: str) -> Path:
    """One table of a data set, which must exist."""
    if not (folder / name).is_file():
        raise FileNotFoundError(
            f"folder must hold {name}, got {folder} without it: give the folder of the data set"
        )
    return folder / name


def _likelihoods(codes: str, seen: set[str]) -> dict[str, float]:
    """Statements with likelihoods 0..1 out of the text of a PTB-XL cell in percent."""
    stated = ast.literal_eval(codes) if isinstance(codes, str) else {}
    unknown = {code: 1.0 if code in seen else LIKELIHOOD_UNKNOWN for code in stated}
    return {code: percent / 100.0 if percent > 0 else unknown[code] for code, percent in stated.items()}


def _age_and_sex(
    listed: pd.DataFrame, folder: Path, patients: str | Path | None
) -> tuple[pd.Series, pd.Series]:
    """Age at the ECG and sex from MIMIC-IV's table of patients, or unknown."""
    places = (
        [Path(patients)] if patients is not None else [folder / "patients.csv", folder / "patients.csv.gz"]
    )
    place = next((path for path in places if path.is_file()), None)
    if place is None and patients is not None:
        raise FileNotFoundError(f"patients must be the file patients.csv of MIMIC-IV, got {patients}")
    if place is None:
        return pd.Series(np.nan, index=listed.index), pd.Series(None, index=listed.index, dtype=object)
    people = pd.read_csv(place).set_index("subject_id").reindex(listed["subject_id"]).reset_index()
    age = people["anchor_age"] + pd.to_datetime(listed["ecg_time"]).dt.year - people["anchor_year"]
    return age.astype(float), people["gender"].map({"F": "female", "M": "male"})
