"""How far two samples of ECGs are apart: Frechet, precision and recall, density and coverage, Wasserstein."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, wasserstein_distance

LEVEL = 0.95
DRAWS = 200
SHRINKAGE = 0.05


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval and the n it rests on.

    Parameters
    ----------
    value, low, high : float
    n : int
        ECGs (the smaller side, where two samples are compared).
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Overlap:
    """How two samples cover each other, each between 0 and 1 (density may be above).

    Parameters
    ----------
    precision : Measured
        Share of generated ECGs within reach of a recorded one.
    recall : Measured
        Share of recorded ECGs within reach of a generated one.
    density : Measured
        How many recorded neighbourhoods hold a generated ECG, over how many are expected.
    coverage : Measured
        Share of recorded ECGs in whose neighbourhood a generated one lies.
    """

    precision: Measured
    recall: Measured
    density: Measured
    coverage: Measured


def share(hits: np.ndarray) -> Measured:
    """The share of yes among yes and no (NaN left out), with Wilson's interval.

    Source: Wilson, J. Am. Stat. Assoc. 1927.
    """
    hits = np.asarray(hits, float)
    hits = hits[np.isfinite(hits)]
    n = len(hits)
    if n == 0:
        return Measured(np.nan, np.nan, np.nan, 0)
    p, z = hits.mean(), norm.ppf(0.5 + LEVEL / 2)
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Measured(float(p), *(float((middle + side * half) / (1 + z**2 / n)) for side in (-1, 1)), n)


def resampled(
    statistic: Callable[..., float],
    samples: Sequence[np.ndarray],
    seed: int = 0,
    draws: int = DRAWS,
) -> Measured:
    """A statistic of several samples with its bootstrap interval: rows of each sample are drawn anew.

    The percentiles are moved so that their median lies on the value itself: distances between samples grow when
    rows repeat, and an interval beside its own value would help nobody.
    """
    random = np.random.default_rng(seed)
    value = float(statistic(*samples))
    found = [
        statistic(*(part[random.integers(0, len(part), len(part))] for part in samples)) for _ in range(draws)
    ]
    low, middle, high = np.nanquantile(found, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    return Measured(value, float(value - middle + low), float(value - middle + high), min(map(len, samples)))


def frechet(first: np.ndarray, second: np.ndarray, shrinkage: float = SHRINKAGE) -> float:
    """Frechet distance of two samples taken as Gaussians, in units of the squared feature.

    Covariances are drawn towards their diagonals by `shrinkage`, the same share on both sides, since some
    hundred ECGs do not fill a matrix. What equal populations give at this n says `frechet_bias`.

    Parameters
    ----------
    first, second : ndarray, shape (n, dimension)

    Source: Dowson and Landau, J. Multivar. Anal. 1982; Heusel et al., NeurIPS 2017.
    """
    one, two = (_shrunk(np.asarray(part, float), shrinkage) for part in (first, second))
    gap = np.mean(first, axis=0) - np.mean(second, axis=0)
    return float(gap @ gap + np.trace(one + two - 2 * _root_product(one, two)))


def frechet_bias(reference: np.ndarray, n: int, seed: int = 0, draws: int = 10) -> float:
    """Mean Frechet distance of two Gaussian samples of size `n` drawn from one population, the reference's.

    It is far from 0 where `n` is not much larger than the dimension, and has to be read beside every distance.
    """
    random = np.random.default_rng(seed)
    colour = np.linalg.cholesky(
        _shrunk(np.asarray(reference, float), SHRINKAGE) + 1e-12 * np.eye(reference.shape[1])
    )
    drawn = [random.standard_normal((2, n, reference.shape[1])) @ colour.T for _ in range(draws)]
    return float(np.mean([frechet(*pair) for pair in drawn]))


def overlap(real: np.ndarray, made: np.ndarray, neighbours: int = 3, wide: int = 5) -> Overlap:
    """Precision and recall (`neighbours`), density and coverage (`wide` neighbours) of a generated sample.

    Parameters
    ----------
    real, made : ndarray, shape (n, dimension)

    Raises
    ------
    ValueError
        Where a sample has no more rows than neighbours.

    Source: Kynkaanniemi et al., NeurIPS 2019; Naeem et al., ICML 2020.
    """
    fewest = max(neighbours, wide)
    if min(len(real), len(made)) <= fewest:
        raise ValueError(f"samples must hold more than {fewest} ECGs each, got {len(real)} and {len(made)}")
    between = _distances(made, real)
    reach_real, reach_made = _reach(real, neighbours), _reach(made, neighbours)
    within = between < _reach(real, wide)[None]
    counts = within.sum(axis=1) / wide
    return Overlap(
        share((between <= reach_real[None]).any(axis=1)),
        share((between.T <= reach_made[None]).any(axis=1)),
        resampled(np.mean, [counts]),
        share(within.any(axis=0)),
    )


def wasserstein(first: np.ndarray, second: np.ndarray, angle: bool = False) -> float:
    """Wasserstein distance of two samples of numbers, in their unit; NaN left out.

    Angles (degrees) are first turned so that the second sample's mean direction is 0, and cut at +-180.
    """
    first, second = (np.asarray(part, float) for part in (first, second))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if not len(first) or not len(second):
        return np.nan
    if angle:
        towards = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(second)).mean()))
        first, second = ((part - towards + 180) % 360 - 180 for part in (first, second))
    return float(wasserstein_distance(first, second))


def distance_ratio(
    made: Sequence[np.ndarray],
    real: np.ndarray,
    others: np.ndarray,
    angle: bool = False,
    seed: int = 0,
) -> tuple[Measured, Measured, Measured]:
    """Wasserstein distance of generated samples to a recorded one, the floor of it, and their ratio.

    Parameters
    ----------
    made : sequence of ndarray
        Generated samples, each of the size of `real`; their distances are averaged.
    real : ndarray
        The recorded sample that is judged against.
    others : ndarray
        Other people's records; the floor is the mean distance of samples of the size of `real` drawn from it.

    Returns
    -------
    distance, floor, ratio : Measured
        Intervals by drawing generated ECGs, recorded ECGs and other people's records anew, all together.
    """
    real, others = (np.asarray(part, float)[np.isfinite(part)] for part in (real, others))
    made = [np.asarray(part, float)[np.isfinite(part)] for part in made]
    random = np.random.default_rng(seed)

    def once(again: bool, samples: int) -> tuple[float, float]:
        def drawn(part: np.ndarray) -> np.ndarray:
            return part[random.integers(0, len(part), len(part))] if again and len(part) else part

        target, pool, size = drawn(real), drawn(others), min(len(real), len(others))
        ours = np.mean([wasserstein(drawn(part), target, angle) for part in made])
        picks = [random.permutation(len(pool))[:size] for _ in range(samples)]
        return ours, np.mean([wasserstein(pool[pick], target, angle) for pick in picks])

    value = np.array(once(False, 50))
    found = np.array([once(True, 3) for _ in range(DRAWS)])
    found = np.column_stack([found, found[:, 0] / found[:, 1]])
    value = np.append(value, value[0] / value[1])
    low, middle, high = np.nanquantile(found, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], axis=0)
    n = min(len(real), *(len(part) for part in made))
    moved = zip(value, value * low / middle, value * high / middle, strict=True)
    return tuple(Measured(float(v), float(a), float(b), n) for v, a, b in moved)


def _shrunk(rows: np.ndarray, shrinkage: float) -> np.ndarray:
    """Covariance drawn towards its diagonal."""
    square = np.atleast_2d(np.cov(rows, rowvar=False))
    return (1 - shrinkage) * square + shrinkage * np.diag(np.diag(square))


def _root_product(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """A matrix with the trace of the square root of `one @ two`, computed on the symmetric side."""
    values, vectors = np.linalg.eigh(one)
    half = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    inside = half @ two @ half
    values = np.clip(np.linalg.eigvalsh((inside + inside.T) / 2), 0, None)
    return np.diag(np.sqrt(values))


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distances, (n of first, n of second)."""
    square = (first**2).sum(1)[:, None] + (second**2).sum(1)[None] - 2 * first @ second.T
    return np.sqrt(np.maximum(square, 0))


def _reach(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance of each point to its k-th nearest fellow."""
    return np.sort(_distances(points, points), axis=1)[:, neighbours]
