"""Whether a rate-corrected QT still follows the rate, which it should not."""

import numpy as np
import pandas as pd
from scipy import stats

CORRECTED = ("qtcf_ms", "qtcb_ms", "qtcfr_ms", "qtch_ms")
FEWEST = 10  # ECGs, for a slope worth showing


def rate_slopes(table: pd.DataFrame, columns: tuple[str, ...] = ("qt_ms", *CORRECTED)) -> pd.DataFrame:
    """The slope of QT and of each QTc against measured heart rate, ms per 10 bpm, with its 95 % interval.

    A correction suits these ECGs where its interval holds 0. Wide QRS (120 ms or more) is left out, for
    its QT is longer by other causes.

    Parameters
    ----------
    table : DataFrame
        Rows of `measure`.
    columns : tuple of str
        What to put against the rate.

    Returns
    -------
    DataFrame
        One row per column: slope, low, high (ms per 10 bpm) and n.

    Raises
    ------
    ValueError
        Where the table lacks a column, or holds fewer than 10 different rates.

    Source
    ------
    Least squares; the check of Vandenberk et al. 2016 (residual QTc-to-rate slope).
    """
    for name in ("rate_bpm", "qrs_ms", *columns):
        if name not in table:
            raise ValueError(f"table must hold {name}, got {len(table.columns)} other columns: measure it")
    narrow = table[~(table["qrs_ms"] >= 120)]
    if narrow["rate_bpm"].nunique() < FEWEST:
        found = narrow["rate_bpm"].nunique()
        raise ValueError(f"table must hold at least {FEWEST} different heart rates, got {found}")
    return pd.DataFrame({name: _slope(narrow["rate_bpm"], narrow[name]) for name in columns}).T


def _slope(rate: pd.Series, outcome: pd.Series) -> pd.Series:
    """Slope per 10 bpm with its 95 % interval, from the rows where both are known."""
    known = rate.notna() & outcome.notna()
    n = int(known.sum())
    if n < FEWEST:
        return pd.Series({"slope": np.nan, "low": np.nan, "high": np.nan, "n": n})
    fit = stats.linregress(rate[known] / 10, outcome[known])
    half = stats.t.ppf(0.975, n - 2) * fit.stderr
    return pd.Series({"slope": fit.slope, "low": fit.slope - half, "high": fit.slope + half, "n": n})
