"""ECGs written as WFDB records, in the layout of PTB-XL, so that what reads PTB-XL reads them."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import wfdb
from scipy.signal import resample_poly

from models.ecg import ECG
from models.listings import VERSIONS, ptbxl_row

INVALID = -32768  # WFDB's mark of a sample that is not known, in 16 bits
FULL_HZ = 500.0


def write_ptbxl(
    folder: str | Path,
    batches: Iterable[ECG],
    recognise: Callable[[str], Mapping[str, float]] | None = None,
) -> Path:
    """The folder, with ECGs written as WFDB records of 16 bits at 1 microvolt in the layout of PTB-XL.

    `open_ptbxl` reads it, and so does what was written for PTB-XL. ECGs of the same seed are of one patient, so
    that no fold splits a heart. Beside PTB-XL's columns the table has ``heart_rate``, ``seed``, ``record`` and
    ``source``; a generated ECG is marked synthetic in each header. Ages are written as asked, also over 89.

    Parameters
    ----------
    folder : path
        New or empty.
    batches : iterable of ECG
        At 500 Hz, or all at 100 Hz; others are resampled to 500 Hz, and their records say so.
    recognise : callable, optional
        From a text to its statements (code to likelihood); without it ``scp_codes`` are left empty.

    Raises
    ------
    FileExistsError
        Where the folder holds something.
    ValueError
        Where sampling frequencies differ, or there is no ECG.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"folder must be new or empty, got {folder}: choose another folder")
    rows: list[dict[str, Any]] = []
    patients: dict[int, int] = {}
    for ecg in map(at_a_version_of_ptbxl, batches):
        if rows and not rows[0][VERSIONS[ecg.fs][0]]:
            raise ValueError(f"ECGs must all be sampled alike, got {ecg.fs:g} Hz after others")
        for index in range(len(ecg)):
            row = ptbxl_row(ecg, index, len(rows) + 1, patients)
            codes = dict(recognise(row["report"])) if recognise else {}
            rows.append(row | {"scp_codes": str({code: 100.0 * sure for code, sure in codes.items()})})
            _write_wfdb(ecg, index, folder / row[VERSIONS[ecg.fs][0]])
    if not rows:
        raise ValueError(f"batches must hold at least one ECG to be written to {folder}, got none")
    table = pd.DataFrame(rows)
    stated = sorted({code for codes in table["scp_codes"] for code in re.findall(r"'(\w+)'", codes)})
    known = pd.DataFrame({"description": stated, "form": np.nan, "rhythm": np.nan}, index=stated)
    known.to_csv(folder / "scp_statements.csv")
    table.to_csv(folder / "ptbxl_database.csv", index=False)
    return folder


def at_a_version_of_ptbxl(ecg: ECG) -> ECG:
    """The ECGs at a sampling frequency of PTB-XL: as they are at 500 or 100 Hz, else resampled to 500 Hz."""
    if ecg.fs in VERSIONS:
        return ecg
    ratio = Fraction(FULL_HZ / ecg.fs).limit_denominator(1000)
    signals = resample_poly(ecg.signals.astype(float), ratio.numerator, ratio.denominator, axis=2)
    told = {**ecg.provenance, "resampled": f"from {ecg.fs:g} Hz"}
    return replace(ecg, signals=signals, fs=FULL_HZ, provenance=told)


def _write_wfdb(ecg: ECG, index: int, path: Path) -> None:
    """One WFDB record of 16 bits at 1 microvolt, with what it is in its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = np.clip(np.rint(ecg.signals[index].T * 1000.0), INVALID + 1, -INVALID - 1)
    known = {name: value for name, value in ecg.conditions[index].to_dict().items() if value is not None}
    told = known | {"seed": ecg.seeds[index]} | dict(ecg.provenance)
    mark = ["SYNTHETIC ECG, not a patient"] if ecg.provenance.get("synthetic") else []
    leads = list(ecg.leads)
    wfdb.wrsamp(
        path.name,
        fs=ecg.fs,
        units=["mV"] * len(leads),
        sig_name=leads,
        d_signal=np.where(np.isnan(counts), INVALID, counts).astype(np.int64),
        fmt=["16"] * len(leads),
        adc_gain=[1000.0] * len(leads),
        baseline=[0] * len(leads),
        comments=mark + [f"{name}: {' '.join(str(value).split())}" for name, value in told.items()],
        write_dir=str(path.parent),
    )
