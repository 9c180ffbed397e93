"""Principal components of beat shapes, whatever the beats' size."""

from dataclasses import dataclass

import numpy as np

COMMON = 0.3
"""Size of the mean of shapes of size 1 from which on they count as turned from it."""
FURTHEST_TURN = 2.8
"""Radians that a shape is turned from the centre at most: opposite to it there is no way that is shortest."""


@dataclass(frozen=True)
class Shapes:
    """Principal components of beat shapes of size 1.

    A beat's size is its root mean square over leads and samples; sizes are handled apart, as logarithms, so that no
    wave shrinks to nothing. Shapes of size 1 lie on a sphere: components are of the turns that bring the centre to
    them, for a sum of components would leave the sphere, and brought back to size 1 would be another shape than any
    heart's. Source: principal geodesic analysis (Fletcher et al. 2004). Shapes without a common centre (`centre` is
    0 then) have components of their own.

    Parameters
    ----------
    centre : ndarray, shape (lead * sample,)
        Of size 1, or 0.
    basis : ndarray, shape (component, lead * sample)
    spread : ndarray, shape (component,)
    weight : ndarray, shape (lead, sample)
        Keeps small waves from being lost beside the QRS complex.
    """

    centre: np.ndarray
    basis: np.ndarray
    spread: np.ndarray
    weight: np.ndarray

    def encode(self, beats: np.ndarray) -> np.ndarray:
        """Coefficients of unit variance, (batch, lead, sample) -> (batch, component)."""
        turns = _turns(_of_size_1(beats), self.centre)
        return (turns * self.weight.ravel()) @ self.basis.T / self.spread

    def decode(self, coefficients: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Beats of the given sizes in mV, (batch, component) -> (batch, lead, sample)."""
        flat = _turned((coefficients * self.spread) @ self.basis / self.weight.ravel(), self.centre)
        beats = flat.reshape(len(coefficients), *self.weight.shape)
        return beats * (size / sizes(beats))[:, None, None]

    def left(self, beats: np.ndarray) -> np.ndarray:
        """What these components leave of beats, brought to size 1, (batch, 8, sample)."""
        return beats / sizes(beats)[:, None, None] - self.decode(self.encode(beats), np.ones(len(beats)))


def fit_shapes(beats: np.ndarray, count: int) -> Shapes:
    """Weighted principal components of beats, (record, lead, sample) in mV."""
    flat = _of_size_1(beats)
    mean = flat.mean(axis=0)
    size = np.sqrt((mean**2).mean())
    centre = mean / size if size > COMMON else np.zeros_like(mean)
    weight = 1 / np.sqrt(flat.std(axis=0) + 0.05)
    values, directions = np.linalg.eigh(np.cov((_turns(flat, centre) * weight).T))
    top = np.argsort(values)[::-1][: min(count, len(beats) - 1)]
    return Shapes(centre, directions[:, top].T, np.sqrt(values[top]), weight.reshape(beats.shape[1:]))


def sizes(beats: np.ndarray) -> np.ndarray:
    """Root mean square over leads and samples, mV, (batch, lead, sample) -> (batch,)."""
    return np.sqrt((beats**2).mean(axis=(1, 2))) + 1e-6


def _of_size_1(beats: np.ndarray) -> np.ndarray:
    """Shapes of beats, (batch, lead * sample)."""
    return (beats / sizes(beats)[:, None, None]).reshape(len(beats), -1)


def _turns(shapes: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Turns, in radians times directions of size 1, that bring the centre to shapes; these, where there is none."""
    if not centre.any():
        return shapes
    along = (shapes * centre).mean(axis=1, keepdims=True)
    across = shapes - along * centre
    sine = _rms(across)
    return across * (np.arctan2(sine, along) / np.maximum(sine, 1e-9))


def _turned(turns: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Shapes to which turns bring the centre; undoes `_turns`."""
    if not centre.any():
        return turns
    across = turns - (turns * centre).mean(axis=1, keepdims=True) * centre
    angle = np.maximum(_rms(across), 1e-9)
    way = np.minimum(angle, FURTHEST_TURN)
    return np.cos(way) * centre + np.sin(way) / angle * across


def _rms(rows: np.ndarray) -> np.ndarray:
    """Root mean square of each row, (batch, 1)."""
    return np.sqrt((rows**2).mean(axis=1, keepdims=True))
