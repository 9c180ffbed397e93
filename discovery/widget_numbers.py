"""What the widgets say in words and numbers, as escaped HTML and as code; nothing is measured here."""

import html
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.designs import Design
from discovery.hypotheses import Finding, Hypothesis
from discovery.quantities import QUANTITIES
from models.ecg import Conditions

LISTED = ("rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtcf_ms", "qrs_axis_deg")
BUNDLED = "models.generator"
# What is usual in adults. Source: PR, Kusumoto 2018 (ACC/AHA/HRS); QRS and axis, Surawicz 2009
# (AHA/ACCF/HRS III); QTc, Rautaharju 2009 (AHA/ACCF/HRS IV), where women may have 10 ms more.
USUAL = {
    "rate_bpm": (60.0, 100.0),
    "pr_ms": (120.0, 200.0),
    "qrs_ms": (None, 119.0),
    "qtcf_ms": (None, 450.0),
    "qrs_axis_deg": (-30.0, 90.0),
}
FEMALE_QTC_MS = 460.0


def numbers_table(b: pd.Series, a: pd.Series | None = None) -> str:
    """The measured values beside the asked ones, or of A and B with their difference, as an HTML table.

    Parameters
    ----------
    b, a : Series
        Rows of `measure`: of what is shown, and of what is pinned.
    """
    if a is None:
        head = ("", "asked", "measured", "usual", "")
        body = [
            (_name(name), _asked(name, b), _number(name, b), _usual(name, b), _flag(name, b))
            for name in LISTED
        ]
    else:
        names = ('<span class="kd-a">A</span>', '<span class="kd-b">B</span>')
        head = ("", *names, "B &minus; A", "usual", "")
        body = [
            (
                _name(name),
                _number(name, a),
                _number(name, b),
                _gap(name, a, b),
                _usual(name, b),
                _flag(name, b),
            )
            for name in LISTED
        ]
    rows = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>"]
    rows += [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in body]
    notes = [note for note in (_p_wave(b), _reasons(b)) if note]
    return f'<table class="kd-numbers">{"".join(rows)}</table><div class="kd-faint">{". ".join(notes)}</div>'


def statements_line(understanding: Any) -> str:
    """What a generator took from a text: understood, negated, never seen, left out; escaped HTML.

    Parameters
    ----------
    understanding : Understanding
        Of the generator's ``understand(text)``; None where it has no such verb.
    """
    if understanding is None:
        return '<span class="kd-faint">This generator does not say what it understands of a text.</span>'
    known = [
        f"{span.text} → {span.code}" + (f" {span.certainty:.0%}" if span.certainty < 1 else "")
        for span in understanding.understood
    ]
    near = understanding.suggestions
    ignored = [
        f"{text} (did you mean '{near[text]}'?)" if text in near else text for text in understanding.ignored
    ]
    parts = [
        _chips("understood", known, "understood"),
        _chips("negated", understanding.negated, "negated"),
        _chips("never seen in training", understanding.unseen, "unseen"),
        _chips("not understood", ignored, "ignored"),
    ]
    return (
        "&ensp; ".join(part for part in parts if part) or '<span class="kd-faint">nothing understood</span>'
    )


def generator_code(generator: Any) -> str:
    """The lines of Python that make a generator again, or a comment that names it where none would."""
    kind = type(generator)
    if kind.__module__ == BUNDLED:
        call = f"generator = load_generator({generator.name!r})  # {generator.digest}"
        return f"from {BUNDLED} import load_generator\n\n{call}"
    if is_dataclass(generator) and kind.__module__ != "__main__":
        usual = kind()
        values = {item.name: getattr(generator, item.name) for item in fields(generator) if item.init}
        own = {name: value for name, value in values.items() if value != getattr(usual, name)}
        call = f"{kind.__qualname__}({', '.join(f'{name}={value!r}' for name, value in own.items())})"
        return f"from {kind.__module__} import {kind.__qualname__}\n\ngenerator = {call}"
    return f"# generator: {generator.name}, digest {generator.digest}, as given to the widget"


def explorer_code(
    generator: Any, shown: tuple[Conditions, int], pinned: tuple[Conditions, int] | None
) -> str:
    """The lines of Python that make what the explorer shows.

    Parameters
    ----------
    generator : Generator
    shown, pinned : (Conditions, int)
        Conditions and seed of B, and of A where one is pinned.
    """
    asked = [pinned, shown] if pinned else [shown]
    conditions = ",\n    ".join(repr(conditions) for conditions, _ in asked)
    seeds = ", ".join(str(seed) for _, seed in asked)
    lines = [
        "from discovery.measure import measure",
        "from discovery.plots import plot_ecg",
        "from models.ecg import Conditions",
        generator_code(generator),
        f"ecg = generator.generate([\n    {conditions},\n], seeds=[{seeds}])",
        "table = measure(ecg)",
        f"plot_ecg(ecg, {len(asked) - 1}, boundaries=table)",
    ]
    return "\n".join(lines)


