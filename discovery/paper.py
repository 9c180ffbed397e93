"""ECG paper, right to the millimetre: where each lead lies, and the drawing of one ECG on it."""

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from discovery.style import (
    FAINT,
    GREEN,
    INK,
    SKY,
    SYNTHETIC_MARK,
    VERMILLION,
    Picture,
    blank_paper,
    halo,
    ruled,
)
from models.ecg import ECG, LEADS, Conditions

LAYOUTS = {
    "3x4": (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",)),
    "6x2": tuple(zip(LEADS[:6], LEADS[6:], strict=True)),
    "12x1": tuple((lead,) for lead in LEADS),
}
SPEEDS = (25, 50)
GAINS = (5, 10, 20)
NARROWEST_ROW_MM = {"3x4": 25, "6x2": 20, "12x1": 15}
LONGEST_S = 10.0
FARTHEST_MM = 40.0
MARGIN_MM, FOOTER_MM, LINE_MM, MARKS_MM = 6.0, 9.0, 4.2, 6.0
TRACE_POINTS = 0.85  # 0.3 mm
# what a coloured bar beneath a beat spans: name, first and last boundary, colour
SPANS = (
    ("PR", "p_on_ms", "qrs_on_ms", SKY),
    ("QRS", "qrs_on_ms", "qrs_off_ms", VERMILLION),
    ("ST-T", "qrs_off_ms", "t_off_ms", GREEN),
)
INTERVALS = (("PR", "pr_ms", "ms"), ("QRS", "qrs_ms", "ms"), ("QT", "qt_ms", "ms"), ("QTcF", "qtcf_ms", "ms"))


@dataclass(frozen=True, eq=False)
class Trace:
    """One lead over one stretch of time: where its pen goes, in mm, `y` from the baseline of its row."""

    lead: str
    row: int
    start: float
    stop: float
    x: np.ndarray
    y: np.ndarray
    label_mm: float


@dataclass(frozen=True, eq=False)
class Sheet:
    """A whole ECG laid out on paper: `baselines` in mm from the foot of the squares, one for each row."""

    traces: tuple[Trace, ...]
    baselines: tuple[float, ...]
    lowest: tuple[float, ...]
    width: float
    height: float
    speed: float
    gain: float
    cut: tuple[str, ...]

    @property
    def origin(self) -> float:
        """Where time zero lies, mm from the left side of the squares: behind the calibration pulse."""
        return 15.0 if self.speed <= 25 else 20.0


def lay_out(
    ecg: ECG, index: int, layout: str = "3x4", *, speed: int = 25, gain: int = 10, marked: bool = False
) -> Sheet:
    """The sheet of one ECG: rows spread in whole 5 mm squares until no lead runs into another.

    Parameters
    ----------
    ecg, index
        The batch, and which ECG of it.
    layout : {"3x4", "6x2", "12x1"}
        3x4 has lead II again as a rhythm strip below.
    speed : {25, 50}
        mm/s.
    gain : {5, 10, 20}
        mm/mV.
    marked : bool
        Leave room for the bars of measured intervals beneath lead II.

    Raises
    ------
    ValueError
        Where a choice is not among those above.
    """
    _choice("layout", layout, tuple(LAYOUTS))
    _choice("speed", speed, SPEEDS)
    _choice("gain", gain, GAINS)
    if not -len(ecg) <= index < len(ecg):
        raise ValueError(f"index must be one of the {len(ecg)} ECGs, 0 to {len(ecg) - 1}, got {index}")
    rows = LAYOUTS[layout] if set(ecg.leads) & set(LEADS) else tuple((lead,) for lead in ecg.leads)
    seconds = min(ecg.seconds, LONGEST_S)
    origin = 15.0 if speed <= 25 else 20.0
    traces = []
    for row, leads in enumerate(rows):
        part = seconds / len(leads)
        for column, lead in enumerate(leads):
            if lead in ecg.leads:
                signal = ecg.signals[index, ecg.leads.index(lead)]
                traces.append(
                    _trace(
                        lead, row, signal, ecg.fs, (column * part, (column + 1) * part), (speed, gain, origin)
                    )
                )
    cut = tuple(
        dict.fromkeys(trace.lead for trace in traces if np.nanmax(np.abs(trace.y), initial=0) >= FARTHEST_MM)
    )
    strip = _strip_of(traces, "II").row if marked else -1
    baselines, lowest, height = _spread(traces, len(rows), NARROWEST_ROW_MM[layout], gain, strip)
    width = max(5 * math.ceil((origin + seconds * speed + 5) / 5), 150)
    return Sheet(tuple(traces), baselines, lowest, width, height, speed, gain, cut)


def plot_ecg(
    ecg: ECG,
    index: int = 0,
    *,
    boundaries: Mapping[str, Any] | pd.Series | pd.DataFrame | None = None,
    layout: str = "3x4",
    speed: int = 25,
    gain: int = 10,
) -> Picture:
    """One ECG on paper: 25 mm/s and 10 mm/mV true to the millimetre, with what was asked and what was measured.

    Each lead is drawn about its own median. A generated ECG is marked synthetic, with its generator and seed.

    Parameters
    ----------
    ecg, index
        The batch, and which ECG of it.
    boundaries : row of `measure`, or its whole table, optional
        Measured values for the header. With ``r_peaks_s`` in it (seconds, one per beat) PR, QRS and ST-T are
        marked beneath every beat of lead II.
    layout : {"3x4", "6x2", "12x1"}
    speed : {25, 50}
        mm/s.
    gain : {5, 10, 20}
        mm/mV.

    Raises
    ------
    ValueError
        Where a choice is not among those above, or `index` is not in the batch.
    """
    row = _one_row(boundaries, index, len(ecg))
    beats = _beats(row)
    sheet = lay_out(ecg, index, layout, speed=speed, gain=gain, marked=len(beats) > 0)
    synthetic = bool(ecg.provenance.get("synthetic", False))
    asked, wrapped = _heading(ecg, index, synthetic, sheet.width)
    header = 4.0 + LINE_MM * max(1 + len(wrapped), 2 if row else 1) + 1.5
    figure = Picture(sheet.width + 2 * MARGIN_MM, sheet.height + header + FOOTER_MM)
    paper = blank_paper(figure)
    ruled(paper, MARGIN_MM, FOOTER_MM, sheet.width, sheet.height)
    _draw_traces(paper, sheet)
    if beats:
        _draw_spans(paper, sheet, beats, row)
    top = FOOTER_MM + sheet.height + header - 4.0
    paper.text(MARGIN_MM, top, asked, fontsize=10, fontweight="bold", color=INK, va="top")
    for line, words in enumerate(wrapped, start=1):
        paper.text(MARGIN_MM, top - LINE_MM * line - 0.3, words, fontsize=9, color=INK, va="top")
    for line, words in enumerate(_measured(row)):
        right = MARGIN_MM + sheet.width
        paper.text(right, top - LINE_MM * line, words, fontsize=9, color=INK, va="top", ha="right")
    _draw_footer(paper, sheet, ecg, index, synthetic)
    figure.caption = (
        f"{'Generated' if synthetic else 'Recorded'} 12-lead ECG. {asked}. {' '.join(wrapped)}".strip()
    )
    return figure


def conditions_in_words(conditions: Conditions, *, text: bool = False) -> str:
    """What was asked in a line, as ``50 years, female, 70 bpm``; what is unknown is left out."""
    words = []
    if conditions.age is not None:
        words.append(f"{conditions.age:g} years")
    if conditions.sex is not None:
        words.append(conditions.sex)
    if conditions.heart_rate is not None:
        words.append(f"{conditions.heart_rate:.3g} bpm")
    if text and conditions.text:
        words.append(conditions.text)
    return ", ".join(words) or "nothing"


def source_in_words(ecg: ECG, index: int) -> str:
    """Who made an ECG: generator, the first eight signs of its digest, and the seed; or the record's name."""
    words = [str(ecg.provenance.get("source", "unknown source"))]
    if ecg.provenance.get("digest"):
        words.append(str(ecg.provenance["digest"])[:8])
    if ecg.seeds[index] >= 0:
        words.append(f"seed {ecg.seeds[index]}")
    if "record" in ecg.annotations:
        words.append(f"record {ecg.annotations['record'][index]}")
    return "   ".join(words)


def _choice(name: str, value: object, allowed: tuple) -> None:
    """Refuse a value that is not among those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _trace(
    lead: str, row: int, signal: np.ndarray, fs: float, span: tuple[float, float], scale: tuple
) -> Trace:
    """Turn one stretch of one lead from mV and seconds into mm; far excursions are cut, and named on the sheet."""
    speed, gain, origin = scale
    start, stop = span
    first, last = int(round(start * fs)), min(int(round(stop * fs)) + 1, len(signal))
    known = signal[np.isfinite(signal)]
    level = float(np.median(known)) if len(known) else 0.0
    y = np.clip((signal[first:last].astype(float) - level) * gain, -FARTHEST_MM, FARTHEST_MM)
    x = origin + np.arange(first, last) / fs * speed
    beneath = y[x < x[0] + 9.0] if len(x) else y
    label = float(np.nanmax(beneath, initial=2.0)) + 1.0
    return Trace(lead, row, start, stop, x, y, label)


def _strip_of(traces: list[Trace] | tuple[Trace, ...], lead: str) -> Trace:
    """The longest stretch of a lead, the last where several are as long; of the first lead where it is missing."""
    own = [trace for trace in traces if trace.lead == lead] or list(traces)
    return max(reversed(own), key=lambda trace: trace.stop - trace.start)


def _spread(
    traces: list[Trace], rows: int, narrowest: float, gain: float, marked_row: int
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Baselines in whole squares, far enough apart that no trace or label meets the row above it."""
    parts = 4
    up, down = np.full((rows, parts), gain * 1.0 + 1.0), np.full((rows, parts), 2.0)
    up[:, 1:] = 2.0
    for trace in traces:
        edges = np.linspace(trace.start, trace.stop, len(trace.x)) if len(trace.x) else np.zeros(0)
        longest = max(item.stop for item in traces)
        column = np.minimum((edges / longest * parts).astype(int), parts - 1)
        for part in np.unique(column):
            y = trace.y[column == part]
            up[trace.row, part] = max(up[trace.row, part], np.nanmax(y, initial=0))
            down[trace.row, part] = max(down[trace.row, part], -np.nanmin(y, initial=0))
        if len(column):
            up[trace.row, column[0]] = max(up[trace.row, column[0]], trace.label_mm + 3.5)
    lowest = down.max(axis=1)
    if marked_row >= 0:
        down[marked_row] = lowest[marked_row] + MARKS_MM
    five = [5 * math.ceil((up[0].max() + 1.5) / 5)]
    for row in range(1, rows):
        gap = float((down[row - 1] + up[row]).max()) + 1.0
        five.append(5 * math.ceil(max(gap, narrowest) / 5))
    foot = 5 * math.ceil((down[-1].max() + 1.5) / 5)
    height = float(sum(five) + foot)
    return tuple(height - float(total) for total in np.cumsum(five)), tuple(lowest), height


def _draw_traces(paper: Axes, sheet: Sheet) -> None:
    """The calibration pulse of every row, every lead with its name, and a tick where one lead follows another."""
    pen = {"color": "black", "linewidth": TRACE_POINTS, "solid_joinstyle": "round", "zorder": 3}
    wide = 0.2 * sheet.speed
    for baseline in sheet.baselines:
        x = MARGIN_MM + np.array([3, 5, 5, 5 + wide, 5 + wide, 7 + wide])
        paper.plot(x, FOOTER_MM + baseline + np.array([0, 0, 1, 1, 0, 0]) * sheet.gain, **pen)
    for trace in sheet.traces:
        level = FOOTER_MM + sheet.baselines[trace.row]
        paper.plot(MARGIN_MM + trace.x, level + trace.y, **pen)
        left = MARGIN_MM + sheet.origin + trace.start * sheet.speed
        if trace.start > 0:
            paper.plot([left, left], [level - 4, level + 4], color="black", linewidth=0.5, zorder=2)
        paper.text(
            left + 1, level + trace.label_mm, trace.lead, fontsize=9, fontweight="bold", va="bottom", zorder=4,
            path_effects=halo(),
        )  # fmt: skip


def _draw_spans(paper: Axes, sheet: Sheet, beats: list[float], row: Mapping[str, Any]) -> None:
    """Bars for PR, QRS and ST-T beneath every beat of the rhythm strip, with hairlines up to the trace."""
    strip = _strip_of(sheet.traces, "II")
    level = FOOTER_MM + sheet.baselines[strip.row]
    bar = level - sheet.lowest[strip.row] - 3.5
    zero = MARGIN_MM + sheet.origin
    drawn = []
    for name, first, last, colour in SPANS:
        if not (_known(row, first) and _known(row, last)):
            continue
        drawn.append((name, colour))
        for beat in beats:
            times = np.array([beat + float(row[first]) / 1000, beat + float(row[last]) / 1000])
            if times[0] < strip.start or times[1] > strip.stop:
                continue
            x = zero + times * sheet.speed
            paper.fill_between(x, bar - 1.0, bar + 1.0, color=colour, linewidth=0, zorder=3)
            heights = np.interp(times, (strip.x - sheet.origin) / sheet.speed, strip.y)
            paper.vlines(x, bar, level + heights, colors=colour, linewidths=0.5, zorder=2.5)
    for place, (name, colour) in enumerate(drawn):
        paper.text(MARGIN_MM + 1 + (0, 4, 9.4)[place], bar, name, fontsize=6.3, color=colour, va="center",
                   fontweight="bold", zorder=4, path_effects=halo())  # fmt: skip


def _draw_footer(paper: Axes, sheet: Sheet, ecg: ECG, index: int, synthetic: bool) -> None:
    """Speed and gain, the synthetic mark, and who made it."""
    scale = f"{sheet.speed:g} mm/s   {sheet.gain:g} mm/mV"
    if ecg.seconds > LONGEST_S:
        scale += f"   first {LONGEST_S:g} s of {ecg.seconds:.3g} s"
    if sheet.cut:
        scale += f"   cut at {FARTHEST_MM / sheet.gain:g} mV: {' '.join(sheet.cut)}"
    y = FOOTER_MM / 2
    paper.text(MARGIN_MM, y, scale, fontsize=8.5, color=INK, va="center")
    paper.text(
        MARGIN_MM + sheet.width,
        y,
        source_in_words(ecg, index),
        fontsize=7.5,
        color=FAINT,
        va="center",
        ha="right",
    )
    if synthetic:
        paper.text(MARGIN_MM + sheet.width / 2, y, SYNTHETIC_MARK, fontsize=9, color="#B00020", va="center",
                   ha="center", fontweight="bold")  # fmt: skip


def _heading(ecg: ECG, index: int, synthetic: bool, width: float) -> tuple[str, list[str]]:
    """The conditions in a line, and the text wrapped to the room beside the measured values."""
    conditions = ecg.conditions[index]
    asked = f"{'Asked' if synthetic else 'Recorded'}: {conditions_in_words(conditions)}"
    room = int(width * 0.6 / 1.75)
    text = " ".join((conditions.text or "").split())
    return asked, textwrap.wrap(text, room, max_lines=3, placeholder=" …") if text else []


def _measured(row: Mapping[str, Any]) -> list[str]:
    """The measured values in two lines; a dash for what could not be measured."""
    if not row:
        return []
    axis = f"   axis {row['qrs_axis_deg']:.0f}°" if _known(row, "qrs_axis_deg") else ""
    rate = f"{row['rate_bpm']:.0f} bpm" if _known(row, "rate_bpm") else "–"
    words = []
    for name, column, unit in INTERVALS:
        no_p = column == "pr_ms" and _known(row, "p_present") and not row["p_present"]
        words.append(
            f"{name} {row[column]:.0f} {unit}" if _known(row, column) else f"{name} {'no P' if no_p else '–'}"
        )
    return [f"Measured: rate {rate}{axis}", "   ".join(words)]


def _one_row(boundaries: Any, index: int, count: int) -> dict[str, Any]:
    """One row of measurements as a dict, whatever it came as; empty where none was given."""
    if boundaries is None:
        return {}
    if isinstance(boundaries, pd.DataFrame):
        if len(boundaries) not in (1, count):
            raise ValueError(
                f"boundaries must have one row per ECG, got {len(boundaries)} rows for {count} ECGs: "
                "give the row of this ECG, as table.iloc[0]"
            )
        return boundaries.iloc[index if len(boundaries) == count else 0].to_dict()
    return dict(boundaries)


def _known(row: Mapping[str, Any], column: str) -> bool:
    """Whether the row holds a number there."""
    value = row.get(column)
    return value is not None and np.ndim(value) == 0 and bool(pd.notna(value))


def _beats(row: Mapping[str, Any]) -> list[float]:
    """Times of the R peaks that were measured, seconds; none where the row does not list them."""
    peaks = row.get("r_peaks_s")
    if peaks is None or np.ndim(peaks) == 0:
        return []
    peaks = np.asarray(peaks, dtype=float)
    kept = row.get("beat_kept")
    if kept is not None and np.ndim(kept) == 1 and len(kept) == len(peaks):
        peaks = peaks[np.asarray(kept, dtype=bool)]
    return [float(peak) for peak in peaks if np.isfinite(peak)]
