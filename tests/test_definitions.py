"""Hearts on the wrong side of the limit that defines their statement come over to the right one."""

import numpy as np
import pytest

from models.beat import FRAME_MS, Timing
from models.definitions import LIMITS, beyond, corrected, qrs_axis, voltage

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
def test_intervals_come_over_their_limit_and_stay_near_it(code):
    wrong = beyond(code, beat_at(0)[None], [TIMING])[0]
    assert wrong > 0
    beat, timing = corrected(code, beat_at(0), TIMING, wrong)
    assert np.array_equal(beat, beat_at(0))
    name, limit = LIMITS[code]
    before, after = getattr(TIMING, name), getattr(timing, name)
    assert limit < after < limit**2 / before, "nearer than a mirror would put it"
    assert timing.qt == TIMING.qt and timing.r == TIMING.r


@pytest.mark.parametrize(
    ("code", "degrees", "mirrored_at"), [("LAFB", -15.0, -45.0), ("LPFB", 75.0, 105.0), ("LPFB", 60.0, 120.0)]
)
def test_axis_is_mirrored_and_the_chest_leads_stay(code, degrees, mirrored_at):
    before = beat_at(degrees)
    wrong = beyond(code, before[None], [TIMING])[0]
    after, timing = corrected(code, before, TIMING, wrong)
    assert qrs_axis(after[None])[0] == pytest.approx(mirrored_at, abs=3.0)
    assert beyond(code, after[None], [TIMING])[0] < 0 < wrong
    assert np.array_equal(after[2:], before[2:]) and timing == TIMING


def tall(times):
    """A beat with a S of 1.2 mV in V1 and V3 and an R of 1.4 mV in V5, so many times as large; its T wave as it is."""
    bump, late = (np.exp(-0.5 * ((FRAME_MS - at) / 15) ** 2) for at in (50, 316))
    beat = np.zeros((8, len(FRAME_MS)))
    beat[[2, 4]], beat[6] = -1.2 * times * bump, 1.4 * times * bump
    return beat + 0.3 * late


@pytest.mark.parametrize("code", ["VCLVH", "HVOLT"])
def test_voltage_is_mirrored_at_the_nearest_criterion_and_the_t_wave_stays(code):
    before = tall(1.0)
    assert voltage(before[None])[0] == pytest.approx(2.6 / 3.5, rel=0.01), "Sokolow and Lyon's"
    after, timing = corrected(code, before, TIMING, beyond(code, before[None], [TIMING])[0])
    assert voltage(after[None])[0] == pytest.approx(3.5 / 2.6, rel=0.01)
    assert np.allclose(after[:, FRAME_MS > 200], before[:, FRAME_MS > 200]) and timing == TIMING
    assert beyond(code, tall(1.4)[None], [TIMING])[0] < 0, "tall enough"


def test_no_beat_is_made_more_than_twice_as_tall():
    before = tall(0.1)
    after, _ = corrected("VCLVH", before, TIMING, beyond("VCLVH", before[None], [TIMING])[0])
    assert np.abs(after).max() <= 2 * np.abs(before).max() + 1e-9
