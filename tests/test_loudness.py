"""Noise is lognormal above a least one, and the shapes of beats are as rough as it is loud."""

import numpy as np
import pytest
from scipy.stats import skew

from models.loudness import LEAST_ABOVE, fit_least_noise, log_noise, loudness, noise_of, roughnesses
from models.strip import BANDS

LEAST_MV = np.linspace(0.001, 0.004, 8 * BANDS).reshape(8, BANDS)


@pytest.fixture(scope="module")
def noise_mv():
    """Of 4,000 records, in each lead and band lognormal above a least noise."""
    draw = np.random.default_rng(0)
    return LEAST_MV * (1 + np.exp(draw.normal(0.3, 0.8, (4000, 8, BANDS))))


def test_the_least_noise_is_found(noise_mv):
    assert fit_least_noise(noise_mv) == pytest.approx(LEAST_MV, rel=0.25)


def test_what_is_above_it_is_not_skewed(noise_mv):
    above = log_noise(noise_mv, fit_least_noise(noise_mv))
    assert np.abs(skew(above)).max() < 0.3 < np.abs(skew(np.log(noise_mv), axis=0)).min()


@pytest.mark.parametrize("values", [np.linspace(1, 2, 500), 3 - np.geomspace(1, 2, 500), np.ones(500)])
def test_noise_that_is_not_skewed_has_none(values):
    assert not fit_least_noise(np.broadcast_to(values[:, None, None], (500, 8, BANDS))).any()


def test_noise_comes_back_from_its_logarithm(noise_mv):
    least = fit_least_noise(noise_mv)
    kept = noise_mv > least * (1 + LEAST_ABOVE)
    back = noise_of(log_noise(noise_mv, least), least)
    assert back.shape == noise_mv.shape and kept.mean() > 0.95
    assert back[kept] == pytest.approx(noise_mv[kept])
    assert (back >= least).all(), "quieter records count as a little above the least"


def test_louder_strips_have_rougher_shapes():
    noise_mv = np.stack([np.full((8, BANDS), size) for size in (0.005, 0.01)])
    assert loudness(noise_mv) == pytest.approx(np.array([[1] + [0] * BANDS, [1] + [np.log(2)] * BANDS]))
    slope = np.zeros((1 + BANDS, 3))
    slope[1] = 0.0, 1.0, -1.0
    assert roughnesses(slope, noise_mv) == pytest.approx(np.array([[1, 1, 1], [1, 2, 0.5]]))
