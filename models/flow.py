"""Rectified flow in three pieces, path, loss and sampler, that meet only in `net(x_t, t, conditions)`."""

from collections.abc import Callable

import torch

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def path(x_0: torch.Tensor, x_1: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Point and velocity of the straight path from noise `x_0` to data `x_1` at time `t` of shape (batch,).

    Source: x_t = (1 - t) x_0 + t x_1, v = x_1 - x_0 (Liu et al. 2022, rectified flow, equation 1).
    """
    t = t.view(-1, *[1] * (x_0.ndim - 1))
    return (1 - t) * x_0 + t * x_1, x_1 - x_0


def gaussian_velocity(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The velocity that is right where the data are standard normal; networks learn what is to be added.

    Source: E[x_1 - x_0 | x_t] = (2 t - 1) / (t^2 + (1 - t)^2) x_t for independent N(0, 1).
    """
    t = t.view(-1, *[1] * (x_t.ndim - 1))
    return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x_t


def draw_times(count: int, draw: torch.Generator) -> torch.Tensor:
    """Times in (0, 1), logit-normal, denser in the middle where the velocity is hardest to tell.

    Source: Esser et al. 2024, equation 19, location 0, scale 1.
    """
    return torch.sigmoid(torch.randn(count, generator=draw))


def loss(
    velocity: Velocity, x_0: torch.Tensor, x_1: torch.Tensor, t: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Weighted mean squared error of the velocity; `weight` has the shape of the data or broadcasts to it."""
    x_t, target = path(x_0, x_1, t)
    squared = (velocity(x_t, t) - target) ** 2
    return (squared * weight).sum() / (weight.expand_as(squared).sum() + 1e-9)


@torch.no_grad()
def sample(velocity: Velocity, x_0: torch.Tensor, steps: int) -> torch.Tensor:
    """The data point that the flow carries `x_0` to, by Heun's method in equal steps (two evaluations each).

    Source: Heun 1900; x' = x + h v(x, t), x <- x + h/2 (v(x, t) + v(x', t + h)).
    """
    return _carried(velocity, x_0, 0.0, 1.0, steps)


@torch.no_grad()
def invert(velocity: Velocity, x_1: torch.Tensor, steps: int) -> torch.Tensor:
    """The noise that the flow carries to the data `x_1`: the same method with time running from 1 to 0."""
    return _carried(velocity, x_1, 1.0, 0.0, steps)


def _carried(velocity: Velocity, x: torch.Tensor, start: float, stop: float, steps: int) -> torch.Tensor:
    """Heun's method from one time to another."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    times = torch.linspace(start, stop, steps + 1, device=x.device, dtype=x.dtype)
    for now, then in zip(times[:-1], times[1:], strict=True):
        slope = velocity(x, now.expand(len(x)))
        ahead = velocity(x + (then - now) * slope, then.expand(len(x)))
        x = x + (then - now) * (slope + ahead) / 2
    return x
