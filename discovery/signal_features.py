"""Simple numbers of a strip that nobody measures at the bedside: sizes, slopes, noise, spectra, lead by lead."""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import welch
from scipy.stats import kurtosis, skew

from discovery.alike import FS, inside
from models.ecg import INDEPENDENT_LEADS

BANDS_HZ = (
    (1, 3),
    (3, 8),
    (8, 15),
    (15, 25),
    (25, 40),
    (40, 48),
    (48, 52),
    (52, 75),
    (75, 98),
    (98, 102),
    (102, 124),
)
BENDS = (1, 2, 4, 8)
"""Samples on either side of a bend, x[t + k] - 2 x[t] + x[t - k]: highest at 125, 62, 31 and 16 Hz."""
STEEP, ABOUT_STEEP = 5, 25
"""Samples over which the steepness of a strip is averaged, and over which the steepest counts: 20 and 100 ms."""
QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.75, 0.95, 0.99, 0.999)
SEGMENT = 500
FLOOR = 1e-9  # mV^2/Hz below which a spectrum is silence
MOST_ALIKE = 0.98
DIGITS = 6
"""Decimals kept. Strips are in steps of 1 uV, held in single precision: what of a median slope lies beyond tells how
far from 0 mV the samples about it are stored, which is no matter of the heart, and trees find it."""


def spectra(strips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz, from 1 Hz on) and power of every lead, log10 of mV^2/Hz, (batch, 8, frequency).

    Parameters
    ----------
    strips : ndarray, shape (batch, 8, sample)
        mV at 250 Hz, from `discovery.alike`.
    """
    frequency, power = welch(inside(np.asarray(strips, float)), FS, nperseg=SEGMENT, axis=2)
    kept = frequency >= 1
    return frequency[kept], np.log10(power[:, :, kept] + FLOOR)


def signal_features(strips: np.ndarray) -> np.ndarray:
    """Features of each strip, shape (batch, len(feature_names()))."""
    frequency, power = spectra(strips)
    strips = inside(np.asarray(strips, float))
    slope = np.diff(strips, axis=2)
    parts = [np.moveaxis(np.quantile(strips, QUANTILES, axis=2), 0, 2)]
    numbers = (
        strips.std(axis=2),
        skew(strips, axis=2),
        kurtosis(strips, axis=2),
        np.abs(slope).mean(axis=2),
        np.abs(slope).max(axis=2),
        np.median(np.abs(slope), axis=2),
        np.median(np.abs(np.diff(slope, axis=2)), axis=2),
    )
    parts.append(np.stack(numbers, axis=2))
    bands = [power[:, :, (frequency >= low) & (frequency < high)].mean(axis=2) for low, high in BANDS_HZ]
    parts.append(np.stack(bands, axis=2))
    per_lead = np.nan_to_num(np.concatenate(parts, axis=2)).reshape(len(strips), -1)
    return np.round(np.column_stack([per_lead, _between_leads(strips)]), DIGITS)


def feature_names() -> tuple[str, ...]:
    """What each column of `signal_features` is."""
    kinds = (
        *(f"quantile {share:g}" for share in QUANTILES),
        *(
            "SD",
            "skewness",
            "kurtosis",
            "mean slope",
            "largest slope",
            "median slope",
            "median bend",
        ),
        *(f"power {low}-{high} Hz" for low, high in BANDS_HZ),
    )
    pairs = [
        f"correlation {a} {b}" for i, a in enumerate(INDEPENDENT_LEADS) for b in INDEPENDENT_LEADS[i + 1 :]
    ]
    return (*(f"{lead}: {kind}" for lead in INDEPENDENT_LEADS for kind in kinds), *pairs)


def noise_correlations(strips: np.ndarray) -> np.ndarray:
    """How the noise of leads goes together, inverse hyperbolic tangents of correlations, (batch, 112).

    Noise is how the quieter half of a strip bends (`BENDS`): the half that is farthest from being steep in any lead.
    QRS complexes lie in the other one, P and T waves hardly bend so soon.

    Parameters
    ----------
    strips : ndarray, shape (batch, 8, sample)
        mV at 250 Hz, from `discovery.alike`.
    """
    return np.stack([_noise_correlations(strip) for strip in np.asarray(strips, float)])


def _noise_correlations(strip: np.ndarray) -> np.ndarray:
    """The same of one strip, (8, sample) -> (112,)."""
    slope = uniform_filter1d(np.gradient(strip, axis=1) ** 2, STEEP, axis=1)
    steep = (slope / (slope.mean(axis=1, keepdims=True) + FLOOR)).max(axis=0)
    steep = inside(maximum_filter1d(steep, ABOUT_STEEP))
    quiet = steep <= np.median(steep)
    bends = [np.roll(strip, k, axis=1) - 2 * strip + np.roll(strip, -k, axis=1) for k in BENDS]
    found = [_between_leads(inside(bend)[None, :, quiet]) for bend in bends]
    return np.arctanh(np.clip(np.concatenate(found, axis=1)[0], -MOST_ALIKE, MOST_ALIKE))


def _between_leads(strips: np.ndarray) -> np.ndarray:
    """Correlations between the eight leads of each strip, (batch, 28)."""
    unit = strips - strips.mean(axis=2, keepdims=True)
    unit = unit / (np.linalg.norm(unit, axis=2, keepdims=True) + 1e-9)
    upper = np.triu_indices(strips.shape[1], 1)
    return (unit @ unit.transpose(0, 2, 1))[:, upper[0], upper[1]]
