"""Points of a map as bytes and colours, a canvas that draws them, and which of them lie inside a lasso."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from discovery.style import PALETTE
from discovery.widget_numbers import escaped

HERE = Path(__file__).parent
# Nine stations of matplotlib's viridis, from low to high.
SCALE = ("#440154", "#472D7B", "#3B528B", "#2C728E", "#21918C", "#28AE80", "#5EC962", "#ADDC30", "#FDE725")
STEPS = 24
MISSING = "#B4B4BC"
KINDS = len(PALETTE)


class WebGLProbe(anywidget.AnyWidget):
    """Asks the browser whether it draws with WebGL; ``webgl`` becomes "yes" or "no"."""

    _esm = HERE / "webgl_probe.js"
    webgl = traitlets.Unicode("").tag(sync=True)


class MapCanvas(anywidget.AnyWidget):
    """A map on a 2-D canvas; ``lasso`` is the polygon last drawn, in the units of the map."""

    _esm = HERE / "map_canvas.js"
    _css = HERE / "widget_card.css"
    points = traitlets.Bytes(b"").tag(sync=True)
    colours = traitlets.Bytes(b"").tag(sync=True)
    chosen = traitlets.Bytes(b"").tag(sync=True)
    limits = traitlets.List([0.0, 1.0, 0.0, 1.0]).tag(sync=True)
    label = traitlets.Unicode("An empty map").tag(sync=True)
    lasso = traitlets.List().tag(sync=True)
    seq = traitlets.Int(0).tag(sync=True)

    def place(self, points: np.ndarray) -> None:
        """Put points on the map, shape (n, 2)."""
        low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.ones(2))
        high = np.where(high > low, high, low + 1.0)
        with self.hold_sync():
            self.points = points.astype("<f4").tobytes()
            self.limits = [float(low[0]), float(high[0]), float(low[1]), float(high[1])]
            self.label = f"Map of {len(points)} ECGs; drag around points to select them"
            self.seq += 1

    def paint(self, rgb: np.ndarray) -> None:
        """Colour the points, uint8, shape (n, 3)."""
        with self.hold_sync():
            self.colours = rgb.astype(np.uint8).tobytes()
            self.seq += 1

    def choose(self, chosen: np.ndarray) -> None:
        """Show which points are selected; none dims none."""
        with self.hold_sync():
            self.chosen = chosen.astype(np.uint8).tobytes() if chosen.any() else b""
            self.seq += 1


@dataclass(frozen=True, eq=False)
class Paint:
    """A colour for each point: `codes` index `palette`, `words` name them (the two ends where `graded`)."""

    codes: np.ndarray
    palette: tuple[str, ...]
    words: tuple[str, ...]
    graded: bool
    missing: int

    @property
    def rgb(self) -> np.ndarray:
        """The colours, uint8, shape (n, 3)."""
        table = np.array([[int(code[k : k + 2], 16) for k in (1, 3, 5)] for code in self.palette], np.uint8)
        return table[self.codes]


def painted(values: pd.Series) -> Paint:
    """Colours for a column: its own for each of a few values, else from low to high; grey where missing."""
    missing = values.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > KINDS:
        numbers = values.to_numpy(dtype=float)
        low, high = np.nanpercentile(numbers, [2, 98])
        part = np.clip((np.where(missing, low, numbers) - low) / max(high - low, 1e-9), 0, 1)
        codes = np.where(missing, STEPS, np.round(part * (STEPS - 1))).astype(int)
        return Paint(codes, (*_graded(), MISSING), (f"{low:.4g}", f"{high:.4g}"), True, int(missing.sum()))
    common = values.value_counts().index[: KINDS - 1]
    kinds = sorted(common) if pd.api.types.is_numeric_dtype(values) else list(common)
    number = {kind: code for code, kind in enumerate(kinds)}
    codes = np.array([number.get(value, len(kinds)) for value in values], dtype=int)
    codes[missing] = len(kinds) + 1
    words = [f"{kind:g}" if isinstance(kind, float) else str(kind) for kind in kinds]
    others = ("others",) if (codes == len(kinds)).any() else ()
    palette = (*PALETTE[: len(kinds)], "#55555F", MISSING)
    return Paint(codes, palette, (*words, *others), False, int(missing.sum()))


def legend(paint: Paint, title: str) -> str:
    """What the colours mean, as HTML."""
    if paint.graded:
        ramp = ", ".join(paint.palette[:-1])
        style = f"display:inline-block;width:140px;height:11px;background:linear-gradient(90deg, {ramp})"
        bar = f'<span style="{style}"></span>'
        words = f"{paint.words[0]} {bar} {paint.words[1]}"
    else:
        words = "&ensp; ".join(
            f"{_dot(colour)} {escaped(word)}"
            for colour, word in zip(paint.palette, paint.words, strict=False)
        )
    missing = f"&ensp; {_dot(MISSING)} not known ({paint.missing})" if paint.missing else ""
    return f"<b>{escaped(title)}</b>: {words}{missing}"


def inside(points: np.ndarray, polygon: list[Any]) -> np.ndarray:
    """Which points lie inside a polygon, by the even-odd rule, as booleans.

    Parameters
    ----------
    points : ndarray, (n, 2)
    polygon : list of [x, y]
        Closed by itself; fewer than three corners hold nothing.
    """
    corners = np.asarray(polygon, dtype=float).reshape(-1, 2)
    found = np.zeros(len(points), dtype=bool)
    if len(corners) < 3:
        return found
    x, y = points[:, 0].astype(float), points[:, 1].astype(float)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        found ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return found


def _graded() -> tuple[str, ...]:
    """The scale in equal steps."""
    stations = np.array([[int(code[k : k + 2], 16) for k in (1, 3, 5)] for code in SCALE], float)
    at = np.linspace(0, len(SCALE) - 1, STEPS)
    steps = np.stack([np.interp(at, np.arange(len(SCALE)), stations[:, k]) for k in range(3)], axis=1)
    return tuple("#{:02X}{:02X}{:02X}".format(*colour) for colour in steps.round().astype(int))


def _dot(colour: str) -> str:
    """A dot of a colour."""
    return f'<span style="color:{colour};font-size:15px">&#9679;</span>'
