"""Recorded ECGs as training material: median beats in the reference frame, rhythms, residuals."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.signal import resample_poly
from tqdm.auto import tqdm

from models.beat import CROSSFADE_S, FRAME_MS, TPTE_LIMITS, Timing, extract_beat, smoothed
from models.beats import side_by_side
from models.codec import HOP, tokens_of
from models.ecg import ECG, INDEPENDENT_LEADS
from models.records import Records, read_files
from models.rendering import high_passed, render
from models.rhythm import ATRIAL, DOMINANT, VENTRICULAR
from models.strip import FS, beyond_the_ends, noise_levels

FINE = 4
SAMPLES = 2500
LARGEST_MV = 6.0
FALLBACK_MS = {"p_on_ms": -180.0, "qrs_on_ms": -42.0, "qrs_off_ms": 52.0, "tpte_ms": 84.0}
NEEDED = ("record", "r_peaks_s", "beat_kept", "p_present", "t_off_ms", *FALLBACK_MS)
"""Columns of the measurements that training rests on."""
BATCH = 64


@dataclass(frozen=True, eq=False)
class Material:
    """Training material, one row per strip.

    Parameters
    ----------
    table : DataFrame
        `record`, `fold`, `age`, `female` (NaN where unknown), `rr_s`, `p_present`, `labelled` (False: waveform
        only), `text`.
    statements : list of dict
    beats : ndarray, float32, shape (strip, 8, len(FRAME_MS))
        Median beats, mV.
    timings : ndarray, shape (strip, 5)
        PR, QRS, QT, R and T peak to T offset, ms; NaN where not measured.
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
        levels = (
            noise_levels(*(torch.tensor(part[i : i + BATCH]) for part in (self.residual, self.weight)))
            for i in pieces
        )
        return np.concatenate([level.double().numpy() for level in levels])

    def select(self, rows: np.ndarray) -> "Material":
        """The strips of a mask or index."""
        index = np.arange(len(self.table))[rows]
        return Material(
            self.table.iloc[index].reset_index(drop=True),
            [self.statements[i] for i in index],
            *(part[index] for part in (self.beats, self.timings, self.rendered, self.residual, self.weight)),
            [self.rhythms[i] for i in index],
        )

    def loaded(self) -> "Material":
        """The same material in memory, where `models.shards` kept it on disk."""
        return self


