"""Waveforms as tokens and back, exactly: a lapped cosine transform makes 80 ms of eight leads one token."""

import math

import torch
from torch import Tensor

HOP = 20
"""Samples per token; 80 ms at 250 Hz."""


def _basis() -> Tensor:
    """The modified discrete cosine transform's windowed basis, shape (HOP, 2 HOP).

    Source: Princen and Bradley 1986, time-domain aliasing cancellation; sine window, so that analysis and
    synthesis by the same basis give back the signal.
    """
    n = torch.arange(2 * HOP, dtype=torch.float64)
    k = torch.arange(HOP, dtype=torch.float64)[:, None]
    window = torch.sin(math.pi * (n + 0.5) / (2 * HOP))
    return math.sqrt(2 / HOP) * window * torch.cos(math.pi / HOP * (n + 0.5 + HOP / 2) * (k + 0.5))


BASIS = _basis()


def tokens_of(samples: int) -> int:
    """How many tokens a strip of this many samples becomes."""
    return -(-samples // HOP) + 1


def to_tokens(strips: Tensor) -> Tensor:
    """Strips (batch, lead, sample) as tokens (batch, token, lead * HOP)."""
    batch, leads, samples = strips.shape
    count = tokens_of(samples)
    padded = strips.new_zeros((batch, leads, (count + 1) * HOP))
    padded[:, :, HOP : HOP + samples] = strips
    frames = padded.unfold(2, 2 * HOP, HOP).transpose(1, 2).reshape(-1, 2 * HOP)
    return (frames @ BASIS.T.to(strips)).reshape(batch, count, leads * HOP)


def to_strips(tokens: Tensor, leads: int, samples: int) -> Tensor:
    """Tokens (batch, token, lead * HOP) as strips (batch, lead, sample); undoes `to_tokens`."""
    batch, count, _ = tokens.shape
    frames = (tokens.reshape(batch, count, leads, HOP) @ BASIS.to(tokens)).transpose(1, 2)
    strips = tokens.new_zeros((batch, leads, count + 1, HOP))
    strips[:, :, :-1] += frames[..., :HOP]
    strips[:, :, 1:] += frames[..., HOP:]
    return strips.reshape(batch, leads, -1)[:, :, HOP : HOP + samples]
