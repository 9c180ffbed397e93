"""Known answers and laws of the linear heart."""

from dataclasses import astuple

import numpy as np
import pytest

from models.beat import FRAME_MS, P_SPAN
from models.encoding import Encoding
from models.heart import (
    FURTHEST_REACH,
    ROUGHNESS_LIMITS,
    SIZE_NAMES,
    TIMING_NAMES,
    fit_heart,
    fit_shapes,
    fit_spread,
    sizes,
    with_traits,
)
from models.p_onset import misplaced
from models.strip import BANDS, NOISE_LIMITS_MV
from models.traits import TRAITS, shown

ENCODING = Encoding(("AFIB", "CLBBB", "NORM", "SR"))
COUNT = 400
DETAIL_SHARE = len(TIMING_NAMES) + 8 * BANDS + SIZE_NAMES.index("log_detail_share")


@pytest.fixture(scope="module")
def planted():
    """Hearts whose QRS is 50 % longer with CLBBB and whose QT is 3 % longer in women, whatever else."""
    draw = np.random.default_rng(0)
    age, female = draw.uniform(20, 90, COUNT), (draw.random(COUNT) < 0.5).astype(float)
    rr_s = np.exp(draw.normal(-0.1, 0.2, COUNT))
    block = draw.random(COUNT) < 0.25
    fibrillation = draw.random(COUNT) < 0.2
    said = [
        {"CLBBB": float(b), "AFIB": float(f), "SR": float(not f), "NORM": float(not b and not f)}
        for b, f in zip(block, fibrillation, strict=True)
    ]
    bumps = [np.exp(-0.5 * ((FRAME_MS - at) / wide) ** 2) for at, wide in ((-100, 15), (50, 15), (280, 40))]
    size = np.exp(draw.normal([-2.3, 0.0, -1.0], 0.2, (COUNT, 3)))
    leads = draw.normal(1, 0.3, (COUNT, 3, 8))
    beats = np.einsum("np,npl,pt->nlt", size, leads, np.stack(bumps))
    timings = np.exp(draw.normal(0, 0.03, (COUNT, 5))) * [160, 90, 390, 42, 84]
    timings[:, 1] *= np.where(block, 1.5, 1.0)
    timings[:, 2] *= np.where(female > 0, 1.03, 1.0) * rr_s**0.4
    p_present = ~fibrillation
    timings[fibrillation, 0] = np.nan
    rows = ENCODING.rows(age, female, rr_s, said)
    noise = np.exp(draw.normal(-4, 0.3, (COUNT, 8, BANDS)))
    return rows, beats, timings, noise, p_present


@pytest.fixture(scope="module")
def model(planted):
    rows, *measured = planted
    return fit_heart(ENCODING, rows, *measured)


def _rows(count=1, age=60.0, sex=1.0, rr_s=1.0, has=(), **said):
    """Encoded conditions with traits, the same for so many hearts."""
    rows = ENCODING.rows(*np.full((3, count), [[age], [sex], [rr_s]]), [said] * count)
    return np.column_stack([rows, np.tile([float(trait in has) for trait in TRAITS], (count, 1))])


def _timing(model, **asked):
    rows = _rows(**asked)
    return model.hearts(np.zeros((1, model.dimension)), rows, [True])[0].timing


def test_planted_effects_are_found(model):
    normal, block = _timing(model, SR=1.0, NORM=1.0), _timing(model, SR=1.0, CLBBB=1.0)
    assert block.qrs / normal.qrs == pytest.approx(1.5, rel=0.03)
    women, men = _timing(model, sex=1.0, SR=1.0), _timing(model, sex=0.0, SR=1.0)
    assert women.qt / men.qt == pytest.approx(1.03, abs=0.01)
    slow, fast = _timing(model, rr_s=1.1, SR=1.0), _timing(model, rr_s=0.7, SR=1.0)
    assert np.log(slow.qt / fast.qt) / np.log(1.1 / 0.7) == pytest.approx(0.4, abs=0.05)


def test_parts_of_a_heart_are_the_whole(model):
    leading, p_shapes, noise, fine = model.parts
    assert sorted((*leading, *p_shapes, *noise, *fine)) == list(range(model.dimension))
    assert set(range(len(TIMING_NAMES))) <= set(leading) and len(noise) == 8 * BANDS
    assert len(p_shapes) == len(model.p_shapes.spread) and len(fine) == len(model.detail_shapes.spread)
    for told, before in zip(model.told, ([], leading, [], leading), strict=True):
        assert set(told) <= set(before)
    assert set(range(len(TIMING_NAMES))) <= set(model.told[1])
    assert len(model.told[3]) == len(model.qrst_shapes.spread)


