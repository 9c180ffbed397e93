"""Signs that a heart has or has not, which its report does not settle: pathological Q waves.

A third of the records with an inferior infarct have inferior Q waves; a heart midway between has half a Q wave, which
is none. Whether a heart has a trait is therefore drawn first, from the share of hearts like it that have it, and is
known to the mean, the spread and the flow of everything else.
"""

from dataclasses import dataclass

import numpy as np

from models.beat import FRAME_MS, FRAME_QRS
from models.ecg import LEADS, twelve_leads
from models.encoding import Encoding

TERRITORIES = {
    "q_inferior": ("II", "III", "aVF"),
    "q_anterior": ("V2", "V3", "V4"),
    "q_lateral": ("I", "aVL", "V5", "V6"),
}
TRAITS = tuple(TERRITORIES)
"""Pathological Q waves in two leads of a territory. Source: Thygesen et al. 2018 (fourth universal definition)."""
START_MS, Q_MS, DEPTH_MV = (4.0, 34.0), (0.0, 60.0), 0.1
"""After the QRS onset: while a lead is to be negative without a break, and until when it is to be so deep."""
NEARLY_MV, BEYOND_MV = 0.03, 0.01
"""A heart without a trait lacks at least so much of it, and one that has it goes so far beyond: the strip's noise would
else give it and take it."""
INFARCTS = {
    "q_inferior": ("IMI", "ILMI", "IPMI", "IPLMI"),
    "q_anterior": ("ASMI", "AMI", "ALMI"),
    "q_lateral": ("LMI", "ALMI", "ILMI", "IPLMI"),
}
"""Statements of an infarct where the trait would show it."""
NAMED = ("QWAVE", "ABQRS")
BESIDE = ("NORM", "CLBBB", "CRBBB", "PACE")
PENALTY, MAIN_PENALTY = 0.1, 2.0
"""Of the weights of statements, of age and sex."""
NEWTON_STEPS, LARGEST_MOVE = 25, 2.0


@dataclass(frozen=True)
class Traits:
    """How often hearts have each trait: a logistic regression for each, on what may tell of it (`_telling`).

    Parameters
    ----------
    encoding : Encoding
    weights : ndarray, shape (what tells, len(TRAITS))
    """

    encoding: Encoding
    weights: np.ndarray

    def shares(self, rows: np.ndarray) -> np.ndarray:
        """Share of hearts with each trait under the encoded conditions `rows`, (batch, len(TRAITS))."""
        parts = [
            _telling(self.encoding, rows, trait) @ weights
            for trait, weights in zip(TRAITS, self.weights.T, strict=True)
        ]
        return _logistic(np.stack(parts, axis=1))

    def changed(self, had: np.ndarray, was: np.ndarray, becomes: np.ndarray) -> np.ndarray:
        """The traits of hearts that had some of them, under other conditions: those most likely to stay, stay.

        A trait is lost where less than half of those that had it keep it, and gained likewise.

        Parameters
        ----------
        had : ndarray of bool, shape (batch, len(TRAITS))
        was, becomes : ndarray, shape (batch, column of the encoding)
        """
        before, after = self.shares(was), self.shares(becomes)
        return np.where(had, after >= before / 2, 1 - after < (1 - before) / 2)


def shown(beats: np.ndarray, qrs_ms: np.ndarray, nearly_mv: float = 0.0) -> np.ndarray:
    """Which traits hearts have, bool, (batch, len(TRAITS)).

    Parameters
    ----------
    beats : ndarray, shape (batch, 8, sample)
        mV, in the reference frame.
    qrs_ms : ndarray, shape (batch,)
        QRS duration; where it is NaN that of the frame counts.
    nearly_mv : float
        What may lack to the limits; below 0: by how much they are passed.
    """
    stretch = np.where(np.isnan(qrs_ms), 1.0, qrs_ms / FRAME_QRS)
    since_ms = FRAME_MS * stretch[:, None]
    start, early = (((since_ms >= first) & (since_ms <= last))[:, None] for first, last in (START_MS, Q_MS))
    leads = twelve_leads(beats)
    negative = np.where(start, leads < nearly_mv, True).all(axis=2)
    deep = np.where(early, leads, 0.0).min(axis=2) <= nearly_mv - DEPTH_MV
    begins = negative & deep
    return np.stack(
        [
            begins[:, [LEADS.index(lead) for lead in territory]].sum(axis=1) >= 2
            for territory in TERRITORIES.values()
        ],
        axis=1,
    )


def fit_traits(encoding: Encoding, rows: np.ndarray, found: np.ndarray) -> Traits:
    """The shares of traits among records.

    Source: logistic regression with a ridge, by Newton's method.

    Parameters
    ----------
    encoding : Encoding
    rows : ndarray, shape (record, column of the encoding)
    found : ndarray of bool, shape (record, len(TRAITS))
    """
    return Traits(
        encoding,
        np.stack(
            [
                _fitted(_telling(encoding, rows, trait), has)
                for trait, has in zip(TRAITS, found.T, strict=True)
            ],
            axis=1,
        ),
    )


def _fitted(telling: np.ndarray, has: np.ndarray) -> np.ndarray:
    """Weights of what tells of one trait."""
    penalty = np.full(telling.shape[1], PENALTY)
    penalty[:3] = 1e-6, MAIN_PENALTY, MAIN_PENALTY
    weights = np.zeros(telling.shape[1])
    for _ in range(NEWTON_STEPS):
        share = _logistic(telling @ weights)
        gradient = telling.T @ (share - has) + penalty * weights
        curvature = (telling.T * (share * (1 - share))) @ telling + np.diag(penalty)
        move = np.linalg.solve(curvature, gradient)
        weights -= move / max(1.0, np.abs(move).max() / LARGEST_MOVE)
    return weights


def _telling(encoding: Encoding, rows: np.ndarray, trait: str) -> np.ndarray:
    """What may tell of a trait: 1, age, sex; an infarct there, of other territories; Q waves named; other blocks."""
    place = {name: column for column, name in enumerate(encoding.names)}

    def named(*codes: str) -> np.ndarray:
        return rows[:, [place[code] for code in codes if code in place]].max(axis=1, initial=0.0)

    here, waves = named(*INFARCTS[trait]), named(*NAMED)
    elsewhere = [named(*codes) for other, codes in INFARCTS.items() if other != trait]
    main = rows[:, [place[name] for name in ("one", "age", "female")]]
    return np.column_stack([main, here, *elsewhere, waves, here * waves, *map(named, BESIDE)])


def _logistic(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-np.clip(values, -30.0, 30.0)))
