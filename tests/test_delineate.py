from pathlib import Path

import numpy as np
import pytest
from known_beats import beat, eight_leads, known_ecg, pulse

from discovery.delineate import POINTS, delineate
from discovery.quantities import REASONS
from models.ecg import LEADS, twelve_leads

PTBXL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ptb-xl"


def interval(found, first, last):
    return found.points[last] - found.points[first]


def broken(kind, signals, random):
    """One strip made unusable or doubtful in a named way."""
    bad = signals.copy()
    if kind == "flat":
        bad[:] = 0.3
    elif kind == "missing":
        bad[:] = np.nan
    elif kind == "noise":
        bad = random.normal(0, 0.3, bad.shape).astype(np.float32)
    elif kind == "microvolts":
        bad *= 1000
    elif kind == "infinite":
        bad[:, 100:4000] = np.inf
    return bad


@pytest.mark.parametrize("fs", [100.0, 250.0, 360.0, 500.0, 1000.0])
def test_known_edges_are_found_at_any_sampling_frequency(fs):
    found = delineate(known_ecg(2, fs=fs, seconds=8).signals, fs)
    assert interval(found, "p_on", "qrs_on") == pytest.approx(162, abs=8)
    assert interval(found, "qrs_on", "qrs_off") == pytest.approx(88, abs=6)
    assert interval(found, "qrs_on", "t_off") == pytest.approx(372, abs=8)
    assert found.reasons == ((), ())


@pytest.mark.parametrize(("first", "last", "name", "values"), [
    ("p_on", "qrs_on", "pr", (120, 200, 280, 360)),
    ("qrs_on", "qrs_off", "qrs", (80, 120, 160)),
    ("qrs_on", "t_off", "qt", (320, 400, 480, 560)),
])  # fmt: skip
def test_an_edge_moves_as_far_as_the_wave(first, last, name, values):
    others = {"qt": 420.0} if name == "qrs" else {}
    seen = [
        interval(delineate(known_ecg(rate=60, **others | {name: value}).signals, 500.0), first, last)[0]
        for value in values
    ]
    assert np.polyfit(values, seen, 1)[0] == pytest.approx(1, abs=0.15)


def strip_with(*premature_ms, pause=False):
    """Beats 800 ms apart, one of which comes early and is wide, or does not come at all."""
    time = np.arange(5000) * 2.0
    onsets = [at for at in np.arange(400.0, 9600.0, 800.0) if not (premature_ms or pause) or at != 4400.0]
    strip = sum(beat(time - onset, t_mv=1.5) for onset in onsets)
    for at in premature_ms:
        strip = strip + np.outer(np.linspace(0.6, -1.0, 8), pulse(time, at, at + 170))
    strip = strip + np.random.default_rng(0).normal(0, 0.01, strip.shape)
    return twelve_leads(strip[None].astype(np.float32)), len(onsets)


def test_a_wide_premature_beat_is_a_beat():
    signals, others = strip_with(4130.0)
    found = delineate(signals, 500.0)
    assert len(found.r_peaks[0]) == others + 1
    odd = found.r_peaks[0][~found.beat_kept[0]]
    assert len(odd) == 1 and odd[0] == pytest.approx(4.215, abs=0.06)


def test_the_t_wave_before_a_pause_is_no_beat():
    signals, others = strip_with(pause=True)
    assert len(delineate(signals, 500.0).r_peaks[0]) == others


@pytest.mark.parametrize(("rate", "qt"), [(40, 440), (75, 380), (110, 320), (130, 300), (150, 280)])
def test_qt_is_answered_where_t_runs_into_the_next_p(rate, qt):
    found = delineate(known_ecg(rate=rate, qt=qt, pr=140).signals, 500.0)
    assert interval(found, "qrs_on", "t_off")[0] == pytest.approx(qt - 10, abs=14)


def test_the_r_peaks_are_those_of_the_beats():
    found = delineate(known_ecg(rate=72, noise_mv=0.02).signals, 500.0)
    assert np.diff(found.r_peaks[0]) == pytest.approx(60 / 72, abs=0.004)
    assert found.beat_kept[0].all()


