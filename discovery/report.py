"""A study as one HTML file that needs nothing else: question, findings, figures, gaps, provenance."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discovery.quantities import REASONS
from discovery.report_findings import findings_html, table_html
from discovery.report_style import PAGE, STYLE
from discovery.style import Picture, axis_title, data_uri, level_in_words, title_of

SUMMARISED = ("rate_bpm", "p_present", "pr_ms", "qrs_ms", "qt_ms", "qtcf_ms")
FACTORS = ("text", "heart_rate", "age", "sex")
MOST_LEVELS = 24
LARGEST_EMBEDDED = 12_000_000  # bytes of CSV; a larger table only stands beside the report
TABLE_NAME = "table.csv"
HONESTY = (
    "Every ECG in this report was made by a generator. What is found here is found about the generator: what "
    "it associates with what it was asked for, learnt from the records it was trained on, with their errors "
    "and their confounding. It suggests hypotheses about people and proves none: a claim about patients "
    "needs recorded ECGs, measured by the same code, and an independent study."
)


@dataclass(frozen=True)
class Notes:
    """The words of a report, beside its numbers.

    Parameters
    ----------
    question : str
        What was asked, in a sentence.
    done : sequence of str
        What was done: design, sizes, choices; one paragraph each.
    remarks : sequence of str
        What a reader must know before believing it.
    """

    question: str = ""
    done: Sequence[str] = ()
    remarks: Sequence[str] = ()


def write_report(
    path: str | Path,
    *,
    title: str,
    findings: Sequence[Any],
    figures: Sequence[Picture] | Mapping[str, Picture],
    table: pd.DataFrame,
    notes: Notes | str = "",
    provenance: Mapping[str, Any],
) -> Path:
    """The path of the HTML file written; the table stands beside it as ``table.csv``, and inside it too.

    Parameters
    ----------
    path : str or Path
        Ends in ``.html``.
    title : str
    findings : sequence of Finding or Evidence
        With `Evidence` the report has columns for recorded ECGs, the literature and the instrument check.
    figures : sequence of Picture, or mapping of caption to Picture
        In a sequence each figure's own ``caption`` is used.
    table : DataFrame
        One row per ECG: what was asked, what was measured.
    notes : Notes or str
        A plain string is the question.
    provenance : mapping
        Generator, digest, seeds, versions: all that is needed to make the study again.

    Raises
    ------
    ValueError
        Where `path` does not end in ``.html``.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path must end in .html, got {path.name!r}: a report is one HTML file")
    notes = Notes(question=notes) if isinstance(notes, str) else notes
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = table[[column for column in table.columns if not _holds_lists(table[column])]]
    csv = flat.to_csv(index=False, float_format="%.6g")
    path.with_name(TABLE_NAME).write_text(csv, encoding="utf-8")
    done = "".join(f"<p>{escape(words)}</p>" for words in notes.done)
    remarks = "".join(f"<p>{escape(words)}</p>" for words in notes.remarks)
    page = PAGE.substitute(
        title=escape(title),
        style=STYLE,
        question=f'<p class="question">{escape(notes.question)}</p>' if notes.question else "",
        honesty=escape(HONESTY),
        done=f"<h2>What was done</h2>{done}" if done else "",
        findings=findings_html(findings),
        remarks=f"<h2>Remarks</h2>{remarks}" if remarks else "",
        figures="".join(
            _figure_html(number, *item) for number, item in enumerate(_captioned(figures), start=1)
        ),
        measured=measured_html(table),
        download=_download_html(csv, len(table), flat.shape[1]),
        provenance=_provenance_html(provenance),
    )
    path.write_text(page, encoding="utf-8")
    return path


def measured_html(table: pd.DataFrame) -> str:
    """Means with standard deviations and the share not measured, with reason codes, by each thing asked."""
    columns = [column for column in SUMMARISED if column in table.columns]
    parts = []
    for factor in FACTORS:
        if (
            factor not in table.columns
            or not 1 < len(table[factor].map(level_in_words).unique()) <= MOST_LEVELS
        ):
            continue
        rows = []
        for level, group in table.groupby(table[factor].map(level_in_words), sort=False):
            cells = [escape(level), str(len(group))]
            cells += [_mean_html(group[column]) for column in columns]
            rows.append([*cells, _reasons_html(group)])
        heads = [title_of(factor), "ECGs", *(axis_title(column) for column in columns), "Reasons (ECGs)"]
        parts.append(table_html(heads, rows, kind="measured"))
    codes = sorted({code for joined in table.get("reasons", []) for code in _codes(joined)})
    meanings = "".join(
        f"<dt>{escape(code)}</dt><dd>{escape(str(REASONS.get(code, '')))}</dd>" for code in codes
    )
    legend = f"<details><summary>Reason codes</summary><dl>{meanings}</dl></details>" if codes else ""
    return "".join(parts) + legend + _cells_html(table)


