"""Estimates that misses of the measurement do not lead astray: spreads, values without misses, gaps filled."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from models.encoding import ridge

FURTHEST, FURTHEST_PR = 4.0, 2.0
"""Robust standard deviations beyond which a recorded value counts as a miss of the measurement; P is missed oftener."""
SPREAD_LIMITS = (0.35, 2.5)
SPREAD_STEPS = 8
LARGEST_RATIO = 9.0
SHRINKAGE = 0.05
"""How far covariances are drawn towards none. Those of noise are left alone: leads and bands share most of it, and if
that were shrunk, leads would differ too much from each other and strips too little."""


def fit_spread(
    rows: np.ndarray, white: np.ndarray, penalty: np.ndarray, limits: tuple[float, float] = SPREAD_LIMITS
) -> np.ndarray:
    """Weights of the log standard deviation of every column of `white`, shape (column, dimension).

    Source: maximum likelihood of N(0, exp(2 rows w)) with a ridge, by Newton's method.
    """
    square = np.minimum(white**2, FURTHEST**2)
    weights = np.zeros((rows.shape[1], white.shape[1]))
    for _ in range(SPREAD_STEPS):
        ratio = square * np.exp(-2 * np.clip(rows @ weights, *np.log(limits)))
        gradient = rows.T @ (1 - ratio) + penalty[:, None] * weights
        for column in range(white.shape[1]):
            curvature = (rows.T * (2 * np.maximum(ratio[:, column], 0.5))) @ rows + np.diag(penalty + 1e-3)
            weights[:, column] -= np.linalg.solve(curvature, gradient[:, column])
    return weights


def colour_of(residual: np.ndarray, together: slice) -> np.ndarray:
    """Square root of the covariance of (record, number), shrunk but for the numbers `together`, (number, number)."""
    covariance = residual.T @ residual / len(residual)
    apart = np.diag(np.diag(covariance))
    apart[together, together] = covariance[together, together]
    values, directions = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * apart)
    return (directions * np.sqrt(values)) @ directions.T


def _without_misses(values: np.ndarray, expected: np.ndarray, furthest: float = FURTHEST) -> np.ndarray:
    """Values no further than so many robust standard deviations from what is expected."""
    residual = values - expected
    middle = np.median(residual)
    reach = furthest * 1.4826 * np.median(np.abs(residual - middle)) + 1e-9
    return expected + np.clip(residual, middle - reach, middle + reach)


def ridge_without_misses(
    rows: np.ndarray, values: np.ndarray, penalty: np.ndarray, often: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge weights of values on rows, once more without the misses of the measurement, and the values without them.

    `often` says that many are missed, as P waves are.
    """
    for _ in range(2):
        weights = ridge(rows, values, penalty)
        values = _without_misses(values, rows @ weights, FURTHEST_PR if often else FURTHEST)
    return weights, values


def fill(vectors: np.ndarray, expected: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Vectors without gaps: what was not measured is what is expected plus another record's residual."""
    residual = vectors - expected
    complete = np.flatnonzero(~np.isnan(residual).any(axis=1))
    donors = draw.choice(complete, len(vectors))
    return np.where(np.isnan(vectors), expected + residual[donors], vectors)


def robust_weights(parts: Sequence[np.ndarray], square: np.ndarray) -> np.ndarray:
    """Weights >= 0 of parts whose sum is the expected square, of ordinary tokens, not of bursts.

    Squares beyond `LARGEST_RATIO` of what is expected are drawn in, in turn with least squares.
    """
    design = np.stack(parts, axis=1)
    weights = np.eye(len(parts))[0]
    for _ in range(6):
        expected = design @ weights + 1e-12
        target = np.minimum(square / expected, LARGEST_RATIO)
        weights, _ = nnls(design / expected[:, None], target)
    return weights
