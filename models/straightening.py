"""Straightens the strip's flow: it learns its own ways anew as straight lines, which one evaluation goes whole.

A network of fewer blocks may learn them in its place: straight lines ask less of it than the ways of records did.
"""

import copy
import functools
import math
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from models import flow
from models.batches import UNKNOWN_SHARE, StripBatches, oversampling
from models.checkpoints import Checkpoint
from models.crew import Crew
from models.denoiser import StripNet
from models.descent import Descent, Draws, falling, taught
from models.fitting import VALIDATION_FOLD
from models.schedule import Run

STRIPS, TWICE = 16, 2
"""Strips whose ways are gone at once, and how often each way serves, at other times."""
WAY_STEPS = 2
AT_ONCE = 0.5
"""Share of times that are 0, where a leap asks."""
RATE, MEMORY = 6e-4, 0.99
STRAIGHT = 5
"""Stream of the seed, beside those of `models.training`."""


def straightened(checkpoint: Checkpoint, batches: StripBatches, run: Run) -> Checkpoint:
    """The checkpoint with its strip network after so many straightening steps of the schedule.

    The state is kept at `straight.pt` in the run's folder: the same call goes on where it was killed, one from another
    strip network begins anew. With `straight_depth` the network that learns has so many of its teacher's blocks. For
    one process.

    Source: Liu et al. 2022, section 2.2 (reflow), here in the coordinates in which what a flow does to normal data is
    standing still, see `models.flow.sample`.
    """
    steps, crew = run.schedule.straight_steps, Crew(device=run.crew.device)
    if not steps:
        return checkpoint
    teacher = copy.deepcopy(checkpoint.strip_net).to(crew.device).eval().requires_grad_(False)
    depth = run.schedule.straight_depth
    pupil = pupil_of(teacher, teacher.config.depth if depth is None else depth)
    descent = taught(pupil, teacher, run.folder / "straight.pt", crew, RATE)
    index = np.flatnonzero(batches.material.table["fold"].to_numpy() != VALIDATION_FOLD)
    draws = Draws(index, oversampling([batches.material.statements[row] for row in index]))
    losses: list[float] = []
    for step in range(descent.step // TWICE, math.ceil(steps / TWICE)):
        draw = np.random.default_rng((run.schedule.seed, STRAIGHT, step))
        drawn = batches.drawn(draws(STRIPS, draw), draw, UNKNOWN_SHARE, batches.window(draw))
        _, about, said, _, _, x_0 = (part.to(crew.device) for part in drawn)
        x_1 = flow.sample(lambda x, t: teacher(x, t, about, said), x_0, WAY_STEPS)  # noqa: B023 (called at once)
        velocity = functools.partial(_velocity, descent.net, about, said)
        losses += learn_lines(descent, velocity, x_0, x_1, draw, steps)
        if descent.due(run.schedule.save_every):
            descent.save()
    descent.save()
    net = copy.deepcopy(descent.average).cpu().eval().requires_grad_(False)
    facts = {**checkpoint.facts, "straight_steps": descent.step, "straight_depth": net.config.depth}
    if losses:
        facts["straight_loss"] = float(np.mean(losses[-100:]))
    return replace(checkpoint, facts=facts, strip_net=net)


def learn_lines(  # noqa: PLR0913 (what lines are learnt from)
    descent: Descent,
    velocity: flow.Velocity,
    x_0: torch.Tensor,
    x_1: torch.Tensor,
    draw: np.random.Generator,
    steps: int,
) -> list[float]:
    """The losses of `TWICE` steps down on the straight lines from `x_0` to `x_1`, each at other times.

    `velocity` is that of the network that descends; `steps` are all it is to make, over which the rate falls.
    """
    losses = []
    for _ in range(TWICE):
        t = draw.random(len(x_0)) * (draw.random(len(x_0)) >= AT_ONCE)
        value = flow.straight_loss(
            velocity, x_0, x_1, torch.tensor(t, dtype=torch.float32, device=x_0.device)
        )
        rate = RATE * falling(descent.step, steps, 50)
        descent.down(value, min(MEMORY, (descent.step + 1) / (descent.step + 10)), rate)
        losses.append(value.item())
    return losses


def pupil_of(teacher: StripNet, depth: int) -> StripNet:
    """A copy of a strip network with so many of its blocks, the first and the last one among them.

    Raises
    ------
    ValueError
        Where the teacher has fewer blocks.
    """
    check_depth(depth, teacher.config.depth)
    kept = np.linspace(teacher.config.depth - 1, 0, depth).round().astype(int)[::-1]
    pupil = copy.deepcopy(teacher)
    pupil.blocks = nn.ModuleList(pupil.blocks[int(block)] for block in kept)
    pupil.config = replace(teacher.config, depth=depth)
    return pupil


def check_depth(depth: int, blocks: int) -> None:
    """Refuses a pupil of more blocks than its teacher has, or of none.

    Raises
    ------
    ValueError
    """
    if not 1 <= depth <= blocks:
        raise ValueError(f"straight depth must be 1 to {blocks}, the blocks there are, got {depth}")


def _velocity(
    net: nn.Module, about: torch.Tensor, said: torch.Tensor, x: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """A strip network's velocity, told this."""
    return net(x, t, about, said)
