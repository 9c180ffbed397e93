"""The signal level: whether generated strips lie where recorded ones lie, and whether they can be told apart."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from discovery.alike import detailed, inside
from discovery.benchmark import Score, Side, Trial
from discovery.detectors import area, auroc, boosted_scores, group_folds
from discovery.distances import Measured, frechet, frechet_bias, overlap, resampled, wasserstein
from discovery.signal_features import feature_names, noise_correlations, signal_features, spectra
from models.ecg import INDEPENDENT_LEADS

SPACE_COLUMNS = (
    "rr_ms", "pr_ms", "p_ms", "qrs_ms", "qtcf_ms", "tpte_ms", "sokolow_lyon_mv", "cornell_mv", "r_i_mv", "s_v1_mv",
    "r_v2_mv", "s_v2_mv", "r_v5_mv", "s_v5_mv", "st_v2_mv", "st_v5_mv", "st_ii_mv", "t_i_mv", "t_ii_mv", "t_v2_mv",
    "t_v5_mv", "rr_cv", "template_r",
)  # fmt: skip
CUT = 5.0
PIXELS = 60_000
SEEN_MV = 0.02
"""White noise that the network of the two-sample test must see in records: what that test means rests on it."""
Detector = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def measured_space(side: Side, reference: Side) -> np.ndarray:
    """Measured quantities in units of the reference's quartile range, cut at +-5, the axis as sine and cosine.

    What was not measured takes the reference's median, and says so in a column of its own for P.
    """
    table, other = side.table[list(SPACE_COLUMNS)], reference.table[list(SPACE_COLUMNS)]
    middle, low, high = (other.quantile(part) for part in (0.5, 0.25, 0.75))
    scaled = ((table - middle) / (high - low)).clip(-CUT, CUT).fillna(0.0).to_numpy(float)
    axis = np.deg2rad(side.table["qrs_axis_deg"].fillna(other_median(reference)).to_numpy(float))
    no_p = side.table["pr_ms"].isna().to_numpy(float)
    return np.column_stack([scaled, np.cos(axis), np.sin(axis), no_p])


def other_median(reference: Side) -> float:
    """Median QRS axis of a side, degrees."""
    return float(reference.table["qrs_axis_deg"].median())


def space_scores(trial: Trial, seed: int = 0) -> list[Score]:
    """Frechet distance, precision, recall, density and coverage in every feature space the sides share."""
    scores = []
    for name in trial.real.spaces:
        centre, scale = trial.others.spaces[name].mean(0), trial.others.spaces[name].std(0) + 1e-6
        real, *rest = (
            (side.spaces[name] - centre) / scale
            for side in (trial.real, *trial.twins, *trial.samples(3, seed))
        )
        made, floors = rest[: len(trial.twins)], rest[len(trial.twins) :]
        bias = frechet_bias(real, len(real), seed)
        here = f"{name} ({real.shape[1]} numbers)"
        found = resampled(frechet, [made[0], real], seed, 60)
        value = float(np.mean([frechet(part, real) for part in made]))
        shifted = Measured(value, found.low - found.value + value, found.high - found.value + value, found.n)
        floor = float(np.mean([frechet(part, real) for part in floors]))
        scores.append(Score("signal", f"Frechet distance, {here}, n-bias {bias:.2g}", shifted, floor))
        ours, theirs = overlap(real, made[0]), [overlap(real, part) for part in floors]
        for kind in ("precision", "recall", "density", "coverage"):
            mean = float(np.mean([getattr(one, kind).value for one in theirs]))
            scores.append(Score("signal", f"{kind}, {here}", getattr(ours, kind), mean))
    return scores


def spectrum_scores(trial: Trial, seed: int = 0) -> list[Score]:
    """Mean difference of the leads' mean spectra in decibels, over all leads and in the worst one."""
    frequency, real = spectra(trial.real.strips)
    low = frequency <= 100
    twins = [spectra(side.strips)[1] for side in trial.twins]
    floors = [spectra(side.strips)[1] for side in trial.samples(3, seed)]

    def gap(made: np.ndarray, target: np.ndarray) -> np.ndarray:
        return 10 * np.abs(made.mean(0) - target.mean(0))[:, low].mean(axis=1)

    ours = np.mean([gap(part, real) for part in twins], axis=0)
    theirs = np.mean([gap(part, real) for part in floors], axis=0)
    worst = int(np.argmax(ours))
    mean = resampled(lambda a, b: gap(a, b).mean(), [twins[0], real], seed)
    lead = resampled(lambda a, b: gap(a, b)[worst], [twins[0], real], seed)
    return [
        Score("signal", "spectra, 1 to 100 Hz, mean of leads", _at(mean, ours.mean()), theirs.mean(), "dB"),
        Score(
            "signal",
            f"spectra, 1 to 100 Hz, worst lead {INDEPENDENT_LEADS[worst]}",
            _at(lead, ours[worst]),
            theirs[worst],
            "dB",
        ),
    ]


