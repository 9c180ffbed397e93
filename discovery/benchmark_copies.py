"""The copy test: whether generated ECGs lie suspiciously near to single training records."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from discovery.benchmark import Score, Side, Trial, both
from discovery.distances import Measured, resampled

RATIO = 1 / 3
NEIGHBOURS = 8  # looked at until one of another patient is found


@dataclass(frozen=True, eq=False)
class Nearness:
    """How near ECGs lie to training records.

    Parameters
    ----------
    nearest, ratio : ndarray, shape (n,)
        Distance to the nearest training record; that over the distance to the nearest of another patient.
    which : ndarray of int, shape (n,)
        The nearest training record.
    """

    nearest: np.ndarray
    ratio: np.ndarray
    which: np.ndarray

    @property
    def copies(self) -> np.ndarray:
        """Which ECGs are nearer to one patient than a third of the distance to the next."""
        return self.ratio < RATIO


def nearness(points: np.ndarray, training: np.ndarray, patients: np.ndarray) -> Nearness:
    """How near points lie to training records, in one feature space.

    Parameters
    ----------
    points : ndarray, shape (n, dimension)
    training : ndarray, shape (m, dimension)
    patients : ndarray, shape (m,)
        Two records of one patient are alike; they do not vouch for each other.

    Source: Yoon et al. 2023 (a copy is nearer than a third of the distance to the second nearest).
    """
    reach = min(NEIGHBOURS, len(training))
    distance, index = cKDTree(training).query(points, k=reach)
    other = patients[index] != patients[index[:, :1]]
    other[:, -1] |= ~other.any(axis=1)
    second = distance[np.arange(len(points)), other.argmax(axis=1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(second > 0, distance[:, 0] / second, 1.0)
    return Nearness(distance[:, 0], ratio, index[:, 0])


def copy_scores(trial: Trial, seed: int = 0) -> list[Score]:
    """Copies among all generated ECGs, and their distance to training records over that of held-out records.

    The spaces are median beats (mV, root mean square) and, where the sides have it, the autoencoder's.
    """
    everyone = trial.other_twins
    for twin in trial.twins:
        everyone = both(everyone, twin)
    scores = []
    for name in ("median beats", *(space for space in ("autoencoder",) if space in trial.real.spaces)):
        training, patients = _points(trial.others, name)
        made, _ = _points(everyone, name)
        near = nearness(made, training, patients)
        count = float(near.copies.sum())
        held, _ = _points(trial.real, name)
        floor = nearness(held, training, patients)
        found = Measured(count, count, count, len(made))
        scores.append(Score("copies", f"copies by the ratio test, {name}", found, float(floor.copies.sum())))
        alike = np.concatenate(
            [nearness(_points(twin, name)[0], training, patients).nearest for twin in trial.twins]
        )
        ratio = resampled(lambda a, b: np.median(a) / np.median(b), [alike, floor.nearest], seed)
        words = f"nearest training record, {name}: distance over held-out records'"
        scores.append(Score("copies", words, ratio, 1.0))
        scores.append(_leaning(trial, name, seed))
    return scores


def _leaning(trial: Trial, name: str, seed: int) -> Score:
    """Distance of generated ECGs to training records over that to as many held-out ones: below 1, they lean there."""
    held, _ = _points(trial.real, name)
    training, _ = _points(trial.others, name)
    made, _ = _points(trial.twins[0], name)
    random, values = np.random.default_rng(seed), []
    for _ in range(20):
        drawn = training[random.permutation(len(training))[: len(held)]]
        values.append(np.median(cKDTree(drawn).query(made)[0]))
    apart = cKDTree(held).query(made)[0]
    ratio = resampled(lambda part: np.mean(values) / np.median(part), [apart], seed)
    return Score(
        "copies", f"{name}: distance to training records over that to as many held-out ones", ratio, 1.0
    )


def _points(side: Side, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Points of a side in a space and their patients, ECGs without a beat left out."""
    points = side.beats.reshape(len(side), -1) if name == "median beats" else side.spaces[name]
    points = points / np.sqrt(points.shape[1])
    there = np.isfinite(points).all(axis=1)
    return points[there], side.table["patient_id"].to_numpy()[there]
