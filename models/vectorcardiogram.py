"""The heart as one moving dipole: smooth pulses with exact ends, and the leads that see them.

Directions are (x, y, z) in the body: x to the left arm, y to the feet, z to the back.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

LEAD_FIELD = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
"""What I, II, V1..V6 see of a dipole, shape (8, 3). Source: Dower et al. 1980, J Electrocardiol 13:79."""


@dataclass(frozen=True)
class Lobe:
    """A pulse of the dipole in one direction, exactly zero outside its ends.

    Parameters
    ----------
    start, end : float
        Ends; fractions of the wave it belongs to (0 is the wave's onset, 1 its offset).
    vector : tuple of float
        The dipole at the peak, (x, y, z), mV.
    peak : float
        Where between its ends the pulse peaks, 0 to 1.
    rise, fall : float
        Steepness of the two flanks: 1 leaves the baseline at a corner, higher powers leave it more gently.
    """

    start: float
    end: float
    vector: tuple[float, float, float]
    peak: float = 0.5
    rise: float = 2.0
    fall: float = 2.0

    def area(self) -> np.ndarray:
        """Time integral of the pulse as a vector, in mV times the length of its wave, shape (3,)."""
        flanks = self.peak * _flank_area(self.rise) + (1 - self.peak) * _flank_area(self.fall)
        return np.array(self.vector) * (self.end - self.start) * flanks


Wave = tuple[Lobe, ...]


def pulses(wave: Wave, onset: np.ndarray, length: float, at: np.ndarray) -> np.ndarray:
    """The dipole of one wave, mV, shape (3, beat, sample).

    Each flank is sin(pi/2 u)**power of the way u from its end (0) to the peak (1).

    Parameters
    ----------
    wave : tuple of Lobe
    onset : ndarray, shape (beat, 1)
        Onset of the wave in each beat, s.
    length : float
        Length of the wave, s.
    at : ndarray, shape (beat, sample)
        Instants, s.
    """
    total = np.zeros((3, *at.shape))
    way = (at - onset) / length
    for lobe in wave:
        inside = np.clip((way - lobe.start) / (lobe.end - lobe.start), 0.0, 1.0)
        rising = inside < lobe.peak
        flank = np.where(rising, inside / lobe.peak, (1 - inside) / (1 - lobe.peak))
        height = np.sin(np.pi / 2 * flank) ** np.where(rising, lobe.rise, lobe.fall)
        total += np.array(lobe.vector)[:, None, None] * height
    return total


def draw_wave(strip: np.ndarray, wave: Wave, onsets: np.ndarray, length: float, fs: float) -> None:
    """Add one wave to every beat of a strip, in place.

    Parameters
    ----------
    strip : ndarray, shape (3, sample)
        The dipole, mV.
    wave : tuple of Lobe
    onsets : ndarray, shape (beat,)
        Onset of the wave in each beat, s; beats may lie outside the strip.
    length : float
        Length of the wave, s.
    fs : float
        Sampling frequency, Hz.
    """
    samples = strip.shape[1]
    early = min(0.0, *(lobe.start for lobe in wave)) * length
    count = int((length - early) * fs) + 2
    first = np.floor((onsets + early) * fs).astype(int)
    near = (first < samples) & (first + count > 0)
    first, onsets = first[near], onsets[near]
    at = (first[:, None] + np.arange(count)) / fs
    dipole = pulses(wave, onsets[:, None], length, at)
    for beat, start in enumerate(first):
        low, high = max(start, 0), min(start + count, samples)
        strip[:, low:high] += dipole[:, beat, low - start : high - start]


def seen(dipole: np.ndarray) -> np.ndarray:
    """What I, II, V1..V6 show of a dipole, mV, (3, ...) -> (8, ...)."""
    return np.einsum("ld,d...->l...", LEAD_FIELD, dipole)


def frontal_axis_deg(wave: Wave) -> float:
    """Mean electrical axis of a wave, degrees, from its areas in I and aVF."""
    return float(_axis_deg(sum(lobe.area() for lobe in wave)))


def turned(wave: Wave, axis_deg: float) -> Wave:
    """The same wave, turned about the front-to-back direction until its frontal axis is `axis_deg`."""
    angles = np.radians(np.arange(-180.0, 181.0, 0.5))
    x, y, z = sum(lobe.area() for lobe in wave)
    for _ in range(3):  # twice closer each time a hundredfold, then exact
        found = _axis_deg(
            np.array(
                [
                    x * np.cos(angles) - y * np.sin(angles),
                    x * np.sin(angles) + y * np.cos(angles),
                    np.full_like(angles, z),
                ]
            )
        )
        lacking = np.abs((found - axis_deg + 180) % 360 - 180)
        angle, step = angles[np.argmin(lacking)], angles[1] - angles[0]
        angles = angle + step * np.linspace(-1, 1, 201)
    cos, sin = np.cos(angle), np.sin(angle)
    vectors = [(cos * a - sin * b, sin * a + cos * b, c) for a, b, c in (lobe.vector for lobe in wave)]
    return tuple(replace(lobe, vector=vector) for lobe, vector in zip(wave, vectors, strict=True))


def scaled(wave: Wave, gain: float) -> Wave:
    """The same wave, `gain` times as high."""
    return tuple(replace(lobe, vector=tuple(gain * part for part in lobe.vector)) for lobe in wave)


def _axis_deg(dipole: np.ndarray) -> np.ndarray:
    """Frontal direction of a dipole as the leads show it, degrees, (3, ...) -> (...).

    Source: atan2(2/sqrt(3) aVF, I), aVF = II - I/2; the factor makes up for the augmented lead.
    """
    lead_i, lead_ii = seen(dipole)[:2]
    return np.degrees(np.arctan2(2 / np.sqrt(3) * (lead_ii - lead_i / 2), lead_i))


@cache
def _flank_area(power: float) -> float:
    """Mean of sin(pi/2 u)**power over u from 0 to 1."""
    way = (np.arange(64) + 0.5) / 64
    return float(np.mean(np.sin(np.pi / 2 * way) ** power))
