"""Three columns of evidence for a claim (generator, recorded ECGs, literature) and the instrument check."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.claims import Hypothesis, label_of, nearest
from discovery.estimates import NOTHING
from discovery.findings import Finding
from discovery.hypotheses import compare

AGREES = "agrees"
OPPOSITE = "opposite"
LARGER = "larger in the generator"
SMALLER = "smaller in the generator"
UNCERTAIN = "compatible, not precise enough to agree"
NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Published:
    """An effect from the literature, in the unit of the claim.

    Parameters
    ----------
    value : float
    low, high : float
        Its range or interval; NaN where none was published.
    source : str
        Where it was read; never empty.

    Raises
    ------
    ValueError
        Where there is no source, or the value lies outside its range.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    source: str = ""

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError(f"source must say where the value was read, got {self.source!r}: name the paper")
        if not (math.isnan(self.low) or math.isnan(self.high) or self.low <= self.value <= self.high):
            shown = f"{self.low:g} to {self.high:g}"
            raise ValueError(f"low and high must enclose the value {self.value:g}, got {shown}")


@dataclass(frozen=True)
class Evidence:
    """What speaks for a claim and against it: a finding about the generator is not one about patients.

    Parameters
    ----------
    generator : Finding
        From generated ECGs.
    recorded : Finding, optional
        The same claim on recorded ECGs, measured by the same code.
    published : Published, optional
        What the literature says.
    instrument : Finding, optional
        The effect that measuring alone makes: see `instrument_bias`.

    Raises
    ------
    ValueError
        Where the two findings are about different columns.
    """

    generator: Finding
    recorded: Finding | None = None
    published: Published | None = None
    instrument: Finding | None = None

    def __post_init__(self) -> None:
        if self.recorded is None:
            return
        ours, theirs = self.generator.hypothesis, self.recorded.hypothesis
        if (ours.outcome, ours.axis, ours.contrast) != (theirs.outcome, theirs.axis, theirs.contrast):
            got = f"{theirs.outcome} by {theirs.axis}"
            raise ValueError(
                f"recorded must be about {ours.outcome} by {ours.axis}, got {got}: "
                "put the same hypothesis to both tables"
            )

    @property
    def with_recorded(self) -> str:
        """How the generator's effect stands to that in recorded ECGs."""
        if self.recorded is None:
            return NOT_COMPARED
        return _stands(self.generator, self.recorded.estimate, self.recorded.low, self.recorded.high)

    @property
    def with_published(self) -> str:
        """How the generator's effect stands to the published one."""
        if self.published is None:
            return NOT_COMPARED
        return _stands(self.generator, self.published.value, self.published.low, self.published.high)

    @property
    def instrument_sound(self) -> bool | None:
        """Whether measuring alone makes no effect worth finding; None where that was not checked."""
        return None if self.instrument is None else self.instrument.verdict == NOTHING

    @property
    def conclusion(self) -> str:
        """One sentence: the generator's verdict, and what may be said beyond the generator."""
        verdict = f"{self.generator.verdict} in the generator"
        if self.instrument_sound is False:
            return f"{verdict}, but measuring alone may make an effect of this size: not to be relied on"
        if self.recorded is None:
            return f"{verdict}; not checked in recorded ECGs, so nothing is said of patients"
        recorded = f"{self.recorded.verdict} in recorded ECGs"
        return f"{verdict}, {recorded}; the generator against the records: {self.with_recorded}"

    def to_dict(self) -> dict[str, Any]:
        """One row of `evidence_table`."""
        claim = self.generator.hypothesis
        row = {"statement": claim.statement, "unit": claim.unit, "smallest": claim.smallest}
        for name, finding in (("generator", self.generator), ("recorded", self.recorded)):
            row |= {name: _number(finding)}
            row |= {f"{name}_n": finding.n if finding else 0}
            row |= {f"{name}_verdict": finding.verdict if finding else NOT_COMPARED}
        published = self.published
        row["published"] = _span(published.value, published.low, published.high) if published else ""
        row["source"] = published.source if published else ""
        row |= {"with_recorded": self.with_recorded, "with_published": self.with_published}
        return row | {"instrument": _number(self.instrument), "conclusion": self.conclusion}


