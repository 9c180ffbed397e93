"""Premature ventricular beats: shapes learnt from records, drawn anew for each heart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.beat import FRAME_MS, P_SPAN, Timing, extract_beat
from models.ecg import INDEPENDENT_LEADS
from models.shapes import Shapes, fit_shapes, sizes

TIMING = Timing(pr=160.0, qrs=100.0, qt=400.0, r=60.0, tpte=84.0)
"""The reference frame's own timing: the shape of an ectopic beat keeps its own durations."""
SHAPES = 10
FEWEST_BEATS = 30


@dataclass(frozen=True)
class EctopyModel:
    """Shapes of premature ventricular beats.

    Parameters
    ----------
    shapes : Shapes
    log_size : ndarray, shape (2,)
        Mean and standard deviation of the logarithm of a beat's size in mV.
    """

    shapes: Shapes
    log_size: np.ndarray

    def draw(self, draw: np.random.Generator) -> np.ndarray:
        """One ectopic beat in the reference frame, mV, (8, len(FRAME_MS)); no P wave."""
        coefficients = np.clip(draw.standard_normal((1, SHAPES)), -2, 2)
        size = np.exp(self.log_size[0] + self.log_size[1] * np.clip(draw.standard_normal(1), -1.5, 1.5))
        beat = np.zeros((len(INDEPENDENT_LEADS), len(FRAME_MS)))
        beat[:, ~P_SPAN] = self.shapes.decode(coefficients, size)[0]
        ramp = np.clip((FRAME_MS[~P_SPAN] + 4) / 24, 0, 1)
        beat[:, ~P_SPAN] *= ramp
        return beat


def ectopic_beats(strip: np.ndarray, fs: float, beats_s: np.ndarray, kept: np.ndarray) -> list[np.ndarray]:
    """Premature beats of another shape in one strip (mV, high-passed), each in the reference frame."""
    early = np.diff(beats_s, prepend=beats_s[0] - 9) < 0.85 * np.median(np.diff(beats_s))
    found = []
    for index in np.flatnonzero(early & ~kept):
        if 0.3 < beats_s[index] < strip.shape[1] / fs - 0.7:
            only = np.arange(len(kept)) == index
            found.append(extract_beat(strip, fs, beats_s, only, TIMING)[0])
    return found


def fit_ectopy(beats: Sequence[np.ndarray]) -> EctopyModel:
    """Shapes of ectopic beats, (8, len(FRAME_MS)) each.

    Raises
    ------
    ValueError
        Where there are too few.
    """
    if len(beats) < FEWEST_BEATS:
        raise ValueError(f"beats must be at least {FEWEST_BEATS}, got {len(beats)}: name records with PVC")
    stack = np.stack(beats)[:, :, ~P_SPAN]
    log_size = np.log(sizes(stack))
    return EctopyModel(fit_shapes(stack, SHAPES), np.array([log_size.mean(), log_size.std()]))


def carries_ectopy(statements: Mapping[str, float]) -> bool:
    """Whether a record's statements name premature ventricular beats and nothing that hides them."""
    return any(statements.get(code, 0) > 0.3 for code in ("PVC", "BIGU", "TRIGU")) and not any(
        statements.get(code, 0) > 0.3 for code in ("AFIB", "PACE", "CLBBB", "CRBBB")
    )
