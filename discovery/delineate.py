"""Where P, QRS and T begin and end in every ECG of a batch; the door to NeuroKit2 for whatever is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import joblib
import numpy as np

from discovery.beats import AFTER, BEFORE, RATE, Beats, clean, find_beats, middle
from discovery.defects import inspect_signals
from discovery.verdicts import P_COHERENCE, judge_beats, judge_waves, p_coherence
from discovery.waves import MS, Waves, find_waves
from models.ecg import INDEPENDENT_LEADS, LEADS, twelve_leads

POINTS = ("p_on", "p_off", "qrs_on", "qrs_off", "t_peak", "t_off")
# Added to each edge, ms: medians of (median over leads of the manual points - edge found) in LUDB, non-paced,
# 500 Hz; printed and cross-validated by benchmarks/measurement.py.
OFFSETS_MS = {"p_on": 2.0, "p_off": -14.0, "qrs_on": 0.0, "qrs_off": -7.0, "t_peak": 2.0, "t_off": -4.0}
CHUNK = 64  # ECGs handled at once: bounds memory, does not change results
SHORTEST, LONGEST = 4.0, 60.0  # s
SLOWEST, FASTEST = 100.0, 1000.0  # Hz
DRAW_SEED = 20250105


@dataclass(frozen=True, eq=False)
class Delineation:
    """Beats and wave edges of a batch; row k of everything belongs to ECG k.

    Parameters
    ----------
    r_peaks : tuple of ndarray
        Times of the R peaks of each ECG, s from its start.
    beat_kept : tuple of ndarray of bool
        Which of these beats are of the dominant kind (ectopic and noisy ones are not).
    median_beat : ndarray, float32, shape (batch, 12, sample)
        Median of the kept beats, mV, 500 Hz, leads as in `models.ecg.LEADS`; NaN where there is none.
    points : dict of str to ndarray
        ``p_on p_off qrs_on qrs_off t_peak t_off``, ms relative to R, shape (batch,); NaN where absent.
    p_score : ndarray
        How alike the P waves of single beats are, -1 to 1; NaN where no beats were found.
    template_r : ndarray
        How alike the kept QRS complexes are, 0 to 1; NaN where no beats were found.
    reasons : tuple of tuple of str
        Codes of everything that was wrong or missing (see `discovery.quantities.REASONS`).
    standard_errors : dict of str to ndarray
        ``pr qrs qt`` in ms, from resampled beats; empty unless draws were asked for.
    """

    r_index: ClassVar[int] = BEFORE  # sample of the R peak within `median_beat`

    r_peaks: tuple[np.ndarray, ...]
    beat_kept: tuple[np.ndarray, ...]
    median_beat: np.ndarray
    points: dict[str, np.ndarray]
    p_score: np.ndarray
    template_r: np.ndarray
    reasons: tuple[tuple[str, ...], ...]
    standard_errors: dict[str, np.ndarray] = field(default_factory=dict)


def delineate(
    signals: np.ndarray, fs: float, leads: Sequence[str] = LEADS, draws: int = 0, workers: int = 1
) -> Delineation:
    """Beats and wave edges of a batch of ECGs.

    Parameters
    ----------
    signals : ndarray, shape (batch, lead, sample)
        Millivolts, 4 to 60 s.
    fs : float
        Sampling frequency, 100 to 1000 Hz.
    leads : sequence of str
        Names of the second axis, among them the eight independent leads I, II, V1 to V6.
    draws : int
        Times the beats are resampled for `standard_errors`; 8 are enough to see an unsure record.
    workers : int
        Processes that share the batch; the result is the same to the bit.

    Returns
    -------
    Delineation
        A bad signal does not raise: its row is NaN and `reasons` says why.

    Raises
    ------
    ValueError
        Where shape, leads, sampling frequency or length cannot be those of an ECG, or `workers` is below 1.
    """
    signals = _checked(signals, fs, leads)
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if draws < 0:
        raise ValueError(f"draws must be 0 or more, got {draws}: 8 are enough for a standard error")
    chunks = (signals[k : k + CHUNK] for k in range(0, len(signals), CHUNK))
    if workers == 1 or len(signals) <= CHUNK:
        found = [_delineate_chunk(chunk, fs, leads, draws) for chunk in chunks]
    else:
        pool = joblib.Parallel(n_jobs=workers, max_nbytes=None)
        found = pool(joblib.delayed(_delineate_chunk)(chunk, fs, leads, draws) for chunk in chunks)
    return Delineation(
        r_peaks=tuple(row for part in found for row in part.r_peaks),
        beat_kept=tuple(row for part in found for row in part.beat_kept),
        median_beat=np.concatenate([part.median_beat for part in found]),
        points={name: np.concatenate([part.points[name] for part in found]) for name in POINTS},
        p_score=np.concatenate([part.p_score for part in found]),
        template_r=np.concatenate([part.template_r for part in found]),
        reasons=tuple(row for part in found for row in part.reasons),
        standard_errors={
            name: np.concatenate([part.standard_errors[name] for part in found])
            for name in found[0].standard_errors
        },
    )


def _checked(signals: np.ndarray, fs: float, leads: Sequence[str]) -> np.ndarray:
    """The signals as float32, or a sentence saying what they are not."""
    signals = np.asarray(signals, np.float32)
    if signals.ndim != 3 or not len(signals):
        raise ValueError(
            f"signals must have the shape (batch, lead, sample), got {signals.shape}: "
            "for one ECG write signals[None]"
        )
    if signals.shape[1] != len(leads):
        raise ValueError(
            f"signals must have one row per lead, got {signals.shape[1]} rows for the {len(leads)} leads "
            f"{' '.join(leads)}: the axes are (batch, lead, sample)"
        )
    absent = [lead for lead in INDEPENDENT_LEADS if lead not in leads]
    if absent:
        raise ValueError(
            f"leads must hold {' '.join(INDEPENDENT_LEADS)}, got {' '.join(leads)}: add {' '.join(absent)}"
        )
    if not SLOWEST <= fs <= FASTEST:
        raise ValueError(
            f"fs must be between {SLOWEST:g} and {FASTEST:g} Hz, got {fs:g}: resample the signals"
        )
    if signals.shape[2] / fs > LONGEST:
        raise ValueError(
            f"signals must last at most {LONGEST:g} s, got {signals.shape[2] / fs:g} s: cut them into strips"
        )
    return signals


def _delineate_chunk(signals: np.ndarray, fs: float, leads: Sequence[str], draws: int) -> Delineation:
    """The delineation of up to `CHUNK` ECGs."""
    inspected = inspect_signals(signals, fs, leads, SHORTEST)
    seconds = inspected.eight.shape[2] / fs
    batch = len(inspected.eight)
    found: list[Beats | None] = [None] * batch
    if seconds >= SHORTEST:
        for k, strip in enumerate(clean(inspected.eight, fs)):
            if not inspected.unusable[k]:
                found[k] = find_beats(strip, seconds, _find_peaks)
    medians = np.zeros((batch, len(INDEPENDENT_LEADS), BEFORE + AFTER), np.float32)
    rr = np.full(batch, 1.0)
    for k, beats in enumerate(found):
        if beats is not None:
            medians[k], rr[k] = beats.median, beats.typical_rr
    waves = find_waves(medians, rr * RATE)
    edges = _wave_bases(waves)
    score = np.array(
        [
            p_coherence(beats, *(edges[name][k] for name in ("p_on", "p_off", "qrs_on")))
            for k, beats in enumerate(found)
        ]
    )
    reasons = [list(codes) for codes in inspected.reasons]
    measured = judge_beats(found, inspected, reasons)
    p_present = measured & (score > P_COHERENCE)
    points = _points(edges, measured, p_present)
    judge_waves(points, medians, waves, measured, p_present, reasons)
    medians[~measured] = np.nan
    medians[inspected.dead] = np.nan
    none = np.array([])
    return Delineation(
        r_peaks=tuple(
            b.r_peaks if b is not None and ok else none for b, ok in zip(found, measured, strict=True)
        ),
        beat_kept=tuple(
            b.kept if b is not None and ok else none > 0 for b, ok in zip(found, measured, strict=True)
        ),
        median_beat=twelve_leads(medians),
        points=points,
        p_score=score,
        template_r=np.array([np.nan if beats is None else beats.template_r for beats in found]),
        reasons=tuple(tuple(codes) for codes in reasons),
        standard_errors=_standard_errors(found, rr, points, draws) if draws else {},
    )


def _points(
    edges: dict[str, np.ndarray], measured: np.ndarray, p_present: np.ndarray
) -> dict[str, np.ndarray]:
    """Edges in ms relative to R with the fixed offsets added, NaN where there is no such wave."""
    points = {}
    for name in POINTS:
        there = p_present if name.startswith("p_") else measured
        points[name] = np.where(there, (edges[name] - BEFORE) / MS + OFFSETS_MS[name], np.nan)
    return points


def _standard_errors(
    found: list[Beats | None], rr: np.ndarray, points: dict[str, np.ndarray], draws: int
) -> dict[str, np.ndarray]:
    """Spread of PR, QRS and QT in ms when the beats of each ECG are drawn again with replacement."""
    errors = {name: np.full(len(found), np.nan) for name in ("pr", "qrs", "qt")}
    usable = [k for k, beats in enumerate(found) if beats is not None and len(beats.stack) >= 3]
    if not usable:
        return errors
    redrawn = []
    for k in usable:
        stack = found[k].stack
        chosen = np.random.default_rng([DRAW_SEED, len(stack)]).integers(len(stack), size=(draws, len(stack)))
        redrawn.extend(middle(stack[rows]) for rows in chosen)
    edges = find_waves(np.stack(redrawn), np.repeat(rr[usable], draws) * RATE).edges
    pairs = {"pr": ("p_on", "qrs_on"), "qrs": ("qrs_on", "qrs_off"), "qt": ("qrs_on", "t_off")}
    for name, (first, last) in pairs.items():
        spread = np.std(((edges[last] - edges[first]) / MS).reshape(len(usable), draws), axis=1, ddof=1)
        known = np.isfinite(points[first][usable] + points[last][usable])
        errors[name][usable] = np.where(known, spread, np.nan)
    return errors


def _find_peaks(composite: np.ndarray, rate: float) -> np.ndarray:
    """NeuroKit2's R peaks of one composite signal, samples."""
    import neurokit2 as nk  # takes 2 s, most of it matplotlib and scikit-learn

    return nk.ecg_findpeaks(composite, sampling_rate=int(rate))["ECG_R_Peaks"]


