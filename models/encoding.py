"""Conditions as numbers: the columns every learnt part of the generator looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

AGE_CENTRE, AGE_SPREAD = 60.0, 20.0
MAIN_EFFECTS = ("one", "age", "age2", "female", "female:age", "log_rr", "log_rr2", "log_rr:age")
BEND_PENALTY = 20.0
RHYTHM_CODES = (
    "SR",
    "SARRH",
    "SBRAD",
    "STACH",
    "AFIB",
    "AFLT",
    "PACE",
    "SVARR",
    "SVTAC",
    "PSVT",
    "BIGU",
    "TRIGU",
)


@dataclass(frozen=True)
class Encoding:
    """Turns (age, sex, RR, statements) into one row of numbers.

    Parameters
    ----------
    codes : tuple of str
        SCP-ECG statements that have a column of their own.
    """

    codes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `rows`."""
        return MAIN_EFFECTS + self.codes

    def rows(
        self,
        age: np.ndarray,
        female: np.ndarray,
        rr_s: np.ndarray,
        statements: Sequence[Mapping[str, float]],
    ) -> np.ndarray:
        """Design matrix, shape (batch, len(names)).

        Parameters
        ----------
        age : ndarray
            Years.
        female : ndarray
            1 female, 0 male.
        rr_s : ndarray
            Mean RR interval, s.
        statements : sequence of mapping
            Statement -> certainty 0..1; statements without a column are left out.
        """
        years = (np.asarray(age, float) - AGE_CENTRE) / AGE_SPREAD
        sex = np.asarray(female, float) - 0.5
        log_rr = np.log(np.asarray(rr_s, float))
        main = [np.ones_like(years), years, years**2, sex, sex * years, log_rr, log_rr**2, log_rr * years]
        return np.column_stack([*main, self.flags(statements)])

    def flags(self, statements: Sequence[Mapping[str, float]]) -> np.ndarray:
        """Certainty of each code, shape (batch, len(codes))."""
        flags = np.zeros((len(statements), len(self.codes)))
        column = {code: index for index, code in enumerate(self.codes)}
        for row, said in enumerate(statements):
            for code, certainty in said.items():
                if code in column:
                    flags[row, column[code]] = certainty
        return flags


def with_rhythm(statements: Mapping[str, float]) -> dict[str, float]:
    """The statements, with sinus rhythm where no rhythm is named, as reports mean it."""
    named = dict(statements)
    if not any(named.get(code, 0) > 0 for code in RHYTHM_CODES):
        named["SR"] = 1.0
    return named


def ridge(design: np.ndarray, target: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Ridge coefficients, shape (column, output); `penalty` is one number of pseudo-records per column."""
    return np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ target)


def penalties(encoding: Encoding, statements: float, main: float = 0.5) -> np.ndarray:
    """Ridge penalties: none on the constant, little on age, sex and rate, more on statements.

    The bend in log RR is held nearly straight: few records are fast enough to tell it, and it would rule far beyond
    them.
    """
    weights = np.full(len(MAIN_EFFECTS), main)
    weights[MAIN_EFFECTS.index("one")] = 1e-6
    weights[MAIN_EFFECTS.index("log_rr2")] = BEND_PENALTY
    return np.concatenate([weights, np.full(len(encoding.codes), statements)])
