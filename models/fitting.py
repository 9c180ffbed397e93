"""The parts of the generator that are fitted in closed form, from training material to `Linear`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.signal import resample_poly

from models.codec import to_tokens
from models.correlations import LeadCorrelations, fit_correlations, logarithms_of, spans_of, units_of
from models.ectopy import FEWEST_BEATS, EctopyModel, carries_ectopy, ectopic_beats, fit_ectopy
from models.encoding import AGE_CENTRE, Encoding, with_rhythm
from models.heart import HeartModel, fit_heart, with_traits
from models.notches import Notches, fit_notches
from models.population import Population, fit_population
from models.preparation import FINE, SAMPLES, Material
from models.rhythm import RhythmModel, fit_rhythm
from models.spread import fill, robust_weights
from models.strip import BAND_OF, BANDS, FS, TOKEN, StripScale, activities, envelope_parts

FEWEST_HEARTS = 48
FEWEST_RECORDS = 5
"""A statement with fewer training records has no column: what cannot be learnt is not promised."""
VALIDATION_FOLD = 9
TEST_FOLD = 10
"""Never looked at here: neither fitted, nor trained on, nor used to choose."""
SCALE_STRIPS = 600
ACTIVITY_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.77, 0.84, 0.9, 0.95, 1.0)
"""Between which shares of all tokens, from the quietest on, typical sizes are taken."""
MOST_RECORDS = 20_000
"""The closed forms are fitted on a random sample of so many records where there are more ..."""
RARE_RECORDS = 100
"""... and, of each statement of which it holds fewer, on up to so many of its records besides."""
BLOCK = 4096
FEWEST_TOKENS = (40, 12)
"""Of the spans of `models.correlations`: from a strip with fewer of either no correlations are learnt."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Everything of a checkpoint but the networks; `facts` are counts and ranges of the data."""

    encoding: Encoding
    population: Population
    rhythm: RhythmModel
    heart: HeartModel
    scale: StripScale
    ectopy: EctopyModel
    notches: Notches
    correlations: LeadCorrelations
    facts: Mapping[str, Any]

    @property
    def parts(self) -> tuple[Any, ...]:
        """The parts in the order in which a checkpoint holds them, between its facts and its networks."""
        both = (self.population, self.rhythm, self.heart, self.scale, self.ectopy)
        return (*both, self.notches, self.correlations)


@dataclass(frozen=True, eq=False)
class Hearts:
    """Labelled strips as the heart network sees them.

    Parameters
    ----------
    white : ndarray, shape (strip, dimension)
        Whitened hearts.
    rows : ndarray, shape (strip, column)
        Encoded conditions and traits.
    train : ndarray of bool
        Which strips are for training; the others are the validation fold's.
    statements : list of dict
    index : ndarray of int
        Which strips of the material they are.
    """

    white: np.ndarray
    rows: np.ndarray
    train: np.ndarray
    statements: list[Mapping[str, float]]
    index: np.ndarray


def fit_linear(material: Material) -> tuple[Linear, Hearts]:
    """The linear parts, fitted without the validation fold, and all labelled hearts in their coordinates.

    Raises
    ------
    ValueError
        Where there are too few records to fit anything.
    """
    known = np.flatnonzero(known_strips(material))
    train = material.table["fold"].to_numpy()[known] != VALIDATION_FOLD
    if train.sum() <= FEWEST_HEARTS or train.all():
        raise ValueError(
            f"data must hold more than {FEWEST_HEARTS} measured training records and some of fold "
            f"{VALIDATION_FOLD}, got {train.sum()} and {(~train).sum()}: give more records"
        )
    seen = Counter(
        code for row in known[train] for code, sure in material.statements[row].items() if sure > 0.3
    )
    encoding = Encoding(tuple(sorted(code for code, count in seen.items() if count >= FEWEST_RECORDS)))
    chosen = sample_of_records(known[train], material.statements)
    some, rows = material.select(chosen), strip_conditions(material, encoding)
    heart = fit_heart(encoding, rows[chosen], *_measured_hearts(some))
    age, female, rr_s = (
        table_with_means(material.table).iloc[chosen][name].to_numpy(float)
        for name in ("age", "female", "rr_s")
    )
    said = [with_rhythm(one) for one in some.statements]
    inside = [recorded_beats(rhythm) for rhythm in some.rhythms]
    ectopic = [beat for index in range(len(some.table)) for beat in _ectopic_beats(some, index)]
    facts = {
        "records": int(train.sum()),
        "extra_records": int((~material.table["labelled"]).sum()),
        "ectopic_beats": len(ectopic),
        "seen": dict(sorted(seen.items())),
        "ages": _range(age),
        "rates": _range(60 / rr_s),
        **_never_known(material.table.iloc[known[train]]),
    }
    train_strips = np.flatnonzero(material.table["fold"].to_numpy() != VALIDATION_FOLD)
    scale = _fit_scale(material, train_strips)
    linear = Linear(
        encoding,
        fit_population(encoding, age, female, rr_s, said),
        fit_rhythm([beats for beats, _ in inside], [kept for _, kept in inside], age, said),
        heart,
        scale,
        fit_ectopy(ectopic if len(ectopic) >= FEWEST_BEATS else list(some.beats)),  # else early, not other
        fit_notches(heart.qrst_shapes, heart.detail_shapes, np.asarray(some.beats, float)),
        correlations_of(material, scale, train_strips),
        facts,
    )
    said = [material.statements[row] for row in known]
    return linear, Hearts(*white_hearts(heart, material, known, rows), train, said, known)


