"""LUDB as the benchmark reads it: signals from the digital counts, and one manual reference per record."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb

LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
WAVES = {"p": "p", "N": "qrs", "t": "t"}
EDGES = ("p_on", "p_off", "qrs_on", "qrs_off", "t_peak", "t_off")
INTERVALS = {"pr": ("p_on", "qrs_on"), "qrs": ("qrs_on", "qrs_off"), "qt": ("qrs_on", "t_off")}
KINDS = ("median", "third")  # over the leads: their median; the third-earliest onset and third-latest offset
FS = 500.0


@dataclass(frozen=True)
class Ludb:
    """Signals (record, 12, sample) in mV, a table of reference intervals, and each record's manual beats."""

    signals: np.ndarray
    table: pd.DataFrame  # one row per record: pr_median, pr_third, ..., p_marked, paced
    beats: tuple[pd.DataFrame, ...]  # one row per beat: `at`, and each edge of each kind, ms


def read_ludb(folder: Path) -> Ludb:
    """All records. The header's gains make every lead 1 mV high, so counts are read, about 1 uV each."""
    listed = pd.read_csv(folder / "ludb.csv")
    signals, beats, rows = [], [], []
    for record, pacing in zip(listed["ID"], listed["Cardiac pacing"], strict=True):
        path = str(folder / "data" / str(record))
        signals.append(wfdb.rdrecord(path, physical=False).d_signal.T.astype(np.float32) / 1000)
        marks = {lead: _waves(path, lead) for lead in LEADS}
        table = _beats(marks)
        beats.append(table)
        row = {
            f"{name}_{kind}": _interval(table, edges, kind)
            for name, edges in INTERVALS.items()
            for kind in KINDS
        }
        p_marked = bool(len(table)) and table["p_on_median"].notna().mean() >= 0.5
        rows.append({"record": record, "paced": isinstance(pacing, str), "p_marked": p_marked, **row})
    return Ludb(np.array(signals), pd.DataFrame(rows), tuple(beats))


def _waves(path: str, lead: str) -> dict[str, np.ndarray]:
    """Onset, peak and offset of each P, QRS and T of one lead, samples; shape (waves, 3)."""
    marks = wfdb.rdann(path, lead)
    found: dict[str, list] = {name: [] for name in WAVES.values()}
    symbols = [*marks.symbol, ""]
    for place, symbol in enumerate(marks.symbol):
        if symbol in WAVES:
            on = marks.sample[place - 1] if place and symbols[place - 1] == "(" else np.nan
            off = marks.sample[place + 1] if symbols[place + 1] == ")" else np.nan
            found[WAVES[symbol]].append((on, marks.sample[place], off))
    return {name: np.array(rows, float).reshape(-1, 3) for name, rows in found.items()}


def _beats(marks: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """One row per beat that is marked in at least six leads."""
    peaks = np.sort(np.concatenate([waves["qrs"][:, 1] for waves in marks.values()]))
    groups = np.split(peaks, np.flatnonzero(np.diff(peaks) > 100) + 1)
    centres = [float(np.median(group)) for group in groups if len(group) >= 6]
    rows = []
    for before, at, after in zip([-np.inf, *centres[:-1]], centres, [*centres[1:], np.inf], strict=True):
        ranges = {
            "p": (max(at - 250, before + 50), at),
            "qrs": (at - 60, at + 60),
            "t": (at, min(at + 350, after)),
        }
        row = {"at": at * 1000 / FS}
        for edge in EDGES:
            wave, _, end = edge.partition("_")
            column = ("on", "peak", "off").index(end)
            values = [_nearest(waves[wave], ranges[wave], at)[column] for waves in marks.values()]
            values = np.sort([value for value in values if np.isfinite(value)]) * 1000 / FS
            if len(values) >= 4:
                row[f"{edge}_median"] = np.median(values)
                row[f"{edge}_third"] = values[2] if end == "on" else values[-3]
        rows.append(row)
    columns = ["at", *(f"{edge}_{kind}" for edge in EDGES for kind in KINDS)]
    return pd.DataFrame(rows).reindex(columns=columns)


def _nearest(waves: np.ndarray, within: tuple[float, float], at: float) -> np.ndarray:
    """The wave of a lead that lies in a range, the nearest to the beat; NaN where there is none."""
    inside = waves[(waves[:, 1] > within[0]) & (waves[:, 1] < within[1])]
    return inside[np.argmin(np.abs(inside[:, 1] - at))] if len(inside) else np.full(3, np.nan)


def _interval(table: pd.DataFrame, edges: tuple[str, str], kind: str) -> float:
    """Median over the beats of one interval, ms."""
    return middle(table[f"{edges[1]}_{kind}"] - table[f"{edges[0]}_{kind}"])


def middle(values: pd.Series | np.ndarray) -> float:
    """The median of what is known, NaN where nothing is (without a warning)."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else np.nan
