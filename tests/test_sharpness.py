"""What a strip adds is brought to its size about QRS complexes, and left alone elsewhere."""

import numpy as np
import pytest
import torch

from models.sharpness import LIMITS, Sharpness, mean_about, sizes_about

LEVEL, WIDE = 0.01, np.array([1.0, 0.0, 0.0, 1.0])
PLAIN = np.array([1.0, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def strips():
    """Noise of 10 uV, twenty times as large for 100 ms about triangles of 40 ms; residual and beats, mV."""
    draw = np.random.default_rng(0)
    since = np.abs(np.arange(2500) % 250 - 125)
    beats = np.clip(1 - since / 5, 0, None) * np.linspace(0.5, 1.5, 8)[:, None]
    residual = LEVEL * draw.standard_normal((8, 2500)) * np.where(since < 12, 20.0, 1.0)
    return torch.from_numpy(residual)[None], torch.from_numpy(beats)[None], torch.from_numpy(since)


def test_where_both_are_alike_nothing_changes(strips):
    residual, beats, _ = strips
    assert torch.allclose(Sharpness(WIDE, WIDE).sharpened(residual, beats), residual)


def test_what_was_spread_is_taken_back(strips):
    residual, beats, since = strips
    made = Sharpness(PLAIN, WIDE).sharpened(residual, beats)
    share = made / residual
    assert share.min() == pytest.approx(LIMITS[0]), "at most"
    assert torch.allclose(share[..., since > 60], torch.ones(1, dtype=share.dtype))
    assert (share[..., since == 10] < 0.9).all()
    assert torch.allclose(Sharpness(WIDE, PLAIN).sharpened(residual, beats) / residual, 1 / share)


def test_sizes_are_the_level_of_noise_and_squares_of_beats(strips):
    residual, beats, since = strips
    level, beat, slope, about = sizes_about(residual, beats)
    assert level.sqrt().mean() == pytest.approx(LEVEL, rel=0.2), "a QRS complex is no noise"
    assert torch.equal(beat.argmax(dim=2)[0] % 250, torch.full((8,), 125))
    assert not slope[..., since > 8].any() and about[..., since == 20].gt(0).all()
    assert about.sum() == pytest.approx(slope.sum().item(), rel=1e-6), "spread, no more"


@pytest.mark.parametrize("samples", [5, 9])
def test_means_are_of_the_samples_about_each(samples):
    rows = torch.arange(40.0).square().expand(2, 3, 40)
    found = mean_about(rows, samples)
    at, half = 20, samples // 2
    assert found[1, 2, at] == pytest.approx(rows[1, 2, at - half : at + half + 1].mean().item())
    assert found.shape == rows.shape and found[0, 0, 0] < rows[0, 0, half]