def prepare(
    source: Iterable[tuple[list[dict], ECG]],
    measured: pd.DataFrame,
    labelled: bool = True,
    progress: bool = True,
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
    progress : bool
        Whether a bar shows how far it is.

    Raises
    ------
    ValueError
        Where a column is missing.
    """
    check_measured(measured)
    by_record = {str(row["record"]): row for row in measured.to_dict("records")}
    parts, facts, said = [], [], []
    for rows, ecg in tqdm(source, desc="preparing", unit="batch", disable=not progress):
        for strip, row in zip(_strips(ecg), rows, strict=True):
            part = _prepare_one(strip, by_record.get(str(row["record"])))
            if part is not None:
                parts.append(part)
                facts.append(_facts(row, part, labelled))
                said.append(dict(row["statements"]) if labelled else {})
    if not parts:
        return _nothing()
    columns = list(zip(*parts, strict=True))
    arrays = [np.stack(column).astype(np.float32) for column in columns[:5]]
    return Material(pd.DataFrame(facts), said, *arrays, list(columns[5]))


def check_measured(measured: pd.DataFrame) -> None:
    """Refuse measurements that lack a column of `NEEDED`."""
    if missing := sorted(set(NEEDED) - set(measured.columns)):
        raise ValueError(
            f"measured must have the columns {', '.join(sorted(NEEDED))}, got no {', '.join(missing)}: "
            "write it with discovery measure FOLDER --out measured.parquet"
        )


def read_measured(path: str | Path) -> pd.DataFrame:
    """Measurements that training rests on, from a Parquet table or a folder of them; refused records left out.

    Raises
    ------
    FileNotFoundError
        Where there is no table.
    ValueError
        Where a table lacks a column.
    """
    path, parts = Path(path), []
    for part in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        if not part.is_file():
            raise FileNotFoundError(f"measured must be a Parquet table or a folder of them, got {path}")
        table = pd.read_parquet(part)
        check_measured(table)
        parts.append(table.loc[table["r_peaks_s"].notna(), list(NEEDED)])
    if not parts:
        raise FileNotFoundError(f"measured must hold Parquet tables, got {path} without any")
    return pd.concat(parts, ignore_index=True)


def labelled_strips(records: Records) -> Iterator[tuple[list[dict], ECG]]:
    """Batches of records with what is known of each; what cannot be read or lacks a lead is left out."""
    for start in range(0, len(records), BATCH):
        rows = list(range(start, min(start + BATCH, len(records))))
        try:
            parts = [(rows, records.ecg(rows))]
        except (ValueError, OSError):  # one of them is missing, broken or of another length
            parts = [(row, ecg) for row in rows if (ecg := _readable(records, row)) is not None]
        for chosen, ecg in parts:
            if _whole(ecg):
                yield records.table.iloc[np.atleast_1d(chosen)].to_dict("records"), ecg


def waveforms(path: str | Path) -> Iterator[tuple[list[dict], ECG]]:
    """Records of which only the waveform is used, by name; what cannot be read or lacks a lead is left out."""
    for name, ecg in read_files([path], unreadable={}):
        if _whole(ecg):
            yield [{"record": name}], ecg


def _whole(ecg: ECG) -> bool:
    """Whether all leads that are learnt are there."""
    return set(INDEPENDENT_LEADS) <= set(ecg.leads)


def _readable(records: Records, row: int) -> ECG | None:
    """One record, or None where it cannot be read."""
    try:
        return records.ecg(row)
    except (ValueError, OSError):
        return None


def _nothing() -> Material:
    """Material without a strip."""
    shapes = ((8, len(FRAME_MS)), (4,), (8, SAMPLES), (8, SAMPLES), (tokens_of(SAMPLES),))
    return Material(pd.DataFrame(), [], *(np.zeros((0, *shape), np.float32) for shape in shapes), [])


def _facts(row: Mapping, part: tuple, labelled: bool) -> dict:
    """The table's row of one strip."""
    beats, _, kept = part[5]
    inside = beats[(beats >= 0) & (beats <= SAMPLES / FS)]
    return {
        "record": str(row["record"]),
        "fold": int(row["fold"]) if labelled else 0,
        "age": float(row["age"]) if labelled and row["age"] is not None else np.nan,
        "female": {"female": 1.0, "male": 0.0}.get(row["sex"], np.nan) if labelled else np.nan,
        "rr_s": float(np.diff(inside).mean()) if len(inside) > 1 else np.nan,
        "p_present": bool(part[6]),
        "labelled": labelled,
        "text": row["text"] if isinstance(row.get("text"), str) else "",
    }


def strips_at_fs(ecg: ECG) -> np.ndarray:
    """The first ten seconds of the eight independent leads at `FS`, mV, (batch, 8, `SAMPLES`); ends are held."""
    eight = ecg.signals[:, [ecg.leads.index(lead) for lead in INDEPENDENT_LEADS]].astype(float)
    ratio = ecg.fs / FS
    if ratio != 1:
        eight = resample_poly(eight, 100, int(round(100 * ratio)), axis=2)
    short = max(SAMPLES - eight.shape[2], 0)
    return np.pad(eight, ((0, 0), (0, 0), (0, short)), mode="edge")[:, :, :SAMPLES]


def _strips(ecg: ECG) -> np.ndarray:
    """The eight independent leads at `FINE * FS` Hz, high-passed without phase, (batch, 8, sample)."""
    return resample_poly(high_passed(torch.from_numpy(strips_at_fs(ecg))).numpy(), FINE, 1, axis=2)


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
    beat = smoothed(beat)
    instants, before = beyond_the_ends(peaks, SAMPLES / FS)
    recorded = np.zeros(len(instants), bool)
    recorded[before : before + len(kept)] = kept
    kinds = np.full(len(instants), DOMINANT)
    early = np.diff(instants, prepend=instants[0] - 1) < 0.85 * np.median(np.diff(instants))
    inside = np.zeros(len(instants), bool)
    inside[before : before + len(kept)] = ~kept
    kinds[inside & early] = VENTRICULAR
    kinds[recorded & early & (row["p_present"] == 1)] = ATRIAL
    rendered = render(torch.from_numpy(beat[None]), side_by_side([instants], [timing]), SAMPLES)
    rendered = high_passed(rendered)[0].numpy()
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
    found = {name: row[name] is not None and row[name] == row[name] for name in fallback}
    points = {name: row[name] if found[name] else value for name, value in fallback.items()}
    if not p_present:
        points["p_on_ms"] = points["qrs_on_ms"] - 140.0
    onset = points["qrs_on_ms"]
    timing = Timing(
        onset - points["p_on_ms"],
        points["qrs_off_ms"] - onset,
        points["t_off_ms"] - onset,
        -onset,
        float(np.clip(points["tpte_ms"], *TPTE_LIMITS)),
    )
    known = [p_present and found["p_on_ms"], found["qrs_off_ms"], found["t_off_ms"], True, found["tpte_ms"]]
    values = np.array(astuple(timing))
    return timing, np.where(known, values, np.nan)


def _weight(timing: Timing, instants: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """1 for tokens that lie within kept recorded beats, 0 elsewhere."""
    centres = np.arange(tokens_of(SAMPLES)) * HOP / FS
    borders = timing.borders(instants)
    reach = CROSSFADE_S / 2 + HOP / FS
    low, high = np.searchsorted(borders, centres - reach), np.searchsorted(borders, centres + reach)
    return (recorded[low] & recorded[high]).astype(float)
