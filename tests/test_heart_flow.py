"""The heart's flow: one part after another, back again, and one small network that learnt from wide ones."""

import functools

import numpy as np
import pytest
import torch

from models import flow
from models.denoiser import HeartNet, HeartNetConfig
from models.heart_training import Mean

CONFIG = HeartNetConfig(parts=((0, 2), (1, 4), (3,)), columns=3, width=16, depth=2, told=((), (), (2, 4)))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = HeartNet(CONFIG).eval().requires_grad_(False)
    for weights in net.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    return net


def drawn(net, noise, said):
    return net.drawn(noise, said, [functools.partial(flow.sample, steps=8)] * 3)


def test_hearts_go_back_to_their_noise(net):
    noise, said = torch.randn(20, 5), torch.randn(20, 3)
    hearts = drawn(net, noise, said)
    assert (hearts - noise).abs().amax(dim=0).min() > 0, "every number is carried somewhere"
    back = net.inverted(hearts, said, functools.partial(flow.invert, steps=8))
    assert torch.allclose(back, noise, atol=1e-3)


@pytest.mark.parametrize(("stirred", "moved"), [(0, {0, 2, 3}), (1, {1, 3, 4}), (3, {3})])
def test_a_part_hears_of_parts_before_it_alone(net, stirred, moved):
    """Part (3,) is told of 2 and 4, so that 0, which 2 goes with, and 1, which 4 goes with, move it, too."""
    noise, said = torch.randn(6, 5), torch.randn(6, 3)
    other = noise.clone()
    other[:, stirred] += 1
    apart = (drawn(net, other, said) - drawn(net, noise, said)).abs().amax(dim=0)
    assert set(torch.nonzero(apart).flatten().tolist()) == moved


def test_a_part_is_told_conditions_and_numbers(net):
    hearts, said = torch.arange(10.0).reshape(2, 5), torch.ones(2, 3)
    assert net.about(0, hearts, said).tolist() == [[1, 1, 1]] * 2
    assert net.about(2, hearts, said).tolist() == [[1, 1, 1, 2, 4], [1, 1, 1, 7, 9]]
    assert np.shape(net.new_part(2).said.weight) == (16, 5)


def test_several_networks_are_their_mean(net):
    torch.manual_seed(1)
    nets = [net.parts[0], HeartNet(CONFIG).eval().parts[0]]
    x, t, about = torch.randn(4, 2), torch.rand(4), torch.randn(4, 3)
    each = torch.stack([one(x, t, about) for one in nets])
    assert not torch.equal(each[0], each[1])
    assert torch.allclose(Mean(nets)(x, t, about), each.mean(dim=0))
