"""A texture is likened: figures of its strips come nearer to those of recorded ones, and corrections stay near."""

import itertools

import numpy as np
import pytest
import torch
from test_texture import SMALL, Toy, sparse

from models import likening
from models.crew import Crew
from models.descent import seeded
from models.likening import Likeness, figures, likened, spaces
from models.texture import Texture

TOLD = 8 * 14  # of models.critic.figures


def begun():
    """A texture that corrects at random."""
    texture = seeded(Texture(SMALL), torch.Generator().manual_seed(0))
    torch.nn.init.normal_(texture.leave.weight, std=0.05, generator=torch.Generator().manual_seed(1))
    return texture


def test_figures_are_those_of_the_strip():
    strips = (0.01 * np.random.default_rng(0).standard_normal((3, 8, 1250))).astype(np.float32)
    strips[:, 4] = strips[:, 3]
    told = figures(torch.from_numpy(strips))
    slope = np.median(np.abs(np.diff(strips, axis=2)), axis=2) / 0.001
    assert np.allclose(told[:, TOLD : TOLD + 8], np.log(slope + 0.02), atol=0.01)
    bend = np.median(np.abs(np.diff(strips, 2, axis=2)), axis=2) / 0.001
    assert np.allclose(told[:, TOLD + 8 : TOLD + 16], np.log(bend + 0.02), atol=0.01)
    together = told[:, TOLD + 16 :].reshape(3, 3, 28)
    pairs = list(itertools.combinations(range(8), 2))
    assert (together[:, :, pairs.index((3, 4))] > 2).all(), "one lead is the other"
    assert together[:, 0, pairs.index((0, 1))].abs().max() < 0.15


def test_spaces_are_of_what_they_say():
    middles, fast, both, leads, together, *each = spaces(TOLD + 16 + 84)
    assert middles == list(range(TOLD, TOLD + 16)) and both == middles + fast
    assert fast == list(range(TOLD - 32, TOLD)), "bands from 52 Hz on, eight leads each"
    assert leads == list(range(TOLD + 16)) and together == list(range(TOLD + 16, TOLD + 100))
    assert sorted(sum(each, [])) == leads and all(len(lead) == 16 for lead in each)


def test_whatever_is_near_a_median_moves_it():
    strips = 0.003 * torch.randn(1, 8, 1001, generator=torch.Generator().manual_seed(0))
    strips.requires_grad_(True)
    figures(strips)[0, TOLD].backward()  # the median slope of the first lead
    assert (strips.grad[0, 0] != 0).float().mean() > 0.5 and not strips.grad[0, 1:].any()
    with torch.no_grad():
        step = 1e-3 * strips.grad / strips.grad.norm()
        before, after = (figures(part)[0, TOLD] for part in (strips, strips + step))
    assert after > before


def test_likeness_is_nothing_between_records_and_something_to_noise():
    recorded, others = (
        figures(torch.from_numpy(sparse(500, np.random.default_rng(seed)))) for seed in (0, 1)
    )
    noise = 0.01 * torch.randn(500, 8, 512, generator=torch.Generator().manual_seed(0))
    smooth = figures(noise + 0.5 * noise[:, :1])
    likeness = Likeness(recorded)
    assert (likeness.energy(others) < 0.1 * likeness.energy(smooth)).all()
    draw = np.random.default_rng(0)
    assert likeness.witness(smooth[:8], smooth, draw) > 0 > likeness.witness(others[:8], smooth, draw)


def test_a_likened_texture_is_nearer_to_recorded_strips(tmp_path, monkeypatch):
    monkeypatch.setattr(likening, "RATE", 3e-4)
    toy = Toy()
    toy.sparse = 0.8 * toy.made[::-1].copy()
    texture, facts = likened(toy, begun(), tmp_path / "likened.pt", 60, Crew(), 1e9)
    assert facts["likened_steps"] == 60
    assert facts["likened_to"] < 0.9 * facts["likened_from"]
    assert not texture.leave.weight.requires_grad


def test_likening_that_was_interrupted_ends_the_same(tmp_path):
    class Killed(Toy):
        left = 4 + 4  # parts: before the first step, of three steps, and what is not come to

        def part(self, *given):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return super().part(*given)

    whole, facts = likened(Toy(), begun(), tmp_path / "whole.pt", 6, Crew(), 1e9)
    with pytest.raises(KeyboardInterrupt):
        likened(Killed(), begun(), tmp_path / "parts.pt", 6, Crew(), -1)
    assert torch.load(tmp_path / "parts.pt", weights_only=True)["step"] == 3
    parts, again = likened(Toy(), begun(), tmp_path / "parts.pt", 6, Crew(), 1e9)
    assert facts == again
    other, _ = likened(Toy(), Texture(SMALL), tmp_path / "parts.pt", 6, Crew(), 1e9)
    assert not torch.equal(other.enter.weight, parts.enter.weight), (
        "what was left there is of another texture"
    )
    assert all(torch.equal(parts.state_dict()[name], kept) for name, kept in whole.state_dict().items())
