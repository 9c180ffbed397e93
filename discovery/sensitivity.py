"""What drives a quantity: the share of its variance that each factor, and the heart itself, explains."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from discovery.designs import Design

HEART = "heart"
RESAMPLES = 999
FEWEST = 16


@dataclass(frozen=True, repr=False, eq=False)
class Sensitivity:
    """Sobol indices of one quantity.

    Parameters
    ----------
    outcome : str
        The measured column.
    table : DataFrame
        One row per factor, the heart last: factor, first, first_low, first_high, and so for total.
        `first` is the share of the variance that the factor explains alone, `total` with its interactions.
    n, missing : int
        Points used, and points left out because the quantity could not be measured in one of their ECGs.
    level : float
        Coverage of the intervals.
    """

    outcome: str
    table: pd.DataFrame
    n: int
    missing: int
    level: float

    def __repr__(self) -> str:
        rows = [
            f"  {row.factor:<11} alone {row.first:6.1%} ({row.first_low:.1%} to {row.first_high:.1%}), "
            f"in all {row.total:6.1%} ({row.total_low:.1%} to {row.total_high:.1%})"
            for row in self.table.itertuples()
        ]
        used = f"n = {self.n} points, {self.missing} left out, {self.level:.0%} intervals"
        head = f"Variance of {self.outcome}: {used}"
        return "\n".join([head, *rows])


def sensitivity(
    table: pd.DataFrame, design: Design, outcome: str, *, level: float = 0.95, seed: int = 0
) -> Sensitivity:
    """First-order and total Sobol indices of a measured quantity over the factors of a `saltelli` design.

    Parameters
    ----------
    table : DataFrame
        What `measure_sweep` gave for the whole design.
    design : Design
        Made by `discovery.samplings.saltelli`.
    outcome : str
        A numerical column of the table.
    level : float
        Coverage of the bootstrap intervals (points are drawn again).
    seed : int
        Draws the bootstrap samples.

    Notes
    -----
    Source: Saltelli et al. 2010, Computer Physics Communications 181:259, table 2 (b) and (f): first
    mean(f_B (f_AB - f_A)) / V, total mean((f_A - f_AB)^2) / 2V; outcomes are centred first.
    """
    if design.kind != "saltelli":
        raise ValueError(f"design must be one of saltelli's, got a {design.kind}: plan it with saltelli")
    if outcome not in table:
        raise ValueError(f"outcome must be a column of the table, got {outcome!r}")
    factors = [*design.axes, HEART]
    values = pd.Series(table[outcome].to_numpy(dtype=float), index=table["ecg"]).reindex(range(len(design)))
    blocks = values.to_numpy().reshape(len(factors) + 2, -1)
    known = np.isfinite(blocks).all(axis=0)
    used = blocks[:, known]
    if used.shape[1] < FEWEST:
        raise ValueError(
            f"points must number at least {FEWEST} with {outcome} in every ECG, got {used.shape[1]}"
        )
    draw = np.random.default_rng(seed)
    drawn = [
        sobol_shares(used[:, draw.integers(used.shape[1], size=used.shape[1])]) for _ in range(RESAMPLES)
    ]
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    first, total = sobol_shares(used)
    columns = {"factor": factors, "first": first, "first_low": ends[0, 0], "first_high": ends[1, 0]}
    columns |= {"total": total, "total_low": ends[0, 1], "total_high": ends[1, 1]}
    return Sensitivity(outcome, pd.DataFrame(columns), used.shape[1], int((~known).sum()), level)


def sobol_shares(blocks: np.ndarray) -> np.ndarray:
    """First-order and total indices, (2, factor), from outcomes at A, at B and at A with one factor of B.

    Parameters
    ----------
    blocks : ndarray, shape (2 + factor, point)
        Rows f_A, f_B, then f_AB for each factor.
    """
    centred = blocks - blocks[:2].mean()
    variance = centred[:2].var()
    if variance == 0:
        return np.full((2, len(blocks) - 2), np.nan)
    at_a, at_b, mixed = centred[0], centred[1], centred[2:]
    first = (at_b * (mixed - at_a)).mean(axis=1) / variance
    total = ((at_a - mixed) ** 2).mean(axis=1) / (2 * variance)
    return np.stack([first, total])
