"""What comes back in every beat is taken out, what does not is left."""

import numpy as np
import pytest
import torch

from models import recurring as module
from models.beat import Timing, smooth
from models.beats import side_by_side

FS, SAMPLES = 250.0, 2500
TIMING = Timing(pr=160.0, qrs=90.0, qt=380.0, r=40.0, tpte=84.0)


@pytest.fixture
def beats_s():
    return np.arange(-1, 13) * 0.9 + np.random.default_rng(0).uniform(0, 0.05, 14)


def recurring(strip, beats_s, kept=None):
    """Of one strip."""
    at = side_by_side([beats_s], [TIMING], None if kept is None else [kept])
    return module.recurring(torch.from_numpy(strip[None]), FS, at)[0].numpy()


def about(strip, beats_s):
    """The strip about each beat, 0.15 s before to 0.3 s after, (beat, lead, sample)."""
    at = np.round(beats_s * FS).astype(int)
    return np.stack([strip[:, r - 38 : r + 75] for r in at if 38 <= r < SAMPLES - 75])


def test_what_comes_back_goes_and_what_does_not_stays(beats_s):
    draw = np.random.default_rng(1)
    own, wave = draw.normal(0, 0.02, (8, SAMPLES)), draw.normal(0, 0.1, (8, 113))
    planted = np.zeros((8, SAMPLES + 1000))
    for r in np.round(beats_s * FS).astype(int) + 500:  # the first and the last beat reach beyond the ends
        if 38 <= r < SAMPLES + 925:
            planted[:, r - 38 : r + 75] += wave
    strip = own + planted[:, 500:-500]
    rest = strip - recurring(strip, beats_s)
    inside = about(rest, beats_s)
    assert np.abs(np.median(about(strip, beats_s), axis=0)).mean() > 0.05
    assert np.abs(np.median(inside, axis=0)).mean() < 0.004, "of ten whole beats; the median is of eleven"
    left = inside - about(own, beats_s)
    assert np.abs(left - left.mean(axis=0)).max() < 1e-9, "the same is taken out of every beat"
    assert left.std() < 0.02 / np.sqrt(len(left)) * 1.5


def test_no_fast_noise_comes_of_taking_out_what_comes_back(beats_s):
    slow = np.cumsum(np.random.default_rng(4).normal(0, 0.01, (8, SAMPLES)), axis=1)
    slow = np.apply_along_axis(np.convolve, 1, slow, np.hanning(51) / 25, "same")
    median = recurring(slow, beats_s)
    smoothed = smooth(torch.from_numpy(median), 1000 / FS).numpy()
    above_75_hz = np.abs(np.fft.rfftfreq(SAMPLES, 1 / FS)) > 75
    fast = [np.abs(np.fft.rfft(part)[:, above_75_hz]).mean() for part in (median, smoothed)]
    assert fast[0] > 2 * np.abs(np.fft.rfft(slow * np.hanning(SAMPLES))[:, above_75_hz]).mean(), "it leaps"
    assert fast[1] < 0.3 * fast[0], "of the Gaussian's 0.26 at 75 Hz and less above"
    assert np.abs(smoothed - median).mean() < 0.2 * np.abs(median).mean()


def test_beats_of_another_shape_are_left_alone(beats_s):
    strip = np.random.default_rng(2).normal(0, 0.02, (8, SAMPLES))
    kept = np.ones(14, bool)
    kept[5] = False
    rest = strip - recurring(strip, beats_s, kept)
    r = round(beats_s[5] * FS)
    assert np.array_equal(rest[:, r - 38 : r + 75], strip[:, r - 38 : r + 75])
    assert not np.array_equal(rest, strip)


def test_nothing_jumps_where_beats_meet(beats_s):
    rest = 1 - recurring(np.ones((8, SAMPLES)), beats_s)
    assert np.median(rest) == 0.0 and rest.max() > 0.9
    assert np.abs(np.diff(rest)).max() < 0.3, "a step would be as large as the median, 1 mV"


def test_two_beats_have_no_median(beats_s):
    strip = np.random.default_rng(3).normal(0, 0.02, (8, SAMPLES))
    kept = np.zeros(14, bool)
    kept[[4, 6]] = True
    assert not recurring(strip, beats_s, kept).any()


def test_windows_hold_the_qrs_complexes_and_nothing_else(beats_s):
    window = module.qrs_windows(SAMPLES, FS, side_by_side([beats_s], [TIMING]))[0].numpy()
    at = np.arange(SAMPLES) / FS
    since = at - beats_s[np.searchsorted(beats_s, at + 0.3) - 1] + TIMING.r / 1000
    assert (window[(since >= 0) & (since <= TIMING.qrs / 1000)] > 0.99).all()
    assert (window[(since < -0.04) | (since > TIMING.qrs / 1000 + 0.03)] < 0.01).all()


def test_strips_side_by_side_are_what_each_is_alone(beats_s):
    draw = np.random.default_rng(5)
    strips = torch.from_numpy(draw.normal(0, 0.02, (3, 8, SAMPLES)))
    instants = [beats_s, np.arange(-3, 30) * 0.41, np.arange(-1, 8) * 1.6]
    kept = [np.ones(14, bool), np.arange(33) % 4 > 0, np.arange(9) == 3]
    timings = [TIMING, TIMING.within(410.0), TIMING]
    together = module.recurring(strips, FS, side_by_side(instants, timings, kept))
    for row in range(3):
        alone = side_by_side(*([part[row]] for part in (instants, timings, kept)))
        assert torch.equal(together[row], module.recurring(strips[row : row + 1], FS, alone)[0])
    assert together[0].any() and together[1].any() and not together[2].any(), "one beat has no median"
