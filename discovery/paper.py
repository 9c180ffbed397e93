"""ECG paper, right to the millimetre: where each lead lies on it, in numbers; nothing is drawn here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.ecg import ECG, LEADS

LAYOUTS = {
    "3x4": (
        ("I", "aVR", "V1", "V4"),
        ("II", "aVL", "V2", "V5"),
        ("III", "aVF", "V3", "V6"),
        ("II",),
    ),
    "6x2": tuple(zip(LEADS[:6], LEADS[6:], strict=True)),
    "12x1": tuple((lead,) for lead in LEADS),
}
SPEEDS = (25, 50)
GAINS = (5, 10, 20)
NARROWEST_ROW_MM = {"3x4": 25, "6x2": 20, "12x1": 15}
LONGEST_S = 10.0
FARTHEST_MM = 40.0
MARKS_MM = 6.0
NARROWEST_MM = 150.0
ORIGIN_MM = {25: 15.0, 50: 20.0}
PARTS = 4


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
    speed: int
    gain: int
    cut: tuple[str, ...]

    @property
    def origin(self) -> float:
        """Where time zero lies, mm from the left side of the squares: behind the calibration pulse."""
        return ORIGIN_MM[self.speed]


def lay_out(
    ecg: ECG,
    index: int,
    layout: str = "3x4",
    *,
    speed: int = 25,
    gain: int = 10,
    marked: bool = False,
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
    levelled = _about_median(ecg.signals[index])
    traces = []
    for row, leads in enumerate(rows):
        part = seconds / len(leads)
        for column, lead in enumerate(leads):
            if lead in ecg.leads:
                first, last = round(column * part * ecg.fs), round((column + 1) * part * ecg.fs)
                times = np.arange(first, min(last + 1, levelled.shape[1])) / ecg.fs
                volts = levelled[ecg.leads.index(lead), first : last + 1]
                traces.append(_trace(lead, row, times, volts, speed, gain))
    strip = strip_of(traces, "II").row if marked else -1
    return _arrange(traces, len(rows), NARROWEST_ROW_MM[layout], (speed, gain), strip)


def lay_out_beats(
    beats: Sequence[np.ndarray],
    leads: Sequence[str],
    times: np.ndarray,
    *,
    speed: int = 50,
    gain: int = 10,
) -> Sheet:
    """The sheet of several beats, each (lead, sample) in mV, one upon the other, three rows of four leads.

    Traces come in the order of the beats, lead by lead; `times` are seconds from the first sample.
    """
    _choice("speed", speed, SPEEDS)
    _choice("gain", gain, GAINS)
    pitch = float(times[-1]) + 0.05
    traces = []
    for row, names in enumerate(LAYOUTS["3x4"][:3]):
        for column, lead in enumerate(names):
            if lead in leads:
                for beat in beats:
                    volts = _about_median(beat)[list(leads).index(lead)]
                    traces.append(_trace(lead, row, column * pitch + times, volts, speed, gain))
    return _arrange(traces, 3, 20, (speed, gain), -1)


def _choice(name: str, value: object, allowed: tuple) -> None:
    """Refuse a value that is not among those allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _about_median(signals: np.ndarray) -> np.ndarray:
    """Each lead, mV, about its own median; a lead with no known value stays unknown."""
    known = np.isfinite(signals).any(axis=-1, keepdims=True)
    return signals.astype(float) - np.nanmedian(np.where(known, signals, 0.0), axis=-1, keepdims=True)


def _trace(lead: str, row: int, times: np.ndarray, volts: np.ndarray, speed: float, gain: float) -> Trace:
    """Turn one stretch of one lead from s and mV into mm; far excursions are cut, and named on the sheet."""
    y = np.clip(volts * gain, -FARTHEST_MM, FARTHEST_MM)
    x = ORIGIN_MM[speed] + times * speed
    label = float(np.nanmax(y[x < x[0] + 9.0], initial=2.0)) + 1.0
    return Trace(lead, row, float(times[0]), float(times[-1]), x, y, label)


def strip_of(traces: list[Trace] | tuple[Trace, ...], lead: str) -> Trace:
    """The longest stretch of a lead, the last of several; of the first lead where it is missing."""
    own = [trace for trace in traces if trace.lead == lead] or list(traces)
    return max(reversed(own), key=lambda trace: trace.stop - trace.start)


def _arrange(traces: list[Trace], rows: int, narrowest: float, scale: tuple[int, int], marked: int) -> Sheet:
    """Baselines in whole squares, far enough apart that no trace or label meets the row above it."""
    speed, gain = scale
    longest = max(trace.stop for trace in traces)
    up, down = np.full((rows, PARTS), 2.0), np.full((rows, PARTS), 2.0)
    up[:, 0] = gain + 1.0  # the calibration pulse
    for trace in traces:
        seconds = (trace.x - ORIGIN_MM[speed]) / speed
        part = np.minimum((seconds / longest * PARTS).astype(int), PARTS - 1)
        np.fmax.at(up[trace.row], part, trace.y)
        np.fmax.at(down[trace.row], part, -trace.y)
        up[trace.row, part[0]] = max(up[trace.row, part[0]], trace.label_mm + 3.5)
    lowest = down.max(axis=1)
    if marked >= 0:
        down[marked] = lowest[marked] + MARKS_MM
    drops = [5 * math.ceil((up[0].max() + 1.5) / 5)]
    for row in range(1, rows):
        gap = float((down[row - 1] + up[row]).max()) + 1.0
        drops.append(5 * math.ceil(max(gap, narrowest) / 5))
    height = float(sum(drops) + 5 * math.ceil((down[-1].max() + 1.5) / 5))
    baselines = tuple(height - float(total) for total in np.cumsum(drops))
    width = max(5.0 * math.ceil((ORIGIN_MM[speed] + longest * speed + 4) / 5), NARROWEST_MM)
    cut = dict.fromkeys(
        trace.lead for trace in traces if np.nanmax(np.abs(trace.y), initial=0) >= FARTHEST_MM
    )
    return Sheet(tuple(traces), baselines, tuple(lowest), width, height, speed, gain, tuple(cut))
