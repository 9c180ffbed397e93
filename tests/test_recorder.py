"""How recorders keep strips, as far as it is known: lines of a few lengths, near to the samples, cut toward 0."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

SPEC = importlib.util.spec_from_file_location(
    "recorder", Path(__file__).parents[1] / "benchmarks" / "recorder.py"
)
recorder = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(recorder)
FS, KEPT_FS, LENGTHS, NEAR, STEP_MV = (
    getattr(recorder, name) for name in ("FS", "KEPT_FS", "LENGTHS", "NEAR", "STEP_MV")
)
encode, kept, lines = recorder.encode, recorder.kept, recorder.lines


def test_samples_are_found_again():
    samples = np.random.default_rng(0).integers(-40, 40, (2, 8, 4000))
    then, times = np.arange(4000) / KEPT_FS, np.arange(5000) / FS
    strips = CubicSpline(then, STEP_MV * samples, axis=2, bc_type="natural")(np.minimum(times, then[-1]))
    found, explained = kept(np.round(strips, 3))
    assert np.array_equal(found[:, :, 40:-40], samples[:, :, 40:-40]) and explained == 1.0


@pytest.mark.parametrize("length", LENGTHS[1:])
def test_a_line_is_one_line(length):
    strip = np.interp(np.arange(2 * length + 1), [0, length, 2 * length], [0, 7, 0])
    assert lines(np.trunc(strip).astype(int)).tolist() == [0, length, 2 * length]


def test_small_noise_becomes_lines_and_large_noise_stays():
    draw = np.random.default_rng(0)
    small, large = (encode(size * draw.standard_normal(4000)) for size in (0.3, 30.0))
    assert np.diff(lines(small)).mean() > 10 > 1.5 > np.diff(lines(large)).mean()


def test_what_is_kept_is_near_to_what_was_measured():
    strip = 2.0 * np.random.default_rng(1).standard_normal(4000).cumsum() / 3
    made = encode(strip)
    assert np.abs(made - strip).max() <= NEAR.max() + 0.5
    ends = lines(made)
    assert set(np.diff(ends)) <= set(LENGTHS) and len(ends) < 3000
