"""Claims against the table of measurements: a difference or a slope, its interval and its verdict."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from discovery.claims import Hypothesis, arm_label, freeze, frozen_path, nearest, read_frozen
from discovery.estimates import (
    Estimate,
    judge,
    mean_estimate,
    no_estimate,
    paired_differences,
    unwrapped,
    welch_estimate,
    within_slopes,
)
from discovery.findings import Finding, Method, adjust, findings_table, shares

__all__ = [
    "Finding",
    "Hypothesis",
    "Method",
    "adjust",
    "compare",
    "findings_table",
    "freeze",
    "read_frozen",
    "trend",
]

ASKED = ("age", "sex", "heart_rate", "text")
DRIVERS = {"rr_ms": "heart_rate", "rate_bpm": "heart_rate"}  # measured columns that an asked factor moves
UNEQUAL_MISSING = 0.05  # arms whose shares of missing values differ by more are pointed out


def compare(
    table: pd.DataFrame,
    hypothesis: Hypothesis,
    *,
    level: float = 0.95,
    paired: bool | str = "auto",
    frozen: str | Path | None = None,
) -> Finding:
    """The difference between the arms of the contrast, first minus second, as a `Finding`.

    Paired: for each seed, the difference within each cell of equal `given` factors, averaged over the cells:
    one number per seed, and a t interval over seeds. Other asked factors that were swept alike in both arms
    are held as well, so that failures in one arm cannot pass for an effect. Without shared seeds (recorded
    ECGs, one per patient where ``patient_id`` is a column): Welch's interval, or, with `given`, least squares
    adjusted for them with HC3 errors. Axes in degrees are compared the short way round. A hypothesis with
    a trend goes to `trend`.

    Parameters
    ----------
    table : DataFrame
        One row per ECG, with a column ``seed`` where generated.
    hypothesis : Hypothesis
    level : float
        Of the interval.
    paired : bool or "auto"
        ``"auto"`` pairs where at least half of the seeds of the smaller arm are in both arms.
    frozen : path, optional
        The file or folder of `freeze`; a hypothesis not found there gives a finding stamped exploratory.

    Raises
    ------
    ValueError
        Where a column or an arm is not in the table.
    """
    if hypothesis.trend:
        return trend(table, hypothesis, level=level, paired=paired, frozen=frozen)
    rows, axis = _rows(table, hypothesis), hypothesis.axis
    arms = hypothesis.contrast[axis]
    first, second = (_arm(rows, axis, arm, hypothesis.where) for arm in arms)
    rows, first = rows[first | second].reset_index(drop=True), first[first | second]
    seeds = set(rows.loc[first, "seed"]) - {-1}, set(rows.loc[~first, "seed"]) - {-1}
    shared = len(seeds[0] & seeds[1])
    if _is_paired(paired, shared > 0 and shared >= min(map(len, seeds)) / 2, shared):
        held = _held(rows, hypothesis)
        values = rows[hypothesis.outcome].to_numpy()
        differences = paired_differences(values, first, _cells(rows, held), rows["seed"].to_numpy())
        estimate = mean_estimate(differences, binary=_binary(values))
        method = Method(_words("paired by seed", held), "seeds", estimate.effect_name, level)
    else:
        estimate, method = _unpaired(rows, hypothesis, first.astype(float), level)
    return _finding(rows, hypothesis, estimate, method, np.where(first, *map(arm_label, arms)), frozen)


def trend(
    table: pd.DataFrame,
    hypothesis: Hypothesis,
    *,
    level: float = 0.95,
    paired: bool | str = "auto",
    frozen: str | Path | None = None,
) -> Finding:
    """The slope of the outcome on the predictor, per unit of the predictor, as a `Finding`.

    Paired: one least-squares slope for each seed, common to its cells of equal `given` factors (each with its
    own intercept), averaged over seeds with a t interval. Without repeated seeds: least squares over the
    ECGs, adjusted for `given`, with HC3 errors. Parameters and errors as for `compare`.
    """
    if not hypothesis.trend:
        raise ValueError("hypothesis must have a trend, got a contrast: call compare(table, hypothesis)")
    rows = _rows(table, hypothesis)
    x = pd.to_numeric(rows[hypothesis.trend], errors="coerce").to_numpy(dtype=float)
    repeats = rows.assign(x=x)[rows["seed"] != -1].groupby("seed")["x"].nunique()
    shared = int((repeats > 1).sum())
    if _is_paired(paired, shared > 0 and shared >= len(repeats) / 2, shared):
        held = _held(rows, hypothesis)
        seed, values = rows["seed"].to_numpy(), rows[hypothesis.outcome].to_numpy()
        estimate = mean_estimate(within_slopes(x, values, _cells(rows, held), seed))
        method = Method(_words("slope within seed", held), "seeds", estimate.effect_name, level)
    else:
        estimate, method = _unpaired(rows, hypothesis, x, level)
    names = np.array([f"{value:g}" for value in x])
    names = names if len(set(names)) <= 12 else np.full(len(names), "all")
    return _finding(rows, hypothesis, estimate, method, names, frozen)


def _rows(table: pd.DataFrame, claim: Hypothesis) -> pd.DataFrame:
    """The rows and columns a claim needs: outcome as floats (NaN where not measured), seed -1 where none."""
    for name, columns in (("outcome", [claim.outcome]), (_kind(claim), [claim.axis]), ("given", claim.given)):
        for column in columns:
            if column not in table:
                mend = nearest(column, table.columns)
                raise ValueError(f"{name} must be a column of the table, got {column!r}: {mend}")
    if claim.where:
        try:
            table = table.query(claim.where)
        except (ValueError, SyntaxError, NameError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"where must be a query that pandas understands, got {claim.where!r}: {error}"
            ) from error
    extra = [name for name in (*ASKED, "patient_id") if name in table]
    rows = table[list(dict.fromkeys([claim.outcome, claim.axis, *claim.given, *extra]))].copy()
    values = pd.to_numeric(rows[claim.outcome], errors="coerce").to_numpy(dtype=float, copy=True)
    values[~np.isfinite(values)] = np.nan
    rows[claim.outcome] = unwrapped(values) if claim.outcome.endswith("_axis_deg") else values
    rows["seed"] = table["seed"].fillna(-1).astype("int64") if "seed" in table else -1
    return rows.reset_index(drop=True)


def _arm(rows: pd.DataFrame, axis: str, value: Any, where: str) -> np.ndarray:
    """Which rows belong to one arm of the contrast."""
    column = rows[axis]
    found = column.isna() if value is None else column == value
    if not found.any():
        mend = nearest(value, column.dropna().unique())
        rest = f" where {where}" if where else ""
        shown = arm_label(value) if value is None else repr(value)
        raise ValueError(f"contrast must name values of the column {axis!r}{rest}, got {shown}: {mend}")
    return found.to_numpy(dtype=bool)


def _held(rows: pd.DataFrame, claim: Hypothesis) -> list[str]:
    """The given factors, and the other asked ones if swept alike at every value of what varies."""
    given, driver = list(claim.given), DRIVERS.get(claim.axis, claim.axis)
    others = [name for name in ASKED if name in rows and name not in (driver, claim.axis, *given)]
    others = [name for name in others if rows[name].nunique(dropna=False) > 1]
    if not others or driver not in ASKED or driver not in rows:
        return given
    keys = rows.groupby([*given, *others, "seed"], dropna=False, sort=False).ngroup()
    values = pd.factorize(rows[driver], use_na_sentinel=False)[0]
    pairs = len(set(zip(keys, values, strict=True)))
    return given + others if pairs == keys.nunique() * len(set(values)) else given


def _cells(rows: pd.DataFrame, held: Sequence[str]) -> np.ndarray:
    """A number for each combination of the held factors."""
    if not held:
        return np.zeros(len(rows), dtype=int)
    return rows.groupby(list(held), dropna=False, sort=False).ngroup().to_numpy()


def _is_paired(paired: bool | str, possible: bool, shared: int) -> bool:
    """Whether to pair by seed; refused where it was demanded and cannot be."""
    if paired not in (True, False, "auto"):
        raise ValueError(f"paired must be True, False or 'auto', got {paired!r}")
    if paired is True and not shared:
        raise ValueError(
            "paired must be False where no seed is shared, got True: recorded ECGs have no seeds"
        )
    return possible if paired == "auto" else bool(paired)


def _unpaired(rows: pd.DataFrame, claim: Hypothesis, x: np.ndarray, level: float) -> tuple[Estimate, Method]:
    """Recorded ECGs: Welch's difference, or least squares adjusted for what is given (HC3 errors)."""
    usable = rows[claim.outcome].notna().to_numpy() & np.isfinite(x)
    name = ""
    if "patient_id" in rows:
        usable[usable] = ~rows.loc[usable, "patient_id"].duplicated().to_numpy()
        name = ", one ECG per patient"
    rows, x = rows[usable].reset_index(drop=True), x[usable]
    values = rows[claim.outcome].to_numpy()
    if claim.contrast and not claim.given:
        estimate = welch_estimate(values[x == 1], values[x == 0], binary=_binary(values))
        return estimate, Method(f"Welch, unpaired{name}", "ECGs", estimate.effect_name, level)
    estimate = _regression(values, x, rows[list(claim.given)])
    method = _words("regression with HC3 errors", claim.given, "adjusted for") + name
    return estimate, Method(method, "ECGs", estimate.effect_name, level)


