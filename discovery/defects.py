"""What can be wrong with a recording before anything is measured: found, named, mended where honest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.ecg import INDEPENDENT_LEADS, LEADS

FLAT_MV = 0.02  # a lead that moves less than this is dead
LARGEST_MV = 30.0  # an ECG spanning more than this is not in millivolts
MISSING_PART = 0.05  # of a lead's samples may be missing and are filled by straight lines
DISAGREEMENT_MV = 0.05  # root mean square by which the limb leads may miss their identities
LIVE_LEADS = 4  # of the eight independent leads are needed
SPIKE_MV, SPIKE_S = (
    0.3,
    0.004,
)  # a pacemaker's spike stands out by so much from what lies so far to either side


@dataclass(frozen=True, eq=False)
class Inspected:
    """The eight independent leads of a batch, fit to be filtered, and what was wrong with them."""

    eight: np.ndarray  # (batch, 8, sample) mV, finite
    dead: np.ndarray  # (batch, 8) bool
    unusable: np.ndarray  # (batch,) bool: nothing can be measured
    reasons: tuple[tuple[str, ...], ...]


def inspect_signals(signals: np.ndarray, fs: float, leads: Sequence[str], shortest: float) -> Inspected:
    """The independent leads of signals of shape (batch, lead, sample), with defects found and named."""
    batch, _, samples = signals.shape
    reasons: list[list[str]] = [[] for _ in range(batch)]
    signals = _filled(signals, reasons)
    rows = {lead: signals[:, list(leads).index(lead)] for lead in LEADS if lead in leads}
    span = {lead: np.ptp(row, axis=1) if samples else np.zeros(batch) for lead, row in rows.items()}
    residual = _residual(rows)
    _rebuild(rows, span)
    eight = np.stack([rows[lead] for lead in INDEPENDENT_LEADS], axis=1)
    reach = np.stack([span[lead] for lead in INDEPENDENT_LEADS], axis=1)
    dead = ~(reach > FLAT_MV)
    too_large = np.median(np.where(dead, 0, reach), axis=1) > LARGEST_MV
    few = np.sum(~dead, axis=1) < LIVE_LEADS
    short = np.full(batch, samples / fs < shortest)
    clipped = _clipped(eight, reach)
    flagged = {
        "too_short": short,
        "not_millivolts": too_large,
        "flat": few & ~too_large,
        "dead_lead": dead.any(axis=1) & ~few,
        "clipped": clipped.any(axis=1) & ~too_large,
        "leads_disagree": (residual > DISAGREEMENT_MV) & ~too_large,
    }
    for code, flags in flagged.items():
        for k in np.flatnonzero(flags):
            reasons[k].append(code)
    unusable = short | too_large | few
    paced = np.zeros(batch, bool) if short.any() else _without_spikes(eight, fs)
    for k in np.flatnonzero(paced & ~unusable):
        reasons[k].append("paced_like")
    eight = np.where((dead | unusable[:, None])[:, :, None], np.float32(0), eight)
    return Inspected(eight, dead, unusable, tuple(tuple(codes) for codes in reasons))


def _filled(signals: np.ndarray, reasons: list[list[str]]) -> np.ndarray:
    """A copy in which short gaps are bridged and leads with long ones are set to zero."""
    missing = ~(np.abs(signals) < 1e9)  # NaN and infinity alike
    if not missing.any():
        return signals
    signals = np.array(signals)
    for k, lead in zip(*np.nonzero(missing.any(axis=2)), strict=True):
        gone = missing[k, lead]
        if gone.mean() > MISSING_PART:
            signals[k, lead] = 0
        else:
            position = np.arange(len(gone))
            signals[k, lead, gone] = np.interp(position[gone], position[~gone], signals[k, lead, ~gone])
        if "missing_samples" not in reasons[k]:
            reasons[k].append("missing_samples")
    return signals


def limb_residual(signals: np.ndarray, leads: Sequence[str]) -> np.ndarray:
    """How far the limb leads miss Einthoven's and Goldberger's identities: the largest RMS, mV, per ECG."""
    rows = {
        lead: np.asarray(signals[:, list(leads).index(lead)], np.float32) for lead in LEADS if lead in leads
    }
    worst = _residual(rows)
    return np.where(np.isfinite(worst), worst, np.nan)


def _residual(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Largest root mean square of III - (II - I), aVR + (I + II)/2, aVL - (I - II/2), aVF - (II - I/2)."""
    one, two = rows["I"], rows["II"]
    expected = {"III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}
    worst = np.full(len(one), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        for lead, (of_one, of_two) in expected.items():
            if lead in rows and one.shape[1]:
                difference = rows[lead] - np.float32(of_one) * one - np.float32(of_two) * two
                difference -= difference.mean(axis=1, keepdims=True)
                worst = np.fmax(worst, np.sqrt(np.mean(difference**2, axis=1)))
    return worst


def _rebuild(rows: dict[str, np.ndarray], span: dict[str, np.ndarray]) -> None:
    """Where lead I or II is dead and the other and III are alive, the dead one from those two, in place."""
    if "III" not in rows:
        return
    alive = {lead: span[lead] > FLAT_MV for lead in ("I", "II", "III")}
    for dead, other, sign in (("I", "II", -1), ("II", "I", 1)):
        mend = ~alive[dead] & alive[other] & alive["III"]
        if mend.any():
            rows[dead] = np.where(mend[:, None], rows[other] + sign * rows["III"], rows[dead])
            span[dead] = np.where(mend, np.ptp(rows[dead], axis=1), span[dead])


def _without_spikes(eight: np.ndarray, fs: float) -> np.ndarray:
    """Bridge the spikes of a pacemaker, in place; which ECGs had three or more (unseen below 250 Hz)."""
    step = int(round(SPIKE_S * fs))
    if step < 1 or fs < 250:
        return np.zeros(len(eight), bool)
    middle, left, right = eight[:, :, step:-step], eight[:, :, : -2 * step], eight[:, :, 2 * step :]
    above = np.minimum(middle - left, middle - right)
    below = np.minimum(left - middle, right - middle)
    out = np.maximum(above, below) - np.abs(left - right) > SPIKE_MV
    spikes = np.sum(out, axis=1) >= 2
    paced = np.zeros(len(eight), bool)
    for k in np.flatnonzero(spikes.any(axis=1)):
        at = np.flatnonzero(spikes[k]) + step
        starts = np.append(True, np.diff(at) > 0.2 * fs)
        paced[k] = starts.sum() >= 3
        if paced[k]:
            near = (at[:, None] + np.arange(-step - 1, 2 * step + 1)).ravel()
            hit = np.zeros(eight.shape[2], bool)
            hit[np.clip(near, 1, eight.shape[2] - 2)] = True
            position = np.arange(eight.shape[2])
            for lead in eight[k]:
                lead[hit] = np.interp(position[hit], position[~hit], lead[~hit])
    return paced


def _clipped(eight: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Which leads rest at their own extreme for more than 1 % of the time, in runs of three samples."""
    if eight.shape[2] < 3:
        return np.zeros(eight.shape[:2], bool)
    margin = (reach * 1e-4)[:, :, None]
    out = np.zeros(eight.shape[:2], bool)
    for extreme, sign in ((eight.max(axis=2), 1), (eight.min(axis=2), -1)):
        at = sign * (eight - extreme[:, :, None]) > -margin
        runs = at[:, :, 2:] & at[:, :, 1:-1] & at[:, :, :-2]
        out |= runs.mean(axis=2) > 0.01
    return out & (reach > FLAT_MV)
