"""What comes back in every beat of a strip belongs to its median beat: here it is told from all else."""

import numpy as np

from models.beat import CROSSFADE_S, Timing, rise

FEWEST_BEATS = 3
"""The median of fewer beats is no median."""
BEFORE_QRS_S, AFTER_QRS_S, FADE_S = 0.016, 0.008, 0.012
"""How far about a QRS complex `qrs_windows` reach, and how they fade."""


def recurring(
    strip: np.ndarray, fs: float, beats_s: np.ndarray, kept: np.ndarray, timing: Timing
) -> np.ndarray:
    """The median of a strip's beats in the place of each of them, mV, shape (lead, sample); 0 in beats not kept.

    A recorded strip less its median beat has a median of nothing; one that was generated beat by beat has what chance
    leaves, which would come on top of the heart's own beat. The median fades out where one beat hands over to the
    next, and counts for less where fewer than half of the beats reach.

    Parameters
    ----------
    strip : ndarray, shape (lead, sample)
        mV, what a strip adds to its rendered beats.
    fs : float
        Hz.
    beats_s : ndarray
        R peaks, s, reaching beyond both ends of the strip.
    kept : ndarray of bool
        Which beats are of the dominant shape.
    timing : Timing
        Where the borders between beats are.
    """
    samples = strip.shape[1]
    borders = fs * np.concatenate([[-np.inf], timing.borders(beats_s), [np.inf]])
    start, stop = np.maximum(borders[:-1], 0.0), np.minimum(borders[1:], samples)
    used = kept & (stop > start + 1)
    median = np.zeros(strip.shape)
    if used.sum() < FEWEST_BEATS:
        return median
    r, start, stop = (part[used, None] for part in (np.round(fs * beats_s).astype(int), start, stop))
    place = r + np.arange(int((start - r).min()), int((stop - r).max()) + 1)
    inside = (place >= start) & (place < stop)
    count = inside.sum(axis=0)
    each = np.where(inside, strip[:, np.clip(place, 0, samples - 1)], np.inf)
    middle = _median(each, count) * np.minimum(2 * count / len(r), 1.0)
    fade = CROSSFADE_S * fs
    weight = rise((place - start) / fade - 0.5) * rise((stop - place) / fade - 0.5)
    median[:, place[inside]] = (middle[:, None] * weight)[:, inside]
    return median


def qrs_windows(samples: int, fs: float, beats_s: np.ndarray, timing: Timing) -> np.ndarray:
    """1 in the QRS complexes of a strip, fading to 0 about them, shape (samples,)."""
    since_onset = np.arange(samples) / fs - (beats_s[:, None] - timing.r / 1000)
    within_s = np.minimum(since_onset + BEFORE_QRS_S, timing.qrs / 1000 + AFTER_QRS_S - since_onset)
    return rise(within_s.max(axis=0) / FADE_S + 0.5)


def _median(each: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Median over beats of (lead, beat, sample), of which `count` are finite at each sample; 0 where none is."""
    ordered, sample = np.sort(each, axis=1), np.arange(each.shape[2])
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, each.shape[1] - 1)
    middle = (ordered[:, low, sample] + ordered[:, high, sample]) / 2
    return np.where(count > 0, middle, 0.0)
