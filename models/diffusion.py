"""Denoising diffusion in three samplers that meet a network only in `predict(x_t, t)`, the noise in `x_t`.

All take `(predict, x, noise, steps)`: `x` is standard normal, `noise()` gives more of the same shape where a sampler
needs it, and the predicted clean point is clipped to -1 .. 1, as it was by the scheduler the weights were made for.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

TIMES = 1000
BETAS = (0.00085, 0.0120)
CLIP = 1.0

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Noise = Callable[[], torch.Tensor]
Sampler = Callable[[Predict, torch.Tensor, Noise, int], torch.Tensor]


def signal_shares() -> np.ndarray:
    """What is left of the clean point's variance after each of the 1,000 steps of noise, double precision.

    Source: Ho et al. 2020, equation 4, the product of 1 - beta; betas in equal steps.
    """
    return np.cumprod(1 - np.linspace(*BETAS, TIMES))


def equal_times(steps: int) -> np.ndarray:
    """So many training steps from 999 down to 0, equally far apart."""
    return np.linspace(TIMES - 1, 0, _checked(steps)).round().astype(int)


def equal_snr_times(steps: int) -> np.ndarray:
    """At most so many training steps from 999 down to 0, equally far apart in log signal-to-noise ratio."""
    ratio = _log_snr(signal_shares())
    wanted = np.linspace(ratio[-1], ratio[0], _checked(steps))
    return np.unique(np.interp(wanted, ratio[::-1], np.arange(TIMES)[::-1]).round().astype(int))[::-1]


@torch.no_grad()
def ddpm(predict: Predict, x: torch.Tensor, noise: Noise, steps: int = TIMES) -> torch.Tensor:
    """Ancestral sampling with the smaller of the two variances; 1,000 steps are what DiffuSETS does.

    Source: Ho et al. 2020, equation 7: posterior of x_s given x_t and the clean point.
    """
    for t, now, later in _walk(equal_times(steps)):
        clean, _ = _split(predict, x, t, now)
        beta = 1 - now / later
        x = later**0.5 * beta / (1 - now) * clean + (now / later) ** 0.5 * (1 - later) / (1 - now) * x
        if later < 1:
            x = x + ((1 - later) / (1 - now) * beta) ** 0.5 * noise()
    return x


@torch.no_grad()
def ddim(predict: Predict, x: torch.Tensor, noise: Noise, steps: int = 50) -> torch.Tensor:
    """The deterministic path to the same marginals: all chance is in `x`.

    Source: Song et al. 2021, equation 12 with sigma 0; the noise is that of the clipped clean point.
    """
    for t, now, later in _walk(equal_snr_times(steps)):
        clean, predicted = _split(predict, x, t, now)
        x = later**0.5 * clean + (1 - later) ** 0.5 * predicted
    return x


@torch.no_grad()
def dpm_solver(predict: Predict, x: torch.Tensor, noise: Noise, steps: int = 20) -> torch.Tensor:
    """The same path as `ddim` to the second order: half as many steps or fewer for the same error.

    Source: Lu et al. 2022, DPM-Solver++ (2M), algorithm 2; the first and the last step are of the first order.
    """
    before, last = None, 0.0
    for t, now, later in _walk(equal_snr_times(steps)):
        clean, _ = _split(predict, x, t, now)
        if later == 1:
            return clean
        step = (_log_snr(later) - _log_snr(now)) / 2
        ahead = clean if before is None else clean + step / (2 * last) * (clean - before)
        x = ((1 - later) / (1 - now)) ** 0.5 * x - later**0.5 * np.expm1(-step).item() * ahead
        before, last = clean, step
    return x


def _walk(times: np.ndarray) -> Iterator[tuple[int, float, float]]:
    """Each training step with the signal's share there and after it; 1, no noise, after the last."""
    shares = signal_shares()[times].tolist()
    return zip(times.tolist(), shares, [*shares[1:], 1.0], strict=True)


def _split(predict: Predict, x: torch.Tensor, t: int, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The clean point that `predict` sees in `x`, clipped, and the noise that is left beside it."""
    predicted = predict(x, torch.full((len(x),), t, device=x.device))
    clean = ((x - (1 - share) ** 0.5 * predicted) / share**0.5).clamp(-CLIP, CLIP)
    return clean, (x - share**0.5 * clean) / (1 - share) ** 0.5


def _log_snr(share):
    """Log of signal over noise variance."""
    return np.log(share / (1 - share))


def _checked(steps: int) -> int:
    """The number of steps, if it can be one."""
    if not 1 <= steps <= TIMES:
        raise ValueError(f"steps must be between 1 and {TIMES}, got {steps}")
    return steps
