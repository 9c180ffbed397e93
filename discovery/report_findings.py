"""The table of findings in a report: the generator's effect, and whatever else speaks for or against it."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from discovery.forest import finding_of, interval_in_words


def findings_html(findings: Sequence[Any]) -> str:
    """The table of findings: estimate and interval first, p last, other evidence between."""
    if not findings:
        return "<p>No hypothesis was tested.</p>"
    beside = [
        (head, show)
        for head, name, show in (
            ("Recorded ECGs", "recorded", _recorded_html),
            ("Published", "published", _published_html),
            ("Made by measuring alone", "instrument", _instrument_html),
        )
        if any(getattr(item, name, None) for item in findings)
    ]
    heads = [
        "Hypothesis",
        "Effect [95 % interval]",
        "Verdict",
        "Not measured",
        *(head for head, _ in beside),
        "p",
    ]
    rows = []
    for item in findings:
        finding = finding_of(item)
        verdict = f'<span class="verdict {_verdict_class(finding)}">{escape(str(finding.verdict))}</span>'
        weighed = getattr(item, "recorded", None) or getattr(item, "instrument_sound", None) is False
        said = [finding.reason, item.conclusion if weighed else ""]
        rows.append([
            _claim_html(finding),
            _effect_html(finding),
            verdict + "".join(f"<small>{escape(words)}</small>" for words in said if words),
            _missing_html(finding),
            *(show(item) for _, show in beside),
            _p_html(finding),
        ])  # fmt: skip
    return table_html(heads, rows, kind="findings")


def table_html(heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str) -> str:
    """A table that scrolls sideways on a narrow screen; `rows` are HTML already."""
    head = "".join(f"<th>{escape(words)}</th>" for words in heads)
    named = [
        [f'<td data-head="{escape(name)}">{cell}</td>' for name, cell in zip(heads, row, strict=True)]
        for row in rows
    ]
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in named)
    whole = f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{whole}</div>'


def _p_html(finding: Any) -> str:
    """A p-value as printed, no smaller than is meaningful, with what it speaks for."""
    adjusted = _finite(finding.p_adjusted)
    p = finding.p_adjusted if adjusted else finding.p
    if not _finite(p):
        return "–"
    words = "&lt; 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"
    return words + ("" if adjusted else " (not adjusted)") + f"<small>of {escape(finding.p_tests)}</small>"


def _recorded_html(item: Any) -> str:
    """The same claim on recorded ECGs."""
    recorded = getattr(item, "recorded", None)
    if recorded is None:
        return "not compared"
    counts = f"{recorded.n} {recorded.method.counts}, {recorded.verdict}"
    return f"{interval_in_words(recorded)}<small>{escape(counts)}; {escape(item.with_recorded)}</small>"


def _published_html(item: Any) -> str:
    """What the literature says, with its source."""
    published = getattr(item, "published", None)
    if published is None:
        return "–"
    span = f" [{published.low:g}, {published.high:g}]" if _finite(published.low) else ""
    value = f"{published.value:g}{span}".replace("-", "\N{MINUS SIGN}")
    small = f"{published.source}; {item.with_published}"
    return f"{value} {escape(item.generator.unit)}<small>{escape(small)}</small>"


def _instrument_html(item: Any) -> str:
    """The effect that measuring makes by itself on ECGs of known truth."""
    instrument = getattr(item, "instrument", None)
    if instrument is None:
        return "not checked"
    sound = "small enough" if item.instrument_sound else "not shown to be small enough"
    return f"{interval_in_words(instrument)} {escape(instrument.unit)}<small>{sound}</small>"


def _claim_html(finding: Any) -> str:
    """A hypothesis in words, with its stamp: stated before measuring, or exploratory; and its digest."""
    wanted = finding.hypothesis
    stamp = "exploratory" if finding.exploratory else "stated before measuring"
    control = f"{wanted.control} control, " if wanted.control else ""
    lines = [f"{control}{stamp}, {wanted.digest[:8]}", f"Source: {wanted.source}" if wanted.source else ""]
    return escape(wanted.statement) + "".join(f"<small>{escape(line)}</small>" for line in lines if line)


def _effect_html(finding: Any) -> str:
    """The estimate with its interval, what it rests on, and what is too small to matter."""
    wanted, unit = finding.hypothesis, escape(finding.unit)
    about = f" about {wanted.target:g}" if wanted.target else ""
    lines = [
        f"n = {finding.n} {finding.method.counts}",
        f"too small to matter: ± {wanted.smallest:g} {unit}{about}",
    ]
    if _finite(finding.effect_size):
        lines.append(f"{finding.method.effect_name} = {finding.effect_size:.2f}")
    return f"<b>{interval_in_words(finding)}</b> {unit}" + "".join(f"<small>{line}</small>" for line in lines)


def _missing_html(finding: Any) -> str:
    """The share of ECGs without a measured outcome, for each arm that has any."""
    lost = [f"{escape(str(arm))}: {100 * share:.1f} %" for arm, share in finding.missing.items() if share > 0]
    return "<br>".join(lost) or "none missing"


def _verdict_class(finding: Any) -> str:
    """The colour of a verdict: as hoped for, against it, or neither."""
    if finding.as_expected:
        return "yes"
    return "no" if finding.verdict == "contradicted" else "open"


def _finite(value: float) -> bool:
    """Whether a number can be printed."""
    return value is not None and math.isfinite(value)
