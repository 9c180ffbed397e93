"""Fine notches of the QRS complex that no principal component holds: a heart's own, the same in all its beats."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d

from models.beat import FRAME_MS, FRAME_QRS
from models.heart import QRST_SPAN
from models.shapes import Shapes, sizes

QRS_SPAN = (FRAME_MS >= -4.0) & (FRAME_MS <= FRAME_QRS + 10.0)
TAPS = 33
FURTHEST = 2.0


@dataclass(frozen=True)
class Notches:
    """Noise of the size, spectrum and place of what the components leave of recorded QRS complexes.

    Parameters
    ----------
    size : ndarray, shape (8, len(FRAME_MS))
        Typical size over that of the heart's detail; 0 outside the QRS complex.
    kernel : ndarray, shape (TAPS,)
        What white noise is convolved with; its squares sum to 1.
    spread : ndarray, shape (1,)
        Standard deviation of the logarithm of the size among hearts.
    """

    size: np.ndarray
    kernel: np.ndarray
    spread: np.ndarray

    def draw(self, detail_mv: float, draw: np.random.Generator) -> np.ndarray:
        """Notches of a heart with so much detail, mV, (8, len(FRAME_MS)), in the reference frame."""
        own = np.exp(self.spread[0] * np.clip(draw.standard_normal(), -FURTHEST, FURTHEST))
        noise = convolve1d(draw.standard_normal(self.size.shape), self.kernel, axis=1)
        return own * detail_mv * self.size * noise


def fit_notches(qrst_shapes: Shapes, detail_shapes: Shapes, beats: np.ndarray) -> Notches:
    """The notches of recorded beats, (record, 8, len(FRAME_MS)) in mV, that neither shapes hold."""
    detail = qrst_shapes.left(beats[:, :, QRST_SPAN])
    size = sizes(detail)
    left = np.zeros(beats.shape)
    left[:, :, QRST_SPAN] = detail - detail_shapes.decode(detail_shapes.encode(detail), size)
    inside = left[:, :, QRS_SPAN] / size[:, None, None]
    own = np.sqrt((inside**2).mean(axis=(1, 2))) + 1e-9
    alike = inside / own[:, None, None]
    profile = 1.4826 * np.median(np.abs(alike), axis=0) + 1e-9
    # of noise that is as large everywhere: the profile's own spectrum comes back when notches are drawn
    power = np.abs(np.fft.rfft(alike / profile * np.hanning(alike.shape[2]), 128, axis=2)) ** 2
    typical_power = np.exp(np.log(power + 1e-12).mean(axis=(0, 1)))
    kernel = np.roll(np.fft.irfft(np.sqrt(typical_power)), TAPS // 2)[:TAPS]
    typical = np.zeros(beats.shape[1:])
    typical[:, QRS_SPAN] = np.exp(np.log(own).mean()) * profile
    return Notches(typical, kernel / np.linalg.norm(kernel), np.array([np.log(own).std()]))
