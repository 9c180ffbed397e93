"""Arrays in, an estimate with its interval and a verdict out: the statistics under `discovery.hypotheses`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
NOTHING = "equivalent to nothing"
INCONCLUSIVE = "inconclusive"
FAR = 6.0  # robust standard deviations from the median at which a seed is pointed out
VERDICTS = (SUPPORTED, CONTRADICTED, NOTHING, INCONCLUSIVE)


@dataclass(frozen=True)
class Estimate:
    """A number with what is needed for its t interval.

    Parameters
    ----------
    value : float
        The estimate itself; NaN where there is none.
    error : float
        Its standard error.
    freedom : float
        Degrees of freedom of the t distribution.
    n : int
        Independent units it rests on: seeds where paired, else ECGs.
    effect_size : float
        Standardised effect, named by `effect_name`.
    effect_name : str
        ``d_z`` (mean over standard deviation of the differences), ``d`` (Cohen, pooled standard
        deviation) or ``partial r`` (regression).
    limits : tuple of float
        Values that the interval cannot pass, as -1 and 1 for a risk difference.
    reason : str
        Why there is no value, where it is NaN; else what to be careful with, if anything.
    """

    value: float
    error: float
    freedom: float
    n: int
    effect_size: float
    effect_name: str
    limits: tuple[float, float] = (-np.inf, np.inf)
    reason: str = ""

    def interval(self, level: float) -> tuple[float, float]:
        """The t interval at `level`, as (low, high)."""
        half = self.error * stats.t.ppf((1 + level) / 2, self.freedom)
        low, high = np.clip([self.value - half, self.value + half], *self.limits)
        return float(low), float(high)

    def p_difference(self, target: float = 0.0) -> float:
        """Two-sided p of "the true value is `target`"."""
        if self.error == 0:
            return float(self.value == target)
        return float(2 * stats.t.sf(abs(self.value - target) / self.error, self.freedom))

    def p_equivalence(self, target: float, smallest: float) -> float:
        """Twice the p of "the true value lies `smallest` or more from `target`".

        Two one-sided tests, doubled, so that p < 1 - level says just what "the interval at that level lies
        inside target +- smallest" says. Source: Schuirmann, J Pharmacokinet Biopharm 15:657 (1987).
        """
        room = smallest - abs(self.value - target)
        if self.error == 0:
            return float(room <= 0)
        return float(min(1.0, 2 * stats.t.sf(room / self.error, self.freedom)))


def no_estimate(n: int, effect_name: str, reason: str) -> Estimate:
    """An estimate that could not be made, with the reason in words."""
    return Estimate(np.nan, np.nan, np.nan, n, np.nan, effect_name, reason=reason)


def mean_estimate(values: np.ndarray, *, binary: bool = False) -> Estimate:
    """The mean of one number per seed, with its standard error.

    Parameters
    ----------
    values : ndarray, shape (seed,)
        A difference or a slope for each seed.
    binary : bool
        The outcome was 0 or 1 and the values are differences between -1 and 1. The standard error is then
        that of Agresti and Min, which is not 0 where all the seeds agree.

    Source: Agresti and Min, Stat Med 24:729 (2005): half a count is added to each cell of the paired table.
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return no_estimate(n, "d_z", f"an interval needs 2 seeds or more, got {n}")
    spread = float(values.std(ddof=1))
    mean = float(values.mean())
    error, limits = spread / np.sqrt(n), (-np.inf, np.inf)
    if binary:
        squares = float(values @ values) + 1
        error = float(np.sqrt(squares - values.sum() ** 2 / (n + 2)) / (n + 2))
        limits = (-1.0, 1.0)
    size = mean / spread if spread else np.nan
    return Estimate(mean, float(error), n - 1, n, size, "d_z", limits, _far_seeds(values))