def _regression(values: np.ndarray, x: np.ndarray, given: pd.DataFrame) -> Estimate:
    """The coefficient of `x`, adjusted for `given` (numbers as lines, words as levels), with its HC3 error.

    Source: MacKinnon and White, J Econometrics 29:305 (1985).
    """
    design = _design(x, given)
    known = np.isfinite(design).all(axis=1)
    design, values = design[known], values[known]
    if len(design) < 2 or np.ptp(design[:, 1]) == 0:
        return no_estimate(len(values), "partial r", "what varies has one value only among the measured ECGs")
    design = design[:, np.r_[True, np.ptp(design[:, 1:], axis=0) > 0]]
    design[:, 1:] -= design[:, 1:].mean(axis=0)
    weights = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
    if np.linalg.matrix_rank(design) < design.shape[1] or weights.max() > 1 - 1e-9:
        reason = f"the {len(values)} measured ECGs cannot tell it from what is given"
        return no_estimate(len(values), "partial r", reason)
    fit = OLS(values, design).fit(cov_type="HC3", use_t=True)
    slope, error = float(fit.params[1]), float(fit.bse[1])
    size = slope / np.hypot(slope, error * np.sqrt(fit.df_resid)) if error else np.nan
    return Estimate(slope, error, fit.df_resid, len(values), float(size), "partial r")


