"""Waveforms as tokens and back, exactly: a lapped cosine transform makes 80 ms of eight leads one token."""

import numpy as np

HOP = 20
"""Samples per token; 80 ms at 250 Hz."""


def _basis() -> np.ndarray:
    """The modified discrete cosine transform's windowed basis, shape (HOP, 2 HOP).

    Source: Princen and Bradley 1986, time-domain aliasing cancellation; sine window, so that analysis and
    synthesis by the same basis give back the signal.
    """
    n = np.arange(2 * HOP)
    k = np.arange(HOP)[:, None]
    window = np.sin(np.pi * (n + 0.5) / (2 * HOP))
    return np.sqrt(2 / HOP) * window * np.cos(np.pi / HOP * (n + 0.5 + HOP / 2) * (k + 0.5))


BASIS = _basis()


def tokens_of(samples: int) -> int:
    """How many tokens a strip of this many samples becomes."""
    return -(-samples // HOP) + 1


def to_tokens(strips: np.ndarray) -> np.ndarray:
    """Strips (batch, lead, sample) as tokens (batch, token, lead * HOP)."""
    batch, leads, samples = strips.shape
    count = tokens_of(samples)
    padded = np.zeros((batch, leads, (count + 1) * HOP))
    padded[:, :, HOP : HOP + samples] = strips
    pieces = padded.reshape(batch, leads, count + 1, HOP)
    frames = np.concatenate([pieces[:, :, :-1], pieces[:, :, 1:]], axis=-1)
    return (frames @ BASIS.T).swapaxes(1, 2).reshape(batch, count, leads * HOP)


def to_strips(tokens: np.ndarray, leads: int, samples: int) -> np.ndarray:
    """Tokens (batch, token, lead * HOP) as strips (batch, lead, sample); undoes `to_tokens`."""
    batch, count, _ = tokens.shape
    frames = (tokens.reshape(batch, count, leads, HOP) @ BASIS).swapaxes(1, 2)
    strips = np.zeros((batch, leads, count + 1, HOP))
    strips[:, :, :-1] += frames[..., :HOP]
    strips[:, :, 1:] += frames[..., HOP:]
    return strips.reshape(batch, leads, -1)[:, :, HOP : HOP + samples]