def weigh(
    hypothesis: Hypothesis,
    generated: pd.DataFrame,
    *,
    recorded: pd.DataFrame | None = None,
    published: Published | None = None,
    simulated: pd.DataFrame | None = None,
    frozen: str | Path | None = None,
) -> Evidence:
    """The evidence for one hypothesis from up to three tables measured by the same code.

    Parameters
    ----------
    hypothesis : Hypothesis
    generated, recorded : DataFrame
        Measured generated and recorded ECGs.
    published : Published, optional
    simulated : DataFrame, optional
        Measured ECGs of known truth, for `instrument_bias`.
    frozen : path, optional
        As for `discovery.hypotheses.compare`.
    """
    return Evidence(
        compare(generated, hypothesis, frozen=frozen),
        None if recorded is None else compare(recorded, hypothesis, paired=False, frozen=frozen),
        published,
        None if simulated is None else instrument_bias(simulated, hypothesis),
    )


def instrument_bias(table: pd.DataFrame, hypothesis: Hypothesis, known: str = "") -> Finding:
    """The effect that measuring alone makes, on ECGs of known truth: the claim put to (measured - known).

    An interval measured with an error that depends on the rate makes a rate effect where there is none. The
    verdict *equivalent to nothing* says that no such effect worth finding is made.

    Parameters
    ----------
    table : DataFrame
        Measured ECGs of a simulator, with the truth in a column.
    hypothesis : Hypothesis
        Whose contrast or trend, and whose smallest effect, are used.
    known : str
        The column of the truth; ``known_`` and the outcome where empty.

    Raises
    ------
    ValueError
        Where a column is not in the table.
    """
    outcome = hypothesis.outcome
    known = known or f"known_{outcome}"
    for name, column in (("outcome", outcome), ("known", known)):
        if column not in table:
            mend = nearest(column, table.columns)
            raise ValueError(f"{name} must be a column of the table, got {column!r}: {mend}")
    error = f"error_{outcome}"
    claim = replace(
        hypothesis,
        outcome=error,
        direction="0",
        target=0.0,
        control="negative",
        statement=f"Measuring {label_of(outcome)} makes no effect of its own",
    )
    return compare(table.assign(**{error: table[outcome] - table[known]}), claim)


def evidence_table(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """One row per claim: generator, recorded and published side by side, each with its interval and n."""
    return pd.DataFrame([item.to_dict() for item in evidence])


def _stands(finding: Finding, value: float, low: float, high: float) -> str:
    """How a finding's estimate stands to another: by the interval of their difference."""
    target, smallest = finding.hypothesis.target, finding.hypothesis.smallest
    known = math.isfinite(low) and math.isfinite(high)
    other = (high - low) / 2 if known else 0.0
    difference = finding.estimate - value
    half = math.hypot((finding.high - finding.low) / 2, other)
    if not math.isfinite(difference + half):
        return NOT_COMPARED
    if abs(difference) + half < smallest:
        return AGREES
    if abs(difference) <= half + (0 if known else smallest):  # a bare number has an error that we do not know
        return UNCERTAIN
    ours, theirs = finding.estimate - target, value - target
    if ours * theirs < 0 and min(abs(ours), abs(theirs)) >= smallest:
        return OPPOSITE
    return LARGER if abs(ours) > abs(theirs) else SMALLER


def _number(finding: Finding | None) -> str:
    """An estimate with its interval, readably."""
    return _span(finding.estimate, finding.low, finding.high) if finding else ""


def _span(value: float, low: float, high: float) -> str:
    """A value and its interval, readably."""
    if math.isnan(value):
        return "not estimated"
    return f"{value:.3g}" if math.isnan(low) or math.isnan(high) else f"{value:.3g} ({low:.3g} to {high:.3g})"
