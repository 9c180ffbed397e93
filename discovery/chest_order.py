"""Whether the chest leads follow each other as they lie on the chest, or two of them look exchanged."""

import itertools

import numpy as np

from models.ecg import LEADS

CHEST = [LEADS.index(lead) for lead in ("V1", "V2", "V3", "V4", "V5", "V6")]
EXCHANGED = 1.2  # from here on; half a per cent of PTB-XL reach it as recorded (benchmarks/measurement.py)


def chest_order(beats: np.ndarray, points: dict[str, np.ndarray], r_index: int, fs: float) -> np.ndarray:
    """How much longer the way from V1 to V6 is than after the best exchange of two leads; above 1, longer.

    Neighbouring chest leads look alike. The way is the sum of five distances between neighbours, each the
    difference of two leads from QRS onset to T offset over the geometric mean of their sizes.

    Parameters
    ----------
    beats : ndarray, shape (batch, 12, sample)
        Median beats, mV.
    points : dict of str to ndarray
        ``qrs_on`` and ``t_off``, ms relative to R.
    r_index : int
        The sample of R.
    fs : float
        Hz.

    Returns
    -------
    ndarray, shape (batch,)
        NaN where a chest lead or an edge is missing.
    """
    time = (np.arange(beats.shape[2]) - r_index) * 1000 / fs
    on, off = points["qrs_on"], points["t_off"]
    known = np.isfinite(on) & np.isfinite(off) & np.isfinite(beats[:, CHEST, 0]).all(axis=1)
    ratio = np.full(len(beats), np.nan)
    for k in np.flatnonzero(known):
        before = (time >= on[k] - 21) & (time <= on[k] - 11)
        leads = beats[k, CHEST].astype(float)
        leads = (leads - leads[:, before].mean(axis=1, keepdims=True))[:, (time >= on[k]) & (time <= off[k])]
        ratio[k] = _ratio(leads)
    return ratio


def _ratio(leads: np.ndarray) -> float:
    """The way through six leads over the shortest after one exchange."""
    size = np.sqrt(np.sum(leads**2, axis=1))
    apart = np.sqrt(np.sum((leads[:, None] - leads[None]) ** 2, axis=2))
    apart /= np.maximum(np.sqrt(size[:, None] * size[None]), 1e-9)
    ways = []
    for one, other in ((0, 0), *itertools.combinations(range(6), 2)):
        order = list(range(6))
        order[one], order[other] = order[other], order[one]
        ways.append(sum(apart[order[step], order[step + 1]] for step in range(5)))
    return float(ways[0] / max(min(ways[1:]), 1e-9))
