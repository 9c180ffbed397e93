"""Hearts on the wrong side of the limit that defines their statement come over to the right one."""

import numpy as np
import pytest

from models.beat import FRAME_MS, Timing
from models.definitions import LIMITS, beyond, mirrored, qrs_axis

TIMING = Timing(pr=180.0, qrs=100.0, qt=400.0, r=40.0, tpte=84.0)


def beat_at(degrees):
    """One beat whose frontal QRS axis is this."""
    bump = np.exp(-0.5 * ((FRAME_MS - 50) / 15) ** 2)
    left, foot = np.cos(np.radians(degrees)), np.sin(np.radians(degrees)) * np.sqrt(3) / 2
    beat = np.zeros((8, len(FRAME_MS)))
    beat[0], beat[1], beat[2:] = left * bump, (foot + left / 2) * bump, bump
    return beat


@pytest.mark.parametrize("degrees", [-60.0, -10.0, 35.0, 100.0])
def test_axis_of_a_known_beat(degrees):
    assert qrs_axis(beat_at(degrees)[None])[0] == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("code", ["1AVB", "CLBBB", "CRBBB"])
def test_intervals_are_mirrored_at_their_limit(code):
    wrong = beyond(code, beat_at(0)[None], [TIMING])[0]
    assert wrong > 0
    beat, timing = mirrored(code, beat_at(0), TIMING, wrong)
    assert np.array_equal(beat, beat_at(0))
    name, limit = LIMITS[code]
    assert getattr(timing, name) == pytest.approx(limit**2 / getattr(TIMING, name))
    assert timing.qt == TIMING.qt and timing.r == TIMING.r


def test_axis_is_mirrored_and_the_chest_leads_stay():
    before = beat_at(-15.0)
    wrong = beyond("LAFB", before[None], [TIMING])[0]
    after, timing = mirrored("LAFB", before, TIMING, wrong)
    assert qrs_axis(after[None])[0] == pytest.approx(-45.0, abs=3.0)
    assert np.array_equal(after[2:], before[2:]) and timing == TIMING
