"""How loud strips are: what of their noise is lognormal, and what it makes of the shapes of their beats."""

import numpy as np

from models.ecg import INDEPENDENT_LEADS
from models.strip import BANDS, NOISE_LIMITS_MV

TAIL = 0.02
"""Share of records on either side whose noise tells how skewed it is."""
LEAST_ABOVE = 0.1
"""Share of the least noise by which any noise counts as above it."""
ROUGHNESS_LIMITS = (0.1, 10.0)
ROUGHNESS_UNIT_MV = 0.005


def fit_least_noise(noise_mv: np.ndarray) -> np.ndarray:
    """Noise above which that of records is lognormal, mV, (record, 8, BANDS) -> (8, BANDS); 0 where nothing tells.

    A recorder adds noise of its own to every strip, however quiet: the logarithms of all noise are skewed, those of
    what is above the least are not. Source: lognormal distribution of three parameters, fitted to symmetric
    quantiles, (low - c) (high - c) = (median - c)^2 (Aitchison and Brown 1957).
    """
    low, middle, high = np.quantile(noise_mv, (TAIL, 0.5, 1 - TAIL), axis=0)
    skewed = low + high > 2 * middle
    least = (low * high - middle**2) / np.where(skewed, low + high - 2 * middle, np.inf)
    return np.clip(least, 0.0, low)


def log_noise(noise_mv: np.ndarray, least_mv: np.ndarray) -> np.ndarray:
    """Logarithm of how far noise (mV) is above the least, (batch, 8, BANDS) -> (batch, 8 BANDS)."""
    return np.log(np.maximum(noise_mv - least_mv, LEAST_ABOVE * least_mv)).reshape(len(noise_mv), -1)


def noise_of(levels: np.ndarray, least_mv: np.ndarray) -> np.ndarray:
    """Noise, mV, (batch, 8, BANDS), within `NOISE_LIMITS_MV`; undoes `log_noise`."""
    above = np.exp(levels).reshape(-1, len(INDEPENDENT_LEADS), BANDS)
    return np.clip(above + least_mv, *NOISE_LIMITS_MV)


def loudness(noise_mv: np.ndarray) -> np.ndarray:
    """1 and, for each band, the logarithm of the noise of strips, mean of the leads, shape (strip, 1 + BANDS)."""
    bands = np.log(noise_mv / ROUGHNESS_UNIT_MV).mean(axis=1)
    return np.column_stack([np.ones(len(noise_mv)), bands])


def roughnesses(roughness: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
    """What noise makes of the spread of each coefficient of the shapes, (strip, shape).

    Parameters
    ----------
    roughness : ndarray, shape (1 + BANDS, shape)
    noise_mv : ndarray, shape (strip, 8, BANDS)
    """
    return np.exp(np.clip(loudness(noise_mv) @ roughness, *np.log(ROUGHNESS_LIMITS)))
