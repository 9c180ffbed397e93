"""One row of measurements for every ECG of a batch."""

import numpy as np
import pandas as pd

from discovery.amplitudes import read_amplitudes
from discovery.beats import RATE
from discovery.chest_order import EXCHANGED, chest_order
from discovery.defects import limb_residual
from discovery.delineate import Delineation, delineate
from discovery.quantities import ASKED
from discovery.second_opinion import second_opinion
from discovery.verdicts import WIDE_QRS_MS
from models.ecg import ECG

UNCERTAIN_MS = 10.0  # a standard error of PR above this is worth a reason code
DISAGREE_MS = 30.0  # so is a second opinion that differs by so much more than it does as a rule
# NeuroKit2 lead by lead less ours: medians over LUDB, non-paced, 500 Hz, by benchmarks/measurement.py
USUAL_MS = {"pr_ms": -8.0, "qrs_ms": -10.0, "qt_ms": 15.0}
WOMEN_MV = 0.8  # added to the Cornell voltage of women before it is multiplied with QRS


def measure(
    ecg: ECG, draws: int = 0, workers: int = 1, second: bool = False, beats: bool = False
) -> pd.DataFrame:
    """One row per ECG in the order of the batch: what was asked, what was measured, and what was wrong.

    Parameters
    ----------
    ecg : ECG
        Generated or recorded; eight or twelve leads, 100 to 1000 Hz, 4 to 60 s.
    draws : int
        With 8, say, `pr_se_ms`, `qrs_se_ms` and `qt_se_ms` tell how far the intervals move when the beats of
        the strip are drawn again (repeatability only: the method's own error, `METHOD_SD_MS`, comes on top).
    workers : int
        Processes that share the batch; worth it from some hundred ECGs upwards, the same result to the bit.
    second : bool
        Whether `nk_pr_ms`, `nk_qrs_ms` and `nk_qt_ms` tell what NeuroKit2 finds lead by lead, with the code
        ``nk_disagrees`` where that is unusually far away (`USUAL_MS` and 30 ms more). It takes a tenth of a
        second per ECG and more: for a sample, as ``ecg[::100]``.
    beats : bool
        Whether to add `r_peaks_s` (times of the R peaks, s) and `beat_kept` (which are of the dominant kind), one
        list per ECG, as training and editing want them.

    Returns
    -------
    DataFrame
        Columns as in `discovery.quantities.QUANTITIES`, with their units; NaN where nothing could be
        measured, and `reasons` says why. One-dimensional annotations of the ECG are carried over.

    Raises
    ------
    ValueError
        Where leads, sampling frequency or length cannot be those of an ECG, `workers` is below 1
        or `draws` below 0.
    """
    found = delineate(ecg.signals, ecg.fs, ecg.leads, draws, workers)
    columns: dict[str, np.ndarray | list] = {
        name: [asked.to_dict()[name] for asked in ecg.conditions] for name in ASKED if name != "seed"
    }
    columns["seed"] = list(ecg.seeds)
    columns |= {name: rows for name, rows in ecg.annotations.items() if np.ndim(rows) == 1}
    columns |= _rhythm(found)
    columns |= _intervals(found, columns["rr_ms"], columns["rate_bpm"])
    columns |= read_amplitudes(found.median_beat, found.points, found.r_index, RATE)
    columns["cornell_product_mvms"] = _cornell_product(columns)
    columns["chest_order"] = chest_order(found.median_beat, found.points, found.r_index, RATE)
    columns["template_r"] = found.template_r
    columns["einthoven_mv"] = limb_residual(ecg.signals, ecg.leads)
    columns |= {f"{name}_ms": values for name, values in found.points.items()}
    columns |= {f"{name}_se_ms": values for name, values in found.standard_errors.items()}
    if second:
        opinion = second_opinion(ecg.signals, ecg.fs, ecg.leads, workers)
        columns |= {f"nk_{name}_ms": values for name, values in opinion.items()}
    if beats:
        columns["r_peaks_s"] = [list(map(float, peaks)) for peaks in found.r_peaks]
        columns["beat_kept"] = [list(map(bool, kept)) for kept in found.beat_kept]
    columns["reasons"] = _reasons(found, columns)
    return pd.DataFrame(columns)


