"""Notches have the size, place and spectrum of what the components leave."""

import numpy as np
import pytest

from models.beat import FRAME_MS
from models.heart import QRST_SPAN
from models.notches import QRS_SPAN, fit_notches
from models.shapes import fit_shapes, sizes

RIPPLE, SHARE = 0.05, 0.01


@pytest.fixture(scope="module")
def beats():
    """Two waves in changing parts; in QRS a ripple, and noise that changes sign from sample to sample."""
    draw = np.random.default_rng(0)
    bumps = np.stack([np.exp(-0.5 * ((FRAME_MS - at) / wide) ** 2) for at, wide in ((50, 15), (280, 40))])
    smooth = np.einsum("nlp,pt->nlt", draw.normal(1, 0.3, (300, 8, 2)), bumps)
    noise = np.diff(draw.normal(size=(300, 8, len(FRAME_MS) + 1)), axis=2) / np.sqrt(2)
    smooth /= sizes(smooth[:, :, QRST_SPAN])[:, None, None]
    leads = draw.normal(size=(300, 8, 1))
    ripple = leads / np.sqrt((leads**2).mean(axis=1, keepdims=True)) * np.sin(2 * np.pi * 0.08 * FRAME_MS)
    fine = (RIPPLE * ripple + SHARE * noise) * QRS_SPAN
    return np.exp(draw.normal(-1, 0.3, (300, 1, 1))) * (smooth + fine)


@pytest.fixture(scope="module")
def qrst_shapes(beats):
    return fit_shapes(beats[:, :, QRST_SPAN], 16)


@pytest.fixture(scope="module")
def notches(beats, qrst_shapes):
    return fit_notches(qrst_shapes, fit_shapes(qrst_shapes.left(beats[:, :, QRST_SPAN]), 8), beats)


def test_notches_are_as_large_as_what_is_left(beats, qrst_shapes, notches):
    detail_mv = sizes(beats[:1, :, QRST_SPAN])[0] * sizes(qrst_shapes.left(beats[:1, :, QRST_SPAN]))[0]
    assert (notches.size[:, ~QRS_SPAN] == 0).all()
    assert notches.spread[0] < 0.1
    drawn = np.stack([notches.draw(detail_mv, np.random.default_rng(k)) for k in range(200)])
    inside = drawn[:, :, QRS_SPAN]
    assert inside.std() == pytest.approx(SHARE * sizes(beats[:1, :, QRST_SPAN])[0], rel=0.2)
    neighbours = (inside[:, :, 1:] * inside[:, :, :-1]).mean() / (inside**2).mean()
    assert neighbours == pytest.approx(-0.5, abs=0.15), "the spectrum is that of the noise"
    assert (drawn[:, :, ~QRS_SPAN] == 0).all()


def test_a_heart_has_its_own_notches(notches):
    first, again, other = (notches.draw(0.02, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert np.allclose(notches.draw(0.04, np.random.default_rng(1)), 2 * first, rtol=1e-3)