def test_an_ectopic_beat_is_left_out():
    ecg = known_ecg(rate=60)
    signals = ecg.signals.copy()
    at = int(delineate(signals, 500.0).r_peaks[0][4] * 500)
    hill = -2.5 * np.exp(-(((np.arange(5000) - at + 60) / 25.0) ** 2))
    signals[0, :, at - 250 : at + 60] = 0
    signals[0] += hill
    found = delineate(signals, 500.0)
    assert (~found.beat_kept[0]).sum() == 1
    assert "ectopics_removed" in found.reasons[0]
    assert interval(found, "qrs_on", "t_off") == pytest.approx(372, abs=8)


def test_no_p_wave_no_pr():
    found = delineate(known_ecg(p_mv=0.0).signals, 500.0)
    assert np.isnan(found.points["p_on"][0])
    assert "p_absent" in found.reasons[0]
    assert np.isfinite(found.points["t_off"][0])


def test_single_batched_and_shuffled_give_the_same():
    signals = np.concatenate([known_ecg(2, rate=rate, noise_mv=0.03).signals for rate in (55, 90, 130)] * 12)
    together = delineate(signals, 500.0, draws=2)
    order = np.random.default_rng(1).permutation(len(signals))
    shuffled = delineate(signals[order], 500.0, draws=2)
    alone = [delineate(signals[k : k + 1], 500.0, draws=2) for k in range(6)]
    for name in POINTS:
        np.testing.assert_array_equal(shuffled.points[name], together.points[name][order])
        np.testing.assert_array_equal([part.points[name][0] for part in alone], together.points[name][:6])
    np.testing.assert_array_equal(shuffled.median_beat, together.median_beat[order])
    np.testing.assert_array_equal([part.p_score[0] for part in alone], together.p_score[:6])
    np.testing.assert_array_equal(
        [part.standard_errors["qt"][0] for part in alone], together.standard_errors["qt"][:6]
    )


def test_neither_scale_nor_level_moves_an_edge():
    signals = known_ecg(2).signals
    plain, other = delineate(signals, 500.0), delineate(2 * signals + 5, 500.0)
    for name in POINTS:
        assert other.points[name] == pytest.approx(plain.points[name], abs=2)


def test_wander_and_hum_move_edges_little():
    ecg = known_ecg()
    time = np.arange(5000) / 500
    loud = ecg.signals + (0.5 * np.sin(2 * np.pi * 0.2 * time) + 0.1 * np.sin(2 * np.pi * 60 * time)).astype(
        np.float32
    )
    plain, found = delineate(ecg.signals, 500.0), delineate(loud, 500.0)
    for name in POINTS:
        assert found.points[name] == pytest.approx(plain.points[name], abs=8)


def test_eight_leads_are_enough():
    ecg = known_ecg()
    eight = eight_leads(ecg)
    twelve, found = delineate(ecg.signals, 500.0), delineate(eight.signals, 500.0, eight.leads)
    np.testing.assert_array_equal(found.points["t_off"], twelve.points["t_off"])
    np.testing.assert_allclose(found.median_beat, twelve.median_beat, atol=1e-5)


def test_the_median_beat_obeys_einthoven():
    beat = delineate(known_ecg().signals, 500.0).median_beat[0]
    one, two, three = (beat[LEADS.index(lead)] for lead in ("I", "II", "III"))
    np.testing.assert_allclose(three, two - one, atol=1e-6)


def test_bad_signals_become_nan_with_a_reason_and_spare_their_neighbours():
    random = np.random.default_rng(3)
    good = known_ecg().signals[0]
    kinds = ("flat", "missing", "noise", "microvolts", "infinite")
    batch = np.stack([good, *(broken(kind, good, random) for kind in kinds), good])
    found = delineate(batch, 500.0)
    np.testing.assert_array_equal(
        found.points["qrs_on"][[0, -1]], delineate(good[None], 500.0).points["qrs_on"][0]
    )
    assert np.isnan(found.points["qrs_on"][1:-1]).all()
    expected = ("flat", "flat", "noise", "not_millivolts", "flat")
    for code, codes in zip(expected, found.reasons[1:-1], strict=True):
        assert code in codes or (code == "noise" and "no_beats" in codes)
    assert {code for codes in found.reasons for code in codes} <= set(REASONS)


