"""ECGs drawn on paper: one with what was asked and measured, or two beats one upon the other."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from discovery.beat_panel import SPAN_LABELS_MM, SPANS, TITLE_MM, BeatPanel
from discovery.delineate import Delineation, delineate
from discovery.paper import FARTHEST_MM, LONGEST_S, Sheet, lay_out, lay_out_beats, strip_of
from discovery.style import (
    BLUE,
    FAINT,
    INK,
    SYNTHETIC_MARK,
    VERMILLION,
    Picture,
    blank_paper,
    halo,
    ruled,
)
from models.ecg import ECG, INDEPENDENT_LEADS, Conditions

MARGIN_MM, FOOTER_MM, LINE_MM = 6.0, 9.0, 4.2
PEN = {"color": "black", "linewidth": 0.85, "solid_joinstyle": "round", "zorder": 3}  # 0.3 mm wide
PAIR_PENS = (
    PEN | {"color": BLUE, "linewidth": 1.1},
    PEN | {"color": VERMILLION, "linewidth": 1.1, "linestyle": (0, (3.2, 1.3))},
)
MEDIAN_BEAT_FS = 500.0
PAIR_WINDOW_S = (0.32, 0.52)
INTERVALS = (
    ("PR", "pr_ms", "ms"),
    ("QRS", "qrs_ms", "ms"),
    ("QT", "qt_ms", "ms"),
    ("QTcF", "qtcf_ms", "ms"),
)


def plot_ecg(
    ecg: ECG,
    index: int = 0,
    *,
    boundaries: Mapping[str, Any] | pd.Series | pd.DataFrame | None = None,
    layout: str = "3x4",
    speed: int = 25,
    gain: int = 10,
) -> Picture:
    """One ECG on paper: 25 mm/s and 10 mm/mV true to the millimetre, with what was asked and measured.

    Each lead is drawn about its own median. A generated ECG is marked synthetic, with its generator and seed.

    Parameters
    ----------
    ecg, index
        The batch, and which ECG of it.
    boundaries : row of `measure`, or its whole table, optional
        Measured values for the header. Its edges (``p_on_ms`` to ``t_off_ms``) are marked beneath every beat of
        lead II, and upon the median beat on which they were measured. Beats are where ``r_peaks_s`` says
        (seconds, less those that ``beat_kept`` denies); where it is not in the row, they are looked for.
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
    found = _found(ecg, index, row)
    beats = _beats(row, found)
    sheet = lay_out(ecg, index, layout, speed=speed, gain=gain, marked=len(beats) > 0)
    synthetic = bool(ecg.provenance.get("synthetic", False))
    asked, wrapped = _heading(ecg, index, synthetic, sheet.width)
    header = 4.0 + LINE_MM * max(1 + len(wrapped), 2 if row else 1) + 1.5
    panel = BeatPanel(found, row, sheet.width, gain) if found else None
    foot = FOOTER_MM + (panel.height + TITLE_MM if panel else 0.0)
    figure = Picture(sheet.width + 2 * MARGIN_MM, sheet.height + header + foot)
    paper = blank_paper(figure)
    ruled(paper, MARGIN_MM, foot, sheet.width, sheet.height)
    _draw_traces(paper, sheet, foot=foot)
    if beats:
        _draw_spans(paper, sheet, beats, row, foot)
    if panel:
        panel.draw(paper, MARGIN_MM, FOOTER_MM)
    top = foot + sheet.height + header - 4.0
    paper.text(MARGIN_MM, top, asked, fontsize=10, fontweight="bold", color=INK, va="top")
    for line, words in enumerate(wrapped, start=1):
        paper.text(MARGIN_MM, top - LINE_MM * line - 0.3, words, fontsize=9, color=INK, va="top")
    for line, words in enumerate(_measured(row)):
        right = MARGIN_MM + sheet.width
        paper.text(right, top - LINE_MM * line, words, fontsize=9, color=INK, va="top", ha="right")
    _draw_footer(paper, sheet, ecg, index, synthetic)
    kind = "Generated" if synthetic else "Recorded"
    figure.caption = f"{kind} 12-lead ECG. {asked}. {' '.join(wrapped)}".strip()
    return figure