def _mean_html(values: pd.Series) -> str:
    """Mean and standard deviation, and the share that is missing where any is."""
    known = values.dropna()
    missing = 100 * (1 - len(known) / max(len(values), 1))
    if values.name == "p_present":
        words = f"{100 * known.mean():.0f} %" if len(known) else "–"
    else:
        words = f"{known.mean():.0f} ± {known.std(ddof=0):.0f}" if len(known) else "–"
    return words + (f'<small class="missing">{missing:.1f} % missing</small>' if missing > 0 else "")


def _codes(joined: object) -> list[str]:
    """The reason codes of one ECG."""
    return [code.strip() for code in joined.split(",") if code.strip()] if isinstance(joined, str) else []


def _reasons_html(group: pd.DataFrame) -> str:
    """How many ECGs carry each reason code, most frequent first."""
    if "reasons" not in group:
        return "–"
    counts = pd.Series(
        [code for joined in group["reasons"] for code in _codes(joined)], dtype=object
    ).value_counts()
    return "<br>".join(f"{escape(code)} {count}" for code, count in counts.items()) or "–"


def _cells_html(table: pd.DataFrame) -> str:
    """Every cell of the design with a value missing, behind a click."""
    factors = [factor for factor in FACTORS if factor in table.columns]
    columns = [column for column in SUMMARISED if column in table.columns and column != "p_present"]
    if not factors or not columns:
        return ""
    words = table[factors].map(level_in_words)
    rows = []
    for levels, group in table.groupby([words[factor] for factor in factors], sort=False):
        lost = group[columns].isna().sum()
        if lost.any():
            counts = [f"{count} of {len(group)}" if count else "" for count in lost]
            rows.append([*map(escape, levels), *counts, _reasons_html(group)])
    if not rows:
        return "<p>Every ECG of every cell was measured.</p>"
    heads = [*map(title_of, factors), *map(title_of, columns), "Reasons (ECGs)"]
    inner = table_html(heads, rows, kind="measured")
    return f"<details><summary>Cells with values missing ({len(rows)})</summary>{inner}</details>"


def _captioned(figures: Sequence[Picture] | Mapping[str, Picture]) -> list[tuple[str, Picture]]:
    """Figures with their captions."""
    if isinstance(figures, Mapping):
        return list(figures.items())
    return [(getattr(figure, "caption", ""), figure) for figure in figures]


def _figure_html(number: int, caption: str, figure: Picture) -> str:
    """One figure as an image inside the page, as wide as it is on paper."""
    width = figure.get_size_inches()[0] * 96
    words = escape(caption)
    image = f'<img src="{data_uri(figure, caption=False)}" alt="{words}" style="width:{width:.0f}px">'
    return f"<figure>{image}<figcaption><b>Figure {number}.</b> {words}</figcaption></figure>"


def _download_html(csv: str, rows: int, columns: int) -> str:
    """The link to the table, which is inside the page unless it is very large."""
    size = f"{rows} ECGs, {columns} columns"
    data = csv.encode()
    if len(data) > LARGEST_EMBEDDED:
        return f"<p>The table ({size}) stands beside this file as {TABLE_NAME}.</p>"
    address = "data:text/csv;base64," + base64.b64encode(data).decode("ascii")
    return f'<p><a download="{TABLE_NAME}" href="{address}">Save the table as CSV</a> ({size}).</p>'


def _provenance_html(provenance: Mapping[str, Any]) -> str:
    """All that is needed to make the study again, as names and values."""
    rows = []
    for name, value in provenance.items():
        words = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
        rows.append(f"<dt>{escape(str(name))}</dt><dd>{escape(words)}</dd>")
    return f"<dl>{''.join(rows)}</dl>"


def _holds_lists(column: pd.Series) -> bool:
    """Whether a column holds arrays, which have no place in a CSV."""
    return column.dtype == object and any(
        isinstance(value, list | tuple | np.ndarray) for value in column.head(50)
    )