def _wave_bases(waves: Waves) -> dict[str, np.ndarray]:
    """The wave edges NeuroKit2 reads from the activity of a whole batch laid end to end.

    Source: Emrich et al. 2024 (peak prominence), with windows wide enough for any wave: the default ones
    cannot return a QRS above 100 ms.
    """
    import neurokit2 as nk  # takes 2 s, most of it matplotlib and scikit-learn

    batch, _, samples = waves.lumps.shape
    heights = np.maximum(waves.lumps.max(axis=2, keepdims=True), 1e-9)
    tile = (waves.lumps / heights).max(axis=1)
    peak = np.argmax(waves.lumps[:, 1], axis=1)
    line = np.zeros((batch + 2, 2 * samples))  # an empty tile at each end: the edges of the line are no edges
    for k in range(batch):
        line[k + 1, samples - peak[k] : 2 * samples - peak[k]] = tile[k]
    centres = samples + 2 * samples * np.arange(batch + 2)
    _, found = nk.ecg_delineate(
        line.ravel(),
        rpeaks=centres,
        sampling_rate=int(RATE),
        method="prominence",
        max_qrs_interval=400,
        max_pr_interval=700,
        max_r_rise_time=160,
        typical_st_segment=0,
        max_p_basepoint_interval=600,
        max_r_basepoint_interval=700,
        max_t_basepoint_interval=900,
    )
    names = {
        "p_on": "P_Onsets",
        "p_off": "P_Offsets",
        "qrs_on": "R_Onsets",
        "qrs_off": "R_Offsets",
        "t_off": "T_Offsets",
    }
    edges = {"t_peak": waves.edges["t_peak"]}
    for name, column in names.items():
        position = np.array(found[f"ECG_{column}"], float)[1 : batch + 1] - centres[1 : batch + 1] + peak
        edges[name] = np.where(np.isfinite(position), position, waves.edges[name]).astype(int)
    return edges
