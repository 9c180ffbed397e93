"""The parts of the generator that are fitted in closed form, from training material to `Linear`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scipy.signal import resample_poly

from models.codec import to_tokens
from models.ectopy import FEWEST_BEATS, EctopyModel, carries_ectopy, ectopic_beats, fit_ectopy
from models.encoding import Encoding, with_rhythm
from models.heart import HeartModel, fill, fit_heart, heart_vectors
from models.population import Population, fit_population
from models.preparation import FINE, SAMPLES, Material
from models.rhythm import RhythmModel, fit_rhythm
from models.strip import BAND_OF, BANDS, FS, TOKEN, StripScale, envelope_parts

FEWEST_RECORDS = 5
"""A statement with fewer training records has no column: what cannot be learnt is not promised."""
VALIDATION_FOLD, TEST_FOLD = 9, 8
"""Held out of all training: one fold decides when to stop and between recipes, one judges the result."""
SCALE_STRIPS = 600


@dataclass(frozen=True, eq=False)
class Linear:
    """Everything of a checkpoint but the networks; `facts` are counts and ranges of the data."""

    encoding: Encoding
    population: Population
    rhythm: RhythmModel
    heart: HeartModel
    scale: StripScale
    ectopy: EctopyModel
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Hearts:
    """Labelled strips as the heart network sees them.

    Parameters
    ----------
    white : ndarray, shape (strip, dimension)
        Whitened hearts.
    rows : ndarray, shape (strip, column)
        Encoded conditions.
    train, validation : ndarray of bool
        Which strips are for training, and which are the validation fold's.
    statements : list of dict
    """

    white: np.ndarray
    rows: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    statements: list[Mapping[str, float]]


def fit_linear(material: Material) -> tuple[Linear, Hearts]:
    """The linear parts, fitted without the validation fold, and all labelled hearts in their coordinates."""
    labelled = material.select(_known(material))
    table = labelled.table
    train = for_training(table)
    seen = Counter(
        code for said in labelled.select(train).statements for code, sure in said.items() if sure > 0.3
    )
    encoding = Encoding(tuple(sorted(code for code, count in seen.items() if count >= FEWEST_RECORDS)))
    rows = strip_conditions(labelled, encoding)
    noise, p_present = labelled.noise_mv(), table["p_present"].to_numpy(bool)
    measured = (labelled.beats.astype(float), labelled.timings.astype(float), noise, p_present)
    heart = fit_heart(encoding, rows[train], *(part[train] for part in measured))
    vectors = heart_vectors(heart.p_shapes, heart.qrst_shapes, *measured)
    vectors = fill(vectors, rows @ heart.mean, np.random.default_rng(1))
    some = labelled.select(train)
    age, female, rr_s = (some.table[name].to_numpy(float) for name in ("age", "female", "rr_s"))
    said = [with_rhythm(one) for one in some.statements]
    inside = [recorded_beats(rhythm) for rhythm in some.rhythms]
    ectopic = [beat for index in range(len(some.table)) for beat in _ectopic_beats(some, index)]
    facts = {
        "records": len(some.table),
        "extra_records": int((~material.table["labelled"]).sum()),
        "ectopic_beats": len(ectopic),
        "seen": dict(sorted(seen.items())),
        "ages": _range(age),
        "rates": _range(60 / rr_s),
    }
    linear = Linear(
        encoding,
        fit_population(encoding, age, female, rr_s, said),
        fit_rhythm([beats for beats, _ in inside], [kept for _, kept in inside], age, said),
        heart,
        _fit_scale(material.select(for_training(material.table))),
        fit_ectopy(ectopic if len(ectopic) >= FEWEST_BEATS else list(some.beats)),  # else early, not other
        facts,
    )
    return linear, Hearts(
        heart.whiten(vectors, rows),
        rows,
        train,
        (table["fold"] == VALIDATION_FOLD).to_numpy(),
        labelled.statements,
    )


def strip_conditions(material: Material, encoding: Encoding) -> np.ndarray:
    """Encoded conditions of each strip, shape (strip, column); zeros where nothing is known."""
    table = material.table.fillna({"age": 60.0, "female": 0.5, "rr_s": 1.0})
    said = [with_rhythm(one) for one in material.statements]
    rows = encoding.rows(*(table[name].to_numpy(float) for name in ("age", "female", "rr_s")), said)
    return np.where(_known(material)[:, None], rows, 0.0)


def recorded_beats(rhythm: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Beats inside the strip (s), and which of them are of the dominant class."""
    beats, _, kept = rhythm
    inside = (beats >= 0) & (beats <= SAMPLES / FS)
    return beats[inside], kept[inside]


def for_training(table: pd.DataFrame) -> np.ndarray:
    """Strips that are neither of the validation nor of the test fold."""
    return ~table["fold"].isin([VALIDATION_FOLD, TEST_FOLD, 10]).to_numpy()


def _known(material: Material) -> np.ndarray:
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


def _fit_scale(material: Material) -> StripScale:
    """Envelope by non-negative least squares on a sample of residuals, then standard deviations of tokens."""
    some = material.select(np.random.default_rng(2).permutation(len(material.table))[:SCALE_STRIPS])
    noise, rendered, used = some.noise_mv(), some.rendered.astype(float), some.weight > 0
    parts = [part[used] for part in envelope_parts(rendered, noise)]
    square = to_tokens(some.residual.astype(float))[used].reshape(parts[0].shape) ** 2
    envelope = np.zeros((BANDS, len(parts)))
    for band in range(BANDS):
        design = np.stack([part[..., band == BAND_OF].ravel() for part in parts], axis=1)
        relative = 1 / design[:, 0]
        target = np.minimum(square[..., band == BAND_OF].ravel() * relative, 400.0)
        envelope[band], _ = nnls(design * relative[:, None], target)
    scale = StripScale(np.maximum(envelope, [0.3, 1e-5, 1e-5]), np.ones(TOKEN), np.ones(TOKEN))
    units = scale.to_unit(some.residual.astype(float), rendered, noise)[used]
    beats = to_tokens(rendered).reshape(-1, TOKEN)
    return StripScale(scale.envelope, units.std(axis=0) + 1e-3, beats.std(axis=0) + 0.01)
