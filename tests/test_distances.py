"""Distances between samples whose distance is known."""

import numpy as np
import pytest

from discovery.detectors import area, auroc, boosted_scores, group_folds, macro_auroc
from discovery.distances import (
    distance_ratio,
    frechet,
    frechet_bias,
    overlap,
    resampled,
    share,
    wasserstein,
)


def drawn(seed, n=400, dimension=3, mean=0.0, spread=1.0):
    return np.random.default_rng(seed).normal(mean, spread, (n, dimension))


def test_frechet_distance_of_two_known_gaussians():
    # |m1 - m2|^2 + sum (s1 - s2)^2 for independent coordinates: 3 * 2^2 + 3 * (1 - 3)^2 = 24
    found = frechet(drawn(0, 40_000), drawn(1, 40_000, mean=2.0, spread=3.0))
    assert found == pytest.approx(24, rel=0.03)


def test_frechet_distance_of_a_sample_to_itself_is_nothing():
    rows = drawn(2)
    assert frechet(rows, rows) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_sees_a_turned_covariance():
    rows = drawn(3, 20_000, 2)
    one = np.column_stack([rows[:, 0], 0.9 * rows[:, 0] + np.sqrt(1 - 0.81) * rows[:, 1]])
    other = np.column_stack([one[:, 0], -one[:, 1]])
    # both have unit variances: trace(2 + 2 - 2 * sqrt) with eigenvalues of the product 1 - 0.81
    assert frechet(one, other, shrinkage=0.0) == pytest.approx(4 - 4 * np.sqrt(1 - 0.81), rel=0.03)


def test_the_bias_of_few_is_larger_than_that_of_many():
    rows = drawn(4, 2000, 10)
    few, many = frechet_bias(rows, 50), frechet_bias(rows, 1000)
    assert few > 5 * many > 0
    equal = np.mean([frechet(drawn(10 + k, 50, 10), drawn(90 + k, 50, 10)) for k in range(20)])
    assert few == pytest.approx(equal, rel=0.25)


def test_equal_samples_overlap_wholly_and_far_ones_not_at_all():
    rows = drawn(5)
    same, apart = overlap(rows, rows), overlap(rows, rows + 100)
    assert (same.precision.value, same.recall.value, same.coverage.value) == (1, 1, 1)
    assert same.density.value == pytest.approx(1, abs=0.05)
    assert [getattr(apart, name).value for name in ("precision", "recall", "density", "coverage")] == [0] * 4


def test_a_collapsed_sample_is_precise_and_recalls_little():
    rows = drawn(6)
    found = overlap(rows, 0.02 * drawn(7))
    assert found.precision.value > 0.95
    assert found.recall.value < 0.05
    assert found.coverage.value < 0.3


def test_overlap_refuses_samples_smaller_than_a_neighbourhood():
    with pytest.raises(ValueError, match="samples must hold more than 5 ECGs each, got 400 and 4"):
        overlap(drawn(0), drawn(1)[:4])


def test_wasserstein_distance_of_shifted_numbers_is_the_shift():
    rows = drawn(8)[:, 0]
    assert wasserstein(rows + 7, rows) == pytest.approx(7)
    assert wasserstein([1, np.nan], [3.0]) == pytest.approx(2)
    assert np.isnan(wasserstein([np.nan], [3.0]))


def test_wasserstein_distance_of_angles_goes_the_short_way_round():
    assert wasserstein([-175.0], [175.0], angle=True) == pytest.approx(10)


def test_the_ratio_is_one_for_equals_and_large_for_others():
    random = np.random.default_rng(9)
    real, others, made = random.normal(size=300), random.normal(size=2000), random.normal(size=(3, 300))
    _, floor, fair = distance_ratio(list(made), real, others)
    distance, _, far = distance_ratio(list(made + 1), real, others)
    assert fair.low < 1 < fair.high
    assert floor.value < 0.2
    assert distance.value == pytest.approx(1, abs=0.15)
    assert far.low > 3


def test_wilsons_interval_of_a_share():
    found = share([1] * 8 + [0] * 2 + [np.nan])
    assert (found.value, found.n) == (0.8, 10)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share([]).n == 0


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    held = 0
    for seed in range(100):
        found = resampled(np.mean, [np.random.default_rng(seed).normal(5, 2, 60)], seed)
        held += found.low <= 5 <= found.high
    assert 87 <= held <= 100


def test_area_of_known_scores():
    assert auroc(np.array([1, 2, 3, 4]), np.array([0, 0, 1, 1])) == 1
    assert auroc(np.array([1, 1, 1, 1]), np.array([0, 0, 1, 1])) == 0.5
    assert auroc(np.array([1, 3, 2, 4]), np.array([0, 0, 1, 1])) == 0.75
    assert np.isnan(auroc(np.array([1, 2]), np.array([1, 1])))


def test_macro_area_leaves_rare_columns_out():
    truth = np.zeros((40, 2), bool)
    truth[:20, 0] = truth[:2, 1] = True
    scores = np.column_stack([truth[:, 0], ~truth[:, 1]]).astype(float)
    assert macro_auroc(scores, truth) == 1


def test_trees_cannot_tell_equals_and_can_tell_others():
    random = np.random.default_rng(11)
    truth, groups = np.repeat([True, False], 200), np.tile(np.arange(200), 2)
    rows = random.normal(size=(400, 5))
    equal = area(boosted_scores(rows, truth, groups), truth, groups)
    apart = area(boosted_scores(rows + 1.5 * truth[:, None], truth, groups), truth, groups)
    assert 0.4 < equal.value < 0.6
    assert apart.value > 0.97


def test_a_group_is_never_split():
    groups = np.random.default_rng(12).integers(0, 50, 300)
    folds = group_folds(groups)
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    assert set(folds) == set(range(5))


def test_trees_cannot_use_a_twin_of_another_fold():
    # each patient has a value of his own, shared by record and twin: told apart only by memory
    random = np.random.default_rng(13)
    own = random.normal(size=(150, 4))
    rows, truth, groups = np.tile(own, (2, 1)), np.repeat([True, False], 150), np.tile(np.arange(150), 2)
    assert area(boosted_scores(rows, truth, groups), truth, groups).value == pytest.approx(0.5, abs=0.06)
