"""The activity of all leads together, and where P, QRS and T rise out of it and sink back."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from discovery.beats import BEFORE, RATE

MS = RATE / 1000  # samples per ms
T_VALLEY = 0.4  # where the fall of T has lost so much, a new rise belongs to the next wave
P_HILL = 0.2  # a P wave is less steep than this part of the QRS complex
T_HILL, T_GAP, T_HILL_MS = (
    0.3,
    0.06,
    64.0,
)  # a T wave rising straight out of QRS: its height, the gap, its length
NOISY_LEAD = 2.0  # a lead this much less quiet than the middle one counts for less


@dataclass(frozen=True)
class Settings:
    """Widths (ms) and thresholds (parts of a wave's own peak) of the search."""

    qrs_sigma: float = 7.0
    p_sigma: float = 10.0
    t_sigma: float = 16.0
    qrs_on: float = 0.05
    qrs_off: float = 0.06
    p_edge: float = 0.25
    t_off: float = 0.28
    qrs_gap: float = 16.0
    qrs_half: float = 0.10  # parts of a QRS complex are joined where both reach this part of the steepest
    qrs_bridge: float = 28.0
    p_gap: float = 28.0
    p_half: float = 0.35  # halves of a P wave are joined where both reach this part of the steeper one
    p_bridge: float = 70.0
    t_second: float = 0.5


SETTINGS = Settings()


@dataclass(frozen=True)
class Waves:
    """Edges in samples of the median beat, and the activity from which they were read."""

    edges: dict[str, np.ndarray]
    lumps: np.ndarray  # (batch, 3, sample): P, QRS, T; zero outside each wave, one peak inside
    merged: np.ndarray  # (batch,) bool: T had not ended when P began
    t_height: np.ndarray  # (batch,) mV: the T wave in the lead where it is largest


def activity(beats: np.ndarray, sigma_ms: float) -> np.ndarray:
    """Spatial velocity, mV/s, (batch, lead, sample) -> (batch, sample): length of the smoothed derivative."""
    slope = ndimage.gaussian_filter1d(beats, sigma_ms * MS, axis=2, order=1, truncate=3.0, mode="nearest")
    quiet = int(0.2 * slope.shape[2])
    floor = np.partition(np.abs(slope), quiet, axis=2)[:, :, quiet]
    usual = np.sort(floor, axis=1)[:, floor.shape[1] // 2, None]
    weight = np.minimum(1, NOISY_LEAD * usual / np.maximum(floor, 1e-9))
    return np.sqrt(np.sum((slope * weight[:, :, None]) ** 2, axis=1)) * np.float32(RATE)


def find_waves(beats: np.ndarray, rr: np.ndarray, settings: Settings = SETTINGS) -> Waves:
    """Where P, QRS and T begin and end in median beats of shape (batch, 8, sample), `rr` in samples."""
    sharp = activity(beats, settings.qrs_sigma)
    qrs_on, qrs_peak, qrs_off = _qrs(sharp, settings)
    slow = activity(beats, settings.t_sigma)
    t_peak, t_fall, t_off, t_height = _t_wave(beats, slow, qrs_on, qrs_off, rr, settings)
    soft = activity(beats, settings.p_sigma)
    p_on, p_core, p_off = _p_wave(soft, t_off - rr, qrs_on, settings)
    ended = _levels(_low(slow[:, BEFORE:], 0.05), _at(slow, t_fall), settings.t_off)[0]
    merged = (_at(slow, t_off) > 1.2 * ended) | (t_off >= p_on + rr - 2)
    lumps = np.stack(
        [
            _lump(soft, p_on, p_core, p_off),
            _lump(sharp, qrs_on, qrs_peak, qrs_off),
            _lump(slow, np.where(t_fall >= 0, np.minimum(t_peak, t_fall - 1), -1), t_fall, t_off),
        ],
        axis=1,
    )
    edges = {
        "p_on": p_on,
        "p_off": p_off,
        "qrs_on": qrs_on,
        "qrs_off": qrs_off,
        "t_peak": t_peak,
        "t_off": t_off,
    }
    return Waves(edges, lumps, merged, t_height)


def _qrs(sharp: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First, steepest and last sample of the QRS complex."""
    rows = len(sharp)
    peak = _argmax(sharp, np.full(rows, BEFORE - 35), np.full(rows, BEFORE + 35))
    height = _at(sharp, peak)
    gap = int(settings.qrs_gap * MS)
    floor = _low(sharp[:, BEFORE - 130 : BEFORE - 20], 0.2)
    on = _leave(sharp, _levels(floor, height, settings.qrs_on), gap, peak, peak - int(150 * MS), -1)
    on = _after_p(sharp, height, on, peak)
    floor = np.minimum(floor, _low(sharp[:, BEFORE + 20 : BEFORE + 130], 0.2))
    bridge = int(settings.qrs_bridge * MS)
    half = _levels(floor, height, settings.qrs_half)
    late = _leave(sharp, half, bridge, peak, peak + int(190 * MS), +1)
    edge = _levels(floor, height, settings.qrs_off)
    off = _leave(sharp, edge, gap, np.maximum(late - 1, peak), late + int(44 * MS), +1)
    return on, peak, _before_t(sharp, height, peak, off)


def _after_p(sharp: np.ndarray, height: np.ndarray, on: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """QRS onsets, moved behind a P wave that runs into the complex: a long low hill, then a valley."""
    position = np.arange(sharp.shape[1])[None, :]
    shortest = on[:, None] + int(60 * MS)  # a valley any nearer ends a Q wave, not a P wave
    low = (position > shortest) & (position < peak[:, None]) & (sharp < 0.5 * P_HILL * height[:, None])
    valley = np.argmin(np.where(low, sharp, np.inf), axis=1)
    hill = np.max(np.where((position >= on[:, None]) & (position < valley[:, None]), sharp, 0), axis=1)
    clear = low.any(axis=1) & (hill < P_HILL * height) & (hill > 1.5 * _at(sharp, valley))
    return np.where(clear, valley, on)


def _before_t(sharp: np.ndarray, height: np.ndarray, peak: np.ndarray, off: np.ndarray) -> np.ndarray:
    """QRS offsets, moved before a T wave that rises straight out of the complex: a valley, a long low hill."""
    position = np.arange(sharp.shape[1])[None, :]
    between = (position > peak[:, None]) & (position < off[:, None] - int(T_HILL_MS * MS))
    low = between & (sharp < T_GAP * height[:, None])
    valley = np.argmin(np.where(low, sharp, np.inf), axis=1)
    hill = np.max(np.where((position >= valley[:, None]) & (position < off[:, None]), sharp, 0), axis=1)
    clear = low.any(axis=1) & (hill < T_HILL * height)
    return np.where(clear, valley, off)


def _t_wave(
    beats: np.ndarray,
    slow: np.ndarray,
    qrs_on: np.ndarray,
    qrs_off: np.ndarray,
    rr: np.ndarray,
    settings: Settings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Peak, steepest fall and end of the T wave, and its height in the largest lead."""
    last = beats.shape[2] - 12
    limit = np.minimum(last, qrs_on + rr - int(20 * MS)).astype(int)
    start = qrs_off + int(40 * MS)
    smooth = ndimage.gaussian_filter1d(beats, 10 * MS, axis=2, truncate=3.0, mode="nearest")
    level = np.take_along_axis(smooth, np.clip(qrs_on - 8, 0, None)[:, None, None], axis=2)
    size = np.sqrt(np.sum((smooth - level) ** 2, axis=1))
    reach = np.minimum(limit, BEFORE + np.minimum(0.56 * rr + 30 * MS, 560 * MS)).astype(int)
    peak = _argmax(size, start, np.maximum(reach, start + 10))
    # From here on a steep rise may be that of the next P wave.
    next_p = np.maximum(peak + 100 * MS, qrs_on + rr - 230 * MS)
    fall = _argmax(slow, peak, np.minimum(np.minimum(peak + 170 * MS, next_p), limit))
    height = _at(slow, fall)
    floor = _low(slow[:, BEFORE:], 0.05)
    valley = _first_rise(slow, fall, below=T_VALLEY * height)  # between T and what follows it
    limit = np.minimum(limit, np.maximum(valley, fall + 1))
    off = _leave(slow, _levels(floor, height, settings.t_off), int(10 * MS), fall, limit, +1, lost=limit)
    tall = np.abs(smooth - np.take_along_axis(smooth, off[:, None, None], axis=2))
    tall = np.take_along_axis(tall, peak[:, None, None], axis=2)[:, :, 0].max(axis=1)
    return peak, fall, off, tall


def _p_wave(
    soft: np.ndarray, earliest: np.ndarray, qrs_on: np.ndarray, settings: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First, steepest and last sample of the P wave."""
    right = qrs_on - int(16 * MS)
    left = np.clip(earliest, 12, right - 40).astype(int)
    left = np.minimum(
        _first_rise(soft, left, below=np.inf), left + int(60 * MS)
    )  # past the tail of the T wave before
    position = np.arange(soft.shape[1])[None, :]
    ahead = (qrs_on[:, None] - position) / MS
    weight = np.clip(1 - (ahead - 240) / 400, 0.4, 1.0)
    core = _argmax(soft * weight, left, np.maximum(right, left + 5))
    height = _at(soft, core)
    floor = _low(soft[:, : BEFORE - 20], 0.1)
    gap, wide = int(settings.p_gap * MS), int(settings.p_bridge * MS)
    half = _levels(floor, height, settings.p_half)[:2]
    begin, end = np.maximum(left, core - 60), np.minimum(qrs_on, core + 60)
    first = _leave(soft, half, wide, core, begin, -1, lost=begin)
    last = _leave(soft, half, wide, core, end, +1, lost=core)
    edge = _levels(floor, height, settings.p_edge)
    on = _leave(soft, edge, gap, np.minimum(first + 1, core), np.maximum(left - 10, 2), -1)
    off = _leave(soft, edge, gap, np.maximum(last - 1, core), qrs_on, +1)
    return on, core, np.minimum(off, qrs_on)


def _levels(floor: np.ndarray, height: np.ndarray, part: float) -> np.ndarray:
    """Thresholds between floor and height: the one wanted, and two to fall back on; shape (3, batch)."""
    return floor + part * np.array([[1.0], [1.6], [2.5]]) * (height - floor)


def _leave(
    act: np.ndarray,
    levels: np.ndarray,
    gap: int,
    start: np.ndarray,
    stop: np.ndarray,
    step: int,
    lost: np.ndarray | None = None,
) -> np.ndarray:
    """Walking from `start` to `stop`, where activity stays below a level for `gap` samples.

    The first level that is ever kept counts; where none is, `lost`, or else the quietest sample.
    """
    samples = act.shape[1]
    position = np.arange(samples)[None, :]
    stop = np.clip(stop, 2, samples - 3)
    shift = gap // 2 - (gap + 1) % 2
    ahead = ndimage.maximum_filter1d(act, gap, axis=1, origin=-step * shift, mode="nearest")
    if step > 0:
        allowed = (position > start[:, None]) & (position <= stop[:, None])
    else:
        allowed = (position < start[:, None]) & (position >= stop[:, None])
    found = np.full(len(act), -1)
    for level in levels:
        quiet = (ahead < level[:, None]) & allowed
        where = np.argmax(quiet, axis=1) if step > 0 else samples - 1 - np.argmax(quiet[:, ::-1], axis=1)
        found = np.where((found < 0) & quiet.any(axis=1), where, found)
    if lost is None:
        lost = np.argmin(np.where(allowed, act, np.inf), axis=1)
    return np.where(found < 0, lost, found)


def _lump(act: np.ndarray, on: np.ndarray, peak: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Activity between `on` and `off`, rising to `peak` and falling from it, zero elsewhere."""
    position = np.arange(act.shape[1])[None, :]
    on, peak, off = on[:, None], peak[:, None], off[:, None]
    left = np.where((position > on) & (position <= peak), act, 0)
    right = np.where((position >= peak) & (position < off), act, 0)
    rising = np.maximum.accumulate(left, axis=1) * (position <= peak)
    falling = np.maximum.accumulate(right[:, ::-1], axis=1)[:, ::-1] * (position > peak)
    return np.where(on >= 0, rising + falling, 0)


def _argmax(values: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The index of each row's largest value from `start` up to `stop`."""
    position = np.arange(values.shape[1])[None, :]
    inside = (position >= start[:, None]) & (position < stop[:, None])
    return np.argmax(np.where(inside, values, -np.inf), axis=1)


def _first_rise(values: np.ndarray, start: np.ndarray, below: np.ndarray | float) -> np.ndarray:
    """The first index of each row, from `start` on, after which low values rise; the last if none do."""
    position = np.arange(values.shape[1] - 1)[None, :]
    low = values[:, :-1] < np.reshape(below, (-1, 1))
    rising = (np.diff(values, axis=1) > 0) & low & (position >= start[:, None])
    return np.where(rising.any(axis=1), np.argmax(rising, axis=1), values.shape[1] - 1)


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Each row's value at its own index."""
    return np.take_along_axis(values, index[:, None], axis=1)[:, 0]


def _low(values: np.ndarray, part: float) -> np.ndarray:
    """A low quantile of each row."""
    return np.sort(values, axis=1)[:, int(part * values.shape[1])]
