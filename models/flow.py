"""Rectified flow in three pieces, path, loss and sampler, that meet only in `net(x_t, t, conditions)`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LEAP_TIMES = torch.linspace(0.0, 0.6, 25).tolist()
EXACT_STEPS = 8
"""Steps of the way that a leap is to abbreviate."""


@dataclass(frozen=True)
class Leap:
    """The whole way in one evaluation of one network, `z_1 = x_0 + weight u(x_0, time)`: fitted, see `fit_leap`."""

    time: float
    weight: float


def path(x_0: torch.Tensor, x_1: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Point and velocity of the straight path from noise `x_0` to data `x_1` at time `t` of shape (batch,).

    Source: x_t = (1 - t) x_0 + t x_1, v = x_1 - x_0 (Liu et al. 2022, rectified flow, equation 1).
    """
    t = _like(t, x_0)
    return (1 - t) * x_0 + t * x_1, x_1 - x_0


def gaussian_velocity(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The velocity that is right where the data are standard normal; networks learn what is to be added.

    Source: E[x_1 - x_0 | x_t] = (2 t - 1) / (t^2 + (1 - t)^2) x_t for independent N(0, 1).
    """
    t = _like(t, x_t)
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


def straight_loss(velocity: Velocity, z_0: torch.Tensor, z_1: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the velocity on the straight lines from `z_0` to `z_1`, at times of shape (batch,).

    The lines are those of `sample`'s z, which stands still where the data are normal.
    """
    way = z_1 - z_0
    return (_beyond_gaussian(velocity, z_0 + _like(t, way) * way, t) - way).square().mean()


@torch.no_grad()
def sample(velocity: Velocity, x_0: torch.Tensor, steps: int) -> torch.Tensor:
    """The data point that the flow carries `x_0` to, in equal steps of four evaluations each.

    What the flow does to normal data is known and carried exactly: with s^2 = t^2 + (1 - t)^2 and x = s z, steps are
    made in z, which moves only by what the velocity has beyond the Gaussian's: u = (v(s z, t) - v_gauss(s z, t)) / s.

    Source: Kutta 1901, the 3/8 rule: a = u(z, t), b = u(z + h/3 a, t + h/3), c = u(z + h (b - a/3), t + 2/3 h),
    d = u(z + h (a - b + c), t + h), z <- z + h/8 (a + 3 b + 3 c + d).
    """
    return _carried(velocity, x_0, 0.0, 1.0, steps)


@torch.no_grad()
def invert(velocity: Velocity, x_1: torch.Tensor, steps: int) -> torch.Tensor:
    """The noise that the flow carries to the data `x_1`: the same method with time running from 1 to 0."""
    return _carried(velocity, x_1, 1.0, 0.0, steps)


def leap(velocity: Velocity, x_0: torch.Tensor, by: Leap) -> torch.Tensor:
    """About the data point that `sample` carries `x_0` to, by a single evaluation; gradients pass."""
    return x_0 + by.weight * _beyond_gaussian(velocity, x_0, x_0.new_tensor(by.time))


def fit_leap(velocity: Velocity, x_0: torch.Tensor) -> tuple[Leap, float]:
    """The leap that ends nearest to where the flow carries these noises, and its root mean square error.

    Where along the way the velocity points best at its end is a matter of the network, and so is how far to follow
    it: both by least squares over the noises. Source: solvers fitted to one flow, Shaul et al. 2023 ("bespoke
    solvers"), here with one evaluation.
    """
    way = sample(velocity, x_0, EXACT_STEPS) - x_0
    found = []
    for time in LEAP_TIMES:
        with torch.no_grad():
            along = _beyond_gaussian(velocity, x_0, x_0.new_tensor(time))
        weight = ((along * way).sum() / along.square().sum().clamp(min=1e-12)).item()
        found.append(((way - weight * along).square().mean().sqrt().item(), time, weight))
    error, time, weight = min(found)
    return Leap(time, weight), error


def _beyond_gaussian(velocity: Velocity, z: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """What a velocity has beyond the Gaussian's at x = s z, in units of s: the u of `sample`."""
    t = time.expand(len(z))
    size = _like(torch.sqrt(t**2 + (1 - t) ** 2), z)
    return (velocity(size * z, t) - gaussian_velocity(size * z, t)) / size


def _like(t: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Times of shape (batch,) that broadcast to rows."""
    return t.view(-1, *[1] * (rows.ndim - 1))


def _carried(velocity: Velocity, x: torch.Tensor, start: float, stop: float, steps: int) -> torch.Tensor:
    """Kutta's method from one time to another; at both ends s is 1 and x is z."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    times = torch.linspace(start, stop, steps + 1, device=x.device, dtype=x.dtype)
    for now, then in zip(times[:-1], times[1:], strict=True):
        h = then - now
        a = _beyond_gaussian(velocity, x, now)
        b = _beyond_gaussian(velocity, x + h / 3 * a, now + h / 3)
        c = _beyond_gaussian(velocity, x + h * (b - a / 3), now + 2 * h / 3)
        d = _beyond_gaussian(velocity, x + h * (a - b + c), then)
        x = x + h / 8 * (a + 3 * b + 3 * c + d)
    return x
