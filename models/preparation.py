"""Recorded ECGs as training material: median beats in the reference frame, rhythms, residuals."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import resample_poly
from tqdm.auto import tqdm

from models.beat import CROSSFADE_S, Timing, extract_beat
from models.codec import HOP, tokens_of
from models.ecg import ECG, INDEPENDENT_LEADS
from models.records import Records, read_files
from models.rhythm import ATRIAL, DOMINANT, VENTRICULAR
from models.strip import FS, beyond_the_ends, high_passed, noise_levels, render

FINE = 4
SAMPLES = 2500
LARGEST_MV = 6.0
FALLBACK_MS = {"p_on_ms": -180.0, "qrs_on_ms": -42.0, "qrs_off_ms": 52.0}
BATCH = 64


@dataclass(frozen=True, eq=False)
class Material:
    """Training material, one row per strip.

    Parameters
    ----------
    table : DataFrame
        `record`, `fold`, `age`, `female`, `rr_s`, `p_present`, `labelled` (False: waveform only).
    statements : list of dict
    beats : ndarray, float32, shape (strip, 8, len(FRAME_MS))
        Median beats, mV.
    timings : ndarray, shape (strip, 4)
        PR, QRS, QT and R, ms; NaN where not measured.
    rendered, residual : ndarray, float32, shape (strip, 8, sample)
        mV; their sum is the recorded strip.
    weight : ndarray, float32, shape (strip, token)
        0 where the residual is no residual of the dominant beat.
    rhythms : list of tuple
        Instants and kinds of the beats (continued past the ends), and which instants are kept recorded beats.
    """

    table: pd.DataFrame
    statements: list[dict[str, float]]
    beats: np.ndarray
    timings: np.ndarray
    rendered: np.ndarray
    residual: np.ndarray
    weight: np.ndarray
    rhythms: list[tuple[np.ndarray, np.ndarray, np.ndarray]]

    def noise_mv(self) -> np.ndarray:
        """Typical size of the residual per strip, lead and band, mV, shape (strip, 8, BANDS)."""
        pieces = range(0, len(self.weight), BATCH)
        return np.concatenate(
            [noise_levels(self.residual[i : i + BATCH], self.weight[i : i + BATCH]) for i in pieces]
        )

    def select(self, rows: np.ndarray) -> "Material":
        """The strips of a mask or index."""
        index = np.arange(len(self.table))[rows]
        return Material(
            self.table.iloc[index].reset_index(drop=True),
            [self.statements[i] for i in index],
            *(part[index] for part in (self.beats, self.timings, self.rendered, self.residual, self.weight)),
            [self.rhythms[i] for i in index],
        )


def prepare(
    source: Iterable[tuple[list[dict], ECG]], measured: pd.DataFrame, labelled: bool = True
) -> Material:
    """Training material from recorded ECGs and their measurements.

    Parameters
    ----------
    source : iterable of (rows, ECG)
        `labelled_strips(records)` or `waveforms(path)`.
    measured : DataFrame
        One row per record with `record`, `r_peaks_s`, `beat_kept`, `p_present`, `p_on_ms`, `qrs_on_ms`,
        `qrs_off_ms`, `t_off_ms` relative to the R peak; the command `discovery measure` writes it.
    labelled : bool
        False: age, sex and statements of the records are not known, only their waveform is used.

    Raises
    ------
    ValueError
        Where a column is missing.
    """
    needed = {"record", "r_peaks_s", "beat_kept", "p_present", "t_off_ms", *FALLBACK_MS}
    missing = sorted(needed - set(measured.columns))
    if missing:
        raise ValueError(
            f"measured must have the columns {', '.join(sorted(needed))}, got no {', '.join(missing)}: "
            "write it with discovery measure FOLDER --out measured.parquet"
        )
    by_record = {str(row["record"]): row for row in measured.to_dict("records")}
    parts, facts, said = [], [], []
    for rows, ecg in tqdm(source, desc="preparing", unit="batch"):
        for strip, row in zip(_strips(ecg), rows, strict=True):
            part = _prepare_one(strip, by_record.get(str(row["record"])))
            if part is not None and (not labelled or _complete(row)):
                parts.append(part)
                facts.append(_facts(row, part, labelled))
                said.append(dict(row["statements"]) if labelled else {})
    columns = list(zip(*parts, strict=True))
    arrays = [np.stack(column).astype(np.float32) for column in columns[:5]]
    return Material(pd.DataFrame(facts), said, *arrays, list(columns[5]))


def labelled_strips(records: Records) -> Iterator[tuple[list[dict], ECG]]:
    """Batches of records with what is known of each."""
    for start in range(0, len(records), BATCH):
        rows = list(range(start, min(start + BATCH, len(records))))
        yield records.table.iloc[rows].to_dict("records"), records.ecg(rows)


def waveforms(path: str | Path) -> Iterator[tuple[list[dict], ECG]]:
    """Records of which only the waveform is used, by name."""
    for name, ecg in read_files([path]):
        yield [{"record": name}], ecg


def save_material(path: Path, sets: Sequence[Material]) -> None:
    """Writes several sets of training material into one file."""
    instants = [rhythm for material in sets for rhythm in material.rhythms]
    packed = {
        "table": json.dumps(pd.concat([material.table for material in sets]).to_dict("list")),
        "statements": json.dumps([said for material in sets for said in material.statements]),
        "beat_counts": np.array([len(rhythm[0]) for rhythm in instants]),
        "rhythms": np.concatenate([np.column_stack(rhythm) for rhythm in instants]),
        "timings": np.concatenate([material.timings for material in sets]),
    }
    for name in ("beats", "rendered", "residual", "weight"):
        packed[name] = np.concatenate([getattr(material, name) for material in sets]).astype(np.float16)
    new = path.with_suffix(".new.npz")
    np.savez(new, **packed)
    new.replace(path)


def load_material(path: Path) -> Material:
    """Reads what `save_material` wrote."""
    with np.load(path, allow_pickle=False) as packed:
        rhythms = np.split(packed["rhythms"], np.cumsum(packed["beat_counts"])[:-1])
        return Material(
            pd.DataFrame(json.loads(str(packed["table"]))),
            json.loads(str(packed["statements"])),
            *(
                packed[name].astype(np.float32)
                for name in ("beats", "timings", "rendered", "residual", "weight")
            ),
            [(rows[:, 0], rows[:, 1].astype(int), rows[:, 2] > 0) for rows in rhythms],
        )


def _complete(row: Mapping) -> bool:
    """Whether age and sex are known."""
    return row["age"] == row["age"] and row["age"] is not None and isinstance(row["sex"], str)


def _facts(row: Mapping, part: tuple, labelled: bool) -> dict:
    """The table's row of one strip."""
    beats, _, kept = part[5]
    inside = beats[(beats >= 0) & (beats <= SAMPLES / FS)]
    return {
        "record": str(row["record"]),
        "fold": int(row["fold"]) if labelled else 0,
        "age": float(row["age"]) if labelled else np.nan,
        "female": float(row["sex"] == "female") if labelled else np.nan,
        "rr_s": float(np.diff(inside).mean()) if len(inside) > 1 else np.nan,
        "p_present": bool(part[6]),
        "labelled": labelled,
    }


