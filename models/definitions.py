"""Statements that are defined by a limit, and how far a heart must go to keep to it.

A first-degree AV block is a PR above 200 ms, whatever else a heart is. A model of means and spreads leaves hearts on
the wrong side; these are brought over. All of them: records of the statement that seem to lie there are mostly misses
of the measurement, and generated ECGs are measured with misses, too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.beat import FRAME_MS, FRAME_QRS, Timing
from models.ecg import INDEPENDENT_LEADS

LIMITS = {
    "1AVB": ("pr", 200.0),
    "CLBBB": ("qrs", 120.0),
    "CRBBB": ("qrs", 120.0),
    "LAFB": ("left axis", -30.0),
    "LPFB": ("right axis", 90.0),
    "VCLVH": ("voltage", 1.0),
    "HVOLT": ("voltage", 1.0),
}
"""Least PR and QRS, ms, largest and least QRS axis, degrees, least `voltage`. Source: Surawicz et al. 2009."""
SOKOLOW_LYON_MV, CORNELL_MV, AVL_MV = 3.5, 2.8, 1.1
"""S in V1 and the larger R of V5 and V6; R in aVL and S in V3; R in aVL. Source: Hancock et al. 2009 (AHA/ACCF/HRS).

Women's lower limit of Cornell's is left out: of the records of folds 1 to 8 with voltage criteria named, 88 % meet
these, 89 % with it."""
TURNS = {"left axis": 1, "right axis": -1}
"""Which way a QRS axis that lies on the wrong side is turned."""
FURTHEST_TURN, MOST_SCALED = 70.0, 2.0
BEYOND_SHARE = 0.6
"""How far an interval comes beyond its limit, of how far it lay before it (logarithms): records of the statement, too,
come close to the limit, and a few lie before it."""
_QRS = (FRAME_MS >= 0) & (FRAME_MS <= FRAME_QRS)
_TURNED = np.clip((FRAME_MS + 20) / 20, 0, 1) * np.clip((FRAME_QRS + 60 - FRAME_MS) / 60, 0, 1)


def qrs_axis(beats: np.ndarray) -> np.ndarray:
    """Frontal QRS axis, degrees, of beats in the reference frame, (batch, 8, sample) -> (batch,).

    Source: areas of I and aVF = II - I/2, the latter lengthened by 2/sqrt(3).
    """
    area = beats[:, :2][:, :, _QRS].sum(axis=2)
    return np.degrees(np.arctan2(2 / np.sqrt(3) * (area[:, 1] - area[:, 0] / 2), area[:, 0]))


def voltage(beats: np.ndarray) -> np.ndarray:
    """QRS voltage of beats (mV) over the nearest limit of left ventricular hypertrophy, shape (batch,)."""
    leads = {name: beats[:, place, _QRS] for place, name in enumerate(INDEPENDENT_LEADS)}
    r_v5, r_v6, r_avl = (
        part.max(axis=1) for part in (leads["V5"], leads["V6"], leads["I"] - leads["II"] / 2)
    )
    s_v1, s_v3 = (-leads[name].min(axis=1) for name in ("V1", "V3"))
    criteria = (s_v1 + np.maximum(r_v5, r_v6)) / SOKOLOW_LYON_MV, (r_avl + s_v3) / CORNELL_MV, r_avl / AVL_MV
    return np.max(criteria, axis=0)


def beyond(code: str, beats: np.ndarray, timings: Sequence[Timing]) -> np.ndarray:
    """How far each heart lies on the wrong side of a statement's limit: log of the ratio, or degrees; <= 0 obeys."""
    name, limit = LIMITS[code]
    if name in TURNS:
        return TURNS[name] * ((qrs_axis(beats) - limit + 180) % 360 - 180)
    if name == "voltage":
        return np.log(limit / np.maximum(voltage(beats), 1e-3))
    return np.log(limit / np.array([getattr(timing, name) for timing in timings]))


def corrected(code: str, beat: np.ndarray, timing: Timing, by: float) -> tuple[np.ndarray, Timing]:
    """The heart on the right side of the limit: mirrored at it, an interval less far than it was on the wrong one."""
    name, limit = LIMITS[code]
    if name == "voltage":
        return beat * (1 + (min(np.exp(2 * by), MOST_SCALED) - 1) * _TURNED), timing
    if name not in TURNS:
        return beat, replace(timing, **{name: limit * np.exp(BEYOND_SHARE * by)})
    turn = TURNS[name] * np.radians(min(2 * by, FURTHEST_TURN)) * _TURNED
    foot = 2 / np.sqrt(3) * (beat[1] - beat[0] / 2)
    left = beat[0] * np.cos(turn) + foot * np.sin(turn)
    foot = foot * np.cos(turn) - beat[0] * np.sin(turn)
    return np.concatenate([[left, foot * np.sqrt(3) / 2 + left / 2], beat[2:]]), timing
