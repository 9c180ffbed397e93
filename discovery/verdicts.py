"""What may be believed of beats and waves once they are found, and the reason codes of what may not."""

import numpy as np

from discovery.beats import Beats
from discovery.defects import Inspected
from discovery.waves import Waves

P_COHERENCE = 0.65  # single P waves must be this much alike for a P to be called present
CELL = 8  # samples (16 ms) averaged before P waves are compared: noise is not what tells them apart
LEAST_TEMPLATE_R = 0.75  # below it, what was averaged is noise
LEAST_T_MV = 0.05
WIDE_QRS_MS = 120.0


def judge_beats(found: list[Beats | None], inspected: Inspected, reasons: list[list[str]]) -> np.ndarray:
    """Which ECGs have beats worth measuring; the others, and doubts, get their reason."""
    measured = ~inspected.unusable
    for k, beats in enumerate(found):
        if not measured[k]:
            continue
        if beats is None or len(beats.r_peaks) < 2:
            reasons[k].append("no_beats")
            measured[k] = False
        elif beats.template_r < LEAST_TEMPLATE_R:
            reasons[k].append("noise")
            measured[k] = False
        else:
            if beats.kept.sum() < 3:
                reasons[k].append("few_beats")
            if beats.kept.mean() < 0.5:
                reasons[k].append("no_dominant_kind")
            elif not beats.kept.all():
                reasons[k].append("ectopics_removed")
    return measured


def judge_waves(
    points: dict[str, np.ndarray],
    medians: np.ndarray,
    waves: Waves,
    measured: np.ndarray,
    p_present: np.ndarray,
    reasons: list[list[str]],
) -> None:
    """Reasons from the waves themselves; edges in an impossible order are taken back."""
    with np.errstate(invalid="ignore"):
        wrong = measured & ~(
            (points["qrs_off"] > points["qrs_on"] + 20) & (points["t_off"] > points["qrs_off"] + 40)
        )
        wrong_p = p_present & ~(points["qrs_on"] > points["p_on"] + 30)
        wide = points["qrs_off"] - points["qrs_on"] >= WIDE_QRS_MS
    flags = {
        "p_absent": measured & ~p_present,
        "t_p_merged": measured & waves.merged & p_present,
        "t_flat": measured & (waves.t_height < LEAST_T_MV),
        "wide_qrs": measured & wide,
        "order_violation": wrong | wrong_p,
        "at_window_edge": measured & (waves.edges["t_off"] >= medians.shape[2] - 14),
    }
    for code, rows in flags.items():
        for k in np.flatnonzero(rows):
            reasons[k].append(code)
    for name in points:
        points[name] = np.where(wrong if not name.startswith("p_") else wrong | wrong_p, np.nan, points[name])


def p_coherence(beats: Beats | None, on: int, off: int, qrs_on: int) -> float:
    """Median correlation of the P wave of each beat with the mean of all others, trends removed."""
    if beats is None or len(beats.stack) < 3:
        return np.nan
    last = min(off + 8, qrs_on - 2)
    cells = max((last - on + 8) // CELL, 5)
    first = max(last - CELL * cells, 0)
    waves = beats.stack[:, :, first : first + CELL * cells]
    waves = waves.reshape(*waves.shape[:2], cells, CELL).mean(axis=3)
    trend = np.linspace(-1, 1, cells, dtype=np.float32)
    trend /= np.linalg.norm(trend)
    waves = waves - waves.mean(axis=2, keepdims=True)
    waves = waves - np.sum(waves * trend, axis=2, keepdims=True) * trend
    noise = np.sqrt(np.mean((waves - waves.mean(axis=0)) ** 2, axis=(0, 2)))
    waves /= np.maximum(noise, 0.3 * np.median(noise) + 1e-6)[None, :, None]
    waves = waves.reshape(len(waves), -1)
    others = waves.sum(axis=0) - waves
    size = np.linalg.norm(waves, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.median(np.sum(waves * others, axis=1) / np.maximum(size, 1e-9)))
