"""From raw strips to one median beat each: cleaning, R peaks, alignment, kinds of beats."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

RATE = 500.0  # Hz, of every beat below, whatever the input
BEFORE, AFTER = 280, 380  # samples of a beat before and after its R peak: 0.56 s and 0.76 s
PEAK_RATE = 100.0  # Hz, of the signal the R-peak finder sees
EDGE = 10  # samples (0.1 s) at either end in which a QRS complex would be cut
LONG_GAP = 1.5  # times the usual interval from which a beat may have been missed
BLIND = 30  # samples (0.3 s) about a beat in which none is missed
SLACK = 5  # samples by which T waves come earlier or later
MATCH_RATE = 250.0  # Hz, of the QRS complexes that are compared with one another
MATCH_BEFORE, MATCH_AFTER = 30, 40  # their samples around R: 0.12 s and 0.16 s
MATCH_LAGS = 10  # alignment searches 40 ms to each side
SAME_BEAT = 0.9  # correlation from which two QRS complexes count as one kind
PADDING = 1.0  # s of mirrored signal at each end


@dataclass(frozen=True)
class Strip:
    """One cleaned strip: the independent leads, and the signal in which R peaks are looked for."""

    wide: np.ndarray  # (8, samples at 500 Hz), 0.5 Hz high-pass
    narrow: np.ndarray  # (8, samples at 250 Hz), 8-30 Hz
    composite: np.ndarray  # (samples at 100 Hz), root mean square of the leads at 8-30 Hz
    broad: np.ndarray  # the same at 2-30 Hz, in which wide beats are as large as narrow ones
    padding: float  # s before the strip begins


@dataclass(frozen=True)
class Beats:
    """The beats of one strip and what they have in common."""

    r_peaks: np.ndarray  # (beats,) s from the start of the strip
    kept: np.ndarray  # (beats,) bool: of the dominant kind
    whole: np.ndarray  # (beats,) bool: kept, and far enough from both ends to be averaged
    stack: np.ndarray  # (whole beats, 8, BEFORE + AFTER) mV
    median: np.ndarray  # (8, BEFORE + AFTER) mV
    template_r: float  # mean correlation of the kept QRS complexes with their template

    @property
    def typical_rr(self) -> float:
        """Median interval from the averaged beats to the beats after them, s."""
        intervals = np.diff(self.r_peaks)
        chosen = intervals[self.whole[:-1]] if self.whole[:-1].any() else intervals
        return float(np.median(chosen)) if len(chosen) else 1.0


def clean(signals: np.ndarray, fs: float) -> list[Strip]:
    """Strips free of wander and hum, resampled, shape (batch, 8, sample) in mV -> one `Strip` each."""
    samples = signals.shape[2]
    pad = int(np.ceil(PADDING * fs))
    total = (samples + 2 * pad) / fs
    seconds = int(np.ceil(total)) if float(fs).is_integer() else total
    length = int(round(seconds * fs))
    spectrum = fft.rfft(_mirrored(signals, pad, length), axis=2)
    frequency = np.fft.rfftfreq(length, 1 / fs).astype(np.float32)
    spectrum *= frequency**4 / (frequency**4 + 0.5**4)
    _remove_hum(spectrum, frequency)
    band = _band(frequency, 8.0, 30.0)
    wide = _at_rate(spectrum, length, RATE, seconds)
    narrow = _at_rate(spectrum * band, length, MATCH_RATE, seconds)
    composite, broad = (
        np.sqrt(np.mean(_at_rate(spectrum * part, length, PEAK_RATE, seconds) ** 2, axis=1))
        for part in (band, _band(frequency, 2.0, 30.0))
    )
    return [Strip(wide[k], narrow[k], composite[k], broad[k], pad / fs) for k in range(len(signals))]


def find_beats(
    strip: Strip, seconds: float, find_peaks: Callable[[np.ndarray, float], np.ndarray]
) -> Beats | None:
    """The beats of a strip, aligned, the dominant kind told from the rest; None where there are none."""
    guess = _plausible_peaks(strip, seconds, find_peaks)
    if not len(guess):
        return None
    centre = _refine(strip, guess)
    centre, correlation, kept = _dominant_kind(strip.narrow, centre)
    start = np.rint(centre * (RATE / MATCH_RATE)).astype(int)
    r_peaks = start / RATE - strip.padding
    whole = _typical(r_peaks, kept, seconds)
    windows = np.lib.stride_tricks.sliding_window_view(strip.wide, BEFORE + AFTER, axis=1)
    first = np.clip(start[whole] - BEFORE, 0, windows.shape[1] - 1)
    stack = windows[:, first].transpose(1, 0, 2)
    quality = float(np.mean(correlation[kept])) if kept.sum() > 3 else _mutual(strip.narrow, centre[kept])
    return Beats(r_peaks, kept, whole, stack, middle(stack), quality)


def _typical(r_peaks: np.ndarray, kept: np.ndarray, seconds: float) -> np.ndarray:
    """The kept beats that neither an end of the strip nor an early neighbour cuts short, if three remain."""
    inside = (r_peaks >= BEFORE / RATE * 0.75) & (r_peaks <= seconds - AFTER / RATE * 0.75)
    intervals = np.diff(r_peaks)
    usual = 0.8 * np.median(intervals) if len(intervals) else 0.0
    alone = np.append(intervals > usual, True) & np.insert(intervals > usual, 0, True)
    for choice in (kept & inside & alone, kept & inside):
        if np.sum(choice) >= 3:
            return choice
    return kept


def middle(stack: np.ndarray) -> np.ndarray:
    """The median over the first axis (faster than `numpy.median` for a dozen beats)."""
    ordered = np.sort(stack, axis=0)
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def _mirrored(signals: np.ndarray, pad: int, length: int) -> np.ndarray:
    """Each lead without its median, mirrored through its end points, faded out to `length` samples."""
    level = np.sort(signals, axis=2)[:, :, signals.shape[2] // 2, None]
    signals = signals - level
    after = length - pad - signals.shape[2]
    reach = signals.shape[2] - 1
    before_at, after_at = np.minimum(np.arange(pad, 0, -1), reach), np.minimum(np.arange(1, after + 1), reach)
    left = 2 * signals[:, :, :1] - signals[:, :, before_at]
    right = 2 * signals[:, :, -1:] - signals[:, :, reach - after_at]
    fade = np.ones(length, np.float32)
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(pad // 2) / (pad // 2))).astype(np.float32)
    fade[: pad // 2], fade[length - pad // 2 :] = ramp, ramp[::-1]
    return np.concatenate([left, signals, right], axis=2) * fade


def _band(frequency: np.ndarray, low: float, high: float) -> np.ndarray:
    """A band-pass with soft shoulders."""
    rise = 1 / np.sqrt(1 + (low / np.maximum(frequency, 0.1)) ** 8)
    fall = 1 / np.sqrt(1 + (frequency / high) ** 8)
    return (rise * fall).astype(np.float32)


def _remove_hum(spectrum: np.ndarray, frequency: np.ndarray) -> None:
    """Notch 50 or 60 Hz, in place, in the leads where that line stands far above its surroundings."""
    for line in (50.0, 60.0):
        distance = np.abs(frequency - line)
        at, around = distance < 0.4, (distance > 1) & (distance < 6)
        if not at.any() or frequency[-1] < line + 1:
            continue
        power = np.mean(np.abs(spectrum[:, :, at]) ** 2, axis=2)
        surroundings = np.mean(np.abs(spectrum[:, :, around]) ** 2, axis=2)
        loud = power > 30 * surroundings + 1e-12
        notch = (1 - np.exp(-((distance / 0.6) ** 2))).astype(np.float32)
        spectrum *= np.where(loud[:, :, None], notch, np.float32(1))


def _at_rate(spectrum: np.ndarray, length: int, rate: float, seconds: float) -> np.ndarray:
    """The signals of a spectrum at another sampling rate."""
    wanted = int(round(seconds * rate))
    kept = spectrum[:, :, : wanted // 2 + 1]
    return fft.irfft(kept, n=wanted, axis=2) * np.float32(wanted / length)


def _plausible_peaks(strip: Strip, seconds: float, find_peaks: Callable) -> np.ndarray:
    """R peaks in s from the start of the padded strip: those found, less faint ones, plus those missed."""
    first = int(round(strip.padding * PEAK_RATE))
    inside, broad = (
        part[first : first + int(seconds * PEAK_RATE)].astype(float)
        for part in (strip.composite, strip.broad)
    )
    quiet = np.full(int(0.5 * PEAK_RATE), np.min(inside))
    found = np.asarray(find_peaks(np.concatenate([quiet, inside, quiet]), PEAK_RATE), int) - len(quiet)
    found = found[(found >= EDGE) & (found < len(inside) - EDGE)]
    if not len(found):
        return np.array([])
    found = _without_p_and_t(inside, found)
    height = np.median(inside[found])
    found = found[inside[found] > 0.3 * height]
    found = np.sort(np.concatenate([found, _in_gaps(inside, broad, found)]))
    return (found + first) / PEAK_RATE


def _in_gaps(inside: np.ndarray, broad: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Beats missed in long gaps: narrow ones nearly as high as the others, wide ones where no other beat has a T wave.

    A wide premature beat has little at 8 to 30 Hz, but is large below; so is a T wave, which comes after every beat.
    """
    intervals, missed = np.diff(found), []
    usual = np.median(intervals) if len(intervals) else np.inf
    for left, right in zip(found[:-1], found[1:], strict=True):
        gap = np.arange(left + BLIND, right - BLIND)
        if right - left <= LONG_GAP * usual or not len(gap):
            continue
        narrow, wide = gap[np.argmax(inside[gap])], gap[np.argmax(broad[gap])]
        others = found[:-1][(found[:-1] != left) & (intervals > wide - left + SLACK)]
        after = others[:, None] + (wide - left) + np.arange(-SLACK, SLACK + 1)
        t_wave = np.median(broad[after].max(axis=1)) if len(others) else np.inf
        if inside[narrow] > 0.6 * np.median(inside[found]):
            missed.append(narrow)
        elif broad[wide] > max(0.4 * np.median(broad[found]), 2 * t_wave):
            missed.append(wide)
    return np.array(missed, int)


