"""Known answers and laws of the reference frame and of rendering."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.beat import (
    FRAME_MS,
    FRAME_P_END,
    FRAME_PR,
    FRAME_QRS,
    FRAME_QT,
    FRAME_T_PEAK,
    SETTLED,
    Timing,
    extract_beat,
    settled,
    smoothed,
)
from models.beats import side_by_side
from models.rendering import high_passed, render


def render_strip(beat, timing, beats_s, fs, samples):
    """One strip, before any filter."""
    at = side_by_side([beats_s], [timing])
    return render(torch.from_numpy(beat[None]), at, samples, fs)[0].numpy()


@pytest.fixture
def timing():
    return Timing(pr=180.0, qrs=90.0, qt=380.0, r=40.0, tpte=84.0)


@pytest.fixture
def beat():
    bump = lambda centre, width, size: size * np.exp(-0.5 * ((FRAME_MS - centre) / width) ** 2)  # noqa: E731
    return (
        np.stack([bump(-100, 15, 0.1) + bump(50, 15, 1.0) + bump(280, 40, 0.3)] * 8)
        * np.linspace(0.5, 1.5, 8)[:, None]
    )


def test_frame_holds_every_patients_intervals_at_the_same_place(timing):
    frame = timing.to_frame(np.array([-180.0, 0.0, 90.0, 380.0]))
    assert np.allclose(frame, [-FRAME_PR, 0.0, FRAME_QRS, FRAME_QT])


def test_frame_and_back_is_the_same_time(timing):
    times = np.linspace(-400, 700, 221)
    assert np.allclose(timing.from_frame(timing.to_frame(times)), times)


def test_a_long_pr_is_a_long_segment_not_a_long_p_wave():
    p_wave = np.array([-FRAME_PR, FRAME_P_END])
    p_ms = {pr: np.ptp(Timing(pr, 90.0, 380.0, 40.0, 84.0).from_frame(p_wave)) for pr in (120, 160, 300)}
    assert p_ms[120] / 120 == pytest.approx(p_ms[160] / 160)
    assert 10 < p_ms[300] - p_ms[160] < 40
    times = np.linspace(-400, 100, 101)
    long = Timing(pr=320.0, qrs=90.0, qt=380.0, r=40.0, tpte=84.0)
    assert np.allclose(long.from_frame(long.to_frame(times)), times)


def test_the_t_wave_peaks_where_the_timing_says(beat, timing):
    late = replace(timing, tpte=60.0)
    assert np.allclose(late.to_frame(np.array([90.0, 320.0, 380.0])), [FRAME_QRS, FRAME_T_PEAK, FRAME_QT])
    beats = np.arange(-1, 4)
    peak = [np.argmax(render_strip(beat, each, beats, 500.0, 1000)[0, 560:750]) for each in (timing, late)]
    moved = 24 * (280 - FRAME_QRS) / (FRAME_T_PEAK - FRAME_QRS)  # the bump's top lies before the peak's place
    assert 2 * (peak[1] - peak[0]) == pytest.approx(moved, abs=4), "ms"
    narrow = replace(timing, tpte=170.0)
    times = np.linspace(-400, 700, 221)
    assert np.allclose(narrow.from_frame(narrow.to_frame(times)), times), (
        "never before the middle of ST and T"
    )


def test_beats_stand_where_the_rhythm_puts_them(beat, timing):
    beats = np.array([-0.9, 0.1, 1.1, 2.1, 3.1])
    strip = render_strip(beat, timing, beats, 500.0, 1000)
    peak = np.argmax(strip[0, 450:650]) + 450
    # the bump's top is at 50 ms of the frame, 45 ms after this patient's QRS onset, 5 ms after R
    assert peak / 500 == pytest.approx(1.105, abs=0.002)


def test_longer_qt_moves_the_t_wave_only(beat, timing):
    beats = np.arange(-1, 4)
    longer = replace(timing, qt=timing.qt + 40)
    short, long = (render_strip(beat, each, beats, 500.0, 1000)[0] for each in (timing, longer))
    before_j = slice(250, 520)  # from the last beat's TP segment to the next J point
    assert np.allclose(short[before_j][100:], long[before_j][100:], atol=1e-9)
    assert (np.argmax(long[560:750]) - np.argmax(short[560:750])) / 500 * 1000 == pytest.approx(
        40 * (280 - FRAME_QRS) / (FRAME_T_PEAK - FRAME_QRS), abs=4
    )


def test_intervals_are_squeezed_only_where_the_heart_is_too_fast():
    timing = Timing(pr=160.0, qrs=90.0, qt=400.0, r=40.0, tpte=84.0)
    assert timing.within(1000.0) == timing
    fast = timing.within(400.0)
    assert fast.pr + fast.qt == pytest.approx(400.0) and fast.pr / fast.qt == pytest.approx(0.4)
    assert fast.qrs == timing.qrs
    assert timing.within(200.0).qt == pytest.approx(150.0)


def test_extraction_undoes_rendering(beat, timing):
    beats = np.arange(-1.0, 12.0, 0.9)
    strip = render_strip(beat, timing, beats, 1000.0, 10_000)
    inside = beats[(beats > 0.3) & (beats < 9.5)]
    found, aligned = extract_beat(strip, 1000.0, inside, np.ones(len(inside), bool), timing)
    assert np.abs(found - beat).max() < 0.02
    assert np.abs(aligned - inside).max() < 0.0021


def test_alignment_repairs_jittered_peaks(beat, timing):
    beats = np.arange(-1.0, 12.0, 0.9)
    strip = render_strip(beat, timing, beats, 1000.0, 10_000)
    inside = beats[(beats > 0.3) & (beats < 9.5)]
    jitter = np.resize([0.008, -0.006, 0.0], len(inside))
    _, aligned = extract_beat(strip, 1000.0, inside + jitter, np.ones(len(inside), bool), timing)
    error = aligned - inside
    assert np.abs(error - np.median(error)).max() <= 0.0025


def test_only_a_qrs_complex_is_left_rough():
    inside = (FRAME_MS >= 0) & (FRAME_MS <= FRAME_QRS)
    outside = (FRAME_MS < -30) | (FRAME_MS > FRAME_QRS + 40)
    noise = np.random.default_rng(0).normal(size=(8, len(FRAME_MS)))
    smooth = smoothed(noise)
    assert smooth[:, inside] == pytest.approx(noise[:, inside], abs=1e-3)
    assert smooth[:, outside].std() < 0.5
    wave = np.exp(-0.5 * ((FRAME_MS + 100) / 20) ** 2)[None]
    assert np.abs(smoothed(wave) - wave).max() < 0.02, "of a P wave with an SD of 20 ms"


def test_no_kept_beat_gives_no_shape(timing):
    found, _ = extract_beat(np.zeros((8, 5000)), 500.0, np.array([1.0, 2.0]), np.zeros(2, bool), timing)
    assert np.isnan(found).all()


def test_hand_over_lies_between_beats_even_for_a_very_long_qt():
    timing = Timing(pr=100.0, qrs=100.0, qt=600.0, r=40.0, tpte=84.0)
    beats = np.array([0.0, 0.4, 0.8])
    borders = timing.borders(beats)
    assert ((borders > beats[:-1]) & (borders < beats[1:])).all()


def test_a_beat_settles_towards_the_level_of_the_next(beat):
    away = beat + 0.1 * (FRAME_MS > FRAME_QT)
    mended = settled(away)
    until_t = FRAME_MS <= FRAME_QT
    assert np.array_equal(mended[:, until_t], away[:, until_t])
    before, after = (one[:, -10:].mean(axis=1) - one[:, :10].mean(axis=1) for one in (away, mended))
    assert np.allclose(after, (1 - SETTLED) * before, atol=0.02 * np.abs(before).max())


def test_rendering_places_every_sample_where_the_timing_says(beat, timing):
    beats = np.arange(-1, 4) * 1.1
    strip = render_strip(beat, timing, beats, 500.0, 1000)
    times = np.arange(1000) / 500
    since = times - beats[np.searchsorted(timing.borders(beats), times)]
    frame = timing.to_frame(1000 * since + timing.r)
    plain = np.stack([np.interp(frame, FRAME_MS, lead) for lead in beat])
    apart = np.abs(times[:, None] - timing.borders(beats)).min(axis=1) > 0.031
    assert apart.mean() > 0.9 and np.abs(strip - plain)[:, apart].max() < 1e-4


def test_beats_that_are_not_kept_have_the_other_shape_and_timing(beat, timing):
    beats, kept = np.arange(-1, 4) * 1.1, np.array([True, True, False, True, True])
    at = side_by_side([beats, beats], [timing, timing], [kept, np.ones(5, bool)])
    two = torch.from_numpy(np.stack([beat, beat]))
    slow = replace(timing, qrs=140.0, qt=430.0)
    mixed, plain = render(two, at, 1000, 500.0, other=(-two, slow)).numpy()
    assert np.array_equal(plain, render_strip(beat, timing, beats, 500.0, 1000))
    start, stop = (500 * timing.borders(beats)[1:3] + (16, -16)).astype(int)
    inverted = -render_strip(beat, slow, beats, 500.0, 1000)
    assert np.allclose(mixed[:, start:stop], inverted[:, start:stop], atol=1e-6)
    assert np.allclose(mixed[:, : start - 32], plain[:, : start - 32], atol=1e-6)


def test_the_high_pass_takes_wander_and_leaves_waves_where_they_are():
    times = torch.arange(2500) / 250
    wander, wave = (torch.sin(2 * torch.pi * hz * times)[None, None] for hz in (0.1, 5.0))
    left = high_passed(0.5 * wander + 0.1 * wave)
    assert (left - 0.1 * wave)[..., 250:-250].abs().max() < 0.005, "of 0.5 mV"
    gain = high_passed(torch.sin(2 * torch.pi * 0.5 * times)[None, None])[..., 500:-500].abs().max()
    assert gain == pytest.approx(0.5, abs=0.02), "twice through 3 dB"