def plot_pair(
    ecg_a: ECG,
    ecg_b: ECG,
    index: int = 0,
    *,
    boundaries: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    gain: int = 10,
) -> Picture:
    """Two ECGs, median beat upon median beat: A blue and solid, B orange and dashed.

    The beats begin together: they are aligned at the onset of QRS, at the R peak where that is not known.
    Meant for the same heart (the same seed) with one condition changed; the heading says what differs.

    Parameters
    ----------
    ecg_a, ecg_b, index
        The batches, and which ECG of each.
    boundaries : two rows of `measure`, optional
        Measured values of A and of B for the heading.
    gain : {5, 10, 20}
        mm/mV; the paper runs at 50 mm/s.

    Raises
    ------
    ValueError
        Where `gain` is another, or neither ECG has a beat to show.
    """
    window = np.arange(-PAIR_WINDOW_S[0], PAIR_WINDOW_S[1] + 1e-9, 0.002)
    found = [delineate(ecg.signals[[index]], ecg.fs, ecg.leads) for ecg in (ecg_a, ecg_b)]
    onsets = np.array([item.points["qrs_on"][0] for item in found]) / 1000
    joined = "QRS onset" if np.isfinite(onsets).all() else "R peak"
    shifts = onsets + 0.04 if joined == "QRS onset" else np.zeros(2)
    beats = [_median_beat(item, window + shift) for item, shift in zip(found, shifts, strict=True)]
    sheet = lay_out_beats(beats, ecg_a.leads, window - window[0], speed=50, gain=gain)
    headings, shared = _what_differs(ecg_a, ecg_b, index)
    header = 4.0 + LINE_MM * 3 + 1.5
    figure = Picture(sheet.width + 2 * MARGIN_MM, sheet.height + header + FOOTER_MM)
    paper = blank_paper(figure)
    ruled(paper, MARGIN_MM, FOOTER_MM, sheet.width, sheet.height)
    _draw_traces(paper, sheet, PAIR_PENS)
    top = FOOTER_MM + sheet.height + header - 4.0
    for line, (pen, words) in enumerate(zip(PAIR_PENS, headings, strict=True)):
        y = top - LINE_MM * line
        paper.plot([MARGIN_MM, MARGIN_MM + 9], [y - 1.6, y - 1.6], **(pen | {"linewidth": 1.6}))
        paper.text(MARGIN_MM + 11, y, words, fontsize=9.5, fontweight="bold", va="top", color=pen["color"])
        if boundaries:
            paper.text(MARGIN_MM + sheet.width, y, _measured(dict(boundaries[line]), short=True)[0],
                       fontsize=9, va="top", ha="right", color=pen["color"])  # fmt: skip
    paper.text(MARGIN_MM, top - LINE_MM * 2, shared, fontsize=9, va="top", color=INK)
    synthetic = any(bool(ecg.provenance.get("synthetic", False)) for ecg in (ecg_a, ecg_b))
    _draw_footer(paper, sheet, ecg_a, index, synthetic)
    figure.caption = f"Median beats, aligned at the {joined}. {headings[0]}; {headings[1]}. {shared}."
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


def _draw_traces(
    paper: Axes, sheet: Sheet, pens: tuple[dict[str, Any], ...] = (PEN,), foot: float = FOOTER_MM
) -> None:
    """The calibration pulses, every lead with its name, and a tick where one lead follows another."""
    wide = 0.2 * sheet.speed
    for baseline in sheet.baselines:
        x = MARGIN_MM + np.array([3, 5, 5, 5 + wide, 5 + wide, 7 + wide])
        paper.plot(x, foot + baseline + np.array([0, 0, 1, 1, 0, 0]) * sheet.gain, **PEN)
    highest: dict[tuple[int, float, str], float] = {}
    for number, trace in enumerate(sheet.traces):
        level = foot + sheet.baselines[trace.row]
        paper.plot(MARGIN_MM + trace.x, level + trace.y, **pens[number % len(pens)])
        place = (trace.row, trace.start, trace.lead)
        highest[place] = max(highest.get(place, 0.0), trace.label_mm)
    for (row, start, lead), height in highest.items():
        level = foot + sheet.baselines[row]
        left = MARGIN_MM + sheet.origin + start * sheet.speed
        if start > 0 and len(pens) == 1:
            paper.plot([left, left], [level - 4, level + 4], color="black", linewidth=0.5, zorder=2)
        paper.text(left + 1, level + height, lead, fontsize=9, fontweight="bold", va="bottom",
                   zorder=4, path_effects=halo())  # fmt: skip


