"""The texture of recorded strips: a small correction to generated ones.

Recorders store lines that are straight within a few microvolts, so that recorded noise is sparse where a flow's is
smooth. Waves stay where they are: what of a correction is slow is taken out of it.
"""

from dataclasses import dataclass

import torch
from scipy.signal import firwin
from torch import Tensor, nn
from torch.nn import functional

from models.ecg import INDEPENDENT_LEADS
from models.strip import FS

LEADS = len(INDEPENDENT_LEADS)
SIZES_MV = (0.1, 0.005, 0.003)
"""Of a strip, its slope and its bend per 4 ms: both networks see them as they are below these, above as logarithms."""
LEAST_MV = 0.0005
REACH = 17
"""Samples over which the size of a correction is taken from the strip's own bends."""
QUIET_MV = 0.05
"""What is added outside of QRS complexes stays below: more stands out there as a burst. Chosen on fold 9."""
BURST, BURST_REACH = 2.0, 15
"""Over so many samples (60 ms) no more is added there than so many times what is usual in the strip's lead. What is
fast in a recorded strip is over 60 ms 2.6 times as large as usual at most (median of fold 9), in a generated one that
is not held to this 4.2 times, else 2.8. Chosen on fold 9."""
TINY_MV = 1e-9
"""Of a correction that is nothing at all, so that its size has a gradient."""
TAPS = 41
"""Of the filter that takes out of a correction what is slow."""


@dataclass(frozen=True)
class TextureConfig:
    """Sizes of `Texture`: channels, dilation of each block, from what frequency on it corrects (Hz), how much (mV).

    The edges of P and T waves are measured below 20 Hz: there nothing is corrected, and waves stay in place. What is
    added to a sample stays below `limit_mv`, for a network beyond what it was trained on adds ever more.
    """

    width: int = 40
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    above_hz: float = 20.0
    limit_mv: float = 0.15


class Texture(nn.Module):
    """Strips with the texture of recorded ones; changes nothing until trained.

    A correction adds something of its own, and takes away or adds to what of the strip is fast: where it takes that
    away the strip is straight.

    Every sample's correction rests on 0.4 s about it, on means and spreads over the whole strip, and on the first
    sample of the noise, which is the strip's own: strips of one size differ in how sparse they are.
    """

    def __init__(self, config: TextureConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.enter = nn.Conv1d((len(SIZES_MV) + 1) * LEADS, width, 5, padding=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(),
                nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation),
                nn.SiLU(),
                nn.Conv1d(width, width, 1),
            )
            for dilation in config.dilations
        )
        self.whole = nn.Sequential(
            nn.Linear(2 * width + LEADS, width),
            nn.SiLU(),
            nn.Linear(width, 2 * width * len(config.dilations)),
        )
        self.leave = nn.Conv1d(width, 2 * LEADS, 5, padding=2)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        fast = torch.tensor(firwin(TAPS, config.above_hz, fs=FS, pass_zero=False), dtype=torch.float32)
        self.register_buffer("fast", fast.expand(LEADS, 1, TAPS).contiguous(), persistent=False)

    def forward(self, strips: Tensor, noise: Tensor) -> Tensor:
        """`strips` in mV and standard normal `noise`, both (batch, 8, sample) -> strips, mV."""
        hidden = self.enter(torch.cat([views(strips), noise], dim=1))
        mean = hidden.mean(dim=2)
        spread = (hidden.square().mean(dim=2) - mean.square()).clamp(min=1e-8).sqrt()
        strip = torch.cat([mean, spread, noise[:, :, 0]], dim=1)
        for block, about in zip(self.blocks, self.whole(strip).chunk(len(self.blocks), dim=1), strict=True):
            scale, shift = about[:, :, None].chunk(2, dim=1)
            hidden = hidden + block(hidden * (1 + scale) + shift)
        size = functional.avg_pool1d(bends(strips).abs(), REACH, 1, REACH // 2, count_include_pad=False)
        added, gate = self.leave(functional.silu(hidden)).chunk(2, dim=1)
        limit = self.config.limit_mv
        added = limit * torch.tanh((size + LEAST_MV) * added / limit)
        return strips + self._fast(added + torch.tanh(gate) * self._fast(strips))

    def _fast(self, strips: Tensor) -> Tensor:
        """What of strips is faster than `above_hz`."""
        ends = functional.pad(strips, (TAPS // 2, TAPS // 2), mode="replicate")
        return functional.conv1d(ends, self.fast, groups=LEADS)


def quietly(added: Tensor, inside: Tensor) -> Tensor:
    """Corrections as they may be outside of QRS complexes: small, and nowhere much larger than usual, mV.

    Parameters
    ----------
    added : Tensor, shape (batch, 8, sample)
        mV.
    inside : Tensor, shape (batch, 1, sample)
        1 in QRS complexes, 0 outside.
    """
    small = QUIET_MV * torch.tanh(added / QUIET_MV)
    size = (_about(small.square()) + TINY_MV**2).sqrt() + 0.01 * LEAST_MV
    usual = torch.where(inside < 0.5, size, torch.nan).nanmedian(dim=2, keepdim=True).values
    share = (BURST * usual.nan_to_num(nan=torch.inf) / size).clamp(max=1.0)
    least = -functional.max_pool1d(-share, BURST_REACH, 1, BURST_REACH // 2)
    return small * _about(least)


def _about(rows: Tensor) -> Tensor:
    """Mean over the samples about each."""
    return functional.avg_pool1d(rows, BURST_REACH, 1, BURST_REACH // 2, count_include_pad=False)


def views(strips: Tensor) -> Tensor:
    """Strips, slopes and bends on a logarithmic scale, (batch, 24, sample)."""
    parts = (strips, slopes(strips), bends(strips))
    scaled = torch.cat([part / size for part, size in zip(parts, SIZES_MV, strict=True)], dim=1)
    size = torch.log(scaled.abs() + torch.sqrt(scaled.square() + 1))  # asinh, which is slow itself
    return scaled.sign() * size


def slopes(strips: Tensor) -> Tensor:
    """First differences, mV; 0 at the first sample."""
    return functional.pad(strips[..., 1:] - strips[..., :-1], (1, 0))


def bends(strips: Tensor) -> Tensor:
    """Second differences, mV; about each sample, 0 at the last one."""
    before = slopes(strips)
    return functional.pad(before[..., 1:] - before[..., :-1], (0, 1))
