"""ECGs in plain files: CSV tables and NPZ archives, their leads put into the one order by name."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.ecg import (
    AGE_LIMITS,
    ECG,
    HEART_RATE_LIMITS,
    INDEPENDENT_LEADS,
    LEADS,
    SEXES,
    Conditions,
    twelve_leads,
)

MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
TIME_COLUMNS = {"time": 1.0, "time_s": 1.0, "time_ms": 1e-3}


def standard_leads(signals: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The known leads of a strip in the order of `LEADS`, found by name, whatever order a file has.

    The eight independent leads alone become all twelve; any other subset stays a subset.

    Parameters
    ----------
    signals : ndarray, shape (batch, lead, sample)
    names : sequence of str
        One per row, upper or lower case; other channels (``ABP``, ``RESP``) are left out.

    Returns
    -------
    tuple of (ndarray, tuple of str)
        Signals and lead names.

    Raises
    ------
    ValueError
        Where a lead comes twice or none is known.
    """
    spelling = {lead.lower(): lead for lead in LEADS}
    found: dict[str, int] = {}
    for row, name in enumerate(names):
        lead = spelling.get(str(name).strip().lower())
        if lead in found:
            raise ValueError(
                f"leads must differ in name, got {lead!r} twice among {' '.join(map(str, names))}"
            )
        if lead is not None:
            found[lead] = row
    if not found:
        raise ValueError(
            f"leads must be among {' '.join(LEADS)}, got {' '.join(map(str, names)) or 'none'}: "
            "name the channels by their leads"
        )
    if set(found) == set(INDEPENDENT_LEADS):
        return twelve_leads(signals[:, [found[lead] for lead in INDEPENDENT_LEADS]]), LEADS
    kept = tuple(lead for lead in LEADS if lead in found)
    return signals[:, [found[lead] for lead in kept]], kept


def known_conditions(values: dict[str, Any]) -> Conditions:
    """What is known of a recorded ECG as `Conditions`; a value missing or beyond the limits is unknown.

    A record is not refused for its paperwork: bad arguments raise, odd recorded values become unknown.
    """
    sex = str(values.get("sex", "")).strip().lower()
    sex = {"f": "female", "m": "male"}.get(sex, sex)
    text = values.get("text")
    return Conditions(
        age=_within(values.get("age"), AGE_LIMITS),
        sex=sex if sex in SEXES else None,
        heart_rate=_within(values.get("heart_rate"), HEART_RATE_LIMITS),
        text=str(text) if isinstance(text, str) and text.strip() else None,
    )


