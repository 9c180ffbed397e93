"""What a table says of a claim: one frozen value each, adjusted in families, shown as a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from discovery.claims import Hypothesis, arm_label
from discovery.estimates import INCONCLUSIVE, NOTHING, SUPPORTED, adjusted


@dataclass(frozen=True)
class Method:
    """How a finding was made: the procedure, what `n` counts, the name of the effect size, the level."""

    name: str
    counts: str
    effect_name: str
    level: float


@dataclass(frozen=True)
class Finding:
    """What a table says of a hypothesis: flat, for every field is a column of `findings_table`.

    Parameters
    ----------
    hypothesis : Hypothesis
    estimate, low, high : float
        The effect and its interval, in `unit`; NaN where it could not be estimated.
    n : int
        Independent units: seeds where paired, else ECGs.
    p : float
        Two-sided, for "there is no effect"; of a claim of equality, for "it is not equal"
        (`discovery.estimates.Estimate.p_equivalence`).
    effect_size : float
        Standardised effect, of the kind named by ``method.effect_name``.
    verdict : str
        One of the four of `discovery.estimates.judge`.
    unit : str
    missing : mapping of str to float
        Share of the ECGs without a measured outcome, for each arm.
    method : Method
    p_adjusted : float
        NaN until `adjust` has seen the family.
    exploratory : bool
        True unless the hypothesis was frozen before the table was read.
    reason : str
        Why this verdict, and what to be careful with.
    """

    hypothesis: Hypothesis
    estimate: float
    low: float
    high: float
    n: int
    p: float
    effect_size: float
    verdict: str
    unit: str = ""
    missing: Mapping[str, float] = field(default_factory=dict)
    method: Method = Method("paired by seed", "seeds", "d_z", 0.95)
    p_adjusted: float = math.nan
    exploratory: bool = True
    reason: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one hoped for: nothing for a claim of no effect, else supported."""
        hopes = self.hypothesis
        return self.verdict == (NOTHING if hopes.direction == "0" and hopes.target == 0 else SUPPORTED)

    @property
    def p_tests(self) -> str:
        """What a small p speaks for: "difference", or "equality" where the claim is that nothing differs."""
        return "equality" if self.hypothesis.claims_equality else "difference"

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it: numbers that are not finite become None."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values |= {"hypothesis": self.hypothesis.to_dict(), "missing": dict(self.missing)}
        values |= {
            "method": vars(self.method).copy(),
            "as_expected": self.as_expected,
            "p_tests": self.p_tests,
        }
        values["digest"] = self.hypothesis.digest
        return {name: None if _not_finite(value) else value for name, value in values.items()}

    def __str__(self) -> str:
        stamp = " [exploratory]" if self.exploratory else ""
        if not math.isfinite(self.estimate):
            return f"{self.hypothesis.statement}: {self.verdict}{stamp}, {self.reason}"
        p, name = (self.p, "p") if math.isnan(self.p_adjusted) else (self.p_adjusted, "adjusted p")
        p_words = f"{name} of {self.p_tests} {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
        return (
            f"{self.hypothesis.statement}: {f'{self.estimate:+.4g} {self.unit}'.rstrip()} "
            f"({self.method.level:.0%} interval {self.low:.4g} to {self.high:.4g}, n = {self.n} "
            f"{self.method.counts}, {p_words}): {self.verdict}{stamp}"
        )


def adjust(findings: Sequence[Finding], method: str = "holm") -> list[Finding]:
    """The findings of one family with `p_adjusted`; "supported" is withdrawn unless it is below 1 - level.

    Controls check the instrument and are no part of the family: their `p_adjusted` stays NaN. A finding
    without a p counts as a test that was made.

    Parameters
    ----------
    findings : sequence of Finding
    method : {"holm", "bh"}
        Holm for a few claims stated beforehand, Benjamini-Hochberg for a screen.
    """
    family = [index for index, finding in enumerate(findings) if finding.hypothesis.control is None]
    p = adjusted(np.array([findings[index].p for index in family], dtype=float), method)
    result = list(findings)
    for index, value in zip(family, p, strict=True):
        finding, changes = findings[index], {"p_adjusted": float(value)}
        if finding.verdict == SUPPORTED and not value < 1 - finding.method.level:
            tests = f"{len(family)} tests made together ({method}): adjusted p = {value:.3f}"
            changes |= {"verdict": INCONCLUSIVE, "reason": f"not clear enough among {tests}"}
        result[index] = replace(finding, **changes)
    return result


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row per finding, the words first, then the numbers, then what they rest on."""
    columns = "statement verdict as_expected outcome varies estimate low high unit n counts p p_adjusted"
    columns += (
        " p_tests effect_size effect_name smallest control exploratory missing method level reason digest"
    )
    rows = []
    for finding in findings:
        claim, method = finding.hypothesis, finding.method
        row = {"statement": claim.statement, "outcome": claim.outcome, "varies": _varies(claim)}
        row |= {name: getattr(finding, name) for name in columns.split() if hasattr(finding, name)}
        row |= {"counts": method.counts, "effect_name": method.effect_name, "level": method.level}
        row |= {"smallest": claim.smallest, "control": claim.control, "digest": claim.digest[:16]}
        row |= {"method": method.name, "missing": shares(finding.missing)}
        rows.append(row)
    return pd.DataFrame(rows, columns=columns.split())


def shares(missing: Mapping[str, float]) -> str:
    """Shares of missing values as a reader sees them."""
    return ", ".join(f"{share:.0%} of {arm}" for arm, share in missing.items())


def _varies(claim: Hypothesis) -> str:
    """What varies, readably: 'female - male', or 'per heart_rate'."""
    if claim.trend:
        return f"per {claim.trend}"
    return " - ".join(map(arm_label, claim.contrast[claim.axis]))


def _not_finite(value: Any) -> bool:
    """Whether a value is a number that JSON cannot hold."""
    return isinstance(value, float) and not math.isfinite(value)
