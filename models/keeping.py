"""What drawn hearts are held to: the traits they were drawn with, the limits of their statements, their PR interval.

A model of means and spreads leaves some hearts on the wrong side. Each is moved no further than it must, in place.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from models import definitions
from models.beat import P_SPAN, Timing
from models.ecg import INDEPENDENT_LEADS
from models.p_onset import misplaced
from models.traits import BEYOND_MV, NEARLY_MV, shown

TRAIT_STEP, TRAIT_STEPS = 0.25, 16
"""How far, in what a trait makes of the mean, a heart is moved at once until it has a trait or has lost it."""
KEPT_SHARES = (0.75, 0.5, 0.25, 0.0)
"""Of what sets a P wave apart from what is expected, the first of these that lets it begin where it should is kept."""
_LEADS = range(len(INDEPENDENT_LEADS))


def keep_to_traits(
    waves: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    effect: np.ndarray,
    wanted: np.ndarray,
    vectors: np.ndarray,
    beats: np.ndarray,
    detail_mv: np.ndarray,
    timings: Sequence[Timing],
) -> None:
    """Moves hearts along what traits make of the mean until they clearly have theirs and no other.

    Parameters
    ----------
    waves : callable
        From vectors to QRST, (batch, 8, sample) mV, and the size of its detail, mV.
    effect : ndarray, shape (trait, number)
        What traits make of the mean of the waves.
    wanted : ndarray of bool, shape (batch, trait)
    vectors : ndarray, shape (batch, number)
    beats : ndarray, shape (batch, 8, len(FRAME_MS))
    detail_mv : ndarray, shape (batch,)
    timings : sequence of Timing
    """
    qrs_ms = np.array([timing.qrs for timing in timings])
    for _ in range(TRAIT_STEPS):
        too_few = wanted & ~shown(beats, qrs_ms, -BEYOND_MV)
        too_many = ~wanted & shown(beats, qrs_ms, NEARLY_MV)
        way = too_few.astype(float) - too_many
        wrong = np.flatnonzero(way.any(axis=1))
        if not len(wrong):
            return
        vectors[wrong] += TRAIT_STEP * way[wrong] @ effect
        beats[np.ix_(wrong, _LEADS, ~P_SPAN)], detail_mv[wrong] = waves(vectors[wrong])


def keep_to_limits(named: Mapping[str, np.ndarray], beats: np.ndarray, timings: list[Timing]) -> None:
    """Brings hearts to the right side of the limits of their statements; `named` tells of each who has it."""
    for code in definitions.LIMITS:
        if code not in named:
            continue
        wrong = definitions.beyond(code, beats, timings)
        for row in np.flatnonzero(named[code] & (wrong > 0)):
            beats[row], timings[row] = definitions.corrected(code, beats[row], timings[row], wrong[row])


def keep_to_onsets(
    waves: Callable[[np.ndarray], np.ndarray],
    part: slice,
    vectors: np.ndarray,
    expected: np.ndarray,
    p_present: np.ndarray,
    beats: np.ndarray,
    timings: Sequence[Timing],
) -> None:
    """Makes P waves that begin clearly off their PR interval more usual until they do not.

    Parameters
    ----------
    waves : callable
        From vectors to P waves, (batch, 8, sample) mV.
    part : slice
        Numbers that are the shape of P.
    vectors, expected : ndarray, shape (batch, number)
    p_present : ndarray of bool, shape (batch,)
    beats : ndarray, shape (batch, 8, len(FRAME_MS))
    timings : sequence of Timing
    """
    wrong = np.flatnonzero(p_present & misplaced(beats, timings))
    for share in KEPT_SHARES:
        if not len(wrong):
            return
        moved, usual = vectors[wrong], expected[wrong, part]
        moved[:, part] = usual + share * (moved[:, part] - usual)
        beats[np.ix_(wrong, _LEADS, P_SPAN)] = waves(moved)
        wrong = wrong[misplaced(beats[wrong], [timings[row] for row in wrong])]
