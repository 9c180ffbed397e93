"""What the widgets draw with: ECG paper, median beats over each other, code to copy; synced state alone."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from discovery.paper import LAYOUTS, lay_out
from models.ecg import ECG, LEADS

HERE = Path(__file__).parent
SHOWN_S = 10.0
BOUNDARIES = ("p_on_ms", "qrs_on_ms", "qrs_off_ms", "t_off_ms")
SPANS = (
    ("PR", "pr_ms", "p_on_ms", "qrs_on_ms"),
    ("QRS", "qrs_ms", "qrs_on_ms", "qrs_off_ms"),
    ("QT", "qt_ms", "qrs_on_ms", "t_off_ms"),
)


class ECGPaper(anywidget.AnyWidget):
    """One ECG on paper: 25 mm/s, 10 mm/mV, 3x4 and lead II below; drag measures, double-click clears."""

    _esm = HERE / "ecg_paper.js"
    _css = HERE / "widget_card.css"
    data = traitlets.Bytes(b"").tag(sync=True)
    fs = traitlets.Float(500.0).tag(sync=True)
    leads = traitlets.List(list(LEADS)).tag(sync=True)
    baselines = traitlets.List([80.0, 55.0, 30.0, 15.0]).tag(sync=True)
    height = traitlets.Float(105.0).tag(sync=True)
    lowest = traitlets.Float(4.0).tag(sync=True)
    names = traitlets.Dict().tag(sync=True)
    marks = traitlets.List().tag(sync=True)
    spans = traitlets.List().tag(sync=True)
    caption = traitlets.Unicode("").tag(sync=True)
    footer = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("No ECG yet").tag(sync=True)
    synthetic = traitlets.Bool(True).tag(sync=True)
    caliper = traitlets.Dict().tag(sync=True)
    kept = traitlets.Unicode("").tag(sync=True)
    seq = traitlets.Int(0).tag(sync=True)

    def show(self, ecg: ECG, index: int = 0, *, caption: str = "") -> None:
        """Draw one ECG of a batch; what was measured of the one before is taken away.

        Parameters
        ----------
        ecg, index
            The batch, and which ECG of it.
        caption : str
            Plain text at the top of the sheet.
        """
        signals = ecg.signals[index, :, : round(SHOWN_S * ecg.fs)]
        seed, sheet = ecg.seeds[index], lay_out(ecg, index, marked=True)
        source = str(ecg.provenance.get("source", ""))
        with self.hold_sync():
            self.data = microvolts(signals)
            self.fs = ecg.fs
            self.leads = list(ecg.leads)
            self.baselines, self.height = list(sheet.baselines), sheet.height
            self.names = {f"{one.lead} {one.row}": round(one.label_mm, 1) for one in sheet.traces}
            self.lowest = float(max(sheet.lowest[-1], 4.0))
            self.synthetic = bool(ecg.provenance.get("synthetic", seed >= 0))
            self.marks, self.spans = [], []
            self.caption = caption
            self.footer = f"{source}   seed {seed}" if seed >= 0 else source
            self.label = f"{self._kind()}. {caption}"
            self.seq += 1

    def mark(self, row: pd.Series, r_peaks: np.ndarray) -> None:
        """Draw the measured boundaries of that ECG on lead II, and say them to screen readers.

        Parameters
        ----------
        row : Series
            The ECG's row of `measure`.
        r_peaks : ndarray
            R peaks of the beats used, seconds.
        """
        with self.hold_sync():
            self.marks = beat_marks(row, r_peaks)
            self.spans = interval_bars(row, r_peaks)
            said = [f"rate {row['rate_bpm']:.0f} bpm"] if np.isfinite(row["rate_bpm"]) else []
            said += [f"{name} {row[column]:.0f} ms" for name, column, *_ in SPANS if np.isfinite(row[column])]
            measured = ", ".join(said) or "nothing"
            self.label = f"{self._kind()}. {self.caption}. Measured: {measured}."
            self.seq += 1

    def _kind(self) -> str:
        """Whether the ECG was generated or recorded, in words."""
        return "Synthetic 12-lead ECG, not a patient" if self.synthetic else "Recorded 12-lead ECG"


class BeatOverlay(anywidget.AnyWidget):
    """Median beats of twelve leads: A blue and solid, B over it orange and dashed, aligned at R."""

    _esm = HERE / "beat_overlay.js"
    _css = HERE / "widget_card.css"
    a = traitlets.Bytes(b"").tag(sync=True)
    b = traitlets.Bytes(b"").tag(sync=True)
    fs = traitlets.Float(500.0).tag(sync=True)
    r_ms = traitlets.Float(0.0).tag(sync=True)
    rows = traitlets.List([[22.0, 12.0]] * 3).tag(sync=True)
    leads = traitlets.List(list(LEADS)).tag(sync=True)
    label = traitlets.Unicode("No beats yet").tag(sync=True)
    seq = traitlets.Int(0).tag(sync=True)

    def show(self, b: np.ndarray, a: np.ndarray | None, *, fs: float, r_index: int) -> None:
        """Draw the beats of B, and of A where one is pinned.

        Parameters
        ----------
        b, a : ndarray, (lead, sample)
            Median beats, mV; both with R at the same sample.
        fs : float
            Hz.
        r_index : int
            The sample of R.
        """
        with self.hold_sync():
            self.b = microvolts(b)
            self.a = b"" if a is None else microvolts(a)
            self.fs, self.r_ms = float(fs), 1000.0 * r_index / fs
            self.rows = beat_rows(b if a is None else np.concatenate([a, b], axis=1))
            alone = "Median beat of twelve leads"
            self.label = (
                alone if a is None else "Median beats of A, blue, and B, orange and dashed, aligned at R"
            )
            self.seq += 1


class CopyCode(anywidget.AnyWidget):
    """The code that makes what is shown, and a button that copies it."""

    _esm = HERE / "copy_code.js"
    _css = HERE / "widget_card.css"
    code = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.add_class("kd-code")


def show_kept(widget: ipywidgets.DOMWidget, alive: anywidget.AnyWidget, picture: Callable) -> None:
    """Display a widget in a notebook, and after it a picture that shows only where the widget is not alive.

    A notebook that is opened again has no kernel behind its widgets: what it still shows is the picture.

    Parameters
    ----------
    widget : DOMWidget
        What is displayed.
    alive : AnyWidget
        A part of it with the trait ``kept``: the class name that its render file hides.
    picture : callable
        Gives PNG bytes, or None.
    """
    from IPython.display import HTML, display  # only within a notebook

    alive.kept = f"kd-kept-{widget.model_id}"
    display(ipywidgets.DOMWidget._repr_mimebundle_(widget), raw=True)
    image = picture()
    if image is not None:
        code = base64.b64encode(image).decode("ascii")
        style = "max-width:100%;background:#fff"
        words = "What the widget showed when its cell was run"
        image_tag = f'<img alt="{words}" style="{style}" src="data:image/png;base64,{code}">'
        display(HTML(f'<div class="{alive.kept}">{image_tag}</div>'))


def microvolts(signals: np.ndarray) -> bytes:
    """Leads as int16 microvolts, each about its own median; missing samples lie on the baseline.

    Parameters
    ----------
    signals : ndarray, (lead, sample)
        mV.
    """
    known = np.where(np.isfinite(signals), signals, np.nan)
    if signals.shape[-1] == 0 or np.isnan(known).all():
        return np.zeros(signals.shape, "<i2").tobytes()
    level = np.zeros((len(signals), 1), np.float64)
    measured = ~np.isnan(known).all(axis=1)
    level[measured, 0] = np.nanmedian(known[measured], axis=1)
    return np.nan_to_num((known - level) * 1000.0).clip(-32767, 32767).round().astype("<i2").tobytes()


def beat_rows(beats: np.ndarray) -> list[list[float]]:
    """Height and baseline, mm from the top, of the three rows of leads, so that no beat is cut off.

    Parameters
    ----------
    beats : ndarray, (12, sample)
        mV, in the order of `models.ecg.LEADS`.
    """
    rows = []
    for names in LAYOUTS["3x4"][:3]:
        own = np.nan_to_num(beats[[LEADS.index(name) for name in names]]) * 10.0
        up, down = max(float(own.max()), 8.0) + 1.5, max(-float(own.min()), 4.0) + 1.5
        rows.append([round(up + down, 1), round(up, 1)])
    return rows


def beat_marks(row: pd.Series, r_peaks: np.ndarray) -> list[dict[str, Any]]:
    """Where each measured boundary of each beat lies on the strip: ``{"at": seconds, "name": column}``."""
    found = [name for name in BOUNDARIES if np.isfinite(row[name])]
    return [
        {"at": round(float(r + row[name] / 1000.0), 4), "name": name}
        for r in r_peaks
        for name in found
        if 0 <= r + row[name] / 1000.0 <= SHOWN_S
    ]


def interval_bars(row: pd.Series, r_peaks: np.ndarray) -> list[dict[str, Any]]:
    """One bar for each measured interval, drawn under the second beat that lies wholly on the strip."""
    edges = [row[name] / 1000.0 for name in BOUNDARIES if np.isfinite(row[name])]
    whole = [r for r in r_peaks if edges and r + min(edges) > 0.3 and r + max(edges) < SHOWN_S - 1.0]
    if not whole:
        return []
    r = float(whole[min(1, len(whole) - 1)])
    return [
        {
            "from": round(r + float(row[start]) / 1000.0, 4),
            "to": round(r + float(row[stop]) / 1000.0, 4),
            "text": f"{name} {row[column]:.0f} ms",
            "row": level,
        }
        for level, (name, column, start, stop) in enumerate(SPANS)
        if np.isfinite(row[[column, start, stop]].astype(float)).all()
    ]
