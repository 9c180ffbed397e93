"""Whether two kinds of ECG can be told apart, and how well labels are ranked: areas under the ROC curve."""

import numpy as np
from scipy.stats import rankdata

from discovery.distances import LEVEL, Measured

FOLDS = 5
FEWEST = 5  # ECGs with and without a statement, for an area worth averaging
DRAWS = 300


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a yes scores above a no; NaN without both.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    truth : ndarray of bool, shape (n,)
    """
    truth = np.asarray(truth, bool)
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return np.nan
    return float((rankdata(scores)[truth].sum() - yes * (yes + 1) / 2) / (yes * no))


def macro_auroc(scores: np.ndarray, truth: np.ndarray, fewest: int = FEWEST) -> float:
    """Mean area over the columns that have at least `fewest` of either kind.

    Parameters
    ----------
    scores, truth : ndarray, shape (n, label)
    """
    truth = np.asarray(truth, bool)
    usable = ranked_columns(truth, fewest)
    if not usable.any():
        return np.nan
    return float(np.mean([auroc(scores[:, k], truth[:, k]) for k in np.flatnonzero(usable)]))


def ranked_columns(truth: np.ndarray, fewest: int = FEWEST) -> np.ndarray:
    """Which columns hold at least `fewest` of either kind."""
    return (truth.sum(axis=0) >= fewest) & ((~np.asarray(truth, bool)).sum(axis=0) >= fewest)


def area(scores: np.ndarray, truth: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Measured:
    """Macro area with its bootstrap interval over groups (patients; rows where none are given).

    Columns are chosen once, on all rows, so that every draw averages the same ones.
    """
    scores, truth = (np.asarray(part).reshape(len(part), -1) for part in (scores, truth))
    columns = ranked_columns(truth, min(FEWEST, len(truth) // 4))
    scores, truth = scores[:, columns], truth[:, columns].astype(bool)
    groups = np.arange(len(scores)) if groups is None else np.asarray(groups)
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    random = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        drawn = np.concatenate([rows[k] for k in random.integers(0, len(rows), len(rows))])
        found.append(np.nanmean([auroc(scores[drawn, k], truth[drawn, k]) for k in range(scores.shape[1])]))
    low, high = np.nanquantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measured(macro_auroc(scores, truth, 1), float(low), float(high), len(scores))


def group_folds(groups: np.ndarray, seed: int = 0, folds: int = FOLDS) -> np.ndarray:
    """A fold number for each row; rows of one group (a patient and the twins made of him) stay together."""
    names, places = np.unique(groups, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % folds)[places]


def boosted_scores(features: np.ndarray, truth: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Out-of-fold scores of a gradient-boosted classifier, one per row: it never saw the row or its group.

    Parameters
    ----------
    features : ndarray, shape (n, feature)
    truth : ndarray of bool, shape (n,)
    groups : ndarray, shape (n,)
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    fold = group_folds(groups, seed)
    scores = np.zeros(len(truth))
    for k in range(FOLDS):
        trees = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.08, max_leaf_nodes=15, l2_regularization=1.0, random_state=seed
        )
        inside = fold == k
        trees.fit(features[~inside], truth[~inside])
        scores[inside] = trees.decision_function(features[inside])
    return scores
