"""The forest: every finding's estimate with its interval, n and verdict, one axis for each unit."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discovery.style import FAINT, GREEN, INK, MM_PER_INCH, VERMILLION, Picture, axes_mm, plain, write_caption

WIDTH_MM = 236.0
LABEL_MM, AXIS_MM, ESTIMATE_MM, N_MM, VERDICT_MM = 6.0, 84.0, 160.0, 204.0, 214.0
FOOT_MM = 13.0
BAND = "#E3EAF0"
VERDICT_MARKS = {
    "supported": ("o", GREEN, GREEN),
    "contradicted": ("X", VERMILLION, VERMILLION),
    "equivalent to nothing": ("s", FAINT, FAINT),
    "inconclusive": ("o", "white", INK),
}


def plot_effects(findings: Iterable[Any]) -> Picture:
    """Estimates with 95 % intervals, n and verdict, one row per finding; one axis for each unit.

    The shaded band is the range of effects declared too small to matter, about the value of no effect.

    Parameters
    ----------
    findings : iterable of Finding or Evidence
        With `Evidence` the published effect stands beside the generator's, as a diamond with its range,
        and the effect in recorded ECGs as a square.

    Raises
    ------
    ValueError
        Where there is none.
    """
    findings = list(findings)
    if not findings:
        raise ValueError("findings must hold at least one finding, got none: run compare or trend first")
    units = list(dict.fromkeys(finding_of(item).unit for item in findings))
    parts = [_Part.of([item for item in findings if finding_of(item).unit == unit]) for unit in units]
    height = sum(part.height for part in parts) + 17
    figure = Picture(WIDTH_MM, height)
    top = height - 8
    heads = {
        LABEL_MM: "Hypothesis",
        ESTIMATE_MM: "Estimate [95 % interval]",
        N_MM: "n",
        VERDICT_MM: "Verdict",
    }
    for x, words in heads.items():
        figure.text(x / WIDTH_MM, (top + 1.5) / height, words, fontsize=8.5, color=FAINT, va="bottom")
    for part in parts:
        top -= part.height
        part.draw(figure, top)
    count = f"{len(findings)} {'hypothesis' if len(findings) == 1 else 'hypotheses'}"
    figure.caption = (
        f"{count}: estimate with 95 % interval; shaded, the effects declared too small to matter. "
        "n counts seeds where arms are paired by seed."
    )
    if any(getattr(item, "published", None) for item in findings):
        figure.caption += " Open diamonds: published effects in people, with their range where one is given."
    if any(getattr(item, "recorded", None) for item in findings):
        figure.caption += " Open squares: recorded ECGs measured by the same code, with 95 % interval."
    write_caption(figure)
    return figure


def finding_of(item: Any) -> Any:
    """The finding about the generator, whether it comes alone or within `Evidence`."""
    return getattr(item, "generator", item)


def interval_in_words(finding: Any) -> str:
    """An estimate with its interval, as many digits as the interval is wide: ``12.3 [10.1, 14.5]``."""
    if not np.isfinite(finding.estimate):
        return "no estimate"
    width = finding.high - finding.low
    scale = width if np.isfinite(width) and width > 0 else abs(finding.estimate) or 1.0
    digits = int(np.clip(1 - np.floor(np.log10(scale)), 0, 6))
    numbers = (round(number, digits) + 0.0 for number in (finding.estimate, finding.low, finding.high))
    value, low, high = (f"{number:.{digits}f}" for number in numbers)
    return f"{value} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def _compare(axes: Any, item: Any, place: float) -> None:
    """Draw recorded ECGs just above a finding and the published effect just below it, where they are known."""
    recorded, published = getattr(item, "recorded", None), getattr(item, "published", None)
    marks = []
    if recorded and np.isfinite(recorded.estimate):
        marks.append((recorded.estimate, recorded, place + 2.6, "s"))
    if published:
        marks.append((published.value, published, place - 2.6, "D"))
    for value, known, height, marker in marks:
        axes.plot([known.low, known.high], [height, height], color=FAINT, linewidth=0.9)
        axes.plot(value, height, marker, markersize=4.2, mfc="white", mec=FAINT)


@dataclass(frozen=True)
class _Part:
    """The findings of one unit: their labels, wrapped, and where each lies, mm from the foot."""

    findings: tuple[Any, ...]
    labels: tuple[str, ...]
    places: tuple[float, ...]
    height: float

    @classmethod
    def of(cls, findings: Sequence[Any]) -> "_Part":
        """Lay out rows, each as tall as its label needs, the first on top."""
        labels = tuple(textwrap.fill(finding_of(item).hypothesis.statement, 46) for item in findings)
        heights = [max(9.0, 4.1 * (label.count("\n") + 1) + 3.0) for label in labels]
        height = FOOT_MM + sum(heights)
        places = height - np.cumsum(heights) + np.array(heights) / 2
        return cls(tuple(findings), labels, tuple(map(float, places)), height)

    def draw(self, figure: Picture, bottom: float) -> None:
        """Draw the rows with the axis of this unit beneath them."""
        axes = axes_mm(figure, AXIS_MM, bottom + FOOT_MM, 72, self.height - FOOT_MM)
        axes.set(ylim=(FOOT_MM, self.height), yticks=[])
        axes.set_xlabel(finding_of(self.findings[0]).unit or "no unit", fontsize=9, labelpad=1)
        whole = figure.get_size_inches()[1] * MM_PER_INCH
        for item, label, place in zip(self.findings, self.labels, self.places, strict=True):
            finding = finding_of(item)
            marker, face, edge = VERDICT_MARKS.get(finding.verdict, ("o", "white", INK))
            if finding.as_expected:
                face = edge = GREEN
            target, smallest = float(finding.hypothesis.target), float(finding.hypothesis.smallest)
            bounds = [place - 3.6, place + 3.6]
            axes.fill_betweenx(bounds, target - smallest, target + smallest, color=BAND, linewidth=0)
            axes.plot([target, target], bounds, color=FAINT, linewidth=0.8)
            if np.isfinite(finding.estimate):
                axes.plot([finding.low, finding.high], [place, place], color=edge, linewidth=1.6)
                axes.plot(finding.estimate, place, marker, markersize=6, mfc=face, mec=edge)
            _compare(axes, item, place)
            written = {
                LABEL_MM: label,
                ESTIMATE_MM: interval_in_words(finding),
                N_MM: str(finding.n),
                VERDICT_MM: textwrap.fill(str(finding.verdict), 13),
            }
            for x, words in written.items():
                ink = edge if x == VERDICT_MM else INK
                where = (x / WIDTH_MM, (bottom + place) / whole)
                figure.text(*where, words, fontsize=8.5, va="center", color=ink, linespacing=1.15)
        axes.margins(x=0.08)
        plain(axes, grid="x", ticks=5)
        axes.spines["left"].set_visible(False)
