"""Values in, figure out: ECGs on paper, trends, effects with their intervals, and maps."""

import difflib
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from discovery.error_map import plot_error_map
from discovery.forest import plot_effects
from discovery.shares import plot_sensitivity
from discovery.style import (
    CONTINUOUS,
    DASHES,
    INK,
    MARKERS,
    RULE,
    Picture,
    axes_mm,
    axis_title,
    colours,
    level_in_words,
    levels_of,
    plain,
    title_of,
    write_caption,
)
from discovery.tracings import plot_ecg, plot_pair

__all__ = [
    "plot_ecg",
    "plot_effects",
    "plot_error_map",
    "plot_map",
    "plot_pair",
    "plot_sensitivity",
    "plot_trend",
]

MOST_LEVELS = 12
ONE_COLUMN = 6
"""Levels up to which a legend has one column."""
BINS = 8
UNKNOWN = "#BBBBBB"


def plot_trend(table: pd.DataFrame, outcome: str, by: str, hue: str | None = None) -> Picture:
    """One measured column against another: every ECG lightly, the means with their 95 % intervals strongly.

    Means are taken per seed first, so that the interval counts hearts and not ECGs. Numbers that lie in up to
    twelve clear clusters are averaged in each; others are cut into eight bins of equal counts.

    Parameters
    ----------
    table : DataFrame
        Rows of `measure_sweep`.
    outcome, by : str
        Columns; `by` may be numeric or words.
    hue : str, optional
        A column of few values; one colour, marker and dash for each.

    Raises
    ------
    ValueError
        Where a column is not in the table.
    """
    for name, column in (("outcome", outcome), ("by", by), ("hue", hue)):
        if column is not None:
            _column(name, column, table)
    numeric = pd.api.types.is_numeric_dtype(table[by])
    known = table[table[outcome].notna() & (table[by].notna() | (not numeric))].reset_index(drop=True)
    levels = levels_of(known[by])
    names = [textwrap.fill(level_in_words(level), max(10, 72 // max(len(levels), 1))) for level in levels]
    extra = 0 if numeric else 3.4 * max((name.count("\n") for name in names), default=0)
    figure = Picture(178 if hue else 144, 95 + extra)
    axes = axes_mm(figure, 22, 22 + extra, 116, 69)
    bins, x = _places(known[by], levels, numeric)
    groups = levels_of(known[hue]) if hue else [None]
    words = known[hue].map(level_in_words) if hue else pd.Series("", index=known.index)
    width = 0.008 * np.ptp(x) if numeric and len(x) else 0.04
    apart = width if len(levels) == len(np.unique(bins)) else 0.0  # beside each other where values were asked
    shifts = 3.5 * apart * np.linspace(-1, 1, len(groups)) if len(groups) > 1 else np.zeros(1)
    for place, (group, colour) in enumerate(colours(groups).items()):
        rows = (words == (level_in_words(group) if hue else "")).to_numpy()
        look = {"color": colour, "marker": MARKERS[place % len(MARKERS)]}
        light = {"s": 7, "alpha": _alpha(len(known)), "linewidths": 0}
        scattered = x[rows] + shifts[place] + width * _jitter(int(rows.sum()))
        axes.scatter(scattered, known[outcome][rows], **light, **look)
        line = {
            "linestyle": DASHES[place % len(DASHES)] if numeric else "none",
            "label": level_in_words(group),
        }
        _draw_means(axes, known[rows], outcome, bins[rows], x[rows] + shifts[place], look | line)
    axes.set_xlabel(axis_title(by), fontsize=9.5)
    axes.set_ylabel(axis_title(outcome), fontsize=9.5)
    plain(axes)
    if not numeric:
        axes.set_xticks(range(len(levels)), names, fontsize=8)
        axes.set_xlim(-0.5, len(levels) - 0.5)
    elif len(levels) <= 8 and len(levels) == len(np.unique(bins)):
        axes.set_xticks(levels)
    if hue:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "frameon": False, "alignment": "left"}
        axes.legend(title=axis_title(hue), fontsize=8.5, title_fontsize=8.5, **beside)
    figure.caption = _trend_caption(table, known, outcome, by)
    write_caption(figure)
    return figure


def plot_map(umap_map: Any, table: pd.DataFrame, color: str | Sequence[str]) -> Picture:
    """A UMAP map, one panel for each column of `color`, with its legend.

    Parameters
    ----------
    umap_map : UMAPMap
    table : DataFrame
        The table the map was made from.
    color : str or sequence of str
        Columns to colour by; words and few values get a legend, numbers a scale with their unit.

    Raises
    ------
    ValueError
        Where a column is not in the table.
    """
    color = [color] if isinstance(color, str) else list(color)
    for column in color:
        _column("color", column, table)
    points = np.asarray(umap_map.coordinates)
    shown = table.loc[umap_map.rows]
    left_out = getattr(umap_map, "left_out", 0)
    across = 2 if len(color) == 4 else min(len(color), 3)
    lines = [color[start : start + across] for start in range(0, len(color), across)]
    below = [max(24, 4 * max(_legend_lines(shown[column]) for column in line)) for line in lines]
    panel_width, panel_height, foot = 80, 70, 9
    bottom = foot + sum(below) + len(lines) * panel_height
    figure = Picture(max(across * panel_width + 6, 110), bottom)
    for line, room in zip(lines, below, strict=True):
        bottom -= panel_height
        for number, column in enumerate(line):
            axes = axes_mm(figure, 6 + number * panel_width, bottom, 72, 62)
            _draw_panel(axes, points, shown[column].reset_index(drop=True), column)
        bottom -= room
    figure.caption = (
        f"UMAP of {len(points)} ECGs by {len(umap_map.columns)} columns, seed {umap_map.seed}; "
        f"trustworthiness {umap_map.trustworthiness:.2f} (1: all neighbours kept). Near means alike; "
        "distances between far groups have no scale."
        + (f" Not on it, for lack of a value: {left_out}." if left_out else "")
    )
    write_caption(figure)
    return figure


def _column(name: str, column: str, table: pd.DataFrame) -> None:
    """Refuse a column the table does not have, with the likeliest that it has."""
    if column not in table.columns:
        near = difflib.get_close_matches(str(column).lower(), [str(known) for known in table.columns], 1, 0.3)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(str, table.columns[:8]))} ..."
        )
        raise ValueError(f"{name} must be a column of the table, got {column!r}: {hint}")