def _far_seeds(values: np.ndarray) -> str:
    """A warning where a few seeds lie far from the others: failed measurements, more often than effects."""
    away = np.abs(values - np.median(values))
    spread = 1.4826 * np.median(away)
    far = int((away > FAR * spread).sum()) if spread > 0 else 0
    return f"{far} of {len(values)} seeds lie far from the others: look at their ECGs" if far else ""


def welch_estimate(first: np.ndarray, second: np.ndarray, *, binary: bool = False) -> Estimate:
    """The mean of `first` minus the mean of `second`, independent arms of unequal variance.

    Where the outcome is `binary`, one ECG of each kind is added to each arm for the standard error, which is
    then not 0 where all the ECGs of an arm agree.

    Source: Welch, Biometrika 34:28 (1947); Agresti and Caffo, Am Stat 54:280 (2000); effect size: Cohen's d
    with the pooled standard deviation.
    """
    n = len(first) + len(second)
    if min(len(first), len(second)) < 2:
        counts = f"{len(first)} and {len(second)}"
        return no_estimate(n, "d", f"an interval needs 2 ECGs or more in each arm, got {counts}")
    value = float(first.mean() - second.mean())
    squares = first.var() * len(first) + second.var() * len(second)
    size = float(value / np.sqrt(squares / (n - 2))) if squares else np.nan
    arms = [np.r_[arm, 0, 1] if binary else arm for arm in (first, second)]
    parts = [arm.var(ddof=1) / len(arm) for arm in arms]
    if sum(parts) == 0:
        return no_estimate(n, "d", "the outcome does not vary within the arms")
    freedom = sum(parts) ** 2 / sum(part**2 / (len(arm) - 1) for part, arm in zip(parts, arms, strict=True))
    limits = (-1.0, 1.0) if binary else (-np.inf, np.inf)
    return Estimate(value, float(np.sqrt(sum(parts))), float(freedom), n, size, "d", limits)


def paired_differences(
    values: np.ndarray, first: np.ndarray, cell: np.ndarray, seed: np.ndarray
) -> np.ndarray:
    """One difference (first arm minus second) for each seed, averaged over the cells measured in both.

    Parameters
    ----------
    values : ndarray, shape (row,)
        The outcome, NaN where it was not measured.
    first : ndarray of bool, shape (row,)
        True for the rows of the first arm, False for those of the second.
    cell, seed : ndarray, shape (row,)
        What is held equal within a difference.
    """
    frame = pd.DataFrame({"value": values, "first": first, "cell": cell, "seed": seed})
    frame = frame.dropna(subset=["value"])
    means = frame.groupby(["seed", "cell", "first"])["value"].mean().unstack("first")
    means = means.reindex(columns=[True, False])
    return (means[True] - means[False]).dropna().groupby("seed").mean().to_numpy()