def _strips(ecg: ECG) -> np.ndarray:
    """The eight independent leads at `FINE * FS` Hz, high-passed without phase, (batch, 8, sample)."""
    eight = ecg.signals[:, [ecg.leads.index(lead) for lead in INDEPENDENT_LEADS]].astype(float)
    ratio = ecg.fs / FS
    if ratio != 1:
        eight = resample_poly(eight, 100, int(round(100 * ratio)), axis=2)
    eight = np.pad(eight, ((0, 0), (0, 0), (0, max(SAMPLES - eight.shape[2], 0))), mode="edge")[
        :, :, :SAMPLES
    ]
    return resample_poly(high_passed(eight), FINE, 1, axis=2)


def _prepare_one(strip: np.ndarray, row: Mapping | None) -> tuple | None:
    """Beat, timing, rendered, residual, weight, rhythm, P presence of a strip; None where it cannot serve."""
    if (
        row is None
        or not np.isfinite(strip).all()
        or np.abs(strip).max() >= LARGEST_MV
        or strip.std(axis=1).min() < 1e-3
    ):
        return None
    peaks, kept = np.asarray(row["r_peaks_s"], float), np.asarray(row["beat_kept"], bool)
    if len(peaks) < 4 or kept.sum() < 3:
        return None
    p_present = row["p_present"] == 1
    timing, measured = _timing(row, np.median(np.diff(peaks)), p_present)
    beat, peaks = extract_beat(strip, FINE * FS, peaks, kept, timing)
    instants, before = beyond_the_ends(peaks, SAMPLES / FS)
    recorded = np.zeros(len(instants), bool)
    recorded[before : before + len(kept)] = kept
    kinds = np.full(len(instants), DOMINANT)
    early = np.diff(instants, prepend=instants[0] - 1) < 0.85 * np.median(np.diff(instants))
    inside = np.zeros(len(instants), bool)
    inside[before : before + len(kept)] = ~kept
    kinds[inside & early] = VENTRICULAR
    kinds[recorded & early & (row["p_present"] == 1)] = ATRIAL
    rendered = render([beat], [timing], [instants], SAMPLES)[0]
    return (
        beat,
        measured,
        rendered,
        strip[:, ::FINE] - rendered,
        _weight(timing, instants, recorded),
        (instants, kinds, recorded),
        p_present,
    )


def _timing(row: Mapping, rr_s: float, p_present: bool) -> tuple[Timing, np.ndarray]:
    """Timing for the reference frame with typical values in the gaps, and the same with the gaps left NaN."""
    fallback = {**FALLBACK_MS, "t_off_ms": 340.0 * rr_s**0.4}
    points = {
        name: row[name] if row[name] == row[name] and row[name] is not None else value
        for name, value in fallback.items()
    }
    if not p_present:
        points["p_on_ms"] = points["qrs_on_ms"] - 140.0
    onset = points["qrs_on_ms"]
    timing = Timing(
        onset - points["p_on_ms"], points["qrs_off_ms"] - onset, points["t_off_ms"] - onset, -onset
    )
    known = [
        p_present and row["p_on_ms"] == row["p_on_ms"],
        row["qrs_off_ms"] == row["qrs_off_ms"],
        row["t_off_ms"] == row["t_off_ms"],
        True,
    ]
    values = np.array([timing.pr, timing.qrs, timing.qt, timing.r])
    return timing, np.where(known, values, np.nan)


def _weight(timing: Timing, instants: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """1 for tokens that lie within kept recorded beats, 0 elsewhere."""
    centres = np.arange(tokens_of(SAMPLES)) * HOP / FS
    borders = timing.borders(instants)
    reach = CROSSFADE_S / 2 + HOP / FS
    low, high = np.searchsorted(borders, centres - reach), np.searchsorted(borders, centres + reach)
    return (recorded[low] & recorded[high]).astype(float)
