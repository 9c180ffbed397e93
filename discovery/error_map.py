"""Where the measurer errs: its error as colours over two conditions under which the truth is known."""

import numpy as np
import pandas as pd

from discovery.quantities import QUANTITIES
from discovery.style import FAINT, INK, Picture, axes_mm, axis_title, level_in_words, levels_of, write_caption

COLOURS = "RdBu_r"
CELL_MM = (15.0, 9.0)
UNITS = {"ms": "ms", "mv": "mV", "uv": "\u00b5V", "bpm": "bpm"}


def plot_error_map(table: pd.DataFrame, error: str, across: str, up: str, limit: float = 20.0) -> Picture:
    """Median error in each cell of two conditions, in colour and figures, with the share answered.

    Parameters
    ----------
    table : DataFrame
        One row per ECG; `error` is measured less known, NaN where nothing was measured.
    error, across, up : str
        Columns: what is coloured, and the conditions along both axes, of a few values each.
    limit : float
        The error at which the colours end; above 0.

    Raises
    ------
    ValueError
        Where a column is not in the table or `limit` is not above 0.
    """
    for name, column in (("error", error), ("across", across), ("up", up)):
        if column not in table:
            raise ValueError(f"{name} must be a column of the table, got {column!r}")
    if not limit > 0:
        raise ValueError(f"limit must be above 0, got {limit:g}")
    columns, rows = levels_of(table[across]), levels_of(table[up])
    wide, high = CELL_MM[0] * len(columns), CELL_MM[1] * len(rows)
    figure = Picture(wide + 34, high + 38)
    axes = axes_mm(figure, 24, 26, wide, high)
    cells = table.groupby([up, across])[error]
    middle, share = cells.median().unstack(), cells.apply(lambda seen: seen.notna().mean()).unstack()
    middle, share = middle.reindex(rows, columns=columns), share.reindex(rows, columns=columns)
    axes.pcolormesh(
        np.arange(len(columns) + 1), np.arange(len(rows) + 1), middle.to_numpy(float),
        cmap=COLOURS, vmin=-limit, vmax=limit, edgecolors="white", linewidth=1,
    )  # fmt: skip
    for (y, x), value in np.ndenumerate(middle.to_numpy(float)):
        seen = share.to_numpy(float)[y, x]
        if np.isnan(seen):
            continue
        words = "none" if np.isnan(value) else f"{value:+.0f}" + (f"\n{seen:.0%}" if seen < 0.995 else "")
        ink = "white" if abs(value) > 0.65 * limit else INK
        axes.text(x + 0.5, y + 0.5, words, ha="center", va="center", fontsize=7, color=ink, linespacing=0.95)
    axes.set_xticks(np.arange(len(columns)) + 0.5, [level_in_words(level) for level in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, [level_in_words(level) for level in rows])
    axes.set(xlabel=_named(across), ylabel=_named(up))
    axes.tick_params(colors=INK, labelsize=8.5, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(_named(error), fontsize=9.5, color=INK, loc="left")
    axes.xaxis.label.set_color(FAINT)
    axes.yaxis.label.set_color(FAINT)
    figure.caption = (
        f"Median of measured less known; colours end at {limit:g}. Below it the share answered where "
        "not all were; empty where the two cannot go together."
    )
    write_caption(figure)
    return figure


def _named(column: str) -> str:
    """The title of a column, also of ``known_qt_ms``, ``qt_error_ms`` and of conditions like ``noise_uv``."""
    plain = column.removeprefix("known_").replace("_error_", "_")
    words, _, ending = plain.rpartition("_")
    if plain in QUANTITIES:
        title = axis_title(plain)
    else:
        title = f"{words.capitalize()} ({UNITS[ending]})" if ending in UNITS else axis_title(plain)
    before = "Error of " if "_error_" in column else "Known " if column.startswith("known_") else ""
    return before + title
