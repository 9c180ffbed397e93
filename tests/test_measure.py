import numpy as np
import pandas as pd
import pytest
from known_beats import eight_leads, known_ecg

from discovery.measure import measure
from discovery.quantities import ASKED, MEASURED
from models.ecg import ECG, LEADS, Conditions
from models.synthetic import Simulator


@pytest.fixture(scope="module")
def table():
    return measure(known_ecg(3, rate=75, noise_mv=0.01), draws=8)


def test_one_row_per_ecg_with_what_was_asked():
    ecg = known_ecg(2)
    asked = (Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm"), Conditions())
    named = ECG(ecg.signals, ecg.fs, conditions=asked, seeds=(3, 4),
                annotations={"record": np.array(["a", "b"]), "latent": np.zeros((2, 5))})  # fmt: skip
    table = measure(named)
    assert list(table.columns[: len(ASKED)]) == list(ASKED)
    assert table["sex"].tolist() == ["female", None]
    assert table["seed"].tolist() == [3, 4]
    assert table["record"].tolist() == ["a", "b"]
    assert "latent" not in table


def test_known_rhythm(table):
    assert table["rate_bpm"].tolist() == pytest.approx([75] * 3, abs=0.3)
    assert table["rr_ms"].tolist() == pytest.approx([800] * 3, abs=3)
    assert (table["rr_sd_ms"] < 4).all()
    assert (table["beats_removed"] == 0).all()


def test_irregular_rhythm_is_measured():
    row = measure(known_ecg(jitter_ms=60, seconds=30, rate=60, p_mv=0)).iloc[0]
    assert row["rr_sd_ms"] == pytest.approx(60 * np.sqrt(2), rel=0.3)
    assert row["rr_cv"] == pytest.approx(row["rr_sd_ms"] / row["rr_ms"])
    assert row["rmssd_ms"] > row["rr_sd_ms"]


def test_corrections_follow_their_formulas(table):
    row = table.iloc[0]
    rr = row["rr_ms"] / 1000
    assert row["qtcf_ms"] == pytest.approx(row["qt_ms"] / rr ** (1 / 3))
    assert row["qtcb_ms"] == pytest.approx(row["qt_ms"] / rr**0.5)
    assert row["qtcfr_ms"] == pytest.approx(row["qt_ms"] + 154 * (1 - rr))
    assert row["qtch_ms"] == pytest.approx(row["qt_ms"] + 1.75 * (60 / rr - 60))
    assert row["jt_ms"] == pytest.approx(row["qt_ms"] - row["qrs_ms"])
    assert np.isnan(row["qtmcf_ms"])


def test_wide_qrs_has_its_own_correction():
    row = measure(known_ecg(qrs=160, qt=440)).iloc[0]
    assert "wide_qrs" in row["reasons"]
    expected = (row["qt_ms"] - 0.485 * row["qrs_ms"]) / (row["rr_ms"] / 1000) ** (1 / 3)
    assert row["qtmcf_ms"] == pytest.approx(expected)


def test_known_amplitudes(table):
    row = table.iloc[0]
    assert row["r_v5_mv"] == pytest.approx(1.3, abs=0.1)
    assert row["s_v1_mv"] == pytest.approx(0.9, abs=0.1)
    assert row["t_v3_mv"] == pytest.approx(0.45, abs=0.05)
    assert row["t_v1_mv"] == pytest.approx(-0.05, abs=0.03)
    assert abs(row["st_v2_mv"]) < 0.03
    assert row["sokolow_lyon_mv"] == pytest.approx(row["s_v1_mv"] + row["r_v5_mv"])
    assert row["cornell_mv"] == pytest.approx(row["r_avl_mv"] + row["s_v3_mv"])
    assert row["r_transition"] == 4
    assert row["einthoven_mv"] < 1e-6


@pytest.mark.parametrize(("one", "foot", "angle"), [(1, 0, 0), (1, 1, 49.1), (0.05, 1, 87.5), (-1, 0, 180)])
def test_the_axis_of_a_known_vector(one, foot, angle):
    ecg = eight_leads(known_ecg(noise_mv=0.001))
    shape = ecg.signals[:, 5] / 1.4  # V4 as the one wave form of all leads
    signals = ecg.signals.copy()
    signals[:, 0], signals[:, 1] = one * shape, (foot + 0.5 * one) * shape
    row = measure(ECG(signals, ecg.fs, ecg.leads)).iloc[0]
    for name in ("qrs_axis_deg", "t_axis_deg"):
        assert abs((row[name] - angle + 180) % 360 - 180) < 3
    assert row["qrst_angle_deg"] < 3


def test_an_arm_reversal_is_suspected():
    ecg = known_ecg()
    swapped = ecg.signals.copy()
    swapped[:, 0] = -ecg.signals[:, 0]
    for new, old in (("II", "III"), ("III", "II"), ("aVR", "aVL"), ("aVL", "aVR")):
        swapped[:, LEADS.index(new)] = ecg.signals[:, LEADS.index(old)]
    assert "limb_reversal" in measure(ECG(swapped * 1.0, 500.0))["reasons"][0]
    assert "limb_reversal" not in measure(ecg)["reasons"][0]


def test_leads_that_contradict_each_other_are_named():
    signals = known_ecg().signals.copy()
    signals[:, LEADS.index("III")] *= -1
    row = measure(ECG(signals, 500.0)).iloc[0]
    assert "leads_disagree" in row["reasons"]
    assert row["einthoven_mv"] > 0.1


def test_uncertainty_grows_with_noise(table):
    noisy = measure(known_ecg(3, rate=75, noise_mv=0.06), draws=8)
    for name in ("pr_se_ms", "qt_se_ms"):
        assert noisy[name].mean() > table[name].mean()
    assert "pr_se_ms" not in measure(known_ecg())


def test_twice_the_voltage_twice_the_amplitudes():
    ecg = known_ecg()
    plain, double = measure(ecg).iloc[0], measure(ECG(2 * ecg.signals, ecg.fs)).iloc[0]
    for name in ("r_v5_mv", "t_ii_mv", "cornell_mv"):
        assert double[name] == pytest.approx(2 * plain[name], rel=0.02, abs=0.01)
    for name in ("pr_ms", "qrs_ms", "qt_ms", "qrs_axis_deg"):
        assert double[name] == pytest.approx(plain[name], abs=2)


def test_eight_leads_measure_like_twelve():
    ecg = known_ecg()
    twelve, eight = measure(ecg).iloc[0], measure(eight_leads(ecg)).iloc[0]
    for name in set(MEASURED) - {"einthoven_mv"}:
        assert eight[name] == pytest.approx(twelve[name], abs=1e-3, nan_ok=True), name
    assert np.isnan(eight["einthoven_mv"])


def test_a_bad_signal_is_a_row_of_nan_with_its_reason():
    signals = known_ecg(2).signals.copy()
    signals[1] *= 1000
    row = measure(ECG(signals, 500.0)).iloc[1]
    assert row["reasons"] == "not_millivolts"
    assert row[list(set(MEASURED) - {"einthoven_mv"})].isna().all()


def test_what_is_no_ecg_is_refused():
    with pytest.raises(ValueError, match="fs must be between 100 and 1000 Hz, got 5000"):
        measure(ECG(np.zeros((1, 12, 5000)), 5000.0))


def test_one_and_two_processes_give_the_same_table():
    parts = [known_ecg(40, rate=rate, noise_mv=0.03, fs=100.0).signals for rate in (50, 75, 100, 125)]
    ecg = ECG(np.concatenate(parts), 100.0, seeds=range(160))
    pd.testing.assert_frame_equal(measure(ecg, draws=2), measure(ecg, draws=2, workers=2), check_exact=True)


def test_no_process_and_less_than_no_draws_are_refused():
    with pytest.raises(ValueError, match="draws must be 0 or more, got -1"):
        measure(known_ecg(), draws=-1)
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        measure(known_ecg(), workers=0)


def test_intervals_that_a_simulator_holds_fixed_are_found():
    """At 60 bpm; the truth is the simulator's, the offsets those of cardiologists: a few ms of bias."""
    for truth in ({"pr_ms": 120, "qrs_ms": 80, "qt_ms": 360}, {"pr_ms": 240, "qrs_ms": 130, "qt_ms": 480}):
        simulator = Simulator({name: {"fixed": value} for name, value in truth.items()})
        table = measure(simulator.generate([Conditions(50, "female", 60, "sinus rhythm")] * 4, range(4)))
        for name, value in truth.items():
            assert set(table[f"known_{name}"]) == {value}
            assert table[name].to_numpy() == pytest.approx(value, abs=14), name


def test_the_end_of_a_long_qt_at_a_slow_rate_is_no_beat():
    simulator = Simulator({"qt_ms": {"fixed": 560}, "pr_ms": {"fixed": 160}, "qrs_ms": {"fixed": 94}})
    table = measure(simulator.generate([Conditions(50, "female", 40, "sinus rhythm")] * 6, range(6)))
    assert table["rate_bpm"].to_numpy() == pytest.approx(40, abs=1)
    assert table["qt_ms"].to_numpy() == pytest.approx(560, abs=14)


def test_a_t_wave_that_rises_out_of_qrs_does_not_widen_it():
    simulator = Simulator({"qt_ms": {"fixed": 280}, "pr_ms": {"fixed": 160}, "qrs_ms": {"fixed": 94}})
    table = measure(simulator.generate([Conditions(50, "female", 70, "sinus rhythm")] * 24, range(24)))
    assert table["qrs_ms"].to_numpy() == pytest.approx(94, abs=14)


@pytest.mark.parametrize(
    ("leads", "fs", "seconds"), [(8, 100, 4), (12, 100, 60), (8, 360, 10), (12, 1000, 4), (8, 1000, 20)]
)
def test_the_range_of_inputs_is_measured(leads, fs, seconds):
    ecg = known_ecg(1, fs=float(fs), seconds=float(seconds), rate=75)
    row = measure(eight_leads(ecg) if leads == 8 else ecg).iloc[0]
    assert row["reasons"] == ""
    assert row["rate_bpm"] == pytest.approx(75, abs=0.5)
    for name, value in {"pr_ms": 162, "qrs_ms": 88, "qt_ms": 372}.items():
        assert row[name] == pytest.approx(value, abs=8), name


def test_the_cornell_product_needs_the_sex():
    ecg = known_ecg(3)
    asked = (Conditions(sex="female"), Conditions(sex="male"), Conditions())
    table = measure(ECG(ecg.signals, ecg.fs, conditions=asked))
    plain = table["cornell_mv"] * table["qrs_ms"]
    assert table["cornell_product_mvms"][0] == pytest.approx(plain[0] + 0.8 * table["qrs_ms"][0])
    assert table["cornell_product_mvms"][1] == pytest.approx(plain[1])
    assert np.isnan(table["cornell_product_mvms"][2])


@pytest.mark.parametrize(("one", "other"), [("V1", "V4"), ("V2", "V5"), ("V1", "V6"), ("V3", "V6")])
def test_exchanged_chest_leads_are_suspected(one, other):
    ecg = Simulator().generate([Conditions(50, "female", 70, "sinus rhythm")] * 4, range(4))
    swapped = ecg.signals.copy()
    rows = [LEADS.index(one), LEADS.index(other)]
    swapped[:, rows] = swapped[:, rows[::-1]]
    assert not measure(ecg)["reasons"].str.contains("chest_leads_swapped").any()
    table = measure(ECG(swapped, ecg.fs))
    assert table["reasons"].str.contains("chest_leads_swapped").all()
    assert (table["chest_order"] > 1.2).all()


def test_a_second_opinion_is_asked_of_neurokit2():
    table = measure(known_ecg(2), second=True)
    assert table["nk_qt_ms"].to_numpy() == pytest.approx(380, abs=25)
    assert table["nk_pr_ms"].to_numpy() == pytest.approx(160, abs=25)
    assert not table["reasons"].str.contains("nk_disagrees").any()
    assert "nk_pr_ms" not in measure(known_ecg())


def test_a_second_opinion_far_away_is_named(monkeypatch):
    far = {"pr": np.array([160.0, 160.0]), "qrs": np.array([np.nan, 80.0]), "qt": np.array([480.0, np.nan])}
    monkeypatch.setattr("discovery.measure.second_opinion", lambda *given: far)
    said = measure(known_ecg(2), second=True)["reasons"]
    assert "nk_disagrees" in said[0]
    assert "nk_disagrees" not in said[1]


def test_a_second_opinion_on_a_flat_strip_is_none():
    row = measure(ECG(np.zeros((1, 12, 5000), np.float32), 500.0), second=True).iloc[0]
    assert row["reasons"] == "flat"
    assert np.isnan(row["nk_qt_ms"])
