"""Known answers of rectified flow: path, Gaussian velocity, sampler."""

import pytest
import torch

from models import flow


def test_path_runs_from_noise_to_data():
    x_0, x_1 = torch.randn(2, 3), torch.randn(2, 3)
    for time, end in ((0.0, x_0), (1.0, x_1)):
        x_t, velocity = flow.path(x_0, x_1, torch.full((2,), time))
        assert torch.allclose(x_t, end)
        assert torch.allclose(velocity, x_1 - x_0)


def test_gaussian_velocity_is_the_regression_of_the_true_one():
    draw = torch.Generator().manual_seed(0)
    x_0, x_1 = (torch.randn(200_000, 1, generator=draw) for _ in range(2))
    for time in (0.1, 0.5, 0.8):
        t = torch.full((len(x_0),), time)
        x_t, target = flow.path(x_0, x_1, t)
        slope = (x_t * target).mean() / (x_t**2).mean()
        assert flow.gaussian_velocity(x_t, t)[0] / x_t[0] == pytest.approx(slope.item(), abs=0.02)


def test_sampler_carries_noise_to_a_known_gaussian():
    mean, spread = 2.0, 0.5

    def velocity(x, t):  # exact for data N(mean, spread^2)
        t = t.view(-1, 1)
        variance = (1 - t) ** 2 + t**2 * spread**2
        return mean + (t * spread**2 - (1 - t)) / variance * (x - t * mean)

    x_0 = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    x_1 = flow.sample(velocity, x_0, steps=16)
    assert x_1.mean().item() == pytest.approx(mean, abs=0.02)
    assert x_1.std().item() == pytest.approx(spread, rel=0.03)


def test_normal_data_are_carried_exactly_and_the_error_falls_with_the_fourth_power():
    x_0 = torch.randn(200, 1, generator=torch.Generator().manual_seed(1)).double()
    assert torch.equal(flow.sample(flow.gaussian_velocity, x_0, steps=1), x_0)

    def velocity(x, t):  # bends as no normal data do
        return flow.gaussian_velocity(x, t) + torch.sin(3 * x + t.view(-1, 1))

    exact = flow.sample(velocity, x_0, steps=512)
    errors = [(flow.sample(velocity, x_0, steps) - exact).abs().max().item() for steps in (16, 32)]
    assert 10 < errors[0] / errors[1] < 24, "2^4 = 16"
    back = flow.invert(velocity, exact, steps=512)
    assert torch.allclose(back, x_0, atol=1e-6)


def test_a_leap_is_exact_where_the_flow_only_moves_normal_data():
    mean = 2.0

    def velocity(x, t):  # exact for data N(mean, 1)
        t = t.view(-1, 1)
        return mean + (2 * t - 1) / ((1 - t) ** 2 + t**2) * (x - t * mean)

    x_0 = torch.randn(100, 1, generator=torch.Generator().manual_seed(1)).double()
    found, error = flow.fit_leap(velocity, x_0)
    assert error < 1e-3 and torch.allclose(flow.leap(velocity, x_0, found), x_0 + mean, atol=2e-3)


def test_a_fitted_leap_ends_nearer_than_one_from_elsewhere_or_of_another_length():
    def velocity(x, t):
        return flow.gaussian_velocity(x, t) + torch.sin(3 * x + 4 * t.view(-1, 1))

    x_0 = torch.randn(500, 1, generator=torch.Generator().manual_seed(1)).double()
    exact = flow.sample(velocity, x_0, steps=64)
    found, error = flow.fit_leap(velocity, x_0)

    def missed(leap):
        return (flow.leap(velocity, x_0, leap) - exact).square().mean().sqrt().item()

    assert missed(found) == pytest.approx(error, rel=0.02)
    others = (
        flow.Leap(found.time, found.weight * 0.8),
        flow.Leap(found.time, found.weight * 1.2),
        *(
            flow.Leap(time, found.weight)
            for time in (0.0, 0.15, 0.3, 0.45, 0.6)
            if abs(time - found.time) > 0.03
        ),
    )
    assert all(missed(other) > missed(found) for other in others)


def test_loss_of_the_true_velocity_is_zero():
    x_0, x_1 = torch.randn(4, 3), torch.randn(4, 3)
    value = flow.loss(lambda x, t: x_1 - x_0, x_0, x_1, torch.rand(4), torch.ones(1))
    assert value.item() == pytest.approx(0.0, abs=1e-12)


def test_masked_numbers_do_not_count():
    x_0, x_1 = torch.zeros(2, 4, 3), torch.ones(2, 4, 3)
    mask = torch.zeros(2, 4, 1)
    mask[:, 0] = 1
    wrong_elsewhere = torch.full((2, 4, 3), 9.0)
    wrong_elsewhere[:, 0] = 1
    value = flow.loss(lambda x, t: wrong_elsewhere, x_0, x_1, torch.rand(2), mask)
    assert value.item() == pytest.approx(0.0, abs=1e-9)


def test_steps_must_be_positive():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        flow.sample(lambda x, t: x, torch.zeros(1, 1), steps=0)


def test_a_straightened_flow_is_gone_in_one_evaluation_and_still_runs_back():
    def bent(x, t):
        return flow.gaussian_velocity(x, t) + torch.sin(2 * x + 4 * t.view(-1, 1))

    draw = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(2, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU()
    )
    net.append(torch.nn.Linear(64, 1))

    def straight(x, t):
        return flow.gaussian_velocity(x, t) + net(torch.cat([x, t.view(-1, 1)], dim=1))

    descent = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(600):
        x_0 = torch.randn(256, 1, generator=draw)
        t = torch.rand(256, generator=draw) * (torch.rand(256, generator=draw) > 0.5)
        value = flow.straight_loss(straight, x_0, flow.sample(bent, x_0, 4), t)
        descent.zero_grad()
        value.backward()
        descent.step()
    x_0 = torch.randn(500, 1, generator=draw)
    exact = flow.sample(bent, x_0, 32)
    (_, before), (found, after) = flow.fit_leap(bent, x_0), flow.fit_leap(straight, x_0)
    missed = (flow.leap(straight, x_0, found) - exact).square().mean().sqrt().item()
    assert missed < before / 3 and after < before / 3
    back = flow.invert(straight, flow.sample(straight, x_0, 2), 2)
    assert (back - x_0).square().mean().sqrt() < 0.1
