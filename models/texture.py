"""The texture of recorded strips, a small correction to generated ones, and the critic it is learnt from.

Recorders store lines that are straight within a few microvolts, so that recorded noise is sparse where a flow's is
smooth. Waves stay where they are: what of a correction is slow is taken out of it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from models.ecg import INDEPENDENT_LEADS

LEADS = len(INDEPENDENT_LEADS)
SIZES_MV = (0.1, 0.005, 0.003)
"""Of a strip, its slope and its bend per 4 ms: both networks see them as they are below these, above as logarithms."""
LEAST_MV = 0.0005
REACH = 17
"""Samples over which the size of a correction is taken from the strip's own bends."""


@dataclass(frozen=True)
class TextureConfig:
    """Sizes of `Texture`: channels, the dilation of each block, and samples whose mean, taken twice, is slow.

    What is slow (20 ms) is taken out of a correction, so that waves stay in place.
    """

    width: int = 40
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    slow: int = 5


class Texture(nn.Module):
    """Strips with the texture of recorded ones; changes nothing until trained.

    Every sample's correction rests on 0.25 s about it, and on means and spreads over the whole strip.
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
            nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 2 * width * len(config.dilations))
        )
        self.leave = nn.Conv1d(width, LEADS, 5, padding=2)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, strips: Tensor, noise: Tensor) -> Tensor:
        """`strips` in mV and standard normal `noise`, both (batch, 8, sample) -> strips, mV."""
        hidden = self.enter(torch.cat([views(strips), noise], dim=1))
        mean = hidden.mean(dim=2)
        spread = (hidden.square().mean(dim=2) - mean.square()).clamp(min=1e-8).sqrt()
        strip = torch.cat([mean, spread], dim=1)
        for block, about in zip(self.blocks, self.whole(strip).chunk(len(self.blocks), dim=1), strict=True):
            scale, shift = about[:, :, None].chunk(2, dim=1)
            hidden = hidden + block(hidden * (1 + scale) + shift)
        bends = _bends(strips).abs()
        size = functional.avg_pool1d(bends, REACH, 1, REACH // 2, count_include_pad=False) + LEAST_MV
        change = size * self.leave(functional.silu(hidden))
        return strips + change - _slow(change, self.config.slow)


class Critic(nn.Module):
    """How recorded strips look, to two judges: one of every 60 ms, one of the means and spreads over the strip.

    Source: Miyato et al. 2018, spectral normalisation.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        channels = (len(SIZES_MV) * LEADS, width, width * 3 // 2, width * 2, width * 2)
        self.body = nn.ModuleList(
            spectral_norm(nn.Conv1d(before, after, 5, 1 if place == 0 else 2, 2))
            for place, (before, after) in enumerate(zip(channels[:-1], channels[1:], strict=True))
        )
        self.near = spectral_norm(nn.Conv1d(channels[-1], 1, 3, 1, 1))
        self.whole = nn.Sequential(
            spectral_norm(nn.Linear(2 * sum(channels), 64)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(64, 1)),
        )

    def forward(self, strips: Tensor) -> Tensor:
        """(batch, 8, sample), mV -> (batch, 2): above 0 where they look recorded."""
        hidden = views(strips)
        size = hidden.abs()
        seen = [size.mean(dim=2), torch.exp(-3 * size).mean(dim=2)]  # how large, and how often small
        for layer in self.body:
            hidden = functional.leaky_relu(layer(hidden), 0.2)
            seen += [hidden.mean(dim=2), hidden.std(dim=2)]
        return torch.cat([self.near(hidden).mean(dim=2), self.whole(torch.cat(seen, dim=1))], dim=1)


def views(strips: Tensor) -> Tensor:
    """Strips, slopes and bends on a logarithmic scale, (batch, 24, sample)."""
    parts = (strips, _slopes(strips), _bends(strips))
    scaled = torch.cat([part / size for part, size in zip(parts, SIZES_MV, strict=True)], dim=1)
    size = torch.log(scaled.abs() + torch.sqrt(scaled.square() + 1))  # asinh, which is slow itself
    return scaled.sign() * size


def _slow(change: Tensor, samples: int) -> Tensor:
    """What of a correction is slow, mV."""
    for _ in range(2):
        ends = functional.pad(change, (samples // 2, samples // 2), mode="replicate")
        change = functional.avg_pool1d(ends, samples, 1)
    return change


def _slopes(strips: Tensor) -> Tensor:
    """First differences, mV; 0 at the first sample."""
    return functional.pad(strips[..., 1:] - strips[..., :-1], (1, 0))


def _bends(strips: Tensor) -> Tensor:
    """Second differences, mV; about each sample, 0 at the last one."""
    slopes = _slopes(strips)
    return functional.pad(slopes[..., 1:] - slopes[..., :-1], (0, 1))
