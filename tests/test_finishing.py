"""The last steps to a strip: what a texture may add, and correlations of all that is added."""

import numpy as np
import pytest
import torch

from models.correlations import logarithms_of, spans_of, units_of
from models.generator import Request, load_generator
from models.recurring import qrs_windows
from models.strip import FS
from models.texture import QUIET_MV

SAID = {"NORM": 1.0, "SR": 1.0}


@pytest.fixture(scope="module")
def generator():
    return load_generator("ptbxl", "cpu")


@pytest.fixture(scope="module")
def draft(generator):
    return generator.draft([Request(50, 1.0, 70 + seed, SAID, seed) for seed in range(6)])[0]


def test_a_finished_strip_has_the_correlations_that_were_drawn_for_it(draft):
    def off(strips):
        found = logarithms_of(units_of(strips - draft.beats, draft.sizes), spans_of(draft.sizes))
        return (found - draft.correlations)[:, 0].square().mean().sqrt()

    correction = 0.002 * torch.randn(draft.strips.shape, generator=torch.Generator().manual_seed(0))
    for added in (None, correction):
        assert off(draft.finished(added)) < 0.5 * off(draft.strips)


def test_a_correction_is_small_outside_and_does_not_recur_inside(draft):
    inside = qrs_windows(draft.strips.shape[2], FS, draft.at)[:, None].expand_as(draft.strips)
    plain = draft.finished(None)

    def added(correction, where):
        return (draft.finished(correction) - plain)[where].abs().mean()

    outside = added(0.5 * torch.ones_like(inside), inside == 0)
    assert 0.1 * QUIET_MV < outside < 2 * QUIET_MV, "0.5 mV were asked for"
    noise = torch.randn(inside.shape, generator=torch.Generator().manual_seed(0))
    always, once = (added(0.1 * part * inside, inside == 1) for part in (torch.ones_like(noise), noise))
    assert always < 0.2 * once, "what is the same in every beat is the heart's"


def test_part_of_a_draft_is_finished_as_the_whole(draft):
    rows = np.array([4, 1])
    correction = 0.002 * torch.randn(draft.strips.shape, generator=torch.Generator().manual_seed(1))
    whole = draft.finished(correction)[torch.from_numpy(rows)]
    assert torch.allclose(
        draft.where(rows).to(torch.device("cpu")).finished(correction[rows]), whole, atol=1e-5
    )


def test_a_texture_learns_through_all_that_follows_it(draft):
    correction = torch.zeros_like(draft.strips).requires_grad_(True)
    draft.finished(correction + 1e-4 * draft.strips).square().sum().backward()
    assert torch.isfinite(correction.grad).all() and (correction.grad != 0).float().mean() > 0.9


def test_a_texture_that_does_nothing_yet_learns_too(draft):
    correction = torch.zeros_like(draft.strips).requires_grad_(True)
    draft.finished(correction).square().sum().backward()
    assert torch.isfinite(correction.grad).all() and correction.grad.any()