def within_slopes(x: np.ndarray, y: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """One least-squares slope of `y` on `x` for each seed, common to its cells, each with its own intercept.

    Seeds in which `x` does not vary within any cell give no slope.
    """
    frame = pd.DataFrame({"x": x, "y": y, "cell": cell, "seed": seed}).dropna(subset=["x", "y"])
    groups = frame.groupby(["seed", "cell"])
    frame["xc"] = frame["x"] - groups["x"].transform("mean")
    frame["yc"] = frame["y"] - groups["y"].transform("mean")
    frame["xx"], frame["xy"] = frame["xc"] ** 2, frame["xc"] * frame["yc"]
    sums = frame.groupby("seed")[["xx", "xy"]].sum()
    sums = sums[sums["xx"] > 1e-12 * float((frame["x"] ** 2).max() if len(frame) else 0.0)]
    return (sums["xy"] / sums["xx"]).to_numpy()


def unwrapped(degrees: np.ndarray) -> np.ndarray:
    """Angles in degrees moved by whole turns to lie within 180 of their mean direction."""
    known = np.radians(degrees[np.isfinite(degrees)])
    if not len(known):
        return degrees
    centre = np.degrees(np.arctan2(np.sin(known).mean(), np.cos(known).mean()))
    return centre + (degrees - centre + 180) % 360 - 180


def judge(
    estimate: float, interval: tuple[float, float], smallest: float, direction: str | None, target: float
) -> tuple[str, str]:
    """The verdict on a claim, and the reason in words.

    One rule, on the interval of the effect e = value - target and the smallest effect worth finding, s:

    =============================================  ===========  ===========  ===================
    the interval of e ...                          claim ``+``  no sign      claim ``0``
    =============================================  ===========  ===========  ===================
    lies inside -s .. s                            nothing      nothing      nothing, hoped for
    lies above 0, and the estimate is s or more    supported    supported    contradicted
    lies below 0, and the estimate is -s or less   contradicted supported    contradicted
    lies below 0, the estimate between -s and 0    contradicted inconclusive inconclusive
    anything else                                  inconclusive inconclusive inconclusive
    =============================================  ===========  ===========  ===================

    The claim ``-`` mirrors ``+``. "Nothing" is *equivalent to nothing*: effects worth finding are ruled out,
    whether or not 0 is, for with enough seeds every difference differs from 0. A claim ``0``, or one without
    sign, about a `target` other than 0 (measured rate on asked rate: 1) claims agreement, and an interval
    inside target +- s is *supported*.
    Source: Lakens, Soc Psychol Personal Sci 8:355 (2017), equivalence before significance.
    """
    if not np.isfinite([estimate, *interval]).all():
        return INCONCLUSIVE, "there is no interval"
    low, high, effect = interval[0] - target, interval[1] - target, estimate - target
    if direction == "-":
        low, high, effect = -high, -low, -effect
    agreement = target != 0 and direction in (None, "0")
    if -smallest < low and high < smallest:
        if agreement:
            return SUPPORTED, f"the interval lies within {smallest:g} of {target:g}"
        return NOTHING, f"effects of {smallest:g} or more are ruled out"
    if low > 0 or high < 0:
        return _beyond(effect, smallest, direction, agreement)
    return INCONCLUSIVE, "the interval reaches both sides, and beyond the smallest effect worth finding"


def _beyond(effect: float, smallest: float, direction: str | None, agreement: bool) -> tuple[str, str]:
    """The verdict where the interval lies on one side; `effect` is positive where expected."""
    large = abs(effect) >= smallest
    if direction in ("+", "-") and effect < 0:
        return CONTRADICTED, "the effect goes the other way"
    if not large:
        return INCONCLUSIVE, "there is an effect, but perhaps one too small to matter"
    if agreement or direction == "0":
        return CONTRADICTED, "there is an effect where none was expected"
    return SUPPORTED, "the interval lies on one side, and the estimate is worth finding"


def adjusted(p: np.ndarray, method: str) -> np.ndarray:
    """The p values of one family, adjusted; a NaN stays NaN and counts as a test that was made.

    Parameters
    ----------
    p : ndarray, shape (test,)
    method : {"holm", "bh"}
        ``holm`` bounds the chance of one false claim in a confirmatory family, ``bh`` the share of false ones
        in a screen.

    Source: Holm, Scand J Stat 6:65 (1979); Benjamini and Hochberg, J R Stat Soc B 57:289 (1995).
    """
    if method not in ("holm", "bh"):
        raise ValueError(
            f"method must be 'holm' or 'bh', got {method!r}: holm for a few claims stated beforehand, "
            "bh for a screen"
        )
    p = np.asarray(p, dtype=float)
    if not len(p):
        return p
    filled = np.where(np.isnan(p), 1.0, p)
    if method == "bh":
        result = stats.false_discovery_control(filled, method="bh")
    else:
        order = np.argsort(filled)
        steps = np.maximum.accumulate(filled[order] * np.arange(len(p), 0, -1))
        result = np.empty(len(p))
        result[order] = np.minimum(steps, 1.0)
    return np.where(np.isnan(p), np.nan, result)
