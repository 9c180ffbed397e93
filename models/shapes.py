"""Principal components of beat shapes, whatever the beats' size."""

from dataclasses import dataclass

import numpy as np

from models.ecg import INDEPENDENT_LEADS


@dataclass(frozen=True)
class Shapes:
    """Principal components of beat shapes of size 1: `centre + (coefficients * spread) @ basis / weight`.

    `weight` (per lead and sample) keeps small waves from being lost beside the QRS complex. A beat's size
    is its root mean square over leads and samples; sizes are handled apart, as logarithms, so that no wave
    shrinks to nothing.
    """

    centre: np.ndarray
    basis: np.ndarray
    spread: np.ndarray
    weight: np.ndarray

    def encode(self, beats: np.ndarray) -> np.ndarray:
        """Coefficients of unit variance, (batch, lead, sample) -> (batch, component)."""
        flat = (beats / sizes(beats)[:, None, None]).reshape(len(beats), -1)
        return ((flat - self.centre) * self.weight) @ self.basis.T / self.spread

    def decode(self, coefficients: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Beats of the given sizes in mV, (batch, component) -> (batch, 8, sample)."""
        flat = (coefficients * self.spread) @ self.basis / self.weight + self.centre
        beats = flat.reshape(len(coefficients), len(INDEPENDENT_LEADS), -1)
        return beats * (size / sizes(beats))[:, None, None]

    def left(self, beats: np.ndarray) -> np.ndarray:
        """What these components leave of beats, brought to size 1, (batch, 8, sample)."""
        return beats / sizes(beats)[:, None, None] - self.decode(self.encode(beats), np.ones(len(beats)))


def fit_shapes(beats: np.ndarray, count: int) -> Shapes:
    """Weighted principal components of beats, (record, lead, sample) in mV."""
    flat = (beats / sizes(beats)[:, None, None]).reshape(len(beats), -1)
    centre = flat.mean(axis=0)
    weight = 1 / np.sqrt(flat.std(axis=0) + 0.05)
    values, directions = np.linalg.eigh(np.cov(((flat - centre) * weight).T))
    top = np.argsort(values)[::-1][: min(count, len(beats) - 1)]
    return Shapes(centre, directions[:, top].T, np.sqrt(values[top]), weight)


def sizes(beats: np.ndarray) -> np.ndarray:
    """Root mean square over leads and samples, mV, (batch, lead, sample) -> (batch,)."""
    return np.sqrt((beats**2).mean(axis=(1, 2))) + 1e-6
