"""Statements that are defined by a limit, and how far a heart must go to keep to it.

A first-degree AV block is a PR above 200 ms, whatever else a heart is. A model of means and spreads leaves hearts on
the wrong side; these are mirrored at the limit. All of them: records of the statement that seem to lie there are
mostly misses of the measurement, and generated ECGs are measured with misses, too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.beat import FRAME_MS, FRAME_QRS, Timing

LIMITS = {"1AVB": ("pr", 200.0), "CLBBB": ("qrs", 120.0), "CRBBB": ("qrs", 120.0), "LAFB": ("axis", -30.0)}
"""Least PR and QRS, ms, and largest QRS axis, degrees. Source: Surawicz et al. 2009 (AHA/ACCF/HRS)."""
FURTHEST_TURN = 70.0
_QRS = (FRAME_MS >= 0) & (FRAME_MS <= FRAME_QRS)
_TURNED = np.clip((FRAME_MS + 20) / 20, 0, 1) * np.clip((FRAME_QRS + 60 - FRAME_MS) / 60, 0, 1)


def qrs_axis(beats: np.ndarray) -> np.ndarray:
    """Frontal QRS axis, degrees, of beats in the reference frame, (batch, 8, sample) -> (batch,).

    Source: areas of I and aVF = II - I/2, the latter lengthened by 2/sqrt(3).
    """
    area = beats[:, :2][:, :, _QRS].sum(axis=2)
    return np.degrees(np.arctan2(2 / np.sqrt(3) * (area[:, 1] - area[:, 0] / 2), area[:, 0]))


def beyond(code: str, beats: np.ndarray, timings: Sequence[Timing]) -> np.ndarray:
    """How far each heart lies on the wrong side of a statement's limit: log of the ratio, or degrees; <= 0 obeys."""
    name, limit = LIMITS[code]
    if name == "axis":
        return (qrs_axis(beats) - limit + 180) % 360 - 180
    return np.log(limit / np.array([getattr(timing, name) for timing in timings]))


def mirrored(code: str, beat: np.ndarray, timing: Timing, by: float) -> tuple[np.ndarray, Timing]:
    """The heart as far on the right side of the limit as it was on the wrong one."""
    name, limit = LIMITS[code]
    if name != "axis":
        return beat, replace(timing, **{name: limit * np.exp(by)})
    turn = np.radians(min(2 * by, FURTHEST_TURN)) * _TURNED
    foot = 2 / np.sqrt(3) * (beat[1] - beat[0] / 2)
    left = beat[0] * np.cos(turn) + foot * np.sin(turn)
    foot = foot * np.cos(turn) - beat[0] * np.sin(turn)
    return np.concatenate([[left, foot * np.sqrt(3) / 2 + left / 2], beat[2:]]), timing
