"""What the measurer must reach and what it aims at, held against what a benchmark found."""

import platform
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from discovery.quantities import MEASURED, QUANTITIES, REASONS

# figure of one interval: what it must be at most, and the aim; ms
ACCURACY = {
    "pr": {"bias": (3, 1.5), "SD": (11, 8), "MAE": (6, 4.5), "p95": (16, 12)},
    "qrs": {"bias": (3, 1.5), "SD": (9, 7), "MAE": (6, 5), "p95": (15, 13)},
    "qt": {"bias": (3, 1.5), "SD": (14, 11), "MAE": (9, 7), "p95": (25, 20)},
}
ANSWERED = {"pr": (98, 99.5), "qrs": (99.5, 100), "qt": (98, 99)}  # at least, %


@dataclass(frozen=True)
class Verdict:
    """One figure, what it must be and what is aimed at; `least` where more is better."""

    name: str
    value: float
    must: float
    goal: float
    unit: str = "ms"
    least: bool = False

    def holds(self, limit: float) -> bool:
        """Whether the figure, as printed, is within a limit."""
        value = round(self.value, 1)
        return value >= limit if self.least else value <= limit


@dataclass
class Verdicts:
    """The figures of one run, in the order in which they were found."""

    rows: list[Verdict] = field(default_factory=list)

    def add(self, *given: object, **options: object) -> None:
        """Keep one figure."""
        self.rows.append(Verdict(*given, **options))

    def accuracy(self, title: str, name: str, kind: str, figures: dict[str, float]) -> None:
        """Keep the figures of one interval against one reference."""
        label = f"{name.upper()} {{}}, {title}, against the {kind}"
        for figure, limits in ACCURACY[name].items():
            self.add(label.format(figure), abs(figures[figure]), *limits)
        if kind == "lead median":
            self.add(label.format("answered"), figures["answered"], *ANSWERED[name], unit="%", least=True)

    def table(self) -> str:
        """A Markdown table, one row per figure."""
        lines = ["| figure | found | must | | goal | |", "|---|---|---|---|---|---|"]
        for row in self.rows:
            sign = "≥" if row.least else "≤"
            said = [
                f"{sign} {limit:g} | {'yes' if row.holds(limit) else '**no**'}"
                for limit in (row.must, row.goal)
            ]
            lines.append(f"| {row.name} | {row.value:.1f} {row.unit} | {' | '.join(said)} |")
        held = [
            sum(row.holds(limit) for row in self.rows for limit in [getattr(row, kind)])
            for kind in ("must", "goal")
        ]
        return "\n".join([*lines, "", f"{held[0]} of {len(self.rows)} musts hold, {held[1]} goals."])


def share(hits: int, n: int) -> str:
    """A share in per cent with n and its exact 95 % interval."""
    if not n:
        return "- (n 0)"
    low, high = stats.binomtest(int(hits), int(n)).proportion_ci(0.95)
    return f"{100 * hits / n:.1f} % [{100 * low:.0f}, {100 * high:.0f}] (n {n})"


REPORT = """# How ECGs are measured, and how well

Written by

    {command}

on {day} ({system}, Python {python}, NeuroKit2 {neurokit}). LUDB is not the CSE data base: nothing here
states conformity with a standard.

## How

1. Every strip: 0.5 Hz high-pass, hum taken out where it stands out, pacing spikes bridged, defects named.
2. R peaks by NeuroKit2 on the root mean square of the eight independent leads at 8 to 30 Hz; in long gaps also wide
   beats, which are large at 2 to 30 Hz where other beats have no T wave. Beats aligned, the dominant kind kept, one
   median beat per ECG at 500 Hz.
3. The joint activity of all leads (length of the smoothed derivative) at three widths, for P, QRS and T; from its lumps
   NeuroKit2 reads the bases of the waves, for a whole batch in one call. So an interval is global: from where the first
   leads begin to where the last ones end.
4. Fixed offsets, fitted on LUDB's manual edges, are added. P is reported only where single P waves resemble each other.
5. Two uncertainties: the spread when the beats of the strip are drawn again (`draws=8`: `pr_se_ms`, `qrs_se_ms`,
   `qt_se_ms`), and the method's own, from LUDB (`METHOD_SD_MS`), which comes on top.

Taken: 8 or 12 leads, 100 to 1000 Hz, 4 to 60 s. Less is refused in a sentence, or is a row of NaN with its reason.

## What was found, held against what was asked

{verdicts}

"Third extreme" is the third-earliest onset and third-latest offset over the leads: another definition, so its
constant difference from ours is fitted on the other half, as the offsets are. "Robust" is the SD that the median
absolute deviation tells; where it is half the SD, one or two records make the difference, and "farthest" names them.

What the figures do not show: LUDB here has {pless} ECGs without P and without a pacemaker, so the share of them given
no PR is hardly known; QT above 120 a minute is judged by being answered, not by a manual edge; manual edges of
neighbouring leads differ by 7 to 20 ms, so nothing much below an SD of 6 ms (PR), 5 ms (QRS) and 9 ms (QT) can be
seen in them. Speed is that of the machine the page was written on; a load above its cores means that others had
their share of the clock.

## As printed

```
{printed}
```

## What is measured

| column | unit | what it is | source |
|---|---|---|---|
{quantities}

The level and amplitude columns exist for each of the twelve leads.

## Reason codes

| code | meaning |
|---|---|
{reasons}
"""


def write_report(path: Path, command: str, printed: str, verdicts: Verdicts, pless: int) -> None:
    """Write the page that a run of the benchmark makes."""
    whole = [QUANTITIES[name] for name in MEASURED]
    one_lead = [item for item in whole if not item.name.endswith(tuple(f"_{lead}_mv" for lead in OTHERS))]
    described = [f"| `{q.name}` | {q.unit} | {q.definition} | {q.source} |" for q in one_lead]
    text = REPORT.format(
        command=command, day=date.today().isoformat(), system=platform.machine(),
        python=platform.python_version(), neurokit=version("neurokit2"), verdicts=verdicts.table(),
        printed=printed.strip(), quantities="\n".join(described), pless=pless,
        reasons="\n".join(f"| `{code}` | {meaning} |" for code, meaning in REASONS.items()),
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


OTHERS = ("i", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")  # lead II stands for all


def robust(error: np.ndarray) -> float:
    """The standard deviation that the median absolute deviation tells."""
    return float(1.4826 * np.median(np.abs(error - np.median(error))))
