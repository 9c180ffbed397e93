"""One patient's heart: intervals, beat shape and recording noise as one vector, and what conditions do to it.

The vector's mean is linear in age, sex, log RR and statements, its residual is whitened, and the logarithm of each
whitened coordinate's spread is linear in the conditions again (people with a normal ECG differ less than those with
an infarct): the hearts of the training records have mean 0 and covariance 1 whatever their conditions. Most of them
lie nearer to the middle than so many independent numbers would, some much further: how far is a number of its own
for each group of coordinates (`HeartModel.reach`). The flow (`models.flow`) starts from a Gaussian and learns what is
not Gaussian. The same noise under other conditions is the same heart, changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from models.beat import FRAME_MS, P_SPAN, TPTE_LIMITS, Timing
from models.ecg import INDEPENDENT_LEADS
from models.encoding import MAIN_EFFECTS, RHYTHM_CODES, Encoding, penalties
from models.keeping import keep_to_limits, keep_to_onsets, keep_to_traits
from models.loudness import ROUGHNESS_LIMITS, fit_least_noise, log_noise, loudness, noise_of, roughnesses
from models.shapes import Shapes, fit_shapes, sizes
from models.spread import SPREAD_LIMITS, colour_of, fill, fit_spread, ridge_without_misses
from models.strip import BANDS
from models.traits import TRAITS, Traits, fit_traits, shown

NOISES = len(INDEPENDENT_LEADS) * BANDS
SINUS_CODES = ("SR", "SARRH", "SBRAD", "STACH")
TIMING_NAMES = ("log_pr", "log_qrs", "log_qt", "log_r", "log_tpte")
NOISE = slice(len(TIMING_NAMES), len(TIMING_NAMES) + NOISES)
SIZE_NAMES = ("log_p_size", "log_qrst_size", "log_detail_share")
SIZES = slice(NOISE.stop, NOISE.stop + len(SIZE_NAMES))
P_SHAPES, QRST_SHAPES, DETAIL_SHAPES = 24, 40, 120
"""Principal components kept, of beats and of the detail that those leave; without it QRS loses its fast parts."""
QRST_SPAN = ~P_SPAN
TIMING_LIMITS_MS = ((70.0, 460.0), (50.0, 240.0), (200.0, 700.0), (12.0, 140.0), TPTE_LIMITS)
SIZE_LIMITS_MV = (0.004, 1.5)
DETAIL_LIMITS = (0.02, 0.5)
FURTHEST_REACH = 4.0
"""Standard deviations of a reach beyond which none goes."""
SPREAD_PENALTY = 120.0
STATEMENT_PENALTY = 1.5
"""Pseudo-records that hold a statement's effect at 0; more, even where it foretells a number better, loses what many
small numbers do together: Q waves."""
P_TAPER = np.clip((-FRAME_MS[P_SPAN] - 4.0) / 24.0, 0.0, 1.0)


@dataclass(frozen=True)
class Heart:
    """One heart under one set of conditions.

    Parameters
    ----------
    beat : ndarray, shape (8, len(FRAME_MS))
        mV, in the reference frame.
    timing : Timing
    noise_mv : ndarray, shape (8, BANDS)
        Typical size of what a strip adds to its median beat, per lead and band (`models.strip.BAND_OF`).
    p_present : bool
    detail_mv : float
        Root mean square of the detail of the beat without its P wave.
    """

    beat: np.ndarray
    timing: Timing
    noise_mv: np.ndarray
    p_present: bool
    detail_mv: float


@dataclass(frozen=True)
class HeartModel:
    """The linear part of the heart: conditions -> mean, whitened coordinates <-> heart.

    Parameters
    ----------
    encoding : Encoding
    mean : ndarray, shape (column, number)
        Columns are those of the encoding and, last, of the traits (`with_traits`).
    colour : ndarray, shape (number, number)
        Square root of the residual covariance.
    spread : ndarray, shape (column, number)
        Logarithm of the standard deviation of each whitened coordinate.
    least_noise_mv : ndarray, shape (8, BANDS)
        The logarithm of what a strip's noise is above it is a number of its heart.
    reach : ndarray, shape (2, len(HeartModel.groups))
        Mean and standard deviation of the logarithm of the root mean square of each group of whitened coordinates.
    roughness : ndarray, shape (1 + BANDS, shape)
        Logarithm of the standard deviation of each coefficient of the shapes by the record's noise (`loudness`): a
        median beat keeps a share of the noise, and that share must not make the beats of a quiet record rough.
    p_shapes, qrst_shapes : Shapes
    detail_shapes : Shapes
        Of what `qrst_shapes` leave of beats of size 1. How large it is differs much among hearts: its size is a number
        of its own, for few beats have as much of it as the mean square of all says.
    p_absent : ndarray, shape (len(RHYTHM_CODES),)
        Share of records of each rhythm without a P wave.
    traits : Traits
    """

    encoding: Encoding
    mean: np.ndarray
    colour: np.ndarray
    spread: np.ndarray
    least_noise_mv: np.ndarray
    reach: np.ndarray
    roughness: np.ndarray
    p_shapes: Shapes
    qrst_shapes: Shapes
    detail_shapes: Shapes
    p_absent: np.ndarray
    traits: Traits

    @property
    def dimension(self) -> int:
        """Length of a heart in whitened coordinates: its numbers, and the reach of each group of them."""
        return len(self.colour) + self.reach.shape[1]

    @property
    def shapes(self) -> tuple[Shapes, Shapes, Shapes]:
        """Of P, of QRST and of its detail."""
        return self.p_shapes, self.qrst_shapes, self.detail_shapes

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Numbers that a flow is to learn together: QRST as one sees it and every reach, P, noise, fine detail.

        Components of one wave go together beyond what a covariance tells: a P wave that comes a little later moves all.
        """
        _, p_shapes, qrst, detail = (range(group.start, group.stop) for group in self.groups)
        leading = (*range(NOISE.start), *range(SIZES.start, SIZES.stop), *qrst)
        leading += tuple(range(len(self.colour), self.dimension))
        parts = (leading, tuple(p_shapes), tuple(range(NOISE.start, NOISE.stop)), tuple(detail))
        return tuple(part for part in parts if part)

    @property
    def told(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the parts before that the flow of each part is told.

        P waves rest on intervals and sizes, what is fine on the shapes of QRST.
        """
        qrst = self.groups[2]
        before = (*range(NOISE.start), *range(SIZES.start, SIZES.stop))
        return ((), before, (), tuple(range(qrst.start, qrst.stop)))[: len(self.parts)]

    @property
    def groups(self) -> tuple[slice, ...]:
        """Numbers that are more or less usual together: noise, and the shapes of P, of QRST, of its detail."""
        ends = np.cumsum([SIZES.stop, *(len(shapes.spread) for shapes in self.shapes)])
        return NOISE, *(slice(int(start), int(stop)) for start, stop in pairwise(ends))

    def whiten(self, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Whitened coordinates of hearts under the encoded conditions and traits `rows`, (batch, dimension)."""
        residual = (vectors - rows @ self.mean) / self._roughness(vectors)
        white = np.linalg.solve(self.colour, residual.T).T / self._spreads(rows)
        size = np.stack([_rms(white[:, group]) for group in self.groups], axis=1)
        for group, own in zip(self.groups, size.T, strict=True):
            white[:, group] /= own[:, None]
        return np.column_stack([white, (np.log(size) - self.reach[0]) / self.reach[1]])

    def numbers(self, white: np.ndarray) -> np.ndarray:
        """Whitened numbers of hearts, (batch, number), each group as far from the middle as its reach says."""
        numbers, reach = np.split(np.array(white, float), [len(self.colour)], axis=1)
        size = np.exp(self.reach[0] + self.reach[1] * np.clip(reach, -FURTHEST_REACH, FURTHEST_REACH))
        for group, own in zip(self.groups, size.T, strict=True):
            numbers[:, group] *= (own / _rms(numbers[:, group]))[:, None]
        return numbers

    def hearts(
        self,
        white: np.ndarray,
        rows: np.ndarray,
        p_present: Sequence[bool],
        by_definition: bool = False,
        p_on_time: bool = False,
    ) -> list[Heart]:
        """The hearts at whitened coordinates (batch, dimension) under the encoded conditions and traits `rows`.

        With `by_definition` they have these traits and no other, and keep to the limits that define their statements;
        with `p_on_time` their P waves begin where PR says, as those of records do (`models.keeping`).
        """
        expected = rows @ self.mean
        residual = (self.numbers(white) * self._spreads(rows)) @ self.colour.T
        vectors = expected + residual * self._roughness(expected + residual)
        has_p = np.asarray(p_present, bool)
        parts = self._decoded(vectors, has_p)
        if by_definition:
            self._keep_to_definitions(vectors, rows, *parts)
        if p_on_time:
            keep_to_onsets(self._p_waves, self.groups[1], vectors, expected, has_p, *parts[:2])
        loud = noise_of(vectors[:, NOISE], self.least_noise_mv)
        return [
            Heart(beat, timing, noise_mv, bool(present), float(detail))
            for beat, timing, detail, noise_mv, present in zip(*parts, loud, has_p, strict=True)
        ]

    def _decoded(
        self, vectors: np.ndarray, p_present: np.ndarray
    ) -> tuple[np.ndarray, list[Timing], np.ndarray]:
        """Beats (mV), timings and root mean square of the detail (mV) of hearts."""
        beats = np.zeros((len(vectors), len(INDEPENDENT_LEADS), len(FRAME_MS)))
        beats[:, :, P_SPAN] = self._p_waves(vectors) * p_present[:, None, None]
        beats[:, :, QRST_SPAN], detail_mv = self._qrst_waves(vectors)
        limits = np.log(TIMING_LIMITS_MS)
        timings = np.exp(np.clip(vectors[:, : len(limits)], limits[:, 0], limits[:, 1]))
        return beats, [Timing(*timing) for timing in timings], detail_mv

    def _p_waves(self, vectors: np.ndarray) -> np.ndarray:
        """P waves of hearts, mV, (batch, 8, sample)."""
        size = np.exp(np.clip(vectors[:, SIZES.start], *np.log(SIZE_LIMITS_MV)))
        return self.p_shapes.decode(vectors[:, self.groups[1]], size) * P_TAPER

    def _qrst_waves(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """QRST of hearts, mV, (batch, 8, sample), and the root mean square of their detail, mV."""
        size = np.exp(np.clip(vectors[:, SIZES.start + 1], *np.log(SIZE_LIMITS_MV)))
        share = np.exp(np.clip(vectors[:, SIZES.start + 2], *np.log(DETAIL_LIMITS)))
        qrst = self.qrst_shapes.decode(vectors[:, self.groups[2]], np.ones(len(vectors)))
        qrst = qrst + self.detail_shapes.decode(vectors[:, self.groups[3]], share)
        scale = size / sizes(qrst)
        return qrst * scale[:, None, None], share * scale

    def vectors(
        self, beats: np.ndarray, timings: np.ndarray, noise_mv: np.ndarray, p_present: np.ndarray
    ) -> np.ndarray:
        """Numbers of recorded hearts, as `fit_heart` takes them; NaN where a part could not be measured."""
        return heart_vectors(self.shapes, self.least_noise_mv, beats, timings, noise_mv, p_present)

    def _roughness(self, vectors: np.ndarray) -> np.ndarray:
        """What noise makes of the spread of each number of hearts, (heart, number); 1 but for shapes."""
        shapes = roughnesses(self.roughness, noise_of(vectors[:, NOISE], self.least_noise_mv))
        return np.column_stack([np.ones((len(vectors), vectors.shape[1] - shapes.shape[1])), shapes])

    def _spreads(self, rows: np.ndarray) -> np.ndarray:
        """Standard deviations of the whitened coordinates under the encoded conditions and traits `rows`."""
        return np.exp(np.clip(rows @ self.spread, *np.log(SPREAD_LIMITS)))

    def _keep_to_definitions(
        self,
        vectors: np.ndarray,
        rows: np.ndarray,
        beats: np.ndarray,
        timings: list[Timing],
        detail_mv: np.ndarray,
    ) -> None:
        """Holds hearts to their traits and to the limits of their statements, in place."""
        effect = self.mean[-len(TRAITS) :].copy()
        effect[:, : self.groups[2].start] = 0.0
        wanted = rows[:, -len(TRAITS) :] > 0.5
        keep_to_traits(self._qrst_waves, effect, wanted, vectors, beats, detail_mv, timings)
        flags = rows[:, len(MAIN_EFFECTS) : len(self.encoding.names)] > 0.5
        keep_to_limits(dict(zip(self.encoding.codes, flags.T, strict=True)), beats, timings)

    def p_wave(self, statements: Mapping[str, float], chance: float) -> bool:
        """Whether a heart with these statements has P waves; `chance` is uniform in 0..1.

        A sinus rhythm has them by definition, atrial fibrillation has none: records that show otherwise are misses
        of the measurement.
        """
        named = [statements.get(code, 0) for code in RHYTHM_CODES]
        # atrial fibrillation outranks a sinus rhythm named beside it
        rank = [
            weight + (0.5 if code == "AFIB" and weight > 0 else 0)
            for code, weight in zip(RHYTHM_CODES, named, strict=True)
        ]
        chosen = int(np.argmax(rank))
        if RHYTHM_CODES[chosen] == "AFIB":
            return False
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
    rows : ndarray, shape (record, column of the encoding)
        Encoded conditions.
    beats : ndarray, shape (record, 8, len(FRAME_MS))
        mV.
    timings : ndarray, shape (record, 5)
        PR, QRS, QT and R in ms; NaN where not measured.
    noise_mv : ndarray, shape (record, 8, BANDS)
    p_present : ndarray of bool
    """
    p_shapes = fit_shapes(beats[p_present][:, :, P_SPAN], P_SHAPES)
    qrst_shapes = fit_shapes(beats[:, :, QRST_SPAN], QRST_SHAPES)
    detail_shapes = fit_shapes(qrst_shapes.left(beats[:, :, QRST_SPAN]), DETAIL_SHAPES)
    all_shapes = (p_shapes, qrst_shapes, detail_shapes)
    least_noise_mv = fit_least_noise(noise_mv)
    vectors = heart_vectors(all_shapes, least_noise_mv, beats, timings, noise_mv, p_present)
    found = shown(beats, timings[:, TIMING_NAMES.index("log_qrs")])
    traits = fit_traits(encoding, rows, found)
    rows = with_traits(rows, beats, timings)
    penalty = _and_traits(penalties(encoding, STATEMENT_PENALTY), STATEMENT_PENALTY)
    mean = np.zeros((rows.shape[1], vectors.shape[1]))
    for column in range(vectors.shape[1]):
        known = ~np.isnan(vectors[:, column])
        often = column == TIMING_NAMES.index("log_pr")
        found = ridge_without_misses(rows[known], vectors[known, column], penalty, often)
        mean[:, column], vectors[known, column] = found
    vectors = fill(vectors, rows @ mean, np.random.default_rng(0))
    residual = vectors - rows @ mean
    shapes = residual[:, -sum(len(shapes.spread) for shapes in all_shapes) :]
    own = np.full(1 + BANDS, SPREAD_PENALTY)
    loud = noise_of(vectors[:, NOISE], least_noise_mv)
    roughness = fit_spread(loudness(loud), shapes / shapes.std(axis=0), own, ROUGHNESS_LIMITS)
    shapes /= roughnesses(roughness, loud)  # a view: those of `residual` itself
    colour = colour_of(residual, NOISE)
    white = np.linalg.solve(colour, residual.T).T
    free = _and_traits(penalties(encoding, SPREAD_PENALTY), SPREAD_PENALTY)
    spread = fit_spread(rows, white, np.where(free < 1e-3, 1e-3, np.maximum(free, SPREAD_PENALTY)))
    flags = rows[:, len(MAIN_EFFECTS) : len(encoding.names)]
    absent = [
        _share(~p_present[flags[:, encoding.codes.index(c)] > 0.3]) if c in encoding.codes else 0.0
        for c in RHYTHM_CODES
    ]
    plain = np.tile([[0.0], [1.0]], len(all_shapes) + 1)
    model = HeartModel(
        encoding,
        mean,
        colour,
        spread,
        least_noise_mv,
        plain,
        roughness,
        *all_shapes,
        np.array(absent),
        traits,
    )
    log_size = model.whiten(vectors, rows)[:, len(colour) :]
    return replace(model, reach=np.stack([log_size.mean(axis=0), log_size.std(axis=0) + 1e-3]))


def with_traits(rows: np.ndarray, beats: np.ndarray, timings: np.ndarray) -> np.ndarray:
    """Encoded conditions `rows` with the traits that these beats (mV) of these timings (ms) have as last columns."""
    return np.column_stack([rows, shown(beats, timings[:, TIMING_NAMES.index("log_qrs")])])


def heart_vectors(
    shapes: tuple[Shapes, Shapes, Shapes],
    least_noise_mv: np.ndarray,
    beats: np.ndarray,
    timings: np.ndarray,
    noise_mv: np.ndarray,
    p_present: np.ndarray,
) -> np.ndarray:
    """Vectors of recorded hearts, NaN where a part could not be measured.

    `shapes` are those of P, of QRST and of its detail.
    """
    p_shapes, qrst_shapes, detail_shapes = shapes
    detail = qrst_shapes.left(beats[:, :, QRST_SPAN])
    size = [sizes(part) for part in (beats[:, :, P_SPAN], beats[:, :, QRST_SPAN], detail)]
    parts = [
        np.log(timings),
        log_noise(noise_mv, least_noise_mv),
        np.log(np.column_stack(size)),
        p_shapes.encode(beats[:, :, P_SPAN]),
        qrst_shapes.encode(beats[:, :, QRST_SPAN]),
        detail_shapes.encode(detail),
    ]
    for rows, column in ((parts[0], 0), (parts[2], 0), (parts[3], slice(None))):
        rows[~p_present, column] = np.nan
    return np.concatenate(parts, axis=1)


def _rms(rows: np.ndarray) -> np.ndarray:
    """Root mean square of each row."""
    return np.sqrt((rows**2).mean(axis=1)) + 1e-9


def _and_traits(penalty: np.ndarray, of_traits: float) -> np.ndarray:
    """Ridge penalties of an encoding's columns and of the traits."""
    return np.concatenate([penalty, np.full(len(TRAITS), of_traits)])


def _share(flags: np.ndarray) -> float:
    """Share of True, drawn towards 0 by two records so that a rare rhythm does not read 100 %."""
    return float(flags.sum() / (len(flags) + 2))
