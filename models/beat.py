"""The shape of a heartbeat apart from its timing: beats in a reference frame, and read from strips.

In the reference frame every beat has the same PR, QRS and QT; those of a patient stretch it. Shape and timing
can thus be learnt, sampled and changed one without the other.
"""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

FRAME_MS = np.arange(-260.0, 521.0, 2.0)
"""Time of the reference frame's samples, ms from the QRS onset."""
FRAME_PR, FRAME_QRS, FRAME_QT = 160.0, 100.0, 400.0
"""PR, QRS and QT of every beat in the reference frame, ms."""
FRAME_P_END = -50.0
"""Where the P wave has ended in the reference frame, ms; what follows is the PR segment."""
LONG_PR, P_GROWTH = 172.0, 0.29
"""PR up to which the P wave lasts as long in proportion, ms, and how much of that growth is left beyond: a long PR is
a slow atrioventricular node. Least absolute error of P duration on PR in folds 1 to 7 of PTB-XL, as measured by
`discovery.measure`."""
FRAME_T_PEAK = 316.0
"""Where the T wave peaks in the reference frame, ms."""
P_SPAN = FRAME_MS < -4.0
"""Samples of the frame that belong to the P wave and the segments around it; the others are QRS, ST and T."""
CROSSFADE_S = 0.06
SETTLED = 0.4
"""Share of the step between a beat's end and its start that `settled` takes out; chosen on fold 9."""
ENDS = 10
FRAME_KNOTS = (-FRAME_PR, FRAME_P_END, 0.0, FRAME_QRS, FRAME_T_PEAK, FRAME_QT)
TPTE_LIMITS = (45.0, 180.0)
"""Least and largest T peak to T offset, ms: what is measured beyond is a miss."""
SHORTEST_ST = 60.0
"""Least distance from the end of QRS to the end of T, ms."""
SEARCH_MS = np.arange(-16.0, 17.0, 2.0)
SMOOTH_MS = 3.5
"""Standard deviation of the Gaussian that `smooth` smooths by: half of what comes at 54 Hz passes, 91 % at 20 Hz."""
_QRS_KEPT_MS, _KEPT_FADE_MS = (-10.0, FRAME_QRS + 20.0), 12.0


@dataclass(frozen=True)
class Timing:
    """Intervals of one patient's beat, ms.

    Parameters
    ----------
    pr, qrs, qt : float
        From P onset, QRS onset, QRS onset to QRS onset, QRS offset, T offset.
    r : float
        From the QRS onset to the R peak, the instant at which the rhythm places the beat.
    tpte : float
        From T peak to T offset; at most half of what lies between QRS offset and T offset.
    """

    pr: float
    qrs: float
    qt: float
    r: float
    tpte: float

    def to_frame(self, since_qrs_ms: np.ndarray) -> np.ndarray:
        """Reference-frame time (ms) of times since the QRS onset (ms): piecewise linear, slope 1 outside."""
        inside = np.interp(since_qrs_ms, self.knots, FRAME_KNOTS)
        before = np.minimum(since_qrs_ms + self.pr, 0.0)
        after = np.maximum(since_qrs_ms - self.qt, 0.0)
        return inside + before + after

    def from_frame(self, frame_ms: np.ndarray) -> np.ndarray:
        """Time since the QRS onset (ms) of times in the reference frame (ms); undoes `to_frame`."""
        inside = np.interp(frame_ms, FRAME_KNOTS, self.knots)
        return inside + np.minimum(frame_ms + FRAME_PR, 0.0) + np.maximum(frame_ms - FRAME_QT, 0.0)

    @property
    def knots(self) -> tuple[float, ...]:
        """Times since the QRS onset (ms) of P onset, P end, QRS onset, QRS offset, T peak and T offset."""
        share = (FRAME_PR + FRAME_P_END) / FRAME_PR
        p_ms = share * (min(self.pr, LONG_PR) + P_GROWTH * max(self.pr - LONG_PR, 0.0))
        t_peak = self.qt - min(self.tpte, (self.qt - self.qrs) / 2)
        return -self.pr, p_ms - self.pr, 0.0, self.qrs, t_peak, self.qt

    def within(self, rr_ms: float) -> "Timing":
        """The same timing where PR and QT fit into the RR interval; else both shortened alike until they do."""
        share = min(1.0, rr_ms / (self.pr + self.qt))
        qt = max(share * self.qt, self.qrs + SHORTEST_ST)
        return replace(self, pr=share * self.pr, qt=qt, tpte=share * self.tpte)

    def borders(self, beats_s: np.ndarray) -> np.ndarray:
        """Instants (s) midway from T offset to the next P onset, where one beat hands over to the next."""
        t_offsets = beats_s[:-1] + (self.qt - self.r) / 1000
        p_onsets = beats_s[1:] - (self.pr + self.r) / 1000
        latest = beats_s[1:] - (80 + self.r) / 1000
        return np.minimum((t_offsets + p_onsets) / 2, latest)


