"""The diagnostic level: whether a text fits its ECG, and whether generated ECGs are worth training on."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from discovery.benchmark import Score
from discovery.detectors import FEWEST, area, auroc, ranked_columns
from discovery.distances import LEVEL, Measured, resampled, share

DRAWS = 300
AMONG = 0.1
LONGER = "real, as many steps"
BOTH = {"both, one twin": "real and one synthetic twin of each", "both": "real and synthetic"}
"""Networks trained on both kinds, and how their scores are named."""


def alignment_scores(
    text: np.ndarray, said: np.ndarray, vectors: Mapping[str, np.ndarray], seed: int = 0
) -> list[Score]:
    """Mean cosine of ECGs with their texts, and how often the own text is among the best tenth of all texts.

    Parameters
    ----------
    text : ndarray, shape (n, dimension)
        Unit vectors of the texts of the held-out records.
    said : ndarray, shape (n, statement)
        Their certainties: equal rows are the same text.
    vectors : mapping of str to ndarray
        Unit vectors of ``recorded`` and ``generated`` ECGs, row by row with the texts.
    """
    found = {name: np.sum(rows * text, axis=1) for name, rows in vectors.items()}
    order = np.random.default_rng(seed).permutation(len(text))
    shuffled = float(np.mean(np.sum(vectors["recorded"] * text[order], axis=1)))
    unique, own = np.unique(said, axis=0, return_inverse=True)
    first = np.array([np.flatnonzero(own.ravel() == k)[0] for k in range(len(unique))])
    hits = {name: _ranked(rows @ text[first].T, own.ravel()) <= AMONG for name, rows in vectors.items()}
    return [
        Score(
            "diagnostic",
            f"text-ECG alignment: mean cosine (shuffled records {shuffled:.2f})",
            resampled(np.mean, [found["generated"]], seed),
            float(found["recorded"].mean()),
        ),
        Score(
            "diagnostic",
            f"text-ECG alignment: own text among the best tenth of {len(unique)} texts",
            share(hits["generated"]),
            float(hits["recorded"].mean()),
        ),
    ]


def _ranked(cosines: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Rank of the own text among all, as a share."""
    mine = cosines[np.arange(len(own)), own]
    above, level = ((sign(cosines, mine[:, None])).sum(axis=1) for sign in (np.greater, np.equal))
    return (above + (level + 1) / 2) / cosines.shape[1]


def adherence_scores(
    truth: np.ndarray,
    recorded: np.ndarray,
    generated: Sequence[np.ndarray],
    patients: np.ndarray,
    names: Sequence[str],
    seed: int = 0,
) -> list[Score]:
    """A statement classifier's macro area on generated ECGs with the statements of records, less that on the records.

    Parameters
    ----------
    truth : ndarray of bool, shape (n, statement)
    recorded : ndarray, shape (n, statement)
        The classifier's logits on held-out records.
    generated : sequence of ndarray
        Its logits on generated ECGs, row by row with the records.
    patients : ndarray, shape (n,)
    names : sequence of str
        The statements.
    """
    columns = ranked_columns(truth, FEWEST)
    gap = _paired(
        lambda rows: (
            np.mean([_macro(part, truth, columns, rows) for part in generated])
            - _macro(recorded, truth, columns, rows)
        ),
        patients,
        seed,
    )
    real = area(recorded, truth, patients, seed)
    everyone = np.arange(len(truth))
    made = np.mean([_macro(part, truth, columns, everyone) for part in generated])
    spread = area(generated[0], truth, patients, seed)
    shifted = Measured(
        float(made), spread.low + made - spread.value, spread.high + made - spread.value, spread.n
    )
    words = f"statement classifier: macro AUROC of {int(columns.sum())} statements"
    each = [
        (
            names[k],
            np.mean([auroc(part[:, k], truth[:, k]) for part in generated])
            - auroc(recorded[:, k], truth[:, k]),
        )
        for k in np.flatnonzero(columns)
    ]
    worst, lost = min(each, key=lambda pair: pair[1])
    return [
        Score("diagnostic", words, shifted, real.value),
        Score("diagnostic", "statement classifier: macro AUROC, generated less recorded", gap, 0.0),
        Score(
            "diagnostic",
            f"statement classifier: AUROC, generated less recorded, least for {worst}",
            Measured(float(lost), np.nan, np.nan, len(truth)),
            0.0,
        ),
    ]


