"""Notches have the size, place and spectrum of what the components leave."""

import numpy as np
import pytest

from models.beat import FRAME_MS
from models.heart import QRST_SPAN, fit_shapes, sizes
from models.notches import QRS_SPAN, fit_notches

SHARE = 0.03


@pytest.fixture(scope="module")
def beats():
    """Two shapes in changing parts, and in the QRS complex noise that changes sign from sample to sample."""
    draw = np.random.default_rng(0)
    bumps = np.stack([np.exp(-0.5 * ((FRAME_MS - at) / wide) ** 2) for at, wide in ((50, 15), (280, 40))])
    smooth = np.einsum("nlp,pt->nlt", draw.normal(1, 0.3, (300, 8, 2)), bumps)
    noise = np.diff(draw.normal(size=(300, 8, len(FRAME_MS) + 1)), axis=2) / np.sqrt(2)
    size = sizes(smooth[:, :, QRST_SPAN])[:, None, None]
    return smooth + SHARE * size * noise * QRS_SPAN


def test_notches_are_as_large_as_what_is_left(beats):
    notches = fit_notches(fit_shapes(beats[:, :, QRST_SPAN], 16), beats)
    assert notches.size[:, QRS_SPAN].mean() == pytest.approx(SHARE, rel=0.15)
    assert (notches.size[:, ~QRS_SPAN] == 0).all()
    assert notches.spread[0] < 0.1
    drawn = np.stack([notches.draw(beats[0], np.random.default_rng(k)) for k in range(200)])
    inside = drawn[:, :, QRS_SPAN]
    assert inside.std() == pytest.approx(SHARE * sizes(beats[:1, :, QRST_SPAN])[0], rel=0.2)
    neighbours = (inside[:, :, 1:] * inside[:, :, :-1]).mean() / (inside**2).mean()
    assert neighbours == pytest.approx(-0.5, abs=0.15), "the spectrum is that of the noise"
    assert (drawn[:, :, ~QRS_SPAN] == 0).all()


def test_a_heart_has_its_own_notches(beats):
    notches = fit_notches(fit_shapes(beats[:, :, QRST_SPAN], 16), beats)
    first, again, other = (notches.draw(beats[0], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert np.allclose(notches.draw(2 * beats[0], np.random.default_rng(1)), 2 * first, rtol=1e-3)