def test_a_dead_lead_is_left_out():
    signals = known_ecg().signals.copy()
    signals[0, LEADS.index("V3")] = 0
    signals[0, LEADS.index("V5"), 1000:1010] = np.nan
    found = delineate(signals, 500.0)
    assert set(found.reasons[0]) == {"dead_lead", "missing_samples"}
    assert np.isnan(found.median_beat[0, LEADS.index("V3")]).all()
    assert interval(found, "qrs_on", "t_off") == pytest.approx(372, abs=8)


def test_a_dead_limb_lead_is_rebuilt_from_the_other_two():
    signals = known_ecg().signals.copy()
    whole = delineate(signals, 500.0).median_beat[0, 0]
    signals[0, 0] = 0
    np.testing.assert_allclose(delineate(signals, 500.0).median_beat[0, 0], whole, atol=1e-5)


def test_spikes_of_a_pacemaker_are_named():
    ecg = known_ecg(rate=60)
    signals = ecg.signals.copy()
    for peak in delineate(signals, 500.0).r_peaks[0]:
        at = int(peak * 500) - 50
        signals[0, :, at : at + 2] += 1.5
    assert "paced_like" in delineate(signals, 500.0).reasons[0]


def test_a_short_strip_is_a_reason_not_an_error():
    for seconds in (0.2, 3.9):
        found = delineate(known_ecg(2, seconds=seconds).signals, 500.0)
        assert all("too_short" in codes for codes in found.reasons)
        assert np.isnan(found.points["qrs_on"]).all()


def test_a_thousand_broken_signals_raise_nothing():
    random = np.random.default_rng(4)
    good = known_ecg(4, fs=100.0, seconds=5).signals
    batch = good[random.integers(0, 4, 1000)]
    batch = batch * random.choice([0, 1e-4, 0.3, 1, 50, 1e4, 1e30], (1000, 1, 1)).astype(np.float32)
    batch = np.clip(batch, -random.choice([0.05, 1, 1e38], (1000, 1, 1)), None).astype(np.float32)
    batch += random.choice([0, 0.01, 0.2, 2], (1000, 1, 1)) * random.normal(size=batch.shape).astype(
        np.float32
    )
    batch[random.random((1000, 12)) < 0.1] = 0
    batch[random.random(batch.shape) < random.choice([0, 0, 0.01, 0.5], (1000, 1, 1))] = np.nan
    found = delineate(batch, 100.0)
    assert len(found.reasons) == 1000
    lost = np.isnan(found.points["qrs_on"])
    assert all(codes for codes, gone in zip(found.reasons, lost, strict=True) if gone)


@pytest.mark.parametrize(("signals", "fs", "leads", "message"), [
    (np.zeros((12, 5000)), 500.0, LEADS, r"must have the shape \(batch, lead, sample\), got \(12, 5000\)"),
    (np.zeros((1, 5000, 12)), 500.0, LEADS, "must have one row per lead, got 5000 rows"),
    (np.zeros((1, 3, 5000)), 500.0, ("I", "II", "V1"), "leads must hold .* got I II V1: add V2 V3"),
    (np.zeros((1, 12, 500)), 50.0, LEADS, "fs must be between 100 and 1000 Hz, got 50"),
    (np.zeros((1, 12, 10000)), 100.0, LEADS, "signals must last at most 60 s, got 100 s"),
])  # fmt: skip
def test_what_cannot_be_an_ecg_is_refused(signals, fs, leads, message):
    with pytest.raises(ValueError, match=message):
        delineate(signals, fs, leads)


@pytest.mark.skipif(not PTBXL.exists(), reason="recorded ECGs (../shared/data/ptb-xl) are not here")
def test_recorded_ecgs_have_believable_intervals():
    from models.records import open_ptbxl

    records = open_ptbxl(PTBXL)
    ecg = records.ecg(np.arange(40))
    found = delineate(ecg.signals, ecg.fs, ecg.leads)
    assert np.isfinite(found.points["t_off"]).mean() > 0.95
    assert 80 < np.nanmedian(interval(found, "qrs_on", "qrs_off")) < 105
    assert 350 < np.nanmedian(interval(found, "qrs_on", "t_off")) < 420
    assert 140 < np.nanmedian(interval(found, "p_on", "qrs_on")) < 180