def test_detail_has_a_size_of_its_own(planted):
    """Beats of the planted shapes, half of them with ten times as much detail as the others."""
    rows, beats, *others = planted
    draw = np.random.default_rng(3)
    rich = draw.random(COUNT) < 0.5
    fine = np.where(np.abs(FRAME_MS - 50) < 40, 1, 0) * draw.normal(size=beats.shape)
    fine *= np.where(rich, 0.05, 0.005)[:, None, None] * sizes(beats)[:, None, None]
    model = fit_heart(ENCODING, rows, beats + fine, *others)
    vectors = model.vectors(beats + fine, *others)
    share = vectors[:, DETAIL_SHARE]
    assert share[rich].min() > share[~rich].max()
    scores = vectors[:, -len(model.detail_shapes.spread) :]
    assert 0.5 < scores[rich].std() / scores[~rich].std() < 2, "the shape of the detail, not its size"


def test_half_certainty_is_half_the_way(model):
    normal, half, block = (_timing(model, SR=1.0, CLBBB=sure) for sure in (0.0, 0.5, 1.0))
    assert np.log(half.qrs) == pytest.approx((np.log(normal.qrs) + np.log(block.qrs)) / 2)


def test_whitened_hearts_have_unit_covariance(model, planted):
    rows, *measured = planted
    vectors = model.vectors(*measured)
    whole = ~np.isnan(vectors).any(axis=1)
    white = model.numbers(model.whiten(vectors[whole], with_traits(rows, *measured[:2])[whole]))
    assert np.abs(white.mean(axis=0)).max() < 0.25
    # the simple shapes here have fewer dimensions than components; what is not shape has them all
    others = slice(0, len(TIMING_NAMES) + 8 * BANDS + len(SIZE_NAMES))
    assert white[:, others].std(axis=0).mean() == pytest.approx(1.0, abs=0.1)


def test_a_recorded_heart_comes_back_from_its_coordinates(model, planted):
    rows, beats, timings, noise, p_present = planted
    vectors = model.vectors(beats, timings, noise, p_present)
    told = with_traits(rows, beats, timings)
    white = model.whiten(vectors, told)
    # components that the simple shapes here do not have hold nothing but rounding, on some machines far from usual
    near = (np.abs(white[:, len(model.colour) :]) < FURTHEST_REACH).all(axis=1)
    chosen = np.flatnonzero(p_present & near)[:20]
    assert len(chosen) == 20
    white, told = white[chosen], told[chosen]
    for heart, index in zip(model.hearts(white, told, p_present[chosen]), chosen, strict=True):
        assert np.allclose(astuple(heart.timing), timings[index], rtol=1e-6)
        assert np.allclose(heart.noise_mv, noise[index].clip(*NOISE_LIMITS_MV), rtol=1e-6)
        shape = ~P_SPAN | (FRAME_MS < -28)
        assert np.abs(heart.beat - beats[index])[:, shape].max() < 0.05 * np.abs(beats[index]).max()


def test_hearts_recorded_with_more_noise_have_more_detail(planted):
    rows, beats, timings, noise, p_present = planted
    draw = np.random.default_rng(2)
    loud = np.exp(draw.normal(size=COUNT))
    rough = beats + 0.008 * loud[:, None, None] * draw.normal(size=beats.shape)
    model = fit_heart(ENCODING, rows, rough, timings, noise * loud[:, None, None], p_present)
    told = with_traits(rows, rough, timings)
    hearts = model.hearts(draw.normal(size=(COUNT, model.dimension)), told, p_present)
    level = np.array([np.log(heart.noise_mv).mean() for heart in hearts])
    share = np.log([heart.detail_mv / sizes(heart.beat[None][:, :, ~P_SPAN])[0] for heart in hearts])
    recorded = model.vectors(rough, timings, noise, p_present)[:, DETAIL_SHARE]
    drawn, planted_here = np.polyfit(level, share, 1)[0], np.polyfit(np.log(loud), recorded, 1)[0]
    assert drawn == pytest.approx(planted_here, rel=0.35) and planted_here > 0.3


def test_a_planted_spread_is_found():
    draw = np.random.default_rng(4)
    rows = np.column_stack([np.ones(4000), draw.normal(size=4000)])
    planted_here = np.array([[0.1, -0.2], [0.5, 0.0]])
    values = np.exp(rows @ planted_here) * draw.normal(size=(4000, 2))
    found = fit_spread(rows, values, np.full(2, 1e-3), ROUGHNESS_LIMITS)
    assert np.allclose(found, planted_here, atol=0.06)


def test_hearts_keep_to_the_limits_that_define_their_statements(model):
    rows = _rows(50, CLBBB=1.0, SR=1.0)
    white = 3 * np.random.default_rng(0).normal(size=(50, model.dimension))
    free, kept = (
        [heart.timing.qrs for heart in model.hearts(white, rows, [True] * 50, by_definition=strict)]
        for strict in (False, True)
    )
    assert min(free) < 120 <= min(kept)
    assert [a for a in free if a >= 120] == [b for a, b in zip(free, kept, strict=True) if a >= 120]