def _design(x: np.ndarray, given: pd.DataFrame) -> np.ndarray:
    """The columns 1, `x` and `given`; an ECG alone in its level becomes NaN, for it says nothing of `x`."""
    parts = [pd.Series(1.0, given.index), pd.Series(x, given.index)]
    for name in given:
        column = given[name]
        if pd.api.types.is_numeric_dtype(column):
            parts.append(column.astype(float))
            continue
        alone = column.map(column.value_counts()).fillna(1) == 1
        parts.append(pd.get_dummies(column.mask(alone), drop_first=True, dtype=float))
        parts.append(alone.map({False: 0.0, True: np.nan}))
    return pd.concat(parts, axis=1).to_numpy(dtype=float)


def _finding(
    rows: pd.DataFrame,
    claim: Hypothesis,
    estimate: Estimate,
    method: Method,
    arms: np.ndarray,
    frozen: str | Path | None,
) -> Finding:
    """The estimate judged, with what was missing in each arm and what to be careful with."""
    if not 0 < method.level < 1:
        raise ValueError(f"level must be between 0 and 1, got {method.level:g}: write 0.95 for 95 %")
    values = rows[claim.outcome]
    missing = values.isna().groupby(arms, sort=False).mean().to_dict()
    if values.nunique() == 1 and not _binary(values.to_numpy()):
        constant = f"{claim.outcome} is {values.dropna().iloc[0]:g} in every measured ECG"
        estimate = no_estimate(estimate.n, estimate.effect_name, constant)
    empty = [arm for arm, share in missing.items() if share == 1]
    if empty:
        nothing = f"no {claim.outcome} was measured for {claim.axis} {' and '.join(map(str, empty))}"
        estimate = replace(estimate, reason=nothing)
    low, high = estimate.interval(method.level)
    verdict, reason = judge(estimate.value, (low, high), claim.smallest, claim.direction, claim.target)
    p = estimate.p_difference(claim.target)
    if claim.claims_equality:
        p = estimate.p_equivalence(claim.target, claim.smallest)
    reasons = [estimate.reason] if estimate.reason else []
    if np.isfinite(estimate.value):
        reasons.insert(0, reason)
    if len(missing) > 1 and max(missing.values()) - min(missing.values()) > UNEQUAL_MISSING:
        reasons.append(f"not measured in {shares(missing)}: the arms may not be alike")
    numbers = {"estimate": estimate.value, "low": low, "high": high, "n": estimate.n, "p": p}
    return Finding(
        claim,
        **numbers,
        effect_size=estimate.effect_size,
        verdict=verdict,
        unit=claim.unit,
        missing=missing,
        method=method,
        exploratory=not _was_frozen(claim, frozen),
        reason="; ".join(reasons),
    )


def _was_frozen(claim: Hypothesis, frozen: str | Path | None) -> bool:
    """Whether the claim, just so, was written down before."""
    if frozen is None:
        return False
    path = frozen_path(claim, frozen)
    return path.exists() and read_frozen(path) == claim


def _binary(values: np.ndarray) -> bool:
    """Whether the outcome is a yes or no, as `p_present`."""
    known = values[np.isfinite(values)]
    return bool(len(known)) and bool(np.isin(known, (0, 1)).all())


def _kind(claim: Hypothesis) -> str:
    """The word for what varies."""
    return "trend" if claim.trend else "contrast"


def _words(what: str, names: Sequence[str], joined: str = "holding") -> str:
    """A method's name with the factors it held."""
    return f"{what}, {joined} {', '.join(names)}" if names else what