def extract_beat(
    strip: np.ndarray, fs: float, beats_s: np.ndarray, kept: np.ndarray, timing: Timing
) -> tuple:
    """The median beat of a strip in the reference frame, and the beats' instants aligned to it.

    Parameters
    ----------
    strip : ndarray, shape (lead, sample)
        mV; a frequency of 1000 Hz or more loses nothing to the interpolation.
    fs : float
        Hz.
    beats_s : ndarray
        R peaks, s.
    kept : ndarray of bool
        Which beats belong to the dominant class.
    timing : Timing

    Returns
    -------
    beat : ndarray, shape (lead, len(FRAME_MS))
        mV, 0 just before the QRS onset; NaN only where no beat was kept.
    aligned_s : ndarray
        `beats_s`, each moved by up to 16 ms to where the beat fits the median best.
    """
    since_r_s = (timing.from_frame(FRAME_MS) - timing.r) / 1000
    borders = np.concatenate([[-np.inf], timing.borders(beats_s), [np.inf]])
    aligned = beats_s.astype(float).copy()
    beat = None
    for _ in range(3):
        stack = []
        for index in np.flatnonzero(kept):
            times = aligned[index] + since_r_s
            stack.append(
                _read(
                    strip, fs, times, max(borders[index], 0.0), min(borders[index + 1], strip.shape[1] / fs)
                )
            )
        if not stack:
            return np.full((len(strip), len(FRAME_MS)), np.nan), aligned
        beat = _median_with_held_ends(np.stack(stack))
        aligned = _align(strip, fs, beat, aligned, since_r_s)
    level = beat[:, (FRAME_MS > -24) & (FRAME_MS < -4)].mean(axis=1, keepdims=True)
    return beat - level, aligned


def smoothed(beat: np.ndarray) -> np.ndarray:
    """A median beat, smooth where no QRS complex is.

    A median leaps from one beat to another: it has fast noise that no beat has. A strip less such a beat would have
    more of it than the strip itself.

    Parameters
    ----------
    beat : ndarray, shape (lead, len(FRAME_MS))
        mV, in the reference frame.
    """
    slow = smooth(torch.from_numpy(beat), FRAME_MS[1] - FRAME_MS[0]).numpy()
    return slow + _QRS_KEPT * (beat - slow)


def smooth(rows: Tensor, step_ms: float) -> Tensor:
    """Medians of beats, a sample every `step_ms`, without the fast noise that their leaps make, (..., sample).

    Source: a Gaussian of `SMOOTH_MS`, cut off at four standard deviations; ends are held.
    """
    spread = SMOOTH_MS / step_ms
    reach, samples = int(4 * spread + 0.5), rows.shape[-1]
    weights = [math.exp(-0.5 * (step / spread) ** 2) for step in range(-reach, reach + 1)]
    before, after = (end.expand(*rows.shape[:-1], reach) for end in (rows[..., :1], rows[..., -1:]))
    wide = torch.cat([before, rows, after], dim=-1)
    parts = (weight / sum(weights) * wide[..., at : at + samples] for at, weight in enumerate(weights))
    return functools.reduce(torch.add, parts)


def settled(beats: np.ndarray) -> np.ndarray:
    """Beats of components whose ends lie nearer the level from which their P waves begin.

    Components leave it about 1.6 times as far from there as it lies in records of slow rhythms; the step from one
    beat to the next is then taken for a P wave. T and what is before it stay as they are.

    Parameters
    ----------
    beats : ndarray, shape (..., lead, len(FRAME_MS))
        mV, in the reference frame.
    """
    step = beats[..., :ENDS].mean(axis=-1) - beats[..., -ENDS:].mean(axis=-1)
    return beats + SETTLED * step[..., None] * _SETTLING


def rise(position: Tensor) -> Tensor:
    """Raised cosine from 0 at -1/2 to 1 at +1/2."""
    return 0.5 + 0.5 * torch.sin(math.pi * position.clamp(-0.5, 0.5))


def _rise(position: np.ndarray) -> np.ndarray:
    """The same of an array."""
    return rise(torch.from_numpy(position)).numpy()


_QRS_KEPT = _rise((FRAME_MS - _QRS_KEPT_MS[0]) / _KEPT_FADE_MS)
_QRS_KEPT *= _rise((_QRS_KEPT_MS[1] - FRAME_MS) / _KEPT_FADE_MS)
"""1 where a QRS complex is, fading to 0 about it."""
_SETTLING = _rise((FRAME_MS - FRAME_QT) / (FRAME_MS[-1] - FRAME_QT) - 0.5)


def _at(rows: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Rows read at fractional positions, linear between samples, held beyond the ends."""
    position = np.clip(position, 0.0, rows.shape[1] - 1.001)
    left = position.astype(int)
    share = position - left
    return rows[:, left] * (1 - share) + rows[:, left + 1] * share


def _read(strip: np.ndarray, fs: float, times: np.ndarray, start: float, stop: float) -> np.ndarray:
    """The strip at the given times, NaN outside [start, stop]."""
    values = _at(strip, times * fs)
    values[:, (times < start) | (times > stop)] = np.nan
    return values


def _median_with_held_ends(stack: np.ndarray) -> np.ndarray:
    """Median over beats; samples that no beat reaches take the nearest one's value."""
    reached = ~np.isnan(stack).all(axis=(0, 1))
    columns = np.flatnonzero(reached)
    median = np.nanmedian(stack[:, :, reached], axis=0)
    nearest = np.clip(np.searchsorted(columns, np.arange(stack.shape[2])), 0, len(columns) - 1)
    return median[:, nearest]


def _align(
    strip: np.ndarray, fs: float, beat: np.ndarray, beats_s: np.ndarray, since_r_s: np.ndarray
) -> np.ndarray:
    """Every beat moved to where its QRS correlates best with the median beat's."""
    span = (FRAME_MS >= -20) & (FRAME_MS <= FRAME_QRS + 20)
    shape = beat[:, span] - beat[:, span].mean(axis=1, keepdims=True)
    moves = SEARCH_MS / 1000
    times = beats_s[:, None, None] + moves[None, :, None] + since_r_s[span]
    here = _at(strip, times.ravel() * fs).reshape(len(strip), len(beats_s), len(moves), -1)
    score = np.einsum("lbms,ls->bm", here - here.mean(axis=-1, keepdims=True), shape)
    inside = (beats_s > 0.1) & (beats_s < strip.shape[1] / fs - 0.1)
    return np.where(inside, beats_s + moves[score.argmax(axis=1)], beats_s)
