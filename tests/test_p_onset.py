"""P waves planted early and late of where their PR interval says, and drawn hearts that are held to it."""

import numpy as np
import pytest

from models.beat import FRAME_MS, P_SPAN, Timing
from models.keeping import keep_to_onsets
from models.p_onset import lags, misplaced

TIMING = Timing(pr=160.0, qrs=100.0, qt=400.0, r=40.0, tpte=84.0)


def beat(late_ms=0.0, notch_ms=0.0, before_mv=0.0):
    """A raised cosine of 100 ms in all leads that begins this late in the frame; a notch parts it into two halves."""
    since = FRAME_MS + 160.0 - late_ms
    wave = np.where((since > 0) & (since < 100), 0.5 - 0.5 * np.cos(2 * np.pi * since / 100), 0.0)
    if notch_ms:
        second = since - 50 - notch_ms
        halves = [
            np.where((x > 0) & (x < 50), 0.5 - 0.5 * np.cos(2 * np.pi * x / 50), 0.0) for x in (since, second)
        ]
        wave = halves[0] + halves[1]
    qrs = 1.2 * np.exp(-0.5 * ((FRAME_MS - 40) / 10) ** 2)
    tail = before_mv * np.clip(-(FRAME_MS + 190) / 70, 0, None)
    return np.tile(0.12 * wave + qrs + tail, (8, 1)) * np.linspace(0.5, 1.0, 8)[:, None]


@pytest.mark.parametrize("late_ms", [-40.0, -20.0, 0.0, 20.0, 40.0])
def test_a_planted_p_wave_is_found_where_it_begins(late_ms):
    found, plain = lags(np.stack([beat(late_ms), beat()]), [TIMING, TIMING])
    assert found - plain == pytest.approx(late_ms, abs=4.0) and abs(plain) < 13
    assert misplaced(beat(late_ms)[None], [TIMING])[0] == (late_ms != 0)


@pytest.mark.parametrize("pr", [110.0, 160.0, 170.0])
def test_lags_are_in_the_hearts_own_time(pr):
    timing = Timing(pr, TIMING.qrs, TIMING.qt, TIMING.r, TIMING.tpte)
    assert lags(beat(30.0)[None], [timing])[0] - lags(beat()[None], [timing])[0] == pytest.approx(
        30 * pr / 160, abs=4.0
    )


def test_a_notched_p_wave_is_one_wave():
    assert lags(beat(notch_ms=20.0)[None], [TIMING])[0] == pytest.approx(
        lags(beat()[None], [TIMING])[0], abs=4.0
    )


def test_a_t_wave_that_runs_into_p_tells_nothing():
    steep = beat(before_mv=0.6)[None]
    assert lags(steep, [TIMING])[0] < -60 and not misplaced(steep, [TIMING])[0]


def test_drawn_p_waves_become_more_usual_until_they_begin_where_they_should():
    """Of each heart one number tells by how much its wave is the late one, beside another that must stay."""
    late, usual = beat(40.0)[:, P_SPAN], beat()[:, P_SPAN]
    vectors = np.array([[5.0, 0.0], [5.0, 1.0], [5.0, 1.0], [5.0, 0.9]])
    asked = []

    def waves(some):
        asked.append(some.tolist())
        return usual + some[:, 1, None, None] * (late - usual)

    beats = np.stack([beat()] * 4)
    beats[:, :, P_SPAN] = waves(vectors)
    had, kept = beats.copy(), vectors.copy()
    present = np.array([True, True, False, True])
    keep_to_onsets(waves, slice(1, 2), vectors, np.zeros((4, 2)), present, beats, [TIMING] * 4)
    assert np.array_equal(beats[0], had[0]), "begins where it should"
    assert np.array_equal(beats[2], had[2]), "has no P wave to be moved"
    assert asked[1] == [[5.0, 0.75], [5.0, pytest.approx(0.675)]]
    assert not misplaced(beats[[0, 1, 3]], [TIMING] * 3).any() and misplaced(had[[1, 3]], [TIMING] * 2).all()
    assert np.array_equal(beats[:, :, ~P_SPAN], had[:, :, ~P_SPAN]) and np.array_equal(vectors, kept)
