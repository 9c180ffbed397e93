"""The sharpness of a checkpoint: residuals that it draws for recorded beats, beside the recorded ones."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models import flow
from models.batches import StripBatches
from models.checkpoints import Checkpoint
from models.codec import HOP, tokens_of
from models.preparation import SAMPLES
from models.sharpness import Sharpness, sizes_about
from models.spread import robust_weights
from models.strip import TOKEN, track

STRIPS, PART = 512, 16
SAMPLED = 100
"""Samples of each lead of each strip whose squares are explained."""
LEAST_LEVEL = 0.3
"""Of the weight of a strip's own level."""
SHARPNESS = 5
"""Stream of random numbers, beside those of `models.training` and `models.leaps`."""


def with_sharpness(checkpoint: Checkpoint, batches: StripBatches, index: np.ndarray) -> Checkpoint:
    """The checkpoint, whose leaps are fitted, with its sharpness, by up to `STRIPS` of these strips of the material."""
    draw = np.random.default_rng(SHARPNESS)
    chosen = np.sort(draw.permutation(index)[:STRIPS])
    recorded, drawn = [], []
    for start in range(0, len(chosen), PART):
        rows = chosen[start : start + PART]
        beats, residual, weight = (
            _tensor(getattr(batches.material, name)[rows]) for name in ("rendered", "residual", "weight")
        )
        used = (weight > 0)[:, :-1].repeat_interleave(HOP, dim=1)[:, :SAMPLES]
        if not used.any():
            continue
        recorded.append(_sampled(residual, beats, used, draw))
        drawn.append(_sampled(_drawn(checkpoint, batches, rows, beats, draw), beats, used, draw))
    weights = (_weights(np.concatenate(side, axis=1)) for side in (recorded, drawn))
    return replace(checkpoint, sharpness=Sharpness(*weights))


@torch.no_grad()
def _drawn(
    checkpoint: Checkpoint, batches: StripBatches, rows: np.ndarray, beats: Tensor, draw: np.random.Generator
) -> Tensor:
    """Residuals drawn for the beats, noise and rhythms of recorded strips, mV."""
    noise = _tensor(batches.noise[rows])
    rhythms = [batches.material.rhythms[row] for row in rows]
    tracks = _tensor(np.stack([track(at, kinds, SAMPLES) for at, kinds, _ in rhythms]))
    context, said = checkpoint.scale.context(beats, noise, tracks), _tensor(batches.rows[rows])
    x_0 = _tensor(draw.standard_normal((len(rows), tokens_of(SAMPLES), TOKEN)))
    tokens = flow.leap(lambda x, t: checkpoint.strip_net(x, t, context, said), x_0, checkpoint.strip_leap)
    return checkpoint.scale.drawn(tokens, checkpoint.scale.sizes(beats, noise), SAMPLES)


def _sampled(residual: Tensor, beats: Tensor, used: Tensor, draw: np.random.Generator) -> np.ndarray:
    """Squares and the parts that are to explain them at random samples, (1 + part, number)."""
    squares = torch.stack([residual.square(), *sizes_about(residual, beats)])  # (part, strip, lead, sample)
    squares = squares.transpose(2, 3)[:, used]
    some = draw.integers(0, squares.shape[1], SAMPLED * len(residual))
    return squares[:, some].flatten(1).double().numpy()


def _weights(squares: np.ndarray) -> np.ndarray:
    """Weights of the parts, that of the level 1."""
    square, *parts = squares[:, squares[1] > 0]
    weights = np.maximum(robust_weights(parts, square), [LEAST_LEVEL, 0.0, 0.0, 0.0])
    return weights / weights[0]


def _tensor(rows: np.ndarray) -> Tensor:
    """The rows in single precision."""
    return torch.from_numpy(np.asarray(rows, np.float32))