def hypothesis_code(
    generator: Any, design: Design, claim: Hypothesis, folders: tuple[Path, Path | None]
) -> str:
    """The lines of Python that put a question again: the plan, the claim, the sweep, the finding.

    Parameters
    ----------
    generator : Generator
    design : Design
    claim : Hypothesis
    folders : (Path, Path or None)
        Where the sweep lies, and where the claim was frozen, if it was.
    """
    kind = "contrast" if claim.contrast else "grid"
    sweep, frozen = folders
    axes = ", ".join(f"{axis}={values!r}" for axis, values in design.factors.items())
    hopes = {name: value for name, value in claim.to_dict().items() if value not in (None, "", [], 0.0)}
    hopes.pop("statement")
    fields = "".join(f"    {name}={value!r},\n" for name, value in hopes.items())
    names = "Hypothesis, compare, freeze" if frozen else "Hypothesis, compare"
    lines = [
        f"from discovery.designs import {kind}",
        f"from discovery.hypotheses import {names}",
        "from discovery.measure import measure",
        "from discovery.sweep import measure_sweep, run_sweep",
        "from models.ecg import Conditions",
        generator_code(generator),
        f"hypothesis = Hypothesis(\n{fields})",
        *([f"freeze(hypothesis, {str(frozen)!r})"] if frozen else []),
        f"design = {kind}({design.base!r}, repeats={design.repeats}, seed={design.seed}, {axes})",
        f"store = run_sweep(design, generator, {str(sweep)!r})",
        "table = measure_sweep(store, measure)",
        f"finding = compare(table, hypothesis, frozen={str(frozen)!r})"
        if frozen
        else "finding = compare(table, hypothesis)",
    ]
    return "\n".join(lines)


def finding_card(finding: Finding) -> str:
    """A finding as HTML: stamp, verdict, effect with interval and n, what is missing, and why."""
    stamp = "exploratory" if finding.exploratory else "frozen"
    words = "not estimated"
    if finding.n and not pd.isna(finding.estimate):
        words = (
            f"<b>{finding.estimate:+.3g} {escaped(finding.unit)}</b> ({finding.method.level:.0%} interval "
            f"{finding.low:.3g} to {finding.high:.3g}, n = {finding.n} {escaped(finding.method.counts)})"
        )
    missing = ", ".join(f"{share:.0%} of {escaped(arm)}" for arm, share in finding.missing.items())
    rows = [
        f'<span class="kd-stamp kd-{stamp}">{stamp}</span>&ensp;<b>{escaped(finding.verdict)}</b>',
        escaped(finding.hypothesis.statement),
        words,
        f"not measured: {missing or 'none'}",
        f'<span class="kd-faint">Why: {escaped(finding.reason)}.',
        "A finding about the generator, not about patients.</span>",
    ]
    return "<br>".join(rows)


def escaped(text: Any) -> str:
    """Words of the user as HTML that shows them and does nothing else."""
    return html.escape(str(text), quote=True)


def _name(column: str) -> str:
    """Label and unit of a measured column."""
    return escaped(QUANTITIES[column].title)


def _digits(column: str) -> int:
    """Decimals worth showing."""
    return 1 if column == "rate_bpm" else 0


def _number(column: str, row: pd.Series) -> str:
    """A measured value, or that there is none."""
    value = row[column]
    return "not measured" if pd.isna(value) else f"{value:.{_digits(column)}f}"


def _asked(column: str, row: pd.Series) -> str:
    """The asked value beside a measured one, where there is such a thing."""
    if column != "rate_bpm":
        return ""
    return "unknown" if pd.isna(row["heart_rate"]) else f"{row['heart_rate']:.0f}"


def _gap(column: str, a: pd.Series, b: pd.Series) -> str:
    """The difference of two measured values, axes the short way round."""
    gap = b[column] - a[column]
    if pd.isna(gap):
        return ""
    if column.endswith("_deg"):
        gap = (gap + 180.0) % 360.0 - 180.0
    return f"{gap:+.{_digits(column)}f}"


def _limits(column: str, row: pd.Series) -> tuple[float | None, float | None]:
    """What is usual for that column in an adult of that sex."""
    low, high = USUAL.get(column, (None, None))
    return (low, FEMALE_QTC_MS) if column == "qtcf_ms" and row["sex"] != "male" else (low, high)


def _usual(column: str, row: pd.Series) -> str:
    """The usual range of a quantity, in words."""
    low, high = _limits(column, row)
    if low is None:
        return "" if high is None else f"up to {high:g}"
    return f"{low:g} to {high:g}"


def _flag(column: str, row: pd.Series) -> str:
    """A word where a value lies outside its usual range."""
    (low, high), value = _limits(column, row), row[column]
    if low is not None and value < low:
        return '<span class="kd-warn">&darr; low</span>'
    return (
        '<span class="kd-warn">&uarr; high</span>'
        if high is not None and pd.notna(value) and round(value) > high
        else ""
    )


def _p_wave(row: pd.Series) -> str:
    """Whether P waves were found, and in how many beats all this was measured."""
    present = row["p_present"]
    found = "P waves not judged" if pd.isna(present) else ("P waves present" if present else "no P waves")
    return f"{found}, {row['beats_used']:.0f} of {row['beats']:.0f} beats used"


def _reasons(row: pd.Series) -> str:
    """Why something was not measured."""
    return f"Reasons: {escaped(row['reasons'])}" if row["reasons"] else ""


def _chips(title: str, words: Sequence[Any], kind: str) -> str:
    """One titled group of words."""
    if not len(words):
        return ""
    chips = "".join(f'<span class="kd-chip kd-{kind}">{escaped(word)}</span>' for word in words)
    return f'<span class="kd-faint">{title}:</span> {chips}'
