"""The leaps of a checkpoint: how each of its flows is gone through in one evaluation, fitted when both are trained."""

from dataclasses import replace

import numpy as np
import torch

from models import flow
from models.batches import StripBatches
from models.checkpoints import Checkpoint
from models.fitting import Hearts

HEARTS, STRIPS = 256, 32
"""Training records under whose conditions the leaps are fitted."""
LEAPS = 4
"""Stream of random numbers, beside those of `models.training`."""


def with_leaps(checkpoint: Checkpoint, hearts: Hearts, said: np.ndarray, batches: StripBatches) -> Checkpoint:
    """The checkpoint with its leaps; `facts` tells their root mean square errors, in units of the networks.

    Parameters
    ----------
    checkpoint : Checkpoint
    hearts : Hearts
    said : ndarray, shape (heart, column)
        Columns of the reports of the hearts; no column where reports are not read.
    batches : StripBatches
    """
    checkpoint, draw = with_heart_leaps(checkpoint, hearts, said), np.random.default_rng(LEAPS)
    strips = draw.permutation(hearts.index[hearts.train])[:STRIPS]
    _, about, told, _, _, x_0 = batches.drawn(strips, draw, unknown=0.0)
    strip, error = flow.fit_leap(lambda x, t: checkpoint.strip_net(x, t, about, told), x_0)
    errors = {**checkpoint.facts["leap_error"], "strip": round(error, 4)}
    return replace(checkpoint, facts={**checkpoint.facts, "leap_error": errors}, strip_leap=strip)


def with_heart_leaps(checkpoint: Checkpoint, hearts: Hearts, said: np.ndarray) -> Checkpoint:
    """The same of the heart's flow alone, which has a leap for each of its parts."""
    draw = np.random.default_rng(LEAPS)
    chosen = draw.permutation(np.flatnonzero(hearts.train))[:HEARTS]
    rows = _tensor(np.column_stack([hearts.rows[chosen, 1:], said[chosen]]))
    noise = _tensor(draw.standard_normal((len(chosen), checkpoint.heart.dimension)))
    fitted: list[tuple[flow.Leap, float]] = []

    def fit(velocity: flow.Velocity, x_0: torch.Tensor) -> torch.Tensor:
        fitted.append(flow.fit_leap(velocity, x_0))
        return flow.sample(velocity, x_0, flow.EXACT_STEPS)

    checkpoint.heart_net.drawn(noise, rows, [fit] * len(checkpoint.heart_net.parts))
    errors = {"heart": [round(error, 4) for _, error in fitted]}
    facts = {**checkpoint.facts, "leap_error": errors}
    return replace(checkpoint, facts=facts, heart_leaps=tuple(leap for leap, _ in fitted))


def _tensor(rows: np.ndarray) -> torch.Tensor:
    """The rows in single precision."""
    return torch.from_numpy(np.asarray(rows, np.float32))
