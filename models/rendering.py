"""Strips of a heart's beats on a rhythm, before anything is added to them; many strips at once, on any device."""

import functools

import numpy as np
import torch
from scipy.signal import butter, sosfreqz
from torch import Tensor

from models.beat import CROSSFADE_S, FRAME_KNOTS, FRAME_MS, Timing, rise
from models.beats import Beats
from models.strip import FS

HIGH_PASS_HZ = 0.5
PADDING = 750
"""Samples mirrored at either end before filtering; with few the first and last second would swing."""
_FRAME_STEP = float(FRAME_MS[1] - FRAME_MS[0])


def render(
    beats: Tensor,
    at: Beats,
    samples: int,
    fs: float = FS,
    margin: int = 0,
    other: tuple[Tensor, Timing] | None = None,
) -> Tensor:
    """Strips of beats on their rhythms, mV, (batch, lead, samples), as they are before any filter.

    Parameters
    ----------
    beats : Tensor, shape (batch, lead, len(FRAME_MS))
        mV, in the reference frame.
    at : Beats
    samples : int
    fs : float
        Hz.
    margin : int
        Further samples before the first and after the last one.
    other : tuple of (Tensor, Timing), optional
        Beats of the same shape as `beats` and their timing, for the beats that are not kept.
    """
    times = torch.arange(-margin, samples + margin, device=beats.device, dtype=at.r_s.dtype) / fs
    own = at.owners(times)
    left = times - at.borders_s.gather(1, own)
    right = at.borders_s.gather(1, own + 1) - times
    beside = own + torch.where(left < right, -1, 1)
    both = torch.cat([own, beside.clamp(0, at.r_s.shape[1] - 1)], dim=1)
    since_r_ms = 1000 * (times.repeat(2) - at.r_s.gather(1, both))
    place = _in_frame(since_r_ms, at.knots_ms, at.r_ms)
    if other is not None:
        beats, (_, timing) = torch.cat([beats, other[0]], dim=2), other
        knots_ms, r_ms = at.knots_ms.new_tensor(timing.knots), at.r_ms.new_tensor([timing.r])
        elsewhere = _in_frame(since_r_ms, knots_ms.expand(len(place), -1).contiguous(), r_ms)
        place = torch.where(at.kept.gather(1, both), place, elsewhere + len(FRAME_MS))
    here, there = _read(beats, place).chunk(2, dim=2)
    share = rise(torch.minimum(left, right) / CROSSFADE_S)[:, None]
    return torch.lerp(there, here, share.to(beats))


def high_passed(strips: Tensor) -> Tensor:
    """Strips at `FS` without baseline wander below `HIGH_PASS_HZ`, (batch, lead, sample); no phase is shifted.

    A Butterworth filter of second order, forwards and backwards: its squared gain, applied to the spectrum of strips
    continued by their mirror image at both ends.
    """
    samples = strips.shape[2]
    padding = min(PADDING, samples - 1)
    before = 2 * strips[..., :1] - strips[..., 1 : padding + 1].flip(-1)
    after = 2 * strips[..., -1:] - strips[..., -padding - 1 : -1].flip(-1)
    whole = torch.cat([before, strips, after], dim=2)
    spectrum = torch.fft.rfft(whole) * _gain(whole.shape[2]).to(strips)
    return torch.fft.irfft(spectrum, n=whole.shape[2])[..., padding : padding + samples]


@functools.cache
def _gain(samples: int) -> Tensor:
    """The high-pass filter's squared gain at each frequency of a real spectrum."""
    sections = butter(2, HIGH_PASS_HZ, "highpass", fs=FS, output="sos")
    _, response = sosfreqz(sections, np.fft.rfftfreq(samples, 1 / FS), fs=FS)
    return torch.from_numpy(np.abs(response) ** 2)


def _in_frame(since_r_ms: Tensor, knots_ms: Tensor, r_ms: Tensor) -> Tensor:
    """Places in the reference frame, in its samples, of times since R (ms), (batch, time): many `Timing.to_frame`."""
    frame = knots_ms.new_tensor(FRAME_KNOTS)
    slope = torch.nn.functional.pad(frame.diff() / knots_ms.diff(dim=1), (1, 1), value=1.0)
    begins = torch.cat([knots_ms[:, :1], knots_ms], dim=1)  # of each piece; the first one by its end
    level = torch.cat([frame[:1], frame]) - slope * begins
    since_onset = since_r_ms + r_ms[:, None]
    piece = torch.searchsorted(knots_ms, since_onset)
    frame_ms = level.gather(1, piece) + slope.gather(1, piece) * since_onset
    return ((frame_ms - FRAME_MS[0]) / _FRAME_STEP).clamp(0.0, len(FRAME_MS) - 1.001)


def _read(rows: Tensor, place: Tensor) -> Tensor:
    """Rows (batch, lead, sample) read at fractional places (batch, place), linear between samples."""
    left = place.long()
    share = (place - left)[:, None].to(rows)
    index = left[:, None].expand(-1, rows.shape[1], -1)
    return torch.lerp(rows.gather(2, index), rows.gather(2, index + 1), share)
