"""One patient's heart: intervals, beat shape and recording noise as one vector, and what conditions do to it.

The vector's mean is linear in age, sex, log RR and statements, its residual is whitened: in these coordinates
the hearts of the training records have mean 0 and covariance 1 whatever their conditions. The flow
(`models.flow`) starts from that Gaussian and learns what is not Gaussian. The same noise under other
conditions is the same heart, changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.beat import FRAME_MS, P_SPAN, Timing
from models.ecg import INDEPENDENT_LEADS
from models.encoding import RHYTHM_CODES, Encoding, penalties, ridge

SINUS_CODES = ("SR", "SARRH", "SBRAD", "STACH")
TIMING_NAMES = ("log_pr", "log_qrs", "log_qt", "log_r")
SIZE_NAMES = ("log_p_size", "log_qrst_size")
P_SHAPES, QRST_SHAPES = 16, 48
QRST_SPAN = ~P_SPAN
TIMING_LIMITS_MS = ((70.0, 460.0), (50.0, 240.0), (200.0, 700.0), (12.0, 140.0))
SIZE_LIMITS_MV = (0.004, 1.5)
FURTHEST = 4.0
"""Robust standard deviations beyond which a recorded value counts as a miss of the measurement."""
SHRINKAGE = 0.05
STATEMENT_PENALTY = 1.5
_TAPER = np.clip((-FRAME_MS[P_SPAN] - 4.0) / 24.0, 0.0, 1.0)


@dataclass(frozen=True)
class Heart:
    """One heart under one set of conditions.

    Parameters
    ----------
    beat : ndarray, shape (8, len(FRAME_MS))
        mV, in the reference frame.
    timing : Timing
    noise_mv : ndarray, shape (8,)
        Typical size of what a strip adds to its median beat, per lead.
    p_present : bool
    """

    beat: np.ndarray
    timing: Timing
    noise_mv: np.ndarray
    p_present: bool


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


def sizes(beats: np.ndarray) -> np.ndarray:
    """Root mean square over leads and samples, mV, (batch, lead, sample) -> (batch,)."""
    return np.sqrt((beats**2).mean(axis=(1, 2))) + 1e-6


@dataclass(frozen=True)
class HeartModel:
    """The linear part of the heart: conditions -> mean, whitened coordinates <-> heart.

    Parameters
    ----------
    encoding : Encoding
    mean : ndarray, shape (column of the encoding, dimension)
    colour : ndarray, shape (dimension, dimension)
        Square root of the residual covariance.
    p_shapes, qrst_shapes : Shapes
    p_absent : ndarray, shape (len(RHYTHM_CODES),)
        Share of records of each rhythm without a P wave.
    """

    encoding: Encoding
    mean: np.ndarray
    colour: np.ndarray
    p_shapes: Shapes
    qrst_shapes: Shapes
    p_absent: np.ndarray

    @property
    def dimension(self) -> int:
        """Length of a heart's vector."""
        return len(self.colour)

    def whiten(self, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Whitened coordinates of hearts under the encoded conditions `rows`."""
        return np.linalg.solve(self.colour, (vectors - rows @ self.mean).T).T

    def hearts(self, white: np.ndarray, rows: np.ndarray, p_present: Sequence[bool]) -> list[Heart]:
        """The hearts at whitened coordinates (batch, dimension) under the encoded conditions `rows`."""
        vectors = rows @ self.mean + white @ self.colour.T
        at = np.cumsum([len(TIMING_NAMES), len(INDEPENDENT_LEADS), len(SIZE_NAMES), P_SHAPES])
        timings, noise, size, p_part, qrst_part = np.split(vectors, at, axis=1)
        size = np.exp(np.clip(size, *np.log(SIZE_LIMITS_MV)))
        limits = np.log(TIMING_LIMITS_MS)
        timings = np.exp(np.clip(timings, limits[:, 0], limits[:, 1]))
        beats = np.zeros((len(vectors), len(INDEPENDENT_LEADS), len(FRAME_MS)))
        beats[:, :, P_SPAN] = (
            self.p_shapes.decode(p_part, size[:, 0]) * _TAPER * np.asarray(p_present, float)[:, None, None]
        )
        beats[:, :, QRST_SPAN] = self.qrst_shapes.decode(qrst_part, size[:, 1])
        return [
            Heart(beat, Timing(*timing), np.clip(np.exp(level), 0.003, 0.3), bool(has_p))
            for beat, timing, level, has_p in zip(beats, timings, noise, p_present, strict=True)
        ]

    def p_wave(self, statements: Mapping[str, float], chance: float) -> bool:
        """Whether a heart with these statements has P waves; `chance` is uniform in 0..1.

        A sinus rhythm has them by definition: the sinus records without any are misses of the measurement.
        """
        named = [statements.get(code, 0) for code in RHYTHM_CODES]
        # atrial fibrillation outranks a sinus rhythm named beside it
        rank = [
            weight + (0.5 if code == "AFIB" and weight > 0 else 0)
            for code, weight in zip(RHYTHM_CODES, named, strict=True)
        ]
        chosen = int(np.argmax(rank))
        return RHYTHM_CODES[chosen] in SINUS_CODES or bool(chance >= self.p_absent[chosen])


def fit_heart(
    encoding: Encoding,
    rows: np.ndarray,
    beats: np.ndarray,
    timings: np.ndarray,
    noise_mv: np.ndarray,
    p_present: np.ndarray,
) -> HeartModel:
    """The linear heart of the training records.

    Parameters
    ----------
    encoding : Encoding
    rows : ndarray
        Encoded conditions of each record.
    beats : ndarray, shape (record, 8, len(FRAME_MS))
        mV.
    timings : ndarray, shape (record, 4)
        PR, QRS, QT and R in ms; NaN where not measured.
    noise_mv : ndarray, shape (record, 8)
    p_present : ndarray of bool
    """
    p_shapes = fit_shapes(beats[p_present][:, :, P_SPAN], P_SHAPES)
    qrst_shapes = fit_shapes(beats[:, :, QRST_SPAN], QRST_SHAPES)
    vectors = heart_vectors(p_shapes, qrst_shapes, beats, timings, noise_mv, p_present)
    penalty = penalties(encoding, STATEMENT_PENALTY)
    mean = np.zeros((rows.shape[1], vectors.shape[1]))
    for column in range(vectors.shape[1]):
        known = ~np.isnan(vectors[:, column])
        values = vectors[known, column]
        for _ in range(2):  # once more without the misses of the measurement
            mean[:, column] = ridge(rows[known], values, penalty)
            values = without_misses(values, rows[known] @ mean[:, column])
        vectors[known, column] = values
    vectors = fill(vectors, rows @ mean, np.random.default_rng(0))
    residual = vectors - rows @ mean
    covariance = residual.T @ residual / len(residual)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    values, directions = np.linalg.eigh(covariance)
    colour = (directions * np.sqrt(values)) @ directions.T
    flags = rows[:, -len(encoding.codes) :]
    absent = [
        _share(~p_present[flags[:, encoding.codes.index(c)] > 0.3]) if c in encoding.codes else 0.0
        for c in RHYTHM_CODES
    ]
    return HeartModel(encoding, mean, colour, p_shapes, qrst_shapes, np.array(absent))


def heart_vectors(
    p_shapes: Shapes,
    qrst_shapes: Shapes,
    beats: np.ndarray,
    timings: np.ndarray,
    noise_mv: np.ndarray,
    p_present: np.ndarray,
) -> np.ndarray:
    """Vectors of recorded hearts, NaN where a part could not be measured."""
    parts = [
        np.log(timings),
        np.log(noise_mv),
        np.log(np.column_stack([sizes(beats[:, :, P_SPAN]), sizes(beats[:, :, QRST_SPAN])])),
        p_shapes.encode(beats[:, :, P_SPAN]),
        qrst_shapes.encode(beats[:, :, QRST_SPAN]),
    ]
    for rows, column in ((parts[0], 0), (parts[2], 0), (parts[3], slice(None))):
        rows[~p_present, column] = np.nan
    return np.concatenate(parts, axis=1)


def without_misses(values: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Values no further than `FURTHEST` robust standard deviations from what is expected."""
    residual = values - expected
    middle = np.median(residual)
    reach = FURTHEST * 1.4826 * np.median(np.abs(residual - middle)) + 1e-9
    return expected + np.clip(residual, middle - reach, middle + reach)


def fill(vectors: np.ndarray, expected: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Vectors without gaps: what was not measured is what is expected plus another record's residual."""
    residual = vectors - expected
    complete = np.flatnonzero(~np.isnan(residual).any(axis=1))
    donors = draw.choice(complete, len(vectors))
    return np.where(np.isnan(vectors), expected + residual[donors], vectors)


def fit_shapes(beats: np.ndarray, count: int) -> Shapes:
    """Weighted principal components of beats, (record, lead, sample) in mV."""
    flat = (beats / sizes(beats)[:, None, None]).reshape(len(beats), -1)
    centre = flat.mean(axis=0)
    weight = 1 / np.sqrt(flat.std(axis=0) + 0.05)
    values, directions = np.linalg.eigh(np.cov(((flat - centre) * weight).T))
    top = np.argsort(values)[::-1][:count]
    return Shapes(centre, directions[:, top].T, np.sqrt(values[top]), weight)


def _share(flags: np.ndarray) -> float:
    """Share of True, drawn towards 0 by two records so that a rare rhythm does not read 100 %."""
    return float(flags.sum() / (len(flags) + 2))
