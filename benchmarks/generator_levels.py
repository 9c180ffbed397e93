"""The levels of the benchmark: what is generated, which networks judge it, and what is scored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from generator_sets import (
    KEEP,
    RATES,
    Plan,
    bare_sets,
    infarct_sets,
    narrow_twins,
    normal_sets,
    pair_sets,
    rate_sets,
)
from generator_speed import speed_scores

from discovery.alike import detailed
from discovery.benchmark import Score, Side, Trial, carries, certainties
from discovery.benchmark_copies import copy_scores
from discovery.benchmark_diagnosis import adherence_scores, alignment_scores, augmentation_scores
from discovery.benchmark_features import (
    distance_scores,
    effect_scores,
    missing_scores,
    rate_scores,
    slope_scores,
    strip_scores,
)
from discovery.benchmark_signal import (
    amplitude_scores,
    feature_scores,
    measured_space,
    space_scores,
    spectrum_scores,
    two_sample_scores,
)
from discovery.benchmark_statements import infarct_scores, matched_scores, pair_scores, sinus_scores
from discovery.detectors import FOLDS, area, group_folds
from models.ecg import Generator
from models.judges import Judge, Lessons, train_alignment, train_autoencoder, train_classifier

JUDGES = KEEP.parent / "judges"
FEWEST_RECORDS = 20  # training records with a statement, for the classifier to learn it
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
DETECTOR_EPOCHS = 60


@dataclass(frozen=True, eq=False)
class Bench:
    """What is judged, and how thoroughly.

    Parameters
    ----------
    generator : Generator
    which : str
        How it was named on the command line.
    plan : Plan
    classes : mapping of str to str
        Diagnostic superclass of each statement.
    """

    generator: Generator
    which: str
    plan: Plan
    classes: Mapping[str, str]


def inner_rows(side: Side) -> np.ndarray:
    """A seventh of the patients, who choose the epoch and are not trained on."""
    return group_folds(side.table["patient_id"].to_numpy(), 1, 7) == 0


def codes_learnt(side: Side) -> tuple[str, ...]:
    """Statements with enough training records."""
    codes = sorted({code for said in side.table["statements"] for code in said})
    return tuple(code for code in codes if carries(side.table, code).sum() >= FEWEST_RECORDS)


def statement_judge(trial: Trial, plan: Plan) -> tuple[Judge, tuple[str, ...]]:
    """A classifier of statements, trained on recorded training folds."""
    codes = codes_learnt(trial.others)
    labels = certainties(trial.others.table, codes) >= 0.5
    lessons = Lessons(epochs=plan.epochs)
    judge = train_classifier(trial.others.narrow, labels, lessons, inner_rows(trial.others), JUDGES)
    return judge, codes


def with_spaces(trial: Trial, plan: Plan) -> Trial:
    """The trial with the spaces in which ECGs are compared: measured, autoencoder, classifier."""
    coder = train_autoencoder(trial.others.narrow, Lessons(epochs=plan.epochs, rate=2e-3), JUDGES)
    classifier, _ = statement_judge(trial, plan)

    def placed(side: Side) -> Side:
        side = side.with_space("measured quantities", measured_space(side, trial.others))
        side = side.with_space("autoencoder", coder.features(side.narrow))
        return side.with_space("classifier", classifier.features(side.narrow))

    return Trial(
        placed(trial.real), placed(trial.others), tuple(map(placed, trial.twins)), placed(trial.other_twins)
    )


def detector(strips: np.ndarray, truth: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray:
    """Out-of-fold scores of a network that is to tell generated strips from recorded ones."""
    scores = np.zeros(len(truth))
    for k in range(FOLDS):
        inside = fold == k
        lessons = Lessons(epochs=DETECTOR_EPOCHS, seed=seed)
        judge = train_classifier(strips[~inside], truth[~inside], lessons, None, JUDGES)
        scores[inside] = judge.scores(strips[inside])[:, 0]
    return scores


def practised_score(trial: Trial, plan: Plan) -> Score:
    """The network of the two-sample test with all training records and their twins to learn from."""
    strips = detailed(np.concatenate([trial.others.strips, trial.other_twins.strips]))
    truth = np.repeat([0.0, 1.0], len(trial.others))
    rows = np.tile(inner_rows(trial.others), 2)
    judge = train_classifier(strips, truth, Lessons(epochs=DETECTOR_EPOCHS), rows, JUDGES)
    sides = (trial.real, *trial.twins)
    scores = np.concatenate([judge.scores(detailed(side.strips))[:, 0] for side in sides])
    patients = np.concatenate([side.table["patient_id"] for side in sides])
    made = np.repeat([False, True], [len(trial.real), len(scores) - len(trial.real)])
    name = f"two-sample test, network trained on {len(trial.others)} records and their twins: AUC on held-out ones"
    return Score("signal", name, area(scores, made, patients))


def signal_level(trial: Trial, bench: Bench) -> list[Score]:
    """Spaces, spectra, amplitudes, two-sample tests."""
    return [
        *space_scores(trial),
        *spectrum_scores(trial),
        *amplitude_scores(trial),
        *two_sample_scores(trial, detector),
        practised_score(trial, bench.plan),
        *feature_scores(trial),
    ]


def feature_level(trial: Trial, bench: Bench) -> list[Score]:
    """Heart rates, distances of measured quantities, slopes and effects."""
    residual = pd.concat([side.table["residual_mv"] for side in (*trial.twins, trial.other_twins)]).to_numpy()
    return [
        *rate_scores(trial, *rate_sets(bench.generator, bench.plan), RATES),
        *distance_scores(trial),
        *missing_scores(trial),
        *slope_scores(trial),
        *effect_scores(trial, normal_sets(bench.generator, trial.records, bench.plan)),
        *strip_scores(trial, residual),
    ]


def statement_level(trial: Trial, bench: Bench) -> list[Score]:
    """Whether texts show."""
    bare = bare_sets(bench.generator, trial.records, bench.plan)
    more = infarct_sets(bench.generator, trial.records, bench.plan)
    return [
        *matched_scores(trial, bare),
        *sinus_scores(trial, bare),
        *infarct_scores(trial, (bare["IMI"], bare["ASMI"]), more),
    ]


def diagnostic_level(trial: Trial, bench: Bench) -> list[Score]:
    """Alignment of text and ECG, adherence, and the use as training data."""
    real, others = trial.real, trial.others
    patients = real.table["patient_id"].to_numpy()
    plan = bench.plan
    judge, codes = statement_judge(trial, plan)
    truth = certainties(real.table, codes) >= 0.5
    made = [judge.scores(side.narrow) for side in trial.twins]
    scores = adherence_scores(truth, judge.scores(real.narrow), made, patients, codes)
    said, told = certainties(real.table, codes), certainties(others.table, codes)
    pair = train_alignment(others.narrow, told, Lessons(epochs=plan.epochs), inner_rows(others), JUDGES)
    vectors = {"recorded": pair.features(real.narrow), "generated": pair.features(trial.twins[0].narrow)}
    return [
        *scores,
        *alignment_scores(pair.text(said), said, vectors),
        *augmentation_scores(superclasses(real, bench.classes), trained_on(trial, bench), patients),
    ]


def superclasses(side: Side, classes: Mapping[str, str]) -> np.ndarray:
    """Which of the five diagnostic superclasses each ECG belongs to, (n, 5)."""
    members = {name: [code for code, one in classes.items() if one == name] for name in SUPERCLASSES}
    return np.column_stack([carries(side.table, *codes) for codes in members.values()])


def trained_on(trial: Trial, bench: Bench) -> dict[str, list[np.ndarray]]:
    """Logits on the held-out records of one network trained on records, on their twins, and on both.

    Where both are learnt from, recorded patients choose the epoch, and their twins are left out; the records alone
    are then learnt from as many steps.
    """
    others, twins, plan = trial.others, trial.other_twins, bench.plan
    labels, inner = superclasses(others, bench.classes).astype(float), inner_rows(others)
    fresh = [narrow_twins(bench.generator, others, again) for again in range(1, plan.epochs + 1)]
    lessons = {
        "real": (others.narrow, plan.epochs, ()),
        "synthetic": (twins.narrow, plan.epochs, ()),
        "real, as many steps": (others.narrow, 2 * plan.epochs, ()),
        "both, one twin": (others.narrow, plan.epochs, [twins.narrow]),
        "both": (others.narrow, plan.epochs, fresh),
    }
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in lessons}
    for seed in range(plan.seeds):
        for kind, (strips, epochs, further) in lessons.items():
            lesson = Lessons(epochs=epochs, seed=seed)
            judge = train_classifier(strips, labels, lesson, inner, JUDGES, further)
            found[kind].append(judge.scores(trial.real.narrow))
    return found


def copies_level(trial: Trial, bench: Bench) -> list[Score]:
    """The copy test."""
    return copy_scores(trial)


def pairs_level(trial: Trial, bench: Bench) -> list[Score]:
    """The same hearts with one condition changed."""
    return pair_scores(pair_sets(bench.generator, bench.plan))


def speed_level(trial: Trial, bench: Bench) -> list[Score]:
    """Seconds per ECG."""
    return speed_scores(bench.which)


LEVELS: dict[str, Callable[[Trial, Bench], list[Score]]] = {
    "feature": feature_level,
    "statements": statement_level,
    "pairs": pairs_level,
    "signal": signal_level,
    "copies": copies_level,
    "diagnostic": diagnostic_level,
    "speed": speed_level,
}
SPACED = ("signal", "copies")


def levels(trial: Trial, bench: Bench, only: Sequence[str]) -> Iterator[tuple[str, list[Score]]]:
    """Each level's name and scores, one after another."""
    chosen = [name for name in LEVELS if not only or name in only]
    if any(name in SPACED for name in chosen):
        trial = with_spaces(trial, bench.plan)
    for name in chosen:
        yield name, LEVELS[name](trial, bench)


def class_of(folder: Path) -> dict[str, str]:
    """Diagnostic superclass of each statement of PTB-XL."""
    held = pd.read_csv(folder / "scp_statements.csv", index_col=0)["diagnostic_class"].dropna()
    return held.to_dict()
