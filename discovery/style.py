"""How every drawing looks: the one palette, the one kind of figure, and the axes they share."""

import base64
import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from discovery.quantities import QUANTITIES

# Okabe and Ito's colours, which the common kinds of colour blindness keep apart.
# Source: Okabe and Ito, Color Universal Design, 2008.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#AA4499"
ORANGE, SKY, BLACK = "#E69F00", "#56B4E9", "#222222"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, "#882255", "#999933", "#555555", "#DDCC77")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
DASHES = ("-", "--", "-.", ":")
CONTINUOUS = "viridis"
INK, FAINT, RULE = "#222222", "#6B6B6B", "#D8D8D8"
PAPER_FINE, PAPER_BOLD, PAPER_EDGE = "#F9DCDC", "#EFB3B3", "#DE8F8F"
MM_PER_INCH = 25.4
PIXELS_PER_MM = 5
CAPTION_LINE_MM = 3.6
DPI = MM_PER_INCH * PIXELS_PER_MM
SYNTHETIC_MARK = "SYNTHETIC ECG, not a patient"


class Picture(Figure):
    """A figure that shows itself in a notebook, has its caption and belongs to no global state.

    Parameters
    ----------
    width_mm, height_mm : float
        Size on paper, millimetres.
    caption : str
        The sentence beneath the drawing; reports print it.
    """

    def __init__(self, width_mm: float, height_mm: float, *, caption: str = "", dpi: float = DPI) -> None:
        super().__init__(
            figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), dpi=dpi, facecolor="white"
        )
        FigureCanvasAgg(self)
        self.caption = caption
        self.written: Text | None = None

    def _repr_png_(self) -> bytes:
        """The drawing as PNG bytes, for Jupyter."""
        return png(self)


def png(figure: Figure, *, caption: bool = True) -> bytes:
    """The figure as PNG bytes in its own size to the millimetre, without its written caption if so wished."""
    buffer = io.BytesIO()
    written = None if caption else getattr(figure, "written", None)
    width, height = figure.get_size_inches()
    foot = (CAPTION_LINE_MM * (written.get_text().count("\n") + 1) if written else 0) / MM_PER_INCH
    if written:
        written.set_visible(False)
    whole = Bbox([[0, foot], [width, height]])
    figure.savefig(buffer, format="png", dpi=figure.dpi, bbox_inches=whole if foot else None)
    if written:
        written.set_visible(True)
    return buffer.getvalue()


def data_uri(figure: Figure, *, caption: bool = True) -> str:
    """The figure as a ``data:image/png`` address, to stand inside an HTML file."""
    return "data:image/png;base64," + base64.b64encode(png(figure, caption=caption)).decode("ascii")


def save_figure(figure: Figure, path: str | Path) -> Path:
    """The path of the file written; its ending says the format: png, svg or pdf.

    Raises
    ------
    ValueError
        Where the ending is none of the three.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("png", "svg", "pdf"):
        raise ValueError(
            f"path must end in .png, .svg or .pdf, got {path.name!r}: the ending says the format"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format=kind, dpi=figure.dpi)
    return path


def blank_paper(figure: Figure) -> Axes:
    """Axes over the whole figure whose units are millimetres, from the lower left corner."""
    axes = figure.add_axes((0, 0, 1, 1))
    width, height = figure.get_size_inches() * MM_PER_INCH
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes


def ruled(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Draw 1 mm and 5 mm squares, pink on white; the corner and the sides are whole multiples of 5 mm."""
    for step, colour, points in ((1, PAPER_FINE, 0.35), (5, PAPER_BOLD, 0.6)):
        columns = [left + step * k for k in range(round(width / step) + 1)]
        rows = [bottom + step * k for k in range(round(height / step) + 1)]
        axes.vlines(
            columns,
            bottom,
            bottom + height,
            colors=colour,
            linewidths=points,
            zorder=0.5 + step / 10,
        )
        axes.hlines(rows, left, left + width, colors=colour, linewidths=points, zorder=0.5 + step / 10)
    corners = (
        [left, left + width, left + width, left, left],
        [bottom, bottom, bottom + height, bottom + height, bottom],
    )
    axes.plot(*corners, color=PAPER_EDGE, linewidth=0.8, zorder=1.1, solid_joinstyle="miter")


def halo(points: float = 2.0) -> list:
    """A white rim that keeps a label readable where it crosses a line."""
    return [withStroke(linewidth=points, foreground="white")]


def plain(axes: Axes, *, grid: str | None = "y", ticks: int = 6) -> None:
    """Take away what is not data: two spines, heavy ticks; leave a faint grid along one axis."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8.5, width=0.6, length=3)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=RULE, linewidth=0.6)
        if grid == "y":
            axes.yaxis.set_major_locator(MaxNLocator(ticks))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(ticks))


def colours(names: Sequence[object]) -> dict[object, str]:
    """One colour for each name; the two sexes always wear the same two."""
    fixed = {"female": VERMILLION, "male": BLUE}
    return {name: fixed.get(name, PALETTE[index % len(PALETTE)]) for index, name in enumerate(names)}


def title_of(column: str) -> str:
    """The name of a column for a reader; the column itself where it is not a known quantity."""
    label = QUANTITIES[column].label if column in QUANTITIES else column.replace("_", " ")
    return label[:1].upper() + label[1:]


def axis_title(column: str) -> str:
    """The name of a column with its unit, as written on an axis."""
    unit = QUANTITIES[column].unit if column in QUANTITIES else ""
    title = title_of(column)
    if not unit:
        return title
    return f"{title}, {unit}" if title.endswith(")") else f"{title} ({unit})"


def levels_of(values: pd.Series) -> list:
    """The different values of a column: numbers in order, words in order of appearance, None last."""
    found = list(values.dropna().unique())
    if pd.api.types.is_numeric_dtype(values):
        found = sorted(found)
    return found + ([None] if values.isna().any() else [])


def level_in_words(level: object) -> str:
    """A value as written in a legend."""
    if level is None or (np.ndim(level) == 0 and pd.isna(level)):
        return "not given"
    return f"{level:g}" if isinstance(level, float | np.floating) else str(level)


def axes_mm(figure: Picture, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in millimetres."""
    whole_width, whole_height = figure.get_size_inches() * MM_PER_INCH
    return figure.add_axes(
        (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    )


def write_caption(figure: Picture) -> None:
    """Write the caption small along the foot of the figure."""
    width = figure.get_size_inches()[0] * MM_PER_INCH
    lines = textwrap.fill(figure.caption, int(width / 1.52))
    height = figure.get_size_inches()[1] * MM_PER_INCH
    small = {"fontsize": 7.5, "color": FAINT, "va": "bottom", "linespacing": 1.25}
    figure.written = figure.text(6 / width, 2.5 / height, lines, **small)