def _reasons(found: Delineation, columns: dict[str, np.ndarray | list]) -> list[str]:
    """The codes of the delineation, and those that only the finished measurements show; comma-joined."""
    with np.errstate(invalid="ignore"):
        turned = (np.abs(columns["p_axis_deg"]) > 90) & (np.abs(columns["qrs_axis_deg"]) > 90)
        flags = {
            "limb_reversal": turned & (columns["r_v6_mv"] > columns["s_v6_mv"]),
            "chest_leads_swapped": columns["chest_order"] > EXCHANGED,
            "p_uncertain": np.asarray(columns.get("pr_se_ms", np.nan)) > UNCERTAIN_MS + 0 * columns["pr_ms"],
            "nk_disagrees": _disagreement(columns) > DISAGREE_MS,
        }
    return [
        ",".join([*codes, *(code for code, rows in flags.items() if rows[k])])
        for k, codes in enumerate(found.reasons)
    ]


def _disagreement(columns: dict[str, np.ndarray | list]) -> np.ndarray:
    """How far NeuroKit2 is from ours and from what is usual, ms; its QRS ends at 100 ms: narrow ones count."""
    apart = np.zeros(len(columns["qrs_ms"]))
    for name, usual in USUAL_MS.items():
        gap = np.abs(columns.get(f"nk_{name}", np.nan) - columns[name] - usual)
        seen = np.where(columns["qrs_ms"] < WIDE_QRS_MS, gap, np.nan) if name == "qrs_ms" else gap
        apart = np.fmax(apart, seen)
    return apart


def _cornell_product(columns: dict[str, np.ndarray | list]) -> np.ndarray:
    """Cornell voltage times QRS, mV ms, women's voltage raised; NaN where the sex is not known."""
    added = np.array([{"female": WOMEN_MV, "male": 0.0}.get(sex, np.nan) for sex in columns["sex"]])
    return (columns["cornell_mv"] + added) * columns["qrs_ms"]


def _rhythm(found: Delineation) -> dict[str, np.ndarray]:
    """Rate and RR statistics; variability from normal beats that follow each other."""
    names = ("rate_bpm", "rr_ms", "rr_sd_ms", "rmssd_ms", "rr_cv", "beats", "beats_used", "beats_removed")
    rows = np.full((len(found.r_peaks), len(names)), np.nan)
    for k, (peaks, kept) in enumerate(zip(found.r_peaks, found.beat_kept, strict=True)):
        if len(peaks) < 2:
            continue
        intervals = np.diff(peaks) * 1000
        pairs = kept[1:] & kept[:-1]
        normal = intervals[pairs] if pairs.any() else intervals
        steps = np.diff(intervals)[pairs[1:] & pairs[:-1]]
        spread = np.std(normal, ddof=1) if len(normal) > 1 else np.nan
        rmssd = np.sqrt(np.mean(steps**2)) if len(steps) else np.nan
        rows[k] = (
            60_000 / intervals.mean(), normal.mean(), spread, rmssd, spread / normal.mean(),
            len(peaks), kept.sum(), len(peaks) - kept.sum(),
        )  # fmt: skip
    return dict(zip(names, rows.T, strict=True))


def _intervals(found: Delineation, rr_ms: np.ndarray, rate_bpm: np.ndarray) -> dict[str, np.ndarray]:
    """Durations between edges, and the QT corrected for rate by four formulas.

    Source: Bazett 1920, Fridericia 1920, Sagie 1992 (Framingham), Hodges 1983; Bogossian 2014 for wide QRS.
    """
    edge = found.points
    there = np.isfinite(edge["qrs_on"])
    pr, qrs = edge["qrs_on"] - edge["p_on"], edge["qrs_off"] - edge["qrs_on"]
    qt = edge["t_off"] - edge["qrs_on"]
    rr = rr_ms / 1000
    adjusted = qt - 0.485 * qrs
    wide = qrs >= WIDE_QRS_MS
    return {
        "p_present": np.where(there, np.isfinite(edge["p_on"]).astype(float), np.nan),
        "p_score": found.p_score,
        "p_ms": edge["p_off"] - edge["p_on"],
        "pr_ms": pr,
        "qrs_ms": qrs,
        "qt_ms": qt,
        "jt_ms": qt - qrs,
        "tpte_ms": edge["t_off"] - edge["t_peak"],
        "qtcf_ms": qt / np.cbrt(rr),
        "qtcb_ms": qt / np.sqrt(rr),
        "qtcfr_ms": qt + 154 * (1 - rr),
        "qtch_ms": qt + 1.75 * (60 / rr - 60),
        "jtcf_ms": (qt - qrs) / np.cbrt(rr),
        "qtmcf_ms": np.where(wide, adjusted / np.cbrt(rr), np.nan),
    }
