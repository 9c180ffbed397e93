"""What is between QRS complexes comes to the distribution it has in records; complexes and slow waves stay."""

import numpy as np
import pytest
import torch

from models.generator import Request, load_generator
from models.noise_mapping import SHARES, NoiseMapping, figures, fit_mapping, quiet_of
from models.texture import LEADS

SAID = {"NORM": 1.0, "SR": 1.0}


def beats(count):
    """Triangles of 40 ms and 1 mV every second, mV."""
    since = np.abs(np.arange(2500) % 250 - 125)
    rows = np.clip(1 - since / 5, 0, None) * np.ones((count, LEADS, 1))
    return torch.from_numpy(rows).float()


def noisy(count, seed, middle_mv, spread, tail=1.0):
    """Beats and strips with white noise; its size differs by `spread` between leads, powers `tail` make it sparse."""
    draw = np.random.default_rng(seed)
    size = middle_mv * np.exp(spread * draw.standard_normal((count, LEADS, 1)))
    noise = draw.standard_normal((count, LEADS, 2500))
    noise = np.sign(noise) * np.abs(noise) ** tail
    plain = beats(count)
    return plain + torch.from_numpy(size * noise / noise.std()).float(), plain


@pytest.fixture(scope="module")
def sides():
    """Recorded and drawn: the latter's noise is louder, differs more and is less sparse."""
    return noisy(400, 0, 0.006, 0.2, 1.3), noisy(400, 1, 0.008, 0.5)


@pytest.fixture(scope="module")
def mapping(sides):
    return fit_mapping(*([figures(*side)] for side in sides))


def test_figures_are_of_slopes_bends_and_what_is_fast():
    strips = 0.01 * torch.randn(6, LEADS, 2500)
    slope, bend, fast = figures(strips, torch.zeros_like(strips)).exp().mean(dim=(1, 2))
    middle = 0.6745 * 0.01  # of the absolute values of normal numbers
    assert slope == pytest.approx(middle * 2**0.5, rel=0.05)
    assert bend == pytest.approx(middle * 6**0.5, rel=0.05)
    assert fast == pytest.approx(0.01 * ((125 - 40) / 125) ** 0.5, rel=0.05)


def test_complexes_are_not_quiet_and_what_is_between_is():
    quiet, since = quiet_of(beats(1))[0, 0], torch.from_numpy(np.abs(np.arange(2500) % 250 - 125))
    assert not quiet[since <= 6].any() and (quiet[since > 20] == 1).all()


def test_figures_come_to_the_distribution_of_records(sides, mapping):
    strips, plain = noisy(200, 2, 0.008, 0.5)
    recorded, before, after = (
        figures(*side) for side in (sides[0], (strips, plain), (mapping.mapped(strips, plain), plain))
    )

    def off(found):
        shares = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
        far = torch.quantile(found, shares, dim=1) - torch.quantile(recorded, shares, dim=1)
        return far.abs().mean(dim=(0, 2))

    assert (off(before) > 0.2).all() and (off(after) < 0.35 * off(before)).all()


def test_leads_keep_their_order(mapping):
    strips, plain = noisy(100, 3, 0.008, 0.5)
    before, after = (
        figures(one, plain)[2].flatten().numpy() for one in (strips, mapping.mapped(strips, plain))
    )
    ranks = [np.argsort(np.argsort(found)) for found in (before, after)]
    assert np.corrcoef(*ranks)[0, 1] > 0.98


def test_complexes_and_slow_waves_stay(mapping):
    strips, plain = noisy(4, 4, 0.008, 0.5)
    slow = 0.3 * torch.sin(2 * np.pi * 1.0 * torch.arange(2500) / 250)
    made = mapping.mapped(strips + slow, plain)
    inside = (quiet_of(plain) == 0).expand_as(strips)
    assert inside.any() and torch.equal(made[inside], (strips + slow)[inside])
    change = torch.fft.rfft(made - strips - slow).abs().square().mean(dim=(0, 1))
    assert change[:30].sum() < 0.02 * change.sum(), "below 3 Hz"


def test_nothing_changes_where_both_are_alike_or_nothing_is_quiet(mapping):
    strips, plain = noisy(4, 5, 0.008, 0.5)
    same = NoiseMapping(mapping.drawn, mapping.drawn).mapped(strips, plain)
    assert (same - strips).abs().max() < 1e-4
    steep = plain + 0.5 * torch.randn(plain.shape)
    assert torch.equal(mapping.mapped(strips, steep), strips)


@pytest.mark.parametrize("strips", [torch.zeros(2, LEADS, 2500), 5 * torch.randn(2, LEADS, 2500)])
def test_strips_that_no_record_is_like_stay_finite(mapping, strips):
    made = mapping.mapped(strips, torch.zeros_like(strips))
    assert torch.isfinite(made).all() and made.abs().max() <= 2 * strips.abs().max()


def test_a_strip_is_mapped_alike_alone_and_beside_others(mapping):
    strips, plain = noisy(9, 6, 0.008, 0.5)
    whole = mapping.mapped(strips, plain)
    assert torch.equal(mapping.mapped(strips[4:5], plain[4:5])[0], whole[4])


def test_the_bundled_generator_maps_what_it_draws():
    generator = load_generator("ptbxl", "cpu")
    mapping = generator.checkpoint.noise_mapping
    assert mapping.recorded.shape == mapping.drawn.shape == (3, LEADS, len(SHARES))
    assert (np.diff(mapping.recorded, axis=2) >= 0).all()
    requests = [Request(50, 1.0, 70 + seed, SAID, seed) for seed in range(4)]
    draft, _ = generator.draft(requests)
    finished = draft.finished(generator._correction(draft.strips, requests))
    made = torch.from_numpy(generator.strips(requests)[0])
    limb, chest = made[:, :2], made[:, 6:]
    expected = mapping.mapped(finished, draft.beats)
    assert torch.allclose(torch.cat([limb, chest], dim=1), expected, atol=1e-5)
    assert not torch.allclose(finished, expected, atol=1e-3)
