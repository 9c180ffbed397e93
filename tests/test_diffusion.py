"""The samplers against a Gaussian, whose noise and whose end of the path are known exactly."""

import numpy as np
import pytest
import torch

from models import diffusion

SPREAD = 0.18
SHARES = diffusion.signal_shares()


def gaussian_noise(x, t):
    """The expected noise in points whose clean part is N(0, 0.18^2)."""
    share = float(SHARES[int(t[0])])
    return (1 - share) ** 0.5 * x / (share * SPREAD**2 + 1 - share)


def start(count=64):
    draw = np.random.default_rng(3)
    noise = lambda: torch.from_numpy(draw.standard_normal((count, 4, 128)))  # noqa: E731
    return noise(), noise


def test_schedule_is_the_linear_one():
    beta = 1 - SHARES / np.append(1, SHARES[:-1])
    assert beta[0] == pytest.approx(0.00085) and beta[-1] == pytest.approx(0.0120)
    assert np.allclose(np.diff(beta), (0.0120 - 0.00085) / 999)


def test_all_thousand_steps_are_walked_downwards():
    assert np.array_equal(diffusion.equal_times(1000), np.arange(999, -1, -1))
    for times in (diffusion.equal_times(20), diffusion.equal_snr_times(20)):
        assert times[0] == 999 and times[-1] == 0 and len(times) == 20 and (np.diff(times) < 0).all()


def end_of_path(x):
    """Where the deterministic path carries `x` by step 0, and the clean point that is expected there."""
    before, after = (SHARES[t] * SPREAD**2 + 1 - SHARES[t] for t in (999, 0))
    return x * (after / before) ** 0.5 * SHARES[0] ** 0.5 * SPREAD**2 / after


def error_of(sampler, steps):
    """Root mean square distance to the end of the path, as a share of the spread."""
    x, noise = start()
    return ((sampler(gaussian_noise, x, noise, steps) - end_of_path(x)).pow(2).mean().sqrt() / SPREAD).item()


def test_deterministic_samplers_end_where_the_path_ends():
    assert error_of(diffusion.dpm_solver, 20) < 0.01
    assert error_of(diffusion.ddim, 50) < 0.05
    assert error_of(diffusion.ddim, 1000) < 0.015


def test_twice_the_steps_half_the_error_and_second_order_errs_less():
    assert 0.4 < error_of(diffusion.ddim, 40) / error_of(diffusion.ddim, 20) < 0.6
    assert error_of(diffusion.dpm_solver, 12) < error_of(diffusion.ddim, 12) / 8


def test_ancestral_sampling_has_the_spread_that_its_thousand_steps_give():
    """Known: each step scales the points and adds noise, so the variance follows by recursion."""
    variance = 1.0
    for t in range(999, -1, -1):
        now, later = SHARES[t], SHARES[t - 1] if t else 1.0
        clean = now**0.5 * SPREAD**2 / (now * SPREAD**2 + 1 - now)
        kept = (now / later) ** 0.5 * (1 - later) / (1 - now)
        scale = later**0.5 * (1 - now / later) / (1 - now) * clean + kept
        variance = scale**2 * variance + (1 - later) / (1 - now) * (1 - now / later) * (t > 0)
    assert 0.94 < variance**0.5 / SPREAD < 0.98  # the released sampler itself loses amplitude
    x, noise = start()
    found = diffusion.ddpm(gaussian_noise, x, noise)
    assert found.std().item() == pytest.approx(variance**0.5, rel=0.015)
    assert abs(np.corrcoef(x.flatten(), found.flatten())[0, 1]) < 0.2  # the start is forgotten


def test_one_ancestral_step_is_the_posterior():
    """Source: the posterior of Ho et al. 2020 written with betas, equation 7, at t = 500."""
    beta = np.linspace(0.00085, 0.0120, 1000)
    alpha, share = 1 - beta, SHARES
    x, t = torch.full((1, 1, 1), 0.3, dtype=torch.float64), 500
    seen = []

    def predict(at, when):
        seen.append((int(when[0]), at.item()))
        return torch.full_like(at, 0.25)

    diffusion.ddpm(predict, x, lambda: torch.ones_like(x), 1000)
    at, after = (value for when, value in seen if when in (t, t - 1))
    clean = np.clip((at - np.sqrt(1 - share[t]) * 0.25) / np.sqrt(share[t]), -1, 1)
    mean = (np.sqrt(share[t - 1]) * beta[t] * clean + np.sqrt(alpha[t]) * (1 - share[t - 1]) * at) / (
        1 - share[t]
    )
    assert after == pytest.approx(mean + np.sqrt((1 - share[t - 1]) / (1 - share[t]) * beta[t]), abs=1e-12)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm_solver"])
def test_the_clean_point_is_clipped(sampler):
    x, noise = start(1)
    found = getattr(diffusion, sampler)(lambda x, t: torch.full_like(x, -50.0), x, noise, 10)
    assert found.abs().max() <= 1


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_must_be_possible(steps):
    x, noise = start(1)
    with pytest.raises(ValueError, match=f"steps must be between 1 and 1000, got {steps}"):
        diffusion.ddim(gaussian_noise, x, noise, steps)
