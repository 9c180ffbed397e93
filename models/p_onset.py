"""Where the P wave of a heart begins, against where its PR interval says.

Recorded hearts agree by construction: their frame was laid where the measurement found P. Drawn ones need not, for
the components of P are drawn without regard to where the wave they add up to begins.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from models.beat import FRAME_MS, Timing

STEP_MS = 4.0
SINCE_QRS_MS = np.arange(-560.0, 1.0, STEP_MS)
SMOOTH_MS, QUIET_MS, BRIDGE_MS = 10.0, 28.0, 70.0
"""The derivative's Gaussian; how long it is quiet before P; halves of one P wave are no further apart."""
EDGE, HALF = 0.25, 0.35
"""Parts of the steepest slope: where P begins, and what counts as half a wave. Both as the measurement has them."""
CLEAR_MS = (-60.0, -16.0)
"""P is looked for from so long before its onset until so long before QRS."""
LEAST_LAG_MS, MOST_LAG_MS = -13.0, 8.0
"""Of hearts recorded with a P wave 92 % lie within, and 5 % follow so close on a T wave that nothing is told (folds 1
to 7 of PTB-XL). Of drawn ones 4.5 % were late or early, and PR was measured more than 20 ms off in 60 % of these."""


def lags(beats: np.ndarray, timings: Sequence[Timing]) -> np.ndarray:
    """How long after its onset by the PR interval each P wave begins, ms; below 0: before it.

    Source: spatial velocity, the length of the smoothed derivative of all leads.

    Parameters
    ----------
    beats : ndarray, shape (batch, 8, len(FRAME_MS))
        mV, in the reference frame.
    timings : sequence of Timing
    """
    pr_ms = np.array([timing.pr for timing in timings])[:, None]
    own = np.stack([_in_own_time(beat, timing) for beat, timing in zip(beats, timings, strict=True)])
    slope = gaussian_filter1d(own, SMOOTH_MS / STEP_MS, axis=2, order=1, mode="nearest", truncate=3.0)
    velocity = np.sqrt((slope**2).sum(axis=1))
    place = np.arange(len(SINCE_QRS_MS))
    clear = (SINCE_QRS_MS > CLEAR_MS[0] - pr_ms) & (SINCE_QRS_MS < CLEAR_MS[1])
    steepest = np.where(clear, velocity, -1.0).argmax(axis=1)[:, None]
    top = np.take_along_axis(velocity, steepest, axis=1)
    floor = np.nanquantile(np.where(clear, velocity, np.nan), 0.1, axis=1, keepdims=True)
    first = _first_half(velocity > floor + HALF * (top - floor), steepest, clear)
    run = round(QUIET_MS / STEP_MS)
    before = maximum_filter1d(velocity, run, axis=1, origin=(run - 1) // 2, mode="nearest")
    quiet = (before < floor + EDGE * (top - floor)) & (place <= first)
    onset = np.where(quiet.any(axis=1), len(place) - 1 - quiet[:, ::-1].argmax(axis=1), 0)
    return SINCE_QRS_MS[onset] + pr_ms[:, 0]


def misplaced(beats: np.ndarray, timings: Sequence[Timing]) -> np.ndarray:
    """Which P waves begin clearly later or earlier than their PR interval says; not where T waves hide the onset."""
    lag = lags(beats, timings)
    return (lag > MOST_LAG_MS) | ((lag < LEAST_LAG_MS) & (lag > CLEAR_MS[0]))


def _in_own_time(beat: np.ndarray, timing: Timing) -> np.ndarray:
    """A beat of the frame at `SINCE_QRS_MS`, (8, sample)."""
    at = (timing.to_frame(SINCE_QRS_MS) - FRAME_MS[0]) / (FRAME_MS[1] - FRAME_MS[0])
    left = np.clip(at.astype(int), 0, len(FRAME_MS) - 2)
    share = np.clip(at - left, 0.0, 1.0)
    return beat[:, left] * (1 - share) + beat[:, left + 1] * share


def _first_half(steep: np.ndarray, place: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """The first steep sample of each wave that bridges lead to from `place`, (batch, 1)."""
    samples, bridge = np.arange(steep.shape[1]), BRIDGE_MS / STEP_MS
    while True:
        near = steep & clear & (samples < place) & (samples >= place - bridge)
        earlier = np.where(near.any(axis=1), near.argmax(axis=1), place[:, 0])[:, None]
        if (earlier == place).all():
            return place
        place = earlier