def test_p_waves_of_drawn_hearts_begin_where_their_pr_interval_says(planted):
    """P waves of two halves, the first never small among records; twice as far from the mean it may all but vanish."""
    rows, beats, timings, noise, _ = planted
    draw = np.random.default_rng(8)
    halves = [
        np.where(np.abs(FRAME_MS - at) < 30, 0.5 + 0.5 * np.cos(np.pi * (FRAME_MS - at) / 30), 0.0)
        for at in (-130, -80)
    ]
    beats = beats * (FRAME_MS > -40) + np.einsum(
        "np,l,pt->nlt", draw.uniform(0.05, 0.15, (COUNT, 2)), np.linspace(0.5, 1, 8), np.stack(halves)
    )
    timings = np.where(np.isnan(timings), 160.0, timings)
    model = fit_heart(ENCODING, rows, beats, timings, noise, np.ones(COUNT, bool))
    white = 2 * draw.normal(size=(200, model.dimension))

    def off(strict):
        made = model.hearts(white, _rows(200, SR=1.0), [True] * 200, p_on_time=strict)
        return misplaced(np.stack([heart.beat for heart in made]), [heart.timing for heart in made]).sum()

    assert off(True) < off(False) / 4 and off(False) > 5


def test_some_hearts_are_unusual_throughout(planted):
    """Beats a fifth of which differ twice as much from their mean as the others do, in every lead at once."""
    rows, beats, timings, noise, _ = planted
    draw = np.random.default_rng(6)
    odd = np.where(draw.random(COUNT) < 0.2, 2.0, 1.0)
    noise = np.exp(-4 + 0.2 * odd[:, None, None] * draw.normal(size=noise.shape))
    model = fit_heart(ENCODING, rows, beats, timings, noise, np.ones(COUNT, bool))
    drawn = model.hearts(draw.normal(size=(COUNT, model.dimension)), _rows(COUNT, SR=1.0), [True] * COUNT)

    def unlike(levels):  # how much the size of what differs differs itself: 0.07 where all differ alike
        return np.log(levels.reshape(COUNT, -1).std(axis=1)).std()

    recorded, made = unlike(np.log(noise)), unlike(np.log([heart.noise_mv for heart in drawn]))
    assert recorded > 0.2 and made == pytest.approx(recorded, rel=0.35)


def test_hearts_have_the_traits_that_were_drawn_and_no_other(planted):
    """A third of the hearts begin with a Q of 0.3 mV in V2, V3 and V4, the others with an R as high."""
    rows, beats, *others = planted
    draw = np.random.default_rng(7)
    has = draw.random(COUNT) < 1 / 3
    first = (FRAME_MS > 0) & (FRAME_MS < 48)
    beats = beats.copy()
    beats[:, 3:6, first] = (np.where(has, -0.3, 0.3)[:, None] * draw.uniform(0.7, 1.3, (COUNT, 3)))[
        :, :, None
    ]
    model = fit_heart(ENCODING, rows, beats, *others)
    anterior = TRAITS.index("q_anterior")
    assert (shown(beats, others[0][:, 1])[:, anterior] == has).mean() > 0.9
    for drawn in ((), ("q_anterior",)):
        told = _rows(100, SR=1.0, has=drawn)
        made = model.hearts(draw.normal(size=(100, model.dimension)), told, [True] * 100, by_definition=True)
        found = shown(
            np.stack([heart.beat for heart in made]), np.array([heart.timing.qrs for heart in made])
        )
        assert found[:, anterior].mean() == pytest.approx(len(drawn), abs=0.05)


def test_no_p_wave_where_there_is_none(model):
    rows = _rows(age=70.0, rr_s=0.8, AFIB=1.0)
    heart = model.hearts(np.zeros((1, model.dimension)), rows, [False])[0]
    assert (heart.beat[:, P_SPAN] == 0).all()
    draw = np.random.default_rng(0).random(200)
    assert np.mean([model.p_wave({"SR": 1.0}, chance) for chance in draw]) > 0.95
    assert not any(model.p_wave({"AFIB": 1.0, "SR": 1.0}, chance) for chance in draw)


def test_sizes_are_kept_by_shapes():
    draw = np.random.default_rng(1)
    beats = draw.standard_normal((60, 8, 30)).cumsum(axis=2)
    shapes = fit_shapes(beats, 20)
    back = shapes.decode(shapes.encode(beats), sizes(beats))
    assert np.allclose(sizes(back), sizes(beats), rtol=1e-3)
