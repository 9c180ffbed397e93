"""Drawn strips have the correlations between leads that are asked for, and these differ as those of records do."""

import numpy as np
import pytest
import torch

from discovery.alike import alike
from discovery.benchmark import EIGHT
from discovery.benchmark_sides import asked_like
from discovery.measure import measure
from discovery.signal_features import noise_correlations
from models.codec import tokens_of
from models.correlations import (
    ENTRIES,
    SPANS,
    LeadCorrelations,
    correlated,
    fit_correlations,
    logarithms_of,
    spans_of,
    units_of,
)
from models.generator import load_generator
from models.records import open_ptbxl
from models.strip import BANDS, LEAD_COUNT, TOKEN, Sizes

SAMPLES = 2500
NOISE = torch.full((3, LEAD_COUNT, BANDS), 0.01)
SHAPE = (SPANS, BANDS, ENTRIES)


@pytest.fixture(scope="module")
def sizes():
    """Of strips that are steep for 160 ms of every 800 ms; 10 uV are expected everywhere."""
    steep = torch.arange(tokens_of(SAMPLES)) % 10 < 2
    active = torch.where(steep, 1.0, -1.0).double()[None, :, None].expand(3, -1, LEAD_COUNT)
    return Sizes(NOISE, torch.full((3, tokens_of(SAMPLES), TOKEN), 0.01).double(), active)


@pytest.fixture(scope="module")
def added():
    """Noise of 10 uV of which leads have three tenths in common, mV."""
    draw = np.random.default_rng(1)
    mix = np.linalg.cholesky(0.7 * np.eye(LEAD_COUNT) + 0.3)
    return torch.from_numpy(0.01 * mix @ draw.standard_normal((3, LEAD_COUNT, SAMPLES)))


def logarithms(added, sizes):
    return logarithms_of(units_of(added, sizes), spans_of(sizes))


def test_spans_are_where_a_lead_is_steeper_than_on_average(sizes):
    one = sizes.active.clone()
    one[:, 5, 3] = 0.1
    quiet, steep = spans_of(Sizes(NOISE, sizes.expected_mv, one)).unbind(dim=1)
    assert torch.equal(quiet + steep, torch.ones_like(quiet))
    assert steep[0, :12].tolist() == [1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]


def test_strips_get_the_correlations_asked_for(added, sizes):
    other = added.flip(0) + 0.5 * added.flip(0).roll(1, dims=1)
    wanted = logarithms(other, sizes)
    made = correlated(added, sizes, wanted)
    before = (logarithms(added, sizes) - wanted).abs().mean()
    assert (logarithms(made, sizes) - wanted).abs().mean() < 0.1 * before, "but for shrinkage and limits"
    assert (made - added).std() < 0.5 * added.std(), "changed no more than it takes"
    assert (made.std(dim=2) / added.std(dim=2) - 1).abs().max() < 0.03, "as loud as before"


def test_strips_that_have_them_already_stay_as_they_are(added, sizes):
    made = correlated(added, sizes, logarithms(added, sizes))
    assert torch.allclose(made, added, atol=1e-8)


def test_each_strip_depends_on_no_other(added, sizes):
    wanted = logarithms(added.flip(0), sizes)
    together = correlated(added, sizes, wanted)
    assert torch.equal(
        together[1:2],
        correlated(added[1:2], Sizes(NOISE, sizes.expected_mv[1:2], sizes.active[1:2]), wanted[1:2]),
    )


def test_silence_stays_silence(added, sizes):
    silent = torch.zeros_like(added)
    assert not correlated(silent, sizes, logarithms(added, sizes)).any()


def test_draws_differ_as_what_was_fitted_and_follow_the_noise():
    draw = np.random.default_rng(2)
    noise = np.exp(draw.normal(-4, 0.5, (2000, LEAD_COUNT, BANDS)))
    found = 0.1 * draw.standard_normal((2000, *SHAPE)) + 0.3
    found[:, 0, 2, 1] += 0.2 * np.log(noise[:, 3, 2])
    found[:, 1, 4, 7] = found[:, 0, 4, 7]
    fitted = fit_correlations(found, noise)
    draws = np.stack([fitted.draw(noise[0], np.random.default_rng(k)) for k in range(2000)])
    assert draws.mean(axis=(0, 3))[1, 0] == pytest.approx(0.3, abs=0.02)
    assert draws[:, 0, 0].std() == pytest.approx(0.1, rel=0.1)
    assert np.corrcoef(draws[:, 1, 4, 7], draws[:, 0, 4, 7])[0, 1] > 0.95
    louder = noise[0].copy()
    louder[3, 2] *= np.e
    change = fitted.draw(louder, np.random.default_rng(0)) - fitted.draw(noise[0], np.random.default_rng(0))
    assert change[0, 2, 1] == pytest.approx(0.2, abs=0.05)
    assert np.abs(np.delete(change[0, 2], 1)).max() < 0.05


def test_without_spread_every_draw_is_the_mean():
    numbers = int(np.prod(SHAPE))
    plain = LeadCorrelations(np.zeros((1 + LEAD_COUNT * BANDS, numbers)), np.zeros((numbers, numbers)))
    drawn = plain.draw(np.full((LEAD_COUNT, BANDS), 0.01), np.random.default_rng(0))
    assert drawn.shape == SHAPE and not drawn.any(), "logarithms of leads that have nothing in common"


def test_noise_of_generated_ecgs_differs_in_correlations_as_that_of_records(shared_data):
    """Held-out records of fold 9 and ECGs of the bundled generator with their ages, sexes, rates and texts."""
    records = open_ptbxl(shared_data / "ptb-xl")
    rows = np.flatnonzero(records.table["fold"] == 9)[:96]
    recorded = alike(records.ecg(rows.tolist()))
    known = records.table.iloc[rows].assign(rate_bpm=measure(recorded)["rate_bpm"].to_numpy())
    known = known.dropna(subset=["age", "sex", "rate_bpm"])
    made = alike(load_generator("ptbxl", device="cpu").generate(asked_like(known), range(len(known))))
    spread = [noise_correlations(ecg.signals[:, EIGHT]).std(axis=0) for ecg in (recorded, made)]
    assert np.median(spread[1] / spread[0]) == pytest.approx(1, abs=0.12), "0.8 before strips got their own"
