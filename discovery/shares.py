"""The shares: how much of a quantity's variance each factor explains, alone and with its interactions."""

from typing import Any

import numpy as np

from discovery.style import BLUE, FAINT, INK, Picture, axes_mm, plain, title_of, write_caption

ROW_MM = 11.0
NAMES = {
    "age": "Age",
    "sex": "Sex",
    "heart_rate": "Heart rate",
    "text": "Text",
    "heart": "The heart itself (seed)",
}


def plot_sensitivity(found: Any) -> Picture:
    """Shares of the variance with their intervals, one row per factor, the largest on top.

    Filled: what the factor explains alone; open: with all its interactions. Where the two differ, the factor
    acts together with others.

    Parameters
    ----------
    found : Sensitivity

    Raises
    ------
    ValueError
        Where the quantity does not vary, so that there are no shares.
    """
    table = found.table.sort_values("total").reset_index(drop=True)
    if table["total"].isna().any():
        raise ValueError(f"{found.outcome} must vary to be shared out, got the same value in every ECG")
    figure = Picture(178, 40 + ROW_MM * len(table))
    axes = axes_mm(figure, 46, 25, 84, ROW_MM * len(table))
    places = np.arange(len(table), dtype=float)
    looks = (("first", 0.16, BLUE, "alone"), ("total", -0.16, "white", "with its interactions"))
    for share, shift, face, label in looks:
        ends = table[[f"{share}_low", f"{share}_high"]].to_numpy().T
        axes.hlines(places + shift, *ends, color=BLUE, linewidth=1.6)
        axes.plot(
            table[share], places + shift, "o", markersize=6, mfc=face, mec=BLUE, linestyle="none", label=label
        )
    for place, row in zip(places, table.itertuples(), strict=True):
        words = f"{row.total:.0%} [{row.total_low:.0%}, {row.total_high:.0%}]".replace("-", "\N{MINUS SIGN}")
        axes.annotate(
            words, (1.03, place), xycoords=("axes fraction", "data"), fontsize=8.5, va="center", color=INK
        )
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set(
        ylim=(-0.6, len(table) - 0.4), xlim=(min(-0.02, axes.get_xlim()[0]), max(1.0, axes.get_xlim()[1]))
    )
    axes.set_yticks(places, [NAMES.get(name, name) for name in table["factor"]], fontsize=9.5)
    axes.set_xlabel(f"share of the variance of {title_of(found.outcome)}", fontsize=9.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    plain(axes, grid="x", ticks=5)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=8.5)
    figure.caption = (
        f"What drives {title_of(found.outcome)}: Sobol indices with {found.level:.0%} intervals, n = {found.n} points"
        f"{f', {found.missing} left out (not measured)' if found.missing else ''}; at the right, the share with "
        "interactions. Of this generator over the ranges swept, not of patients."
    )
    write_caption(figure)
    return figure