def _draw_spans(paper: Axes, sheet: Sheet, beats: list[float], row: Mapping[str, Any], foot: float) -> None:
    """Bars for PR, QRS and ST-T beneath every beat of the rhythm strip, with hairlines up to the trace."""
    strip = strip_of(sheet.traces, "II")
    level = foot + sheet.baselines[strip.row]
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
    for name, colour in drawn:
        small = {"fontsize": 6, "fontweight": "bold", "va": "center", "zorder": 4, "path_effects": halo()}
        paper.text(MARGIN_MM + SPAN_LABELS_MM[name], bar, name, color=colour, **small)


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


def _what_differs(ecg_a: ECG, ecg_b: ECG, index: int) -> tuple[tuple[str, str], str]:
    """What is said of A, of B, and what both share."""
    known_a, known_b = (ecg.conditions[index].to_dict() for ecg in (ecg_a, ecg_b))
    same = {name: value for name, value in known_a.items() if value == known_b[name]}
    own = []
    for letter, known in (("A", known_a), ("B", known_b)):
        differing = Conditions(**{name: value for name, value in known.items() if name not in same})
        words = conditions_in_words(differing, text=True) if len(same) < 4 else "the same conditions"
        own.append(f"{letter}: {textwrap.shorten(words, 70, placeholder=' …')}")
    shared = textwrap.shorten(conditions_in_words(Conditions(**same), text=True), 90, placeholder=" …")
    seeds = (ecg_a.seeds[index], ecg_b.seeds[index])
    if min(seeds) >= 0:
        hearts = (
            f"the same heart, seed {seeds[0]}" if seeds[0] == seeds[1] else f"seeds {seeds[0]} and {seeds[1]}"
        )
        return (own[0], own[1]), f"Both: {shared}; {hearts}"
    return (own[0], own[1]), f"Both: {shared}"


def _median_beat(found: Delineation, times: np.ndarray) -> np.ndarray:
    """The median beat of every lead, mV, at `times`, s from the R peak; NaN where it has none."""
    beat = np.asarray(found.median_beat[0], dtype=float)
    own = (np.arange(beat.shape[1]) - found.r_index) / MEDIAN_BEAT_FS
    return np.stack([np.interp(times, own, lead, left=np.nan, right=np.nan) for lead in beat])


def _measured(row: Mapping[str, Any], *, short: bool = False) -> list[str]:
    """The measured values in two lines, or in a short one; a dash for what could not be measured."""
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
    if short:
        return ["   ".join([rate, *words])]
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


def _found(ecg: ECG, index: int, row: Mapping[str, Any]) -> Delineation | None:
    """The beats and the median beat of an ECG whose edges were measured; None where there are none."""
    if not _known(row, "qrs_on_ms") or not set(INDEPENDENT_LEADS) <= set(ecg.leads):
        return None
    found = delineate(ecg.signals[[index]], ecg.fs, ecg.leads)
    return found if np.isfinite(found.median_beat).any() else None


def _beats(row: Mapping[str, Any], found: Delineation | None) -> list[float]:
    """Times of the beats that were measured, seconds: those the row lists, or else those found."""
    peaks, kept = row.get("r_peaks_s"), row.get("beat_kept")
    if peaks is None or np.ndim(peaks) == 0:
        if found is None:
            return []
        peaks, kept = found.r_peaks[0], found.beat_kept[0]
    peaks = np.asarray(peaks, dtype=float)
    if kept is not None and np.ndim(kept) == 1 and len(kept) == len(peaks):
        peaks = peaks[np.asarray(kept, dtype=bool)]
    return [float(peak) for peak in peaks if np.isfinite(peak)]
