"""Who the patients of the training data are: draws every condition that was left unknown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from models.encoding import AGE_CENTRE, AGE_SPREAD, Encoding, penalties, ridge

MAIN = 8  # columns of Encoding.rows before the statements
RATES = {"SBRAD": (30.0, 59.0), "STACH": (101.0, 200.0)}
"""Rhythms that are defined by their rate, bpm."""


@dataclass(frozen=True)
class Population:
    """Age given statements, sex given both, rate given all three, as linear models of the training records.

    Parameters
    ----------
    encoding : Encoding
    reports : tuple of tuple of str
        Sets of statements that occur in the training records, each with its share.
    shares : ndarray
        Share of each set of statements, summing to 1.
    age, sex, log_rr : ndarray
        Coefficients; the last entry is the residual standard deviation (for `sex` unused).
    """

    encoding: Encoding
    reports: tuple[tuple[str, ...], ...]
    shares: np.ndarray
    age: np.ndarray
    sex: np.ndarray
    log_rr: np.ndarray

    def report(self, draw: np.random.Generator) -> dict[str, float]:
        """Statements of a patient of whom nothing is known."""
        shares = self.shares / self.shares.sum()  # half the digits are kept in a file
        return dict.fromkeys(self.reports[draw.choice(len(self.reports), p=shares)], 1.0)

    def years(self, statements: Mapping[str, float], draw: np.random.Generator) -> float:
        """Age of a patient with these statements, kept within the ages of the training records."""
        row = np.concatenate([[1.0], self.encoding.flags([statements])[0]])
        years = row @ self.age[:-1] + self.age[-1] * draw.standard_normal()
        return float(np.clip(AGE_CENTRE + AGE_SPREAD * years, 18, 95))

    def female(self, age: float, statements: Mapping[str, float], draw: np.random.Generator) -> bool:
        """Sex of a patient of this age with these statements."""
        share = (
            self._row(age, 0.5, statements)[[0, 1, 2, *range(MAIN, MAIN + len(self.encoding.codes))]]
            @ self.sex[:-1]
        )
        return bool(draw.random() < np.clip(share, 0.1, 0.9))

    def rate(
        self, age: float, female: bool, statements: Mapping[str, float], draw: np.random.Generator
    ) -> float:
        """Heart rate, bpm, of a patient of this age and sex with these statements."""
        row = self._row(age, float(female), statements)[
            _WITHOUT_RATE + list(range(MAIN, MAIN + len(self.encoding.codes)))
        ]
        low, high = self._rates(statements)
        middle, spread = row @ self.log_rr[:-1], self.log_rr[-1]
        # log RR is normal within the limits of the rhythm that is named
        shares = ndtr((np.log(60 / np.array([high, low])) - middle) / spread)
        log_rr = middle + spread * ndtri(
            np.clip(shares[0] + draw.random() * np.diff(shares)[0], 1e-6, 1 - 1e-6)
        )
        return float(np.clip(60 / np.exp(log_rr), low, high))

    @staticmethod
    def _rates(statements: Mapping[str, float]) -> tuple[float, float]:
        """Least and largest rate, bpm, of a rhythm that is defined by its rate."""
        return next((RATES[code] for code in RATES if statements.get(code, 0) > 0.5), (30.0, 200.0))

    def _row(self, age: float, female: float, statements: Mapping[str, float]) -> np.ndarray:
        """One row of the encoding at 60 bpm."""
        return self.encoding.rows(np.array([age]), np.array([female]), np.array([1.0]), [statements])[0]


_WITHOUT_RATE = [0, 1, 2, 3, 4]


def fit_population(
    encoding: Encoding, age: np.ndarray, female: np.ndarray, rr_s: np.ndarray, statements: list
) -> Population:
    """The population of the training records (columns as in `Encoding.rows`); sets seen once are not kept."""
    names = [tuple(sorted(code for code in said if code in encoding.codes)) for said in statements]
    reports, counts = np.unique(np.array([" ".join(name) for name in names]), return_counts=True)
    reports, counts = reports[counts > 1], counts[counts > 1]
    design = encoding.rows(age, female, rr_s, statements)
    codes = list(range(MAIN, design.shape[1]))
    penalty = penalties(encoding, 5.0)
    fits = []
    targets = ((age - AGE_CENTRE) / AGE_SPREAD, female.astype(float), np.log(rr_s))
    for columns, target in zip(([0, *codes], [0, 1, 2, *codes], _WITHOUT_RATE + codes), targets, strict=True):
        weights = ridge(design[:, columns], target, penalty[columns])
        fits.append(np.append(weights, np.std(target - design[:, columns] @ weights)))
    return Population(encoding, tuple(tuple(r.split()) for r in reports), counts / counts.sum(), *fits)