def _without_p_and_t(inside: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Peaks moved from a P wave to the QRS complex right after it, and those on T waves left out."""
    ahead = np.minimum(found[:, None] + np.arange(int(0.28 * PEAK_RATE)), len(inside) - 1)
    best = np.take_along_axis(ahead, np.argmax(inside[ahead], axis=1)[:, None], axis=1)[:, 0]
    found = np.unique(np.where(inside[best] > 2 * inside[found], best, found))
    after, share = np.diff(found) / PEAK_RATE, inside[found[1:]] / np.maximum(inside[found[:-1]], 1e-9)
    on_t = ((after < 0.5) & (share < 0.5)) | ((after < 0.7) & (share < 0.15))
    return found[np.append(True, ~on_t)]


def _refine(strip: Strip, peaks: np.ndarray) -> np.ndarray:
    """The sample at 250 Hz where the composite is highest, within 40 ms of each peak."""
    composite = np.sqrt(np.mean(strip.narrow**2, axis=0))
    around = np.rint(peaks * MATCH_RATE).astype(int)[:, None] + np.arange(-10, 11)
    around = np.clip(around, 0, len(composite) - 1)
    return around[np.arange(len(peaks)), np.argmax(composite[around], axis=1)]


def _dominant_kind(narrow: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aligned centres, each beat's correlation with the dominant kind, and which beats belong to it."""
    size = MATCH_BEFORE + MATCH_AFTER
    complexes = _unit(_cut(narrow, centre - MATCH_BEFORE, size).reshape(len(centre), -1))
    alike = complexes @ complexes.T
    friends = np.sum(alike > SAME_BEAT - 0.1, axis=1) + np.mean(alike, axis=1)
    group = alike[np.argmax(friends)] > SAME_BEAT - 0.1
    template = np.mean(_cut(narrow, centre[group] - MATCH_BEFORE, size), axis=0)
    for _ in range(2):
        wide = _cut(narrow, centre - MATCH_BEFORE - MATCH_LAGS, size + 2 * MATCH_LAGS)
        shifted = np.lib.stride_tricks.sliding_window_view(wide, size, axis=2)
        product = np.einsum("blks,ls->bk", shifted, template)
        energy = np.sqrt(np.einsum("blks,blks->bk", shifted, shifted) * np.sum(template**2))
        match = product / np.maximum(energy, 1e-9)
        lag = np.argmax(match, axis=1)
        correlation = match[np.arange(len(centre)), lag]
        group = correlation > SAME_BEAT
        if np.sum(group) < 3:
            group = correlation >= np.sort(correlation)[-min(3, len(correlation))]
        moved = centre + lag - MATCH_LAGS
        template = middle(_cut(narrow, moved[group] - MATCH_BEFORE, size))
    fine = moved + _vertex(match, lag)
    return fine, correlation, group


def _mutual(narrow: np.ndarray, centre: np.ndarray) -> float:
    """Mean correlation of few QRS complexes with each other: with their own median even noise agrees."""
    count = len(centre)
    if count < 2:
        return 0.0
    rows = _unit(_cut(narrow, centre - MATCH_BEFORE, MATCH_BEFORE + MATCH_AFTER).reshape(count, -1))
    return float((np.sum(rows @ rows.T) - count) / (count * (count - 1)))


def _vertex(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Where between samples the parabola through a maximum and its two neighbours peaks, -0.5 to 0.5."""
    rows, last = np.arange(len(values)), values.shape[1] - 1
    left, top, right = (
        values[rows, np.maximum(at - 1, 0)],
        values[rows, at],
        values[rows, np.minimum(at + 1, last)],
    )
    bend = left - 2 * top + right
    offset = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    return np.where((at > 0) & (at < last), np.clip(offset, -0.5, 0.5), 0.0)


def _cut(signals: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Windows of `size` samples, (leads, samples) -> (beats, leads, size)."""
    windows = np.lib.stride_tricks.sliding_window_view(signals, size, axis=1)
    return windows[:, np.clip(np.rint(starts).astype(int), 0, windows.shape[1] - 1)].transpose(1, 0, 2)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Each row scaled to length one."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
