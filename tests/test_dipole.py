"""Shapes on their sphere, and beats as one dipole that leads see: known answers and laws."""

import numpy as np
import pytest

from models.dipole import fit_dipole
from models.shapes import fit_shapes, sizes

TIMES = np.linspace(0, 1, 60)
WAVES = ((0.2, 0.03), (0.3, 0.04), (0.4, 0.05), (0.7, 0.1))


@pytest.fixture(scope="module")
def beats():
    """Dipoles that turn and grow in waves, seen by the leads of bodies that differ; in mV."""
    draw = np.random.default_rng(0)
    body = draw.normal(size=(8, 3)) + 0.05 * draw.normal(size=(300, 8, 3))
    at = 0.01 * draw.normal(size=(300, len(WAVES), 1)) + np.array(WAVES)[:, :1]
    waves = np.exp(-0.5 * ((TIMES - at) / np.array(WAVES)[:, 1:]) ** 2)
    turned = draw.normal(size=(3, len(WAVES))) + 0.2 * draw.normal(size=(300, 3, len(WAVES)))
    return np.exp(draw.normal(0, 0.5, (300, 1, 1))) * (body @ turned @ waves)


@pytest.fixture(scope="module")
def dipole(beats):
    return fit_dipole(beats, 20)


@pytest.mark.parametrize(("fit", "count"), [(fit_shapes, 60), (fit_dipole, 20)])
def test_shapes_hold_what_they_have_components_for(beats, fit, count):
    shapes = fit(beats, count)
    again = shapes.decode(shapes.encode(beats), sizes(beats))
    assert np.allclose(sizes(again), sizes(beats), rtol=1e-4)
    assert (sizes(again - beats) / sizes(beats)).max() < 0.05
    assert np.allclose(shapes.left(beats), (beats - again) / sizes(beats)[:, None, None], atol=1e-4)
    scores = shapes.encode(beats)
    assert np.allclose(scores, shapes.encode(3 * beats), atol=1e-4), "a shape has no size"
    assert scores.std(axis=0)[:5] == pytest.approx(1, rel=0.02)


def test_shapes_turn_from_a_common_centre():
    """Shapes turned by known angles from one shape: the one component there is tells the angle, however large it is."""
    centre, across = (np.sqrt(2) * np.sin(2 * np.pi * k * np.arange(480) / 480) for k in (1, 3))
    angle = np.random.default_rng(1).normal(0.3, 0.6, 300)
    beats = (np.cos(angle)[:, None] * centre + np.sin(angle)[:, None] * across).reshape(-1, 8, 60)
    scores = fit_shapes(beats, 1).encode(beats)[:, 0]
    slope, _ = np.polyfit(angle, scores, 1)
    assert abs(slope) == pytest.approx(1 / angle.std(), rel=0.05)
    assert np.corrcoef(angle, scores)[0, 1] ** 2 > 0.999


def test_any_components_make_a_shape_that_is_on_the_sphere(beats):
    shapes = fit_shapes(beats, 10)
    drawn = 3 * np.random.default_rng(2).normal(size=(100, 10))
    again = shapes.encode(shapes.decode(drawn, np.ones(100)))
    near = np.sqrt(((drawn * shapes.spread) ** 2).sum(axis=1)) < np.median(shapes.spread)
    made = sizes(shapes.decode(drawn, np.full(100, 0.7)))
    assert np.allclose(made, 0.7, rtol=1e-4)
    assert np.allclose(again[near], drawn[near], atol=0.05)


def test_shapes_without_a_common_centre_have_components_of_their_own():
    draw = np.random.default_rng(3)
    beats = draw.normal(size=(300, 5)) @ draw.normal(size=(5, 480))
    shapes = fit_shapes(beats.reshape(-1, 8, 60), 5)
    assert not shapes.centre.any()
    again = shapes.decode(shapes.encode(beats.reshape(-1, 8, 60)), np.ones(300)).reshape(300, -1)
    assert np.allclose(again, beats / np.sqrt((beats**2).mean(axis=1, keepdims=True)), atol=0.02)


def test_whatever_is_drawn_all_leads_see_one_dipole(beats, dipole):
    drawn = np.random.default_rng(4).normal(size=(50, len(dipole.spread)))
    made = dipole.decode(drawn, np.ones(50))
    singular = np.linalg.svd(made, compute_uv=False)
    assert (singular[:, 3] < 1e-6 * singular[:, 0]).all()
    plain = fit_shapes(beats, len(dipole.spread))
    others = np.linalg.svd(plain.decode(drawn, np.ones(50)), compute_uv=False)
    assert np.median(others[:, 3] / others[:, 0]) > 0.005, "components of whole beats do not keep to it"


def test_how_leads_see_the_dipole_is_told_apart_from_its_course(beats, dipole):
    """Another body sees the same course: the course's components stay."""
    scores = dipole.encode(beats)
    course = len(dipole.course.spread)
    other = scores.copy()
    other[:, course:] = np.roll(other[:, course:], 1, axis=0)
    again = dipole.encode(dipole.decode(other, np.ones(len(beats))))
    assert np.allclose(again[:, :course], other[:, :course], atol=1e-3)
    far, near = (np.abs(again - one)[:, course:].mean() for one in (scores, other))
    assert near < far / 4
