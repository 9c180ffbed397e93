"""Shortcuts: a failing compiler is a warning, a trace gives the same numbers; the rest needs a GPU."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from models.acceleration import Compiled, Graphed, half, peak_memory, quick
from models.denoiser import StripNet, StripNetConfig
from models.ecg import Conditions
from models.generator import load_generator

CPU = torch.device("cpu")


def broken(net):
    def fails(*inputs):
        raise RuntimeError("no compiler for this card")

    return fails


def test_a_network_that_cannot_be_compiled_runs_as_it_is():
    net, x = torch.nn.Linear(3, 2), torch.ones(4, 3)
    compiled = Compiled(net, broken)
    with pytest.warns(
        RuntimeWarning, match="the denoiser runs as it is, slower, RuntimeError: .*no compiler for this"
    ):
        assert torch.equal(compiled(x), net(x))
    assert torch.equal(compiled(x), net(x))  # and says so once


def test_a_compiled_result_outlives_the_next_call():
    held = torch.zeros(2)
    compiled = Compiled(torch.nn.Identity(), lambda net: lambda x: held.copy_(x))
    first, _ = compiled(torch.tensor([1.0, 2.0])), compiled(torch.tensor([3.0, 4.0]))
    assert first.tolist() == [1, 2]


def test_a_trace_gives_the_same_numbers_for_every_shape_and_thread():
    torch.manual_seed(0)
    net = StripNet(StripNetConfig(token=6, context=4, columns=3, width=8, depth=2, heads=2)).eval()
    for weights in net.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    fast = quick(net, CPU)
    asked = [
        (torch.randn(batch, count, 6), torch.rand(batch), torch.randn(batch, count, 4), torch.randn(batch, 3))
        for batch, count in ((1, 9), (2, 9), (1, 12), (1, 9)) * 3
    ]
    with torch.no_grad(), ThreadPoolExecutor(4) as pool:
        for inputs, found in zip(asked, pool.map(lambda inputs: fast(*inputs), asked), strict=True):
            assert torch.allclose(found, net(*inputs), atol=1e-6)


def test_a_trace_gives_every_row_the_same_bits_whatever_is_beside_it():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(40, 40), torch.nn.Tanh(), torch.nn.Linear(40, 7)).eval()
    rows = torch.randn(19, 40)
    for together in (1, 8):
        fast = quick(net, CPU, together)
        with torch.no_grad():
            whole = fast(rows)
            assert torch.allclose(whole, net(rows), atol=1e-6)
            assert all(torch.equal(whole[at : at + 1], fast(rows[at : at + 1])) for at in range(19))
            assert torch.equal(whole[7:], fast(rows[7:]))


def test_graphs_are_made_for_powers_of_two_alone(monkeypatch):
    seen = []

    def compiled(net, **given):
        return lambda x, t: seen.append(len(x)) or net(x) * t[:, None]

    monkeypatch.setattr(torch, "compile", compiled)
    net = torch.nn.Linear(3, 2)
    graphs = Graphed(net)
    for count in (1, 3, 4, 5, 7):
        x, t = torch.randn(count, 3), torch.randn(count)
        assert torch.allclose(graphs(x, t), net(x) * t[:, None])
    assert seen == [1, 4, 4, 8, 8]


def test_a_cpu_keeps_full_precision():
    net = torch.nn.Linear(3, 2)
    assert peak_memory(CPU) is None
    with half(CPU):
        assert net(torch.ones(1, 3)).dtype == torch.float32


@pytest.mark.gpu
def test_a_gpu_makes_the_same_ecgs_whatever_the_batch_to_half_precision():
    generator = load_generator("ptbxl", device="cuda")
    asked = [Conditions(50, "male", 70, "normal ECG"), Conditions(80, "female", 60, "normal ECG")]
    both, one = generator.generate(asked, [1, 2]), generator.generate(asked[1:], [2])
    assert np.allclose(both.signals[1], one.signals[0], atol=0.02)
    assert generator.digest.endswith("-bf16")


@pytest.mark.gpu
def test_a_gpu_in_half_precision_agrees_with_the_cpu():
    asked, seeds = [Conditions(50, "male", 70, "normal ECG")] * 4, range(4)
    quick_one, exact = (load_generator("ptbxl", device=device) for device in ("cuda", "cpu"))
    ours, theirs = quick_one.generate(asked, seeds), exact.generate(asked, seeds)
    assert np.sqrt(((ours.signals - theirs.signals) ** 2).mean()) < 0.02
    assert peak_memory(torch.device("cuda")) > 0
