"""What comes back in every beat of a strip belongs to its median beat: here it is told from all else."""

import torch
from torch import Tensor

from models.beat import CROSSFADE_S, FRAME_KNOTS, FRAME_QRS, rise
from models.beats import Beats
from models.medians import ordered

FEWEST_BEATS = 3
"""The median of fewer beats is no median."""
BEFORE_QRS_S, AFTER_QRS_S, FADE_S = 0.004, 0.008, 0.012
"""How far about a QRS complex `qrs_windows` reach, and how they fade."""
_QRS_OFFSET = FRAME_KNOTS.index(FRAME_QRS)


def recurring(strips: Tensor, fs: float, at: Beats) -> Tensor:
    """The median of each strip's beats in the place of each of them, mV, (batch, lead, sample); 0 in beats not kept.

    A recorded strip less its median beat has a median of nothing; one that was generated beat by beat has what chance
    leaves, which would come on top of the heart's own beat. The median fades out where one beat hands over to the
    next, and counts for less where fewer than half of the beats reach.

    Parameters
    ----------
    strips : Tensor, shape (batch, lead, sample)
        mV, what strips add to their rendered beats.
    fs : float
        Hz.
    at : Beats
        Reaching beyond both ends of the strips.
    """
    samples = strips.shape[2]
    start = (fs * at.borders_s[:, :-1]).clamp(min=0.0)
    stop = (fs * at.borders_s[:, 1:]).clamp(max=samples)
    r = torch.round(fs * at.r_s)
    used = at.kept & (stop > start + 1)
    used &= used.sum(dim=1, keepdim=True) >= FEWEST_BEATS
    if not used.any():
        return torch.zeros_like(strips)
    first, last = ((edge - r)[used] for edge in (start, stop))
    reach = torch.arange(int(first.min()), int(last.max()) + 1, device=strips.device)
    middle = _median(strips, reach, *(part[:, used.any(dim=0)] for part in (r, start, stop, used)))
    times = torch.arange(samples, device=strips.device)
    own = at.owners(times / fs)
    start, stop, r, used = (part.gather(1, own) for part in (start, stop, r, used))
    since = (times - r).long() - int(reach[0])
    inside = used & (times >= start) & (times < stop)
    fade = CROSSFADE_S * fs
    weight = inside * rise((times - start) / fade - 0.5) * rise((stop - times) / fade - 0.5)
    place = since.clamp(0, len(reach) - 1)[:, None].expand(-1, strips.shape[1], -1)
    return middle.gather(2, place) * weight[:, None].to(strips)


def qrs_windows(samples: int, fs: float, at: Beats) -> Tensor:
    """1 in the QRS complexes of strips, fading to 0 about them, shape (strip, sample)."""
    times = torch.arange(samples, device=at.r_s.device) / fs
    own = at.owners(times)
    since_onset = times - at.r_s.gather(1, own) + at.r_ms[:, None] / 1000
    until_end = at.knots_ms[:, _QRS_OFFSET, None] / 1000 - since_onset
    return rise(torch.minimum(since_onset + BEFORE_QRS_S, until_end + AFTER_QRS_S) / FADE_S + 0.5)


def _median(strips: Tensor, reach: Tensor, r: Tensor, start: Tensor, stop: Tensor, used: Tensor) -> Tensor:
    """Median over the beats used, (batch, lead, reach), times twice the share of them that reach there, 1 at most."""
    place = r[..., None] + reach  # (batch, beat, reach)
    inside = used[..., None] & (place >= start[..., None]) & (place < stop[..., None])
    index = place.clamp(0, strips.shape[2] - 1).long().flatten(1)[:, None].expand(-1, strips.shape[1], -1)
    each = strips.gather(2, index).unflatten(2, place.shape[1:]).masked_fill(~inside[:, None], torch.inf)
    beats = torch.stack(ordered(each.unbind(dim=2)))
    count = inside.sum(dim=1)[:, None]
    low, high = (count - 1).clamp(min=0) // 2, (count // 2).clamp(max=place.shape[1] - 1)
    ends = torch.stack([low, high]).expand(-1, -1, strips.shape[1], -1)
    share = (2 * count / used.sum(dim=1).clamp(min=1)[:, None, None]).clamp(max=1.0)
    return torch.where(count > 0, beats.gather(0, ends).mean(dim=0), 0.0) * share.to(strips)