def augmentation_scores(
    truth: np.ndarray, trained_on: Mapping[str, Sequence[np.ndarray]], patients: np.ndarray, seed: int = 0
) -> list[Score]:
    """Macro areas on held-out records of one network trained on records, on generated ECGs, and on both.

    One twin of each record is soon learnt by heart; a generator gives another in every epoch, and that is judged.
    Networks that saw both took twice the steps: what they gain is over records alone with as many steps or half as
    many, whichever ranks better.

    Parameters
    ----------
    truth : ndarray of bool, shape (n, superclass)
    trained_on : mapping of str to sequence of ndarray
        ``real``, ``synthetic``, ``real, as many steps``, ``both, one twin``, ``both``: logits, one array per seed of
        training.
    patients : ndarray, shape (n,)
    """
    columns = ranked_columns(truth, FEWEST)

    def mean(name: str, rows: np.ndarray) -> float:
        return float(np.mean([_macro(part, truth, columns, rows) for part in trained_on[name]]))

    def score(words: str, value: Callable[[np.ndarray], float], floor: float) -> Score:
        return Score("diagnostic", words, _paired(value, patients, seed), floor)

    everyone, seeds = np.arange(len(truth)), len(trained_on["real"])
    macro = f"macro AUROC of {int(columns.sum())} superclasses, {seeds} seeds"
    rival = max("real", LONGER, key=lambda name: mean(name, everyone))
    real, best = (mean(name, everyone) for name in ("real", rival))
    spread = [_macro(part, truth, columns, everyone) for part in trained_on["real"]]
    return [
        score(f"train on synthetic, test on real: {macro}", lambda rows: mean("synthetic", rows), real),
        *(
            score(f"train on {words}, test on real: {macro}", lambda rows, kind=kind: mean(kind, rows), best)
            for kind, words in BOTH.items()
        ),
        score(
            "train on synthetic, test on real: AUROC over train on real",
            lambda rows: mean("synthetic", rows) / mean("real", rows),
            1.0,
        ),
        *(
            score(
                f"train on {words}, test on real: AUROC less train on real",
                lambda rows, kind=kind: mean(kind, rows) - mean(rival, rows),
                0.0,
            )
            for kind, words in BOTH.items()
        ),
        score(
            "train on real, test on real: AUROC of as many steps as with synthetic, less that of half as many",
            lambda rows: mean(LONGER, rows) - mean("real", rows),
            0.0,
        ),
        Score(
            "diagnostic",
            "train on real, test on real: standard deviation of the AUROC over seeds",
            Measured(float(np.std(spread, ddof=1)) if seeds > 1 else np.nan, np.nan, np.nan, seeds),
        ),
    ]


def _macro(scores: np.ndarray, truth: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> float:
    """Macro area over given columns of given rows."""
    return float(np.nanmean([auroc(scores[rows, k], truth[rows, k]) for k in np.flatnonzero(columns)]))


def _paired(statistic: Callable[[np.ndarray], float], patients: np.ndarray, seed: int) -> Measured:
    """A statistic of row numbers with its bootstrap interval over patients."""
    groups = [np.flatnonzero(patients == one) for one in np.unique(patients)]
    random, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        found.append(
            statistic(np.concatenate([groups[k] for k in random.integers(0, len(groups), len(groups))]))
        )
    low, high = np.nanquantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measured(float(statistic(np.arange(len(patients)))), float(low), float(high), len(patients))