def sample_of_records(train: np.ndarray, statements: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Rows for the closed forms, in order: all, or `MOST_RECORDS` at random with rare statements topped up."""
    if len(train) <= MOST_RECORDS:
        return train
    shuffled = np.random.default_rng(3).permutation(train)
    chosen = list(shuffled[:MOST_RECORDS])
    count = Counter(code for row in chosen for code in statements[row])
    for row in shuffled[MOST_RECORDS:]:
        if any(count[code] < RARE_RECORDS for code in statements[row]):
            chosen.append(row)
            count.update(statements[row])
    return np.sort(chosen)


def white_hearts(
    heart: HeartModel, material: Material, index: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whitened hearts of some strips, (strip, dimension), and their encoded conditions with their traits.

    A block of strips is in memory at a time.
    """
    draw, parts, told = np.random.default_rng(1), [], []
    for block in np.array_split(index, -(-len(index) // BLOCK)):
        beats, timings, *rest = _measured_hearts(material.select(block))
        told.append(with_traits(rows[block], beats, timings))
        vectors = heart.vectors(beats, timings, *rest)
        vectors = fill(vectors, told[-1] @ heart.mean, draw)
        parts.append(heart.whiten(vectors, told[-1]).astype(np.float32))
    return np.concatenate(parts), np.concatenate(told)


def strip_conditions(material: Material, encoding: Encoding) -> np.ndarray:
    """Encoded conditions of each strip, shape (strip, column); zeros where nothing is known.

    A record whose age or sex alone is unknown stands for the mean of those that are known.
    """
    table = table_with_means(material.table)
    said = [with_rhythm(one) for one in material.statements]
    rows = encoding.rows(*(table[name].to_numpy(float) for name in ("age", "female", "rr_s")), said)
    return np.where(known_strips(material)[:, None], rows, 0.0)


def table_with_means(table: pd.DataFrame) -> pd.DataFrame:
    """The table with unknown ages and sexes at the mean of the known, at the encoding's zero where none is."""
    age, female = table["age"].mean(), table["female"].mean()
    means = {"age": AGE_CENTRE if np.isnan(age) else age, "female": 0.5 if np.isnan(female) else female}
    return table.fillna({**means, "rr_s": 1.0})


def recorded_beats(rhythm: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Beats inside the strip (s), and which of them are of the dominant class."""
    beats, _, kept = rhythm
    inside = (beats >= 0) & (beats <= SAMPLES / FS)
    return beats[inside], kept[inside]


def _measured_hearts(material: Material) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Beats, timings, noise and P waves of the strips, as `fit_heart` and `HeartModel.vectors` take them."""
    beats, timings = np.asarray(material.beats, float), np.asarray(material.timings, float)
    return beats, timings, material.noise_mv(), material.table["p_present"].to_numpy(bool)


def _never_known(table: pd.DataFrame) -> dict[str, list[str]]:
    """Which of age and sex no training record tells; nothing where all are told."""
    never = [word for name, word in (("age", "age"), ("female", "sex")) if table[name].isna().all()]
    return {"never_known": never} if never else {}


def known_strips(material: Material) -> np.ndarray:
    """Strips whose conditions are known."""
    return material.table["labelled"].to_numpy(bool) & material.table["rr_s"].notna().to_numpy()


def _range(values: np.ndarray) -> list[float]:
    """First and last percentile."""
    return [round(float(np.quantile(values, share)), 1) for share in (0.01, 0.99)]


def _ectopic_beats(material: Material, index: int) -> list[np.ndarray]:
    """Premature beats of another shape in one strip, where its statements name such beats."""
    if not carries_ectopy(material.statements[index]):
        return []
    strip = resample_poly(
        (material.rendered[index] + material.residual[index]).astype(float), FINE, 1, axis=1
    )
    return ectopic_beats(strip, FINE * FS, *recorded_beats(material.rhythms[index]))


def _fit_scale(material: Material, index: np.ndarray) -> StripScale:
    """Envelope by non-negative least squares on a sample of residuals, then standard deviations of tokens."""
    some = material.select(np.random.default_rng(2).permutation(index)[:SCALE_STRIPS]).loaded()
    used = torch.from_numpy(some.weight > 0)
    noise, rendered, residual = (
        torch.from_numpy(np.asarray(part, float)) for part in (some.noise_mv(), some.rendered, some.residual)
    )
    parts = [part[used].numpy() for part in envelope_parts(rendered, noise)]
    square = to_tokens(residual)[used].numpy().reshape(parts[0].shape) ** 2
    envelope = np.stack(
        [
            robust_weights(
                [part[..., band == BAND_OF].ravel() for part in parts], square[..., band == BAND_OF].ravel()
            )
            for band in range(BANDS)
        ]
    )
    plain = (np.ones(TOKEN), np.ones(TOKEN), np.arange(2.0), np.zeros((BANDS, 2)))
    scale = StripScale(np.maximum(envelope, [0.3, 1e-5, 1e-5, 1e-6]), *plain)
    units = scale.to_unit(residual, rendered, noise)[used].numpy()
    active = activities(envelope_parts(rendered, noise))[used].numpy()
    scale = replace(scale, **_fit_quiet(active, units.reshape(*active.shape, -1)))
    units = scale.to_unit(residual, rendered, noise)[used].numpy()
    spread = 1.4826 * np.median(np.abs(units), axis=0) + 1e-3
    beats = to_tokens(rendered).numpy().reshape(-1, TOKEN)
    return replace(scale, token=spread, beat=beats.std(axis=0) + 0.01)


def correlations_of(material: Material, scale: StripScale, index: np.ndarray) -> LeadCorrelations:
    """How leads go together in residuals of these strips, or of `MOST_RECORDS` of them at random."""
    index = np.random.default_rng(4).permutation(index)[:MOST_RECORDS]
    noise, found = [], []
    for rows in np.array_split(np.sort(index), -(-len(index) // SCALE_STRIPS)):
        some = material.select(rows).loaded()
        levels, beats, residual, weight = (
            torch.from_numpy(np.asarray(part, float))
            for part in (some.noise_mv(), some.rendered, some.residual, some.weight)
        )
        sizes = scale.sizes(beats, levels)
        spans = spans_of(sizes) * (weight > 0)[:, None]
        known = (spans.sum(dim=2) >= torch.tensor(FEWEST_TOKENS)).all(dim=1)
        found.append(logarithms_of(units_of(residual, sizes), spans)[known].numpy())
        noise.append(levels[known].numpy())
    if not sum(map(len, noise)):
        raise ValueError(
            f"data must hold strips with {FEWEST_TOKENS[0] + FEWEST_TOKENS[1]} or more tokens of 80 ms in beats of one "
            f"kind, got none among {len(index)}: give cleaner records"
        )
    return fit_correlations(np.concatenate(found), np.concatenate(noise))


def _fit_quiet(active: np.ndarray, units: np.ndarray) -> dict[str, np.ndarray]:
    """Typical sizes of residuals in units of what is expected, by band and by how active the lead is."""
    borders = np.quantile(active, ACTIVITY_SHARES)
    inside = [(active >= low) & (active <= high) for low, high in pairwise(borders)]
    quiet = [
        [1.4826 * np.median(np.abs(units[rows][:, band == BAND_OF])) + 1e-3 for rows in inside]
        for band in range(BANDS)
    ]
    return {"activity": np.array([np.median(active[rows]) for rows in inside]), "quiet": np.log(quiet)}