def _places(values: pd.Series, levels: list, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """The group of each row, and where it lies along the axis."""
    if not numeric:
        order = {level_in_words(level): place for place, level in enumerate(levels)}
        bins = values.map(level_in_words).map(order).to_numpy(float)
        return bins, bins
    x = values.to_numpy(float)
    order = np.argsort(x, kind="stable")
    gaps = np.diff(x[order]) > 0.04 * (np.ptp(x) if len(x) else 0.0)
    groups = np.empty(len(x))
    groups[order] = np.concatenate([[0], np.cumsum(gaps)])[: len(x)]
    sizes = np.unique(groups, return_counts=True)[1]
    if len(levels) < 2 or (1 < len(sizes) <= MOST_LEVELS and sizes.min() >= 0.02 * len(x)):
        return groups, x
    return pd.qcut(values, BINS, labels=False, duplicates="drop").to_numpy(float), x


def _jitter(count: int) -> np.ndarray:
    """Small fixed shifts, evenly spread in -1 .. 1, so that points do not lie upon each other."""
    return 2 * (np.arange(count) * 0.6180339887 % 1.0) - 1


def _alpha(count: int) -> float:
    """The more points, the lighter each."""
    return float(np.clip(100 / max(count, 1), 0.15, 0.5))


def _draw_means(
    axes: Axes, part: pd.DataFrame, outcome: str, bins: np.ndarray, x: np.ndarray, look: dict[str, Any]
) -> None:
    """Means per bin with t intervals over seeds (over ECGs where the table has no seeds)."""
    rows = []
    for level in np.unique(bins):
        group = part[bins == level]
        values = group.groupby("seed")[outcome].mean() if "seed" in group else group[outcome]
        half = values.sem() * stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else np.nan
        rows.append((x[bins == level].mean(), values.mean(), half))
    if rows:
        place, mean, half = np.array(rows, dtype=float).T
        look = look | {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6}
        axes.errorbar(place, mean, yerr=half, capsize=2.5, linewidth=1.4, zorder=4, **look)


def _trend_caption(table: pd.DataFrame, known: pd.DataFrame, outcome: str, by: str) -> str:
    """What a trend shows, with its n and what is missing."""
    hearts = f" on {known['seed'].nunique()} seeds" if "seed" in known else ""
    words = (
        f"{title_of(outcome)} by {title_of(by)}: n = {len(known)} ECGs{hearts}; means with 95 % "
        f"intervals{' over seeds' if hearts else ''}."
    )
    missing = len(table) - len(known)
    return words + (f" {missing} ECGs without a value are left out." if missing else "")


def _draw_panel(axes: Axes, points: np.ndarray, values: pd.Series, column: str) -> None:
    """One coloured map; points in a fixed shuffled order, so that no group hides another."""
    order = np.random.default_rng(0).permutation(len(points))
    empty = order[values.isna().to_numpy()[order]]
    full = order[values.notna().to_numpy()[order]]
    dots = {"s": float(np.clip(5000 / max(len(points), 1), 2, 16)), "linewidths": 0, "alpha": 0.85}
    axes.set_title(axis_title(column), fontsize=9.5, loc="left", color=INK)
    if len(empty):
        axes.scatter(*points[empty].T, color=UNKNOWN, marker="x", **(dots | {"linewidths": 0.6}))
    if _on_a_scale(values):
        _draw_numbers(axes, points[full], values.to_numpy(float)[full], dots)
        if len(empty):
            axes.text(0.64, -0.07, f"×  not measured: {len(empty)}", transform=axes.transAxes, fontsize=8)
    else:
        _draw_levels(axes, points[full], values[full], values, dots)
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_color(RULE)


def _on_a_scale(values: pd.Series) -> bool:
    """Whether a column is coloured as numbers are; else it has a legend of its levels."""
    return pd.api.types.is_numeric_dtype(values) and values.nunique() > 2


def _legend_lines(values: pd.Series) -> int:
    """How many lines the legend of a column has."""
    count = 0 if _on_a_scale(values) else len(levels_of(values))
    return count if count <= ONE_COLUMN else -(-count // 2)


def _draw_numbers(axes: Axes, points: np.ndarray, values: np.ndarray, dots: dict[str, Any]) -> None:
    """Points coloured by a number, with its scale beneath; the outermost hundredths share the end colours."""
    low, high = np.quantile(values, (0.01, 0.99))
    seen = axes.scatter(*points.T, c=values, cmap=CONTINUOUS, vmin=low, vmax=high, **dots)
    below = axes.inset_axes((0.0, -0.07, 0.6, 0.03))
    bar = axes.figure.colorbar(seen, cax=below, orientation="horizontal")
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)


def _draw_levels(
    axes: Axes, points: np.ndarray, known: pd.Series, values: pd.Series, dots: dict[str, Any]
) -> None:
    """Points coloured by a word, with the words and their counts beneath."""
    paint = colours(levels_of(values)) | {None: UNKNOWN}
    axes.scatter(*points.T, c=[paint[value] for value in known], **dots)
    counts = values.map(level_in_words).value_counts()
    few = len(levels_of(values)) <= ONE_COLUMN
    for level in levels_of(values):
        name = level_in_words(level)
        label = f"{textwrap.shorten(name, 44 if few else 20, placeholder=' …')} ({counts[name]})"
        axes.scatter([], [], color=paint[level], s=18, label=label, marker="o" if level is not None else "x")
    below = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.01), "frameon": False, "fontsize": 8}
    close = {"handletextpad": 0.2, "columnspacing": 0.8, "borderpad": 0.2, "labelspacing": 0.3}
    axes.legend(ncols=1 if few else 2, **below, **close)
