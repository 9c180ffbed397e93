"""A widget that shows a UMAP map, takes a lasso, draws the ECGs within it and compares them with the rest."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from discovery.estimates import welch_estimate
from discovery.plots import plot_map
from discovery.quantities import QUANTITIES
from discovery.style import png
from discovery.tracings import conditions_in_words
from discovery.widget_conditions import arranged
from discovery.widget_numbers import LISTED, escaped
from discovery.widget_paper import ECGPaper, show_kept
from discovery.widget_points import MapCanvas, WebGLProbe, inside, legend, painted
from discovery.widget_worker import NewestWins, sentence
from models.ecg import ECG

DRAWN = 12  # ECGs of a selection that can be leafed through
COMPARED = 6  # quantities in the summary


def map_widget(
    umap_map: Any,
    table: pd.DataFrame,
    ecg_of: Callable[[Sequence[int]], ECG],
    *,
    color: Sequence[str] = ("text", "sex", "age", "heart_rate", "qrs_ms", "qtcf_ms"),
) -> "MapBrowser":
    """A widget on a map: drag around points to see their ECGs, and how they differ from the rest.

    Parameters
    ----------
    umap_map : UMAPMap
        Of `discovery.maps.make_map`.
    table : DataFrame
        The table the map was made of, as `discovery.sweep.measure_sweep` gives it.
    ecg_of : callable
        ECGs by number (column ``ecg`` of the table), as `discovery.store.SweepStore.ecg`.
    color : sequence of str
        Columns to colour by; those not in the table are left out.
    """
    return MapBrowser(umap_map, table, ecg_of, color)


class MapBrowser(ipywidgets.VBox):
    """The map widget's state and controls; `map_widget` makes one.

    ``selected`` holds the positions of the selected points on the map; `select` sets them. Where the browser
    has WebGL the map is jupyter-scatter's, elsewhere our own canvas.
    """

    def __init__(
        self, umap_map: Any, table: pd.DataFrame, ecg_of: Callable[..., ECG], color: Sequence[str]
    ) -> None:
        self.points = np.asarray(umap_map.coordinates, dtype=np.float32)
        self.table = table.loc[umap_map.rows].reset_index(drop=True)
        self.map, self.whole_table = umap_map, table
        self.ecg_of, self.selected = ecg_of, np.array([], dtype=int)
        self.ecg: ECG | None = None
        self._scatter: Any = None
        self._worker = NewestWins(self._fetch, self._failed)
        columns = [(_title(name), name) for name in color if name in self.table]
        self.color = ipywidgets.Dropdown(options=columns, description="colour")
        self.clear = ipywidgets.Button(description="Clear selection", layout=ipywidgets.Layout(width="auto"))
        self.legend, self.summary, self.status = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.probe, self.canvas, self.paper = WebGLProbe(), MapCanvas(), ECGPaper()
        self.place = arranged([self.probe], "kd-half", kind=ipywidgets.VBox)

        self.which = ipywidgets.IntSlider(
            value=1, min=1, max=1, description="ECG", layout=ipywidgets.Layout(width="320px", display="none")
        )
        super().__init__(self._arranged(umap_map))
        self.add_class("kd-card")
        self.probe.observe(self._open, "webgl")
        self.color.observe(self._paint, "value")
        self.canvas.observe(self._lassoed, "lasso")
        self.clear.on_click(lambda _: self.select([]))
        self.which.observe(self._draw, "value")
        self.canvas.place(self.points)
        self._paint()
        self.select([])

    def select(self, positions: Sequence[int] | np.ndarray) -> None:
        """Select points by their position on the map; compare them with the rest and draw the first few."""
        self.selected = np.asarray(positions, dtype=int)
        chosen = np.zeros(len(self.points), dtype=bool)
        chosen[self.selected] = True
        self.canvas.choose(chosen)
        if self._scatter is not None and set(self._scatter.selection()) != set(self.selected):
            self._scatter.selection(self.selected)
        self.summary.value = compared(self.table, chosen)
        self._worker.ask(self.selected[:DRAWN])

    def settle(self, seconds: float = 60.0) -> bool:
        """True once the selected ECGs are drawn, False where that takes longer than `seconds`."""
        return self._worker.settle(seconds)

    def __repr__(self) -> str:
        return f"MapBrowser({len(self.points)} ECGs, {len(self.selected)} selected)"

    def _ipython_display_(self) -> None:
        """The widget, and a picture of the map for notebooks that are opened again without a kernel."""
        show_kept(self, self.paper, self._picture)

    def _picture(self) -> bytes:
        """The map in its first colours, as PNG bytes."""
        return png(plot_map(self.map, self.whole_table, self.color.value))

    def _arranged(self, umap_map: Any) -> list[ipywidgets.Widget]:
        """The parts from top to bottom."""
        title = (
            f"<h3>Map of {len(self.points)} ECGs</h3><span class='kd-faint'>UMAP of {len(umap_map.columns)} "
            f"columns, trustworthiness {umap_map.trustworthiness:.2f}, seed {umap_map.seed}. "
            "Drag around points to select; distances between far groups mean little.</span>"
        )
        side = arranged([self.legend, self.summary], "kd-half", kind=ipywidgets.VBox)
        return [
            ipywidgets.HTML(title),
            arranged([self.color, self.clear, self.status], "kd-row", "kd-buttons"),
            arranged([self.place, side], "kd-row"),
            self.which,
            self.paper,
        ]

    def _open(self, change: Any) -> None:
        """Show the map by WebGL or on our canvas, as the browser said."""
        if self.probe.webgl == "yes" and self._scatter is None:
            try:
                self._scatter = self._scattered()
                self._paint()
            except Exception as error:  # the map is shown all the same, and says why it is another one
                self._scatter = None
                self._failed(error)
        self.place.children = [self._scatter.show() if self._scatter is not None else self.canvas]

    def _scattered(self) -> Any:
        """The map by jupyter-scatter, with its lasso connected."""
        import jscatter  # takes 1 to 2 s, and only this widget needs it, where there is WebGL

        data = pd.DataFrame({"x": self.points[:, 0], "y": self.points[:, 1]})
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        edge = 0.06 * np.maximum(high - low, 1e-6)
        spans = [(float(a), float(b)) for a, b in zip(low - edge, high + edge, strict=True)]
        scatter = jscatter.Scatter(data=data, x="x", y="y", x_scale=spans[0], y_scale=spans[1], height=420)
        scatter.size(default=6 if len(data) < 4000 else 3).background("white").axes(False).lasso(
            initiator=True
        ).mouse(mode="lasso")
        scatter.widget.observe(
            lambda _: self._chosen(np.asarray(scatter.selection(), dtype=int)), "selection"
        )
        return scatter

    def _chosen(self, positions: np.ndarray) -> None:
        """The lasso of jupyter-scatter: select, unless it only repeats what we told it."""
        if set(positions) != set(self.selected):
            self.select(positions)

    def _lassoed(self, change: Any) -> None:
        """The lasso of the canvas: a polygon in the units of the map."""
        self.select(np.flatnonzero(inside(self.points, self.canvas.lasso)))

    def _paint(self, change: Any = None) -> None:
        """Colour the points."""
        if self.color.value is None:
            return
        paint = painted(self.table[self.color.value])
        self.legend.value = legend(paint, _title(self.color.value))
        self.canvas.paint(paint.rgb)
        if self._scatter is not None:
            kinds = pd.Categorical.from_codes(paint.codes, [str(code) for code in range(len(paint.palette))])
            self._scatter.color(by=kinds, map=list(paint.palette))

    def _fetch(self, positions: np.ndarray) -> None:
        """In the worker: get the first ECGs of the selection and draw one."""
        numbers = self.table["ecg"].to_numpy()[positions] if "ecg" in self.table else positions
        self.ecg = self.ecg_of([int(number) for number in numbers]) if len(numbers) else None
        if self._worker.superseded:
            return
        shown = 0 if self.ecg is None else len(self.ecg)
        self.which.max, self.which.value = max(shown, 1), 1
        self.which.layout.display = None if shown > 1 else "none"
        self.paper.layout.display = None if shown else "none"
        more = f"the first {shown} of the selection can be drawn" if len(self.selected) > shown else ""
        self.status.value = f'<span class="kd-faint" role="status">{more}</span>'
        self._draw()

    def _draw(self, change: Any = None) -> None:
        """Draw one ECG of the selection."""
        if self.ecg is not None and self.which.value <= len(self.ecg):
            index = self.which.value - 1
            caption = conditions_in_words(self.ecg.conditions[index], text=True)
            self.paper.show(self.ecg, index, caption=f"{self.which.value} of {len(self.ecg)}: {caption}")

    def _failed(self, error: Exception) -> None:
        """Say in the widget what went wrong."""
        self.status.value = f'<span class="kd-warn" role="alert">{escaped(sentence(error))}</span>'


def compared(table: pd.DataFrame, chosen: np.ndarray) -> str:
    """The selection against the rest, means and the interval of their difference; exploratory, HTML.

    Parameters
    ----------
    table : DataFrame
        Rows in the order of the map.
    chosen : ndarray of bool
        Which of them are selected.
    """
    if not chosen.any():
        return '<span class="kd-faint">Nothing is selected.</span>'
    rows = ["<tr><th></th><th>selected</th><th>rest</th><th>difference (95 %)</th><th>n</th></tr>"]
    for name in [column for column in (*LISTED, "age") if column in table][: COMPARED + 1]:
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
        known = np.isfinite(values)
        first, rest = values[chosen & known], values[~chosen & known]
        means = [f"{part.mean():.0f}" if len(part) else "none" for part in (first, rest)]
        rows.append(
            f"<tr><td>{escaped(_title(name))}</td><td>{means[0]}</td><td>{means[1]}</td>"
            f"<td>{_difference(first, rest)}</td><td>{len(first)}, {len(rest)}</td></tr>"
        )
    shares = [_share(table[name], chosen) for name in ("sex", "text") if name in table]
    return (
        '<span class="kd-stamp">exploratory</span>&ensp;'
        f"<b>{int(chosen.sum())} selected</b> against {int((~chosen).sum())} others"
        f'<table class="kd-numbers">{"".join(rows)}</table>'
        f'<span class="kd-faint">{"<br>".join(filter(None, shares))}</span>'
    )


def _difference(first: np.ndarray, rest: np.ndarray) -> str:
    """Difference of two means with its Welch interval."""
    estimate = welch_estimate(first, rest)
    if not np.isfinite(estimate.value):
        return "no interval"
    low, high = estimate.interval(0.95)
    digits = 0 if abs(estimate.value) >= 10 else 1
    value, low, high = (round(number, digits) + 0.0 for number in (estimate.value, low, high))  # no "-0"
    return f"{value:+.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _share(values: pd.Series, chosen: np.ndarray) -> str:
    """The commonest words among the selected, with their shares."""
    shares = values[chosen].fillna("unknown").value_counts(normalize=True).head(3)
    return "selected: " + ", ".join(f"{share:.0%} {escaped(word)}" for word, share in shares.items())


def _title(column: str) -> str:
    """What a reader calls a column."""
    return QUANTITIES[column].title if column in QUANTITIES else column