def amplitude_scores(trial: Trial, seed: int = 0) -> list[Score]:
    """Wasserstein distance of the amplitudes of each lead's samples, all ECGs pooled, uV."""
    scores = []
    for place, lead in enumerate(INDEPENDENT_LEADS):

        def gap(made: np.ndarray, target: np.ndarray) -> float:
            return 1000 * wasserstein(made.ravel(), target.ravel())

        real = _thinned(trial.real, place)
        ours = [gap(_thinned(side, place), real) for side in trial.twins]
        theirs = [gap(_thinned(side, place), real) for side in trial.samples(3, seed)]
        found = resampled(gap, [_thinned(trial.twins[0], place), real], seed, 40)
        scores.append(
            Score(
                "signal", f"amplitudes, lead {lead}", _at(found, np.mean(ours)), float(np.mean(theirs)), "uV"
            )
        )
    return scores


def two_sample_scores(trial: Trial, detector: Detector | None = None, seed: int = 0) -> list[Score]:
    """How well generated and held-out ECGs can be told apart: areas of cross-validated tests; 0.5 is not at all.

    A twin and its record have the same patient and are never in different parts of the cross-validation. The
    floor tells other people's records from held-out ones by the same means.

    Parameters
    ----------
    detector : callable, optional
        From strips at 250 Hz, truth, fold numbers and seed to out-of-fold scores: a network is not this package's.
        Its eyesight is scored, too: a detector that does not see noise of `SEEN_MV` in records proves nothing.
    """
    scores = []
    kinds = {
        "boosted trees on signal features": _by_trees(signal_features),
        "boosted trees on correlations of noise between leads": _by_trees(noise_correlations),
    }
    if detector is not None:
        kinds["network on strips"] = lambda a, b, k: _told_apart(a, b, detector, k)
    for name, told in kinds.items():
        ours = [told(side, trial.real, seed + k) for k, side in enumerate(trial.twins)]
        theirs = [told(side, trial.real, seed + k).value for k, side in enumerate(trial.samples(2, seed))]
        value = float(np.mean([one.value for one in ours]))
        scores.append(
            Score("signal", f"two-sample test, {name}: AUC", _at(ours[0], value), float(np.mean(theirs)))
        )
    if detector is not None:
        seen = _told_apart(_with_noise(trial.real, seed), trial.real, detector, seed)
        words = (
            f"two-sample test, network on strips: AUC of records with {1000 * SEEN_MV:.0f} uV of white noise"
        )
        scores.append(Score("signal", f"{words} (its eyesight)", seen))
    return scores


def _with_noise(side: Side, seed: int) -> Side:
    """The same ECGs with white noise of `SEEN_MV` in every lead."""
    noise = np.random.default_rng(seed).normal(0, SEEN_MV, side.strips.shape)
    return replace(side, strips=(side.strips + noise).astype(np.float32))


def _by_trees(features: Callable[[np.ndarray], np.ndarray]) -> Callable[[Side, Side, int], Measured]:
    """A two-sample test by boosted trees on such features."""

    def told(made: Side, real: Side, seed: int) -> Measured:
        found = np.concatenate([features(side.strips) for side in (made, real)])
        truth, groups = _both_kinds(made, real)
        return area(boosted_scores(found, truth, groups, seed), truth, groups, seed)

    return told


def _told_apart(made: Side, real: Side, detector: Detector, seed: int) -> Measured:
    """A two-sample test by a detector on strips."""
    truth, groups = _both_kinds(made, real)
    strips = detailed(np.concatenate([made.strips, real.strips]))
    return area(detector(strips, truth, group_folds(groups, seed), seed), truth, groups, seed)


def _both_kinds(made: Side, real: Side) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of both sides are made, and whose they are."""
    truth = np.repeat([True, False], [len(made), len(real)])
    return truth, np.concatenate([made.table["patient_id"], real.table["patient_id"]])


def _thinned(side: Side, place: int) -> np.ndarray:
    """A lead's samples, every so many of them, (n, sample)."""
    step = max(1, side.strips.shape[2] * len(side) // PIXELS)
    return inside(side.strips)[:, place, ::step]


def _at(found: Measured, value: float) -> Measured:
    """The same interval about the mean over several samples."""
    moved = value - found.value
    return Measured(float(value), found.low + moved, found.high + moved, found.n)


def feature_scores(trial: Trial, most: int = 6) -> list[Score]:
    """The single signal features that tell generated from held-out ECGs best, with their areas above 0.5.

    What they name is what to mend next.
    """
    made, real, others = (
        signal_features(side.strips) for side in (trial.twins[0], trial.real, trial.samples(1)[0])
    )
    areas, floors = (
        [
            auroc(np.concatenate([part[:, k], real[:, k]]), np.arange(len(part) + len(real)) < len(part))
            for k in names
        ]
        for part, names in ((made, range(made.shape[1])), (others, range(made.shape[1])))
    )
    order = np.argsort([-abs(one - 0.5) for one in areas])[:most]
    scores = []
    for rank, k in enumerate(order, 1):
        side = "higher" if areas[k] > 0.5 else "lower"
        value, floor = (abs(found[k] - 0.5) + 0.5 for found in (areas, floors))
        words = f"told apart by one feature, {rank}: {feature_names()[k]} {side} than in records: AUC"
        scores.append(Score("signal", words, Measured(value, np.nan, np.nan, len(real)), floor))
    return scores
