"""Beats as one dipole seen by eight leads: its course in time, and how the leads of one body see it.

All leads of a heart are nearly sums of three signals, those of a dipole that turns and grows. Which sums they are is a
matter of the body, of where the heart lies in it, and of electrodes. Components of whole beats know nothing of that:
sums of them need four or five signals. Source of the dipole: Burger and van Milaan 1946; Malmivuo and Plonsey 1995,
chapter 15.
"""

from dataclasses import dataclass

import numpy as np

from models.shapes import Shapes, fit_shapes, sizes

DIPOLE = 3
RIDGE = 0.02
"""Share of the dipole's square that is added to that of each of its directions: one along which it hardly moves tells
little of how leads see it."""


@dataclass(frozen=True)
class DipoleShapes:
    """Beats of size 1 by components of the course of their dipole, and by how leads see it.

    Parameters
    ----------
    scale : ndarray, shape (lead,)
        What leads are multiplied by, so that small ones are not lost.
    frame : ndarray, shape (lead, lead)
        Orthonormal rows: the first three make the dipole of scaled leads, the others what it does not tell.
    course : Shapes
        Of the dipole's three signals.
    field_centre, field_spread : ndarray, shape (3 * (lead - 3),)
        Of how the other rows follow from the dipole.
    """

    scale: np.ndarray
    frame: np.ndarray
    course: Shapes
    field_centre: np.ndarray
    field_spread: np.ndarray

    @property
    def spread(self) -> np.ndarray:
        """Standard deviations of the components, as `Shapes.spread`: first those of the course, then of the field."""
        return np.concatenate([self.course.spread, self.field_spread])

    def encode(self, beats: np.ndarray) -> np.ndarray:
        """Coefficients of unit variance, (batch, lead, sample) -> (batch, component)."""
        dipole, field = _apart(beats, self.scale, self.frame)
        return np.column_stack([self.course.encode(dipole), (field - self.field_centre) / self.field_spread])

    def decode(self, coefficients: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Beats of the given sizes in mV, (batch, component) -> (batch, lead, sample)."""
        course, field = np.split(coefficients, [len(self.course.spread)], axis=1)
        dipole = self.course.decode(course, np.ones(len(course)))
        field = (field * self.field_spread + self.field_centre).reshape(len(field), -1, DIPOLE)
        rows = np.concatenate([dipole, field @ dipole], axis=1)
        beats = self.frame.T @ rows / self.scale[:, None]
        return beats * (size / sizes(beats))[:, None, None]

    def left(self, beats: np.ndarray) -> np.ndarray:
        """What these components leave of beats, brought to size 1, (batch, lead, sample)."""
        return beats / sizes(beats)[:, None, None] - self.decode(self.encode(beats), np.ones(len(beats)))


def fit_dipole(beats: np.ndarray, count: int) -> DipoleShapes:
    """The dipole of beats, (record, lead, sample) in mV, with so many components of its course."""
    alike = beats / sizes(beats)[:, None, None]
    scale = 1 / np.sqrt(np.sqrt((alike**2).mean(axis=(0, 2))) + 0.05)
    scaled = alike * scale[:, None]
    _, directions = np.linalg.eigh(np.einsum("blt,bmt->lm", scaled, scaled))
    frame = directions[:, ::-1].T
    dipole, field = _apart(beats, scale, frame)
    return DipoleShapes(scale, frame, fit_shapes(dipole, count), field.mean(axis=0), field.std(axis=0) + 1e-6)


def _apart(beats: np.ndarray, scale: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The dipole, (batch, 3, sample), and how the other rows of the frame follow from it, (batch, 3 * (lead - 3))."""
    rows = frame @ (beats * scale[:, None])
    dipole, others = rows[:, :DIPOLE], rows[:, DIPOLE:]
    square = dipole @ dipole.transpose(0, 2, 1)
    least = RIDGE * np.trace(square, axis1=1, axis2=2)
    held = square + least[:, None, None] * np.eye(DIPOLE)
    field = np.linalg.solve(held, dipole @ others.transpose(0, 2, 1)).transpose(0, 2, 1)
    return dipole, field.reshape(len(beats), -1)
