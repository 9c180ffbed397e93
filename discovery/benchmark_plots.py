"""Pictures of a benchmark: goals and what was reached, distributions, spectra, amplitudes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from discovery.alike import inside
from discovery.benchmark import Trial, number
from discovery.signal_features import spectra
from discovery.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    RULE,
    VERMILLION,
    Picture,
    axes_mm,
    axis_title,
    plain,
    write_caption,
)
from models.ecg import INDEPENDENT_LEADS

SHOWN = (
    "pr_ms", "qrs_ms", "qt_ms", "qtcf_ms", "p_ms", "qrs_axis_deg", "sokolow_lyon_mv", "t_v5_mv", "rr_cv",
)  # fmt: skip
VERDICTS = {"goal": GREEN, "must": BLUE, "missed": VERMILLION, "reported": ORANGE, "not measured": FAINT}
PENS = (("records, held out", INK, "-"), ("records, others", ORANGE, "--"), ("generated", BLUE, "-"))


def plot_scores(table: pd.DataFrame) -> Picture:
    """The properties that have a goal, one row each: the value with its interval, and the verdict by colour."""
    rows = table[table["verdict"] != ""].reset_index(drop=True)
    height = 6.4 * len(rows)
    figure = Picture(210, height + 34)
    axes = axes_mm(figure, 4, 16, 202, height + 6)
    axes.set(xlim=(0, 202), ylim=(len(rows) - 0.4, -1.3))
    axes.set_axis_off()
    for left, words in ((3, "property"), (112, "value (95 %)"), (165, "must"), (184, "goal")):
        axes.text(left, -0.9, words, fontsize=8, color=FAINT, va="center")
    for place, row in enumerate(rows.itertuples()):
        colour = VERDICTS[row.verdict]
        axes.plot([0.8], [place], "s", color=colour, markersize=6)
        value = f"{number(row.value)} {row.unit}".strip()
        if np.isfinite(row.low) and row.low != row.high:
            value += f" ({number(row.low)} to {number(row.high)})"
        axes.text(3, place, row.property, fontsize=7.6, color=INK, va="center")
        axes.text(112, place, value, fontsize=7.6, color=INK, va="center")
        axes.text(165, place, row.must, fontsize=7.6, color=INK, va="center")
        axes.text(184, place, row.goal, fontsize=7.6, color=INK, va="center")
        axes.axhline(place + 0.5, color=RULE, linewidth=0.4)
    counts = rows["verdict"].value_counts()
    for word, colour in ((w, c) for w, c in VERDICTS.items() if w in counts):
        axes.plot([], [], "s", color=colour, label=f"{word} ({counts[word]})")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, frameon=False, fontsize=8)
    figure.caption = "What the generator must reach and is meant to reach, and what was measured."
    write_caption(figure)
    return figure


def plot_quantities(trial: Trial) -> Picture:
    """Cumulative shares of measured quantities: held-out records, other records, generated ECGs."""
    figure = Picture(190, 176)
    for place, name in enumerate(SHOWN):
        axes = _panel(figure, place)
        for (label, colour, dash), side in zip(PENS, (trial.real, trial.others, trial.twins[0]), strict=True):
            values = np.sort(side.table[name].dropna().to_numpy(float))
            share = np.arange(1, len(values) + 1) / max(len(values), 1)
            axes.plot(values, share, dash, color=colour, linewidth=1.2, label=f"{label} ({len(values)})")
        both = np.concatenate([trial.real.table[name].dropna(), trial.twins[0].table[name].dropna()])
        if len(both):
            axes.set_xlim(*np.quantile(both, (0.003, 0.997)))
        axes.set_xlabel(axis_title(name), fontsize=8)
        axes.set_ylabel("cumulative share", fontsize=8)
    _legend(figure)
    figure.caption = (
        "Cumulative share of ECGs below each value; measured alike. Generated ECGs have the age, sex, rate and "
        f"statements of the {len(trial.real)} held-out records."
    )
    write_caption(figure)
    return figure


def plot_spectra(trial: Trial) -> Picture:
    """Mean spectra of the eight leads, in decibels."""
    figure = Picture(190, 176)
    sides = [spectra(side.strips) for side in (trial.real, trial.others, trial.twins[0])]
    for place, lead in enumerate(INDEPENDENT_LEADS):
        axes = _panel(figure, place)
        for (label, colour, dash), (frequency, power) in zip(PENS, sides, strict=True):
            n = f"{label} ({len(power)})"
            axes.plot(frequency, 10 * power[:, place].mean(0), dash, color=colour, linewidth=1.0, label=n)
        axes.set_xscale("log")
        axes.set_xlabel(f"{lead}: frequency (Hz)", fontsize=8)
        axes.set_ylabel("power (dB)", fontsize=8)
    _legend(figure)
    figure.caption = "Mean power of each lead, dB over 1 mV squared per Hz (geometric mean over ECGs)."
    write_caption(figure)
    return figure


def plot_amplitudes(trial: Trial) -> Picture:
    """Quantiles of each lead's samples: generated and other records against held-out records."""
    figure = Picture(190, 176)
    grid = np.concatenate(
        [np.linspace(0.0005, 0.02, 20), np.linspace(0.03, 0.97, 60), np.linspace(0.98, 0.9995, 20)]
    )
    for place, lead in enumerate(INDEPENDENT_LEADS):
        axes = _panel(figure, place)
        sides = (trial.real, trial.others, trial.twins[0])
        target, *rest = (np.quantile(inside(side.strips)[:, place, ::5], grid) for side in sides)
        axes.plot(target, target, color=INK, linewidth=0.8, label=f"records, held out ({len(trial.real)})")
        for (label, colour, dash), values, side in zip(PENS[1:], rest, sides[1:], strict=True):
            axes.plot(target, values, dash, color=colour, linewidth=1.2, label=f"{label} ({len(side)})")
        axes.set_xlabel(f"{lead}: held-out records (mV)", fontsize=8)
        axes.set_ylabel("each sample (mV)", fontsize=8)
    _legend(figure)
    figure.caption = (
        "Quantiles of all samples of a lead, 0.05 to 99.95 %, against those of held-out records, mV."
    )
    write_caption(figure)
    return figure


def _panel(figure: Picture, place: int) -> Axes:
    """One of nine axes."""
    row, column = divmod(place, 3)
    axes = axes_mm(figure, 15 + 60 * column, 126 - 50 * row, 48, 36)
    plain(axes, ticks=4)
    axes.tick_params(labelsize=7.5)
    return axes


def _legend(figure: Picture) -> None:
    """The legend of the first axes, above all."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", ncols=3, frameon=False, fontsize=8.5)
