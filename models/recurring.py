"""What comes back in every beat of a strip belongs to its median beat: here it is taken out of all else."""

import numpy as np

from models.beat import CROSSFADE_S, Timing, rise

FEWEST_BEATS = 3
"""The median of fewer beats is no median: they are left as they are."""


def without_recurring(
    strip: np.ndarray, fs: float, beats_s: np.ndarray, kept: np.ndarray, timing: Timing
) -> np.ndarray:
    """A strip without the median of its beats, mV, shape (lead, sample).

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
    if used.sum() < FEWEST_BEATS:
        return strip
    r, start, stop = (part[used, None] for part in (np.round(fs * beats_s).astype(int), start, stop))
    place = r + np.arange(int((start - r).min()), int((stop - r).max()) + 1)
    inside = (place >= start) & (place < stop)
    count = inside.sum(axis=0)
    each = np.where(inside, strip[:, np.clip(place, 0, samples - 1)], np.inf)
    middle = _median(each, count) * np.minimum(2 * count / len(r), 1.0)
    fade = CROSSFADE_S * fs
    weight = rise((place - start) / fade - 0.5) * rise((stop - place) / fade - 0.5)
    rest = strip.copy()
    rest[:, place[inside]] -= (middle[:, None] * weight)[:, inside]
    return rest


def _median(each: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Median over beats of (lead, beat, sample), of which `count` are finite at each sample; 0 where none is."""
    ordered, sample = np.sort(each, axis=1), np.arange(each.shape[2])
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, each.shape[1] - 1)
    middle = (ordered[:, low, sample] + ordered[:, high, sample]) / 2
    return np.where(count > 0, middle, 0.0)