def read_csv(path: str | Path) -> ECG:
    """One ECG from a CSV table with one column per lead and one row per sample.

    Lines before the header may say ``# fs: 500``, ``# unit: uV`` (mV where not said), ``# age: 50``,
    ``# sex: female``, ``# heart_rate: 70``, ``# text: sinus rhythm``. A column ``time`` (seconds) or
    ``time_ms`` may stand in for ``fs``.

    Raises
    ------
    ValueError
        Where the leads, the unit or the sampling frequency cannot be told.
    """
    path = Path(path)
    notes: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    skipped = next((row for row, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if skipped == len(lines):
        raise ValueError(f"{path.name} must hold a header with lead names, got no line of data")
    for line in lines[:skipped]:
        key, _, value = line[1:].partition(":")
        notes[key.strip().lower()] = value.strip()
    table = pd.read_csv(path, skiprows=skipped, skipinitialspace=True, encoding="utf-8-sig")
    voltages = table[
        [name for name in table.columns if str(name).lower() in {lead.lower() for lead in LEADS}]
    ]
    for name, kind in voltages.dtypes.items():
        if not np.issubdtype(kind, np.number):
            raise ValueError(f"{path.name} must hold numbers in lead {name}, got {voltages[name].iloc[0]!r}")
    fs = _sampling_frequency(path.name, notes, table)
    scale = millivolts_per(notes.get("unit", "mV"), path.name)
    signals, leads = standard_leads(
        voltages.to_numpy(np.float32).T[None] * np.float32(scale), list(voltages.columns)
    )
    return ECG(
        signals=signals,
        fs=fs,
        leads=leads,
        conditions=(known_conditions(notes),),
        provenance=recorded(path.name),
        annotations={"record": np.array([path.stem])},
    )


def read_npz(path: str | Path) -> Iterator[tuple[str, ECG]]:
    """One (name, ECG) after another from an NPZ archive.

    Arrays: ``signals`` in mV, (batch, lead, sample) or (lead, sample); ``fs`` in Hz; ``leads`` (the twelve,
    or the eight independent ones, in their usual order where not said); one per ECG where known: ``record``,
    ``age``, ``sex``, ``heart_rate``, ``text``. Pickled objects are refused.

    Raises
    ------
    ValueError
        Where an array is missing or its shape does not fit.
    """
    path = Path(path)
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for needed in ("signals", "fs"):
        if needed not in arrays:
            raise ValueError(
                f"{path.name} must hold an array {needed!r}, got {', '.join(sorted(arrays)) or 'none'}"
            )
    signals = np.asarray(arrays["signals"], dtype=np.float32)
    signals = signals[None] if signals.ndim == 2 else signals
    if signals.ndim != 3:
        raise ValueError(f"{path.name} must hold signals of shape (batch, lead, sample), got {signals.shape}")
    usual = INDEPENDENT_LEADS if signals.shape[1] == len(INDEPENDENT_LEADS) else LEADS
    names = [str(name) for name in arrays.get("leads", np.array(usual))]
    if len(names) != signals.shape[1]:
        raise ValueError(
            f"{path.name} must name one lead per row of signals, got {len(names)} for {signals.shape[1]}"
        )
    signals, leads = standard_leads(signals, names)
    about = {
        name: np.atleast_1d(arrays[name])
        for name in ("record", "age", "sex", "heart_rate", "text")
        if name in arrays
    }
    for name, values in about.items():
        if len(values) != len(signals):
            raise ValueError(
                f"{path.name} must hold one {name} per ECG, got {len(values)} for {len(signals)} ECGs"
            )
    alone = len(signals) == 1
    for row, signal in enumerate(signals):
        known = {name: values[row].item() for name, values in about.items()}
        name = str(known.get("record", path.stem if alone else f"{path.stem}[{row}]"))
        yield (
            name,
            ECG(
                signals=signal[None],
                fs=float(arrays["fs"]),
                leads=leads,
                conditions=(known_conditions(known),),
                provenance=recorded(path.name),
                annotations={"record": np.array([name])},
            ),
        )


def recorded(source: str, **more: Any) -> dict[str, Any]:
    """Provenance of recorded ECGs: where they come from, and that no generator made them."""
    return {"source": source, "synthetic": False, **more}


def millivolts_per(unit: str, where: str) -> float:
    """How many millivolts one unit of a file is.

    Raises
    ------
    ValueError
        Where the unit is not a voltage.
    """
    scale = MILLIVOLTS.get(unit.strip().lower())
    if scale is None:
        raise ValueError(f"unit must be one of V, mV, uV, nV, got {unit!r} in {where}")
    return scale


def _within(value: Any, limits: tuple[float, float]) -> float | None:
    """A number inside its limits, or None."""
    if value is None or re.fullmatch(r"\s*[-+]?[\d.]+(e[-+]?\d+)?\s*", str(value), re.IGNORECASE) is None:
        return None
    number = float(value)
    return number if limits[0] <= number <= limits[1] else None


def _sampling_frequency(name: str, notes: dict[str, str], table: pd.DataFrame) -> float:
    """Samples per second, from the notes or else from a time column."""
    if "fs" in notes:
        try:
            return float(notes["fs"].lower().removesuffix("hz"))
        except ValueError:
            raise ValueError(f"fs must be a number of Hz, got {notes['fs']!r} in {name}") from None
    for column in table.columns:
        scale = TIME_COLUMNS.get(str(column).strip().lower())
        if scale is not None and len(table) > 1:
            step = float(np.median(np.diff(table[column]))) * scale
            if step > 0:
                return round(1.0 / step, 3)
    raise ValueError(
        f"{name} must say its sampling frequency, got neither: add the line '# fs: 500' or a column 'time'"
    )
