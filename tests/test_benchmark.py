"""The benchmark sees what is planted, and finds nothing where nothing is."""

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from discovery.alike import alike, inside, narrow
from discovery.benchmark import (
    EIGHT,
    Goal,
    Score,
    Side,
    Trial,
    both,
    carries,
    certainties,
    markdown_table,
    number,
    scores_table,
)
from discovery.benchmark_copies import copy_scores, nearness
from discovery.benchmark_diagnosis import adherence_scores, alignment_scores, augmentation_scores
from discovery.benchmark_features import (
    distance_scores,
    effect_scores,
    missing_scores,
    rate_error_scores,
    rate_scores,
    slope,
    slope_scores,
    strip_scores,
)
from discovery.benchmark_plots import plot_amplitudes, plot_quantities, plot_scores, plot_spectra
from discovery.benchmark_sides import asked_like, said_in, side_of, twins_of
from discovery.benchmark_signal import (
    amplitude_scores,
    feature_scores,
    measured_space,
    space_scores,
    spectrum_scores,
    two_sample_scores,
)
from discovery.benchmark_statements import (
    CHECKS,
    infarct_scores,
    matched_scores,
    odds_ratio,
    pair_scores,
    sinus_scores,
)
from discovery.distances import Measured
from discovery.goals import GOALS
from discovery.measure import measure
from discovery.signal_features import feature_names, noise_correlations, signal_features
from models.ecg import ECG, Conditions
from models.synthetic import Simulator

PEOPLE = 48


def made(first, changes=None, simulator=None):
    """A side of simulated ECGs; `changes` are per-ECG changes of what is asked."""
    random = np.random.default_rng(3)
    asked = [
        Conditions(30 + k, ("female", "male")[k % 2], float(random.uniform(55, 95)), "sinus rhythm")
        for k in range(PEOPLE)
    ]
    asked = [one.replace(**(changes or {})) for one in asked]
    said = [{"SR": 1.0, "NORM": 1.0} if k % 3 else {"SR": 1.0, "IMI": 0.8} for k in range(PEOPLE)]
    known = pd.DataFrame(
        {"statements": said, "patient_id": range(PEOPLE), "record": range(PEOPLE), "fold": 9}
    )
    return side_of((simulator or Simulator()).generate(asked, [first + k for k in range(PEOPLE)]), known)


@pytest.fixture(scope="module")
def trial():
    """Records and generated ECGs that are of one kind: all simulated."""
    real, others = made(0), made(1000)
    others = replace(others, table=others.table.assign(patient_id=lambda t: t["patient_id"] + 100))
    return Trial(real, others, (made(2000), made(3000)), made(4000))


def by_name(scores):
    return {score.property: score for score in scores}


def test_alike_brings_any_rate_to_one_and_takes_wander_away():
    ecg = Simulator().generate([Conditions(50, "male", 70, "sinus rhythm")] * 2, [1, 2])
    wander = 0.8 * np.sin(2 * np.pi * 0.1 * np.arange(ecg.signals.shape[2]) / ecg.fs)
    plain, wandering = alike(ecg), alike(replace(ecg, signals=ecg.signals + wander))
    assert plain.fs == 250
    assert plain.signals.shape == (2, 12, 2500)
    middle = slice(500, 2000)
    assert np.abs(plain.signals - wandering.signals)[:, EIGHT, middle].max() < 0.02
    counts = plain.signals[:, EIGHT].astype(float) * 1000
    assert np.abs(counts - np.round(counts)).max() < 1e-3
    assert narrow(plain.signals[:, EIGHT]).shape == (2, 8, 896)
    assert inside(plain.signals).shape == (2, 12, 2250)


def test_alike_keeps_the_heart_of_an_ecg_at_an_odd_rate():
    time = np.arange(1024) / 102.4
    slow = np.tile(np.sin(2 * np.pi * 5 * time), (1, 12, 1)).astype(np.float32)
    found = alike(ECG(slow, 102.4)).signals[0, 0]
    wanted = np.sin(2 * np.pi * 5 * np.arange(2500) / 250)
    assert np.abs(found - wanted)[250:-250].max() < 0.01


def test_alike_refuses_strips_of_another_length():
    with pytest.raises(ValueError, match="ecg must last 10 s, got 5 s"):
        alike(ECG(np.zeros((1, 12, 2500)), 500))


def test_equal_kinds_are_near_and_not_told_apart(trial):
    scores = by_name(two_sample_scores(trial))
    found = scores["two-sample test, boosted trees on signal features: AUC"]
    assert 0.3 < found.measured.value < 0.7
    distances = by_name(distance_scores(trial))
    assert distances["qt_ms: distance over records' own"].measured.value < 2


def test_a_planted_noise_is_told_apart_and_named(trial):
    random = np.random.default_rng(0)
    noisy = tuple(
        replace(side, strips=side.strips + random.normal(0, 0.05, side.strips.shape).astype(np.float32))
        for side in trial.twins
    )
    spoiled = replace(trial, twins=noisy)
    found = by_name(two_sample_scores(spoiled))
    assert found["two-sample test, boosted trees on signal features: AUC"].measured.value > 0.9
    named = feature_scores(spoiled, most=1)[0]
    assert "bend higher" in named.property or "slope higher" in named.property or "power" in named.property
    loud = by_name(spectrum_scores(spoiled))["spectra, 1 to 100 Hz, mean of leads"]
    quiet = by_name(spectrum_scores(trial))["spectra, 1 to 100 Hz, mean of leads"]
    assert loud.measured.value > 5 * quiet.measured.value
    assert loud.measured.value > loud.floor


def test_noise_that_leads_have_in_common_is_told_apart(trial):
    random = np.random.default_rng(0)
    name = "two-sample test, boosted trees on correlations of noise between leads: AUC"

    def noisy(side, together):
        own, common = (
            random.normal(0, 0.05, side.strips.shape),
            random.normal(0, 0.05, side.strips[:, :1].shape),
        )
        noise = np.sqrt(1 - together) * own + np.sqrt(together) * common
        return replace(side, strips=(side.strips + noise).astype(np.float32))

    real, others, *twins = (noisy(side, 0.0) for side in (trial.real, trial.others, *trial.twins))
    alike = replace(trial, real=real, others=others, twins=tuple(twins))
    assert 0.3 < by_name(two_sample_scores(alike))[name].measured.value < 0.7
    spoiled = replace(alike, twins=tuple(noisy(side, 0.5) for side in trial.twins))
    found = by_name(two_sample_scores(spoiled))[name]
    assert found.measured.value > 0.9
    assert found.floor < 0.7


def test_noise_is_how_the_quieter_half_of_a_strip_bends():
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.01, (2, 8, 2500))
    noise[1, 1] = 0.6 * noise[1, 0] + 0.8 * noise[1, 1]
    beats = 2 * np.exp(-0.5 * ((np.arange(2500) % 250 - 125) / 4.0) ** 2) * np.linspace(0.5, 1, 8)[:, None]
    found = np.tanh(noise_correlations(noise + beats)).reshape(2, -1, 28)
    assert found[1, :, 0] == pytest.approx(0.6, abs=0.1)
    assert np.abs(found[0]).max() < 0.2, "beats that all leads share are none"


def test_where_a_strip_is_stored_tells_nothing():
    """0.123 mV and 1.659 mV are off by other amounts in single precision; their slopes must be the same to a tree."""
    steps = np.random.default_rng(0).integers(-6, 7, (4, 8, 2500)).cumsum(axis=2) % 40
    low, high = (signal_features(((steps + at) / 1000).astype(np.float32)) for at in (0, 1536))
    slopes = [k for k, name in enumerate(feature_names()) if "slope" in name or "bend" in name]
    assert len(slopes) == 32
    assert np.array_equal(low[:, slopes], high[:, slopes])


def test_a_detector_given_as_an_argument_is_asked(trial):
    def seer(strips, truth, fold, seed):
        assert strips.shape == (2 * PEOPLE, 8, 2250)
        assert len(set(fold)) == 5
        return truth.astype(float)

    found = by_name(two_sample_scores(trial, seer))
    assert found["two-sample test, network on strips: AUC"].measured.value == 1


def test_what_a_detector_sees_is_told(trial):
    def bend(strips, truth, fold, seed):
        return np.abs(np.diff(strips, 2, axis=2)).mean(axis=(1, 2))

    def blind(strips, truth, fold, seed):
        return np.zeros(len(truth))

    name = "two-sample test, network on strips: AUC of records with 20 uV of white noise (its eyesight)"
    assert by_name(two_sample_scores(trial, bend))[name].measured.value > 0.95
    assert by_name(two_sample_scores(trial, blind))[name].measured.value == 0.5


def test_a_planted_long_qt_is_seen_in_distance_and_amplitude(trial):
    longer = tuple(
        replace(side, table=side.table.assign(qt_ms=side.table["qt_ms"] + 60)) for side in trial.twins
    )
    found = by_name(distance_scores(replace(trial, twins=longer)))
    assert found["qt_ms: Wasserstein distance"].measured.value == pytest.approx(60, abs=12)
    assert found["qt_ms: distance over records' own"].measured.low > 3
    assert found["qrs_ms: distance over records' own"].measured.value < 3
    louder = tuple(replace(side, strips=side.strips * 1.5) for side in trial.twins)
    before = by_name(amplitude_scores(trial))["amplitudes, lead V5"].measured.value
    assert (
        by_name(amplitude_scores(replace(trial, twins=louder)))["amplitudes, lead V5"].measured.value > before
    )


def test_every_space_is_scored(trial):
    spaced = [
        side.with_space("measured quantities", measured_space(side, trial.others))
        for side in (trial.real, trial.others, *trial.twins, trial.other_twins)
    ]
    scores = space_scores(Trial(spaced[0], spaced[1], tuple(spaced[2:4]), spaced[4]))
    assert [score.property.split(",")[0] for score in scores] == [
        "Frechet distance", "precision", "recall", "density", "coverage",
    ]  # fmt: skip
    assert all(np.isfinite(score.measured.value) and np.isfinite(score.floor) for score in scores)
    assert scores[4].measured.value > 0.5


def test_a_planted_error_of_the_heart_rate_is_seen():
    asked = np.full(40, 70.0)
    exact, wrong = (rate_error_scores("rate", asked, asked + shift) for shift in (0.0, 8.0))
    assert [score.measured.value for score in exact] == [0, 1]
    assert [score.measured.value for score in wrong] == [8, 0]
    lost = rate_error_scores("rate", asked, np.append(asked[:-10], [np.nan] * 10))
    assert lost[1].measured.value == 0.75


def test_rates_of_the_simulator_are_obeyed(trial):
    asked = [Conditions(50, "male", rate, "sinus rhythm") for rate in (40, 60, 75, 150) for _ in range(4)]
    ecg = alike(Simulator().generate(asked, list(range(len(asked)))))
    swept = measure(ecg)
    scores = by_name(rate_scores(trial, swept, swept, (60, 75)))
    assert scores["heart rate, worst of 60, 75 bpm: within 5 bpm"].measured.value == 1
    assert scores["heart rate, sinus, below 45 bpm: mean absolute error"].measured.value < 2
    assert scores["heart rate, sinus, above 140 bpm: mean absolute error"].measured.n == 4


def test_a_slope_is_found_with_its_interval_and_what_is_held():
    random = np.random.default_rng(5)
    n = 400
    table = pd.DataFrame({"age": random.uniform(20, 80, n), "sex": random.choice(["female", "male"], n)})
    table["rr_ms"] = random.normal(800, 100, n) + 3 * table["age"]
    table["qt_ms"] = 0.15 * table["rr_ms"] + 0.5 * table["age"] + random.normal(0, 5, n)
    found = slope(table, "qt_ms", "rr_ms", ("decades", "female"))
    assert found.low < 0.15 < found.high
    assert found.high - found.low < 0.03
    assert slope(table, "qt_ms", "decades", ("rr_ms",)).value == pytest.approx(5, abs=0.6)
    assert np.isnan(slope(table[:2], "qt_ms", "rr_ms").value)


def test_effects_of_records_against_themselves_agree_and_turned_ones_do_not(trial):
    table = trial.real.table.assign(qtcf_ms=400 + 20 * (trial.real.table["sex"] == "female"))
    table["qtcf_ms"] += np.random.default_rng(0).normal(0, 2, len(table))
    real = replace(trial.real, table=table)
    turned = replace(trial.real, table=table.assign(qtcf_ms=800 - table["qtcf_ms"]))
    same, other = (by_name(effect_scores(Trial(real, real, (twin,), twin))) for twin in (real, turned))
    name = "effects in normal ECGs: sign as in records"
    assert same[name].measured.value == 1
    assert other[name].measured.value < 1
    assert same["effects in normal ECGs: size within the records' interval"].measured.value == 1
    alone, beside = (effect_scores(Trial(real, real, (real,), real), more) for more in ((), [real.table] * 6))
    widths = [by_name(part)[alone[0].property].measured for part in (alone, beside)]
    assert widths[1].n == 4 * widths[0].n, "two of the trial, six beside them"
    assert widths[1].high - widths[1].low < 0.6 * (widths[0].high - widths[0].low)


def test_slopes_missing_values_and_strips_are_reported(trial):
    assert len(slope_scores(trial)) == 4
    assert by_name(missing_scores(trial))["qrs_ms: not measured"].measured.value < 0.1
    strip = by_name(strip_scores(trial, np.array([0.0, 2e-3])))
    assert strip["limb-lead identities: largest residual"].measured.value == 2e-3
    assert strip["beat similarity within a strip"].measured.value > 0.95


def test_statements_are_found_in_tables():
    table = pd.DataFrame({"statements": [{"SR": 1.0}, {"IMI": 0.4}, {}]})
    assert carries(table, "SR", "IMI").tolist() == [True, False, False]
    assert certainties(table, ("IMI", "SR")).tolist() == [[0, 1], [0.4, 0], [0, 0]]


def test_signs_that_texts_must_show():
    table = pd.DataFrame(
        {
            "qrs_ms": [130.0, 90.0, np.nan],
            "pr_ms": [220.0, 180.0, np.nan],
            "p_present": [0.0, 1.0, 0.0],
            "rr_cv": [0.2, 0.2, 0.05],
            "qrs_axis_deg": [-50.0, 10.0, np.nan],
        }
    )
    for check in CHECKS:
        shown = check.shows(table).astype(float).tolist()
        assert shown[:2] == [1, 0]
        assert check.code == "AFIB" or np.isnan(shown[2])


def labelled(side, code, **columns):
    """A side of which all carry a statement, with measured values as given."""
    said = [{code: 1.0}] * len(side)
    return replace(side, table=side.table.assign(statements=said, **columns))


def test_a_text_that_does_not_show_is_seen(trial):
    real = labelled(trial.real, "CLBBB", qrs_ms=140.0)
    half = np.where(np.arange(PEOPLE) % 2, 140.0, 90.0)
    twin = labelled(trial.twins[0], "CLBBB", qrs_ms=half)
    scores = by_name(matched_scores(Trial(real, real, (twin,), twin), {"CLBBB": twin.table}))
    assert scores["LBBB text: QRS 120 ms or more, over records'"].measured.value == 0.5
    assert scores["LBBB text: QRS 120 ms or more, share, bare text"].measured.value == 0.5
    assert np.isnan(
        scores["AF text: no coherent P and RR variation above 0.10, over records'"].measured.value
    )


def test_rates_named_in_the_text_alone(trial):
    slow = trial.real.table.assign(rate_bpm=50.0, p_present=1.0)
    scores = by_name(sinus_scores(trial, {"SR": slow, "SBRAD": slow, "STACH": slow}))
    assert scores["sinus bradycardia text, no rate asked: below 60 bpm"].measured.value == 1
    assert scores["sinus tachycardia text, no rate asked: above 100 bpm"].measured.value == 0
    assert scores["sinus text: P coherent"].measured.value == 1


def test_the_odds_ratio_is_haldanes():
    assert odds_ratio(np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1])) == pytest.approx(
        (3.5 / 1.5) / (1.5 / 3.5)
    )


def test_an_infarct_in_the_wrong_territory_is_seen(trial):
    low = np.arange(PEOPLE) % 2 == 0
    said = [{"IMI": 1.0} if here else {"ASMI": 1.0} for here in low]
    right = trial.real.table.assign(
        statements=said, q_inferior=low.astype(float), q_anterior=(~low).astype(float)
    )
    wrong = right.assign(q_inferior=right["q_anterior"], q_anterior=right["q_inferior"])
    real, twin = (replace(trial.real, table=table) for table in (right, wrong))
    good, bad = (by_name(infarct_scores(Trial(real, real, (side,), side))) for side in (real, twin))
    name = "inferior infarct text: inferior Q, odds ratio over records'"
    assert good[name].measured.value == pytest.approx(1)
    assert bad[name].measured.value < 0.01


def test_a_planted_copy_is_found(trial):
    honest = by_name(copy_scores(trial))["copies by the ratio test, median beats"]
    assert honest.measured.value == 0
    beats = trial.twins[0].beats.copy()
    beats[:3] = trial.others.beats[5:8] + 1e-4
    thief = replace(trial, twins=(replace(trial.twins[0], beats=beats), trial.twins[1]))
    found = by_name(copy_scores(thief))["copies by the ratio test, median beats"]
    assert found.measured.value == 3
    assert found.measured.n == 3 * PEOPLE


def test_two_records_of_one_patient_do_not_hide_a_copy():
    training = np.array([[0.0, 0], [0.01, 0], [5, 0], [0, 5], [4, 4]])
    patients = np.array([1, 1, 2, 3, 4])
    found = nearness(np.array([[0.0, 0.02], [2.5, 2.5]]), training, patients)
    assert found.copies.tolist() == [True, False]
    assert found.which[0] == 0


def test_pairs_tell_what_moves(trial):
    first = trial.real
    moved = replace(first, table=first.table.assign(pr_ms=first.table["pr_ms"] + 50))
    scores = by_name(pair_scores({"as asked": first, "a block": moved}))
    assert scores["same heart, a block: PR, mean change"].measured.value == pytest.approx(50)
    assert scores["same heart, a block: QRS, median absolute change"].measured.value == 0
    alike = scores["same heart, a block: correlation of beats (column records: of other hearts)"]
    assert alike.measured.value == pytest.approx(1)
    assert alike.floor < 1


def test_adherence_is_the_gap_between_generated_and_recorded():
    random = np.random.default_rng(6)
    truth = random.random((200, 2)) < 0.3
    good = truth + random.normal(0, 0.1, truth.shape)
    blind = random.normal(size=truth.shape)
    scores = by_name(adherence_scores(truth, good, [blind, blind], np.arange(200), ("a", "b")))
    gap = scores["statement classifier: macro AUROC, generated less recorded"].measured
    assert -0.6 < gap.low < gap.value < gap.high < -0.35
    same = by_name(adherence_scores(truth, good, [good], np.arange(200), ("a", "b")))
    assert same["statement classifier: macro AUROC, generated less recorded"].measured.value == 0


def test_training_on_noise_is_worth_less_than_training_on_records():
    random = np.random.default_rng(7)
    truth = random.random((200, 5)) < 0.3
    good, noise = truth + random.normal(0, 0.3, truth.shape), random.normal(size=truth.shape)
    better = truth + random.normal(0, 0.2, truth.shape)
    found = {"synthetic": [noise, noise], "both, one twin": [good, good], "both": [better, better]}
    for weak, strong in (("real", "real, as many steps"), ("real, as many steps", "real")):
        found |= {weak: [noise, noise], strong: [good, good]}
        scores = by_name(augmentation_scores(truth, found, np.arange(200)))
        gain = scores["train on real and synthetic, test on real: AUROC less train on real"].measured
        assert 0 < gain.value < 0.2, "over the better of the two that learnt from records alone"
    found |= {"real, as many steps": [noise, noise], "both": [good, good]}
    scores = by_name(augmentation_scores(truth, found, np.arange(200)))
    assert scores["train on synthetic, test on real: AUROC over train on real"].measured.high < 0.7
    gain = scores["train on real and synthetic, test on real: AUROC less train on real"].measured
    assert gain.value == gain.low == gain.high == 0


def test_texts_near_their_own_ecgs_are_retrieved():
    said = np.eye(20)
    scores = alignment_scores(
        np.eye(20), said, {"recorded": np.eye(20), "generated": np.roll(np.eye(20), 1, 0)}
    )
    cosine, own = scores
    assert (cosine.measured.value, cosine.floor) == (0, 1)
    assert (own.measured.value, own.floor) == (0, 1)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.4, "goal"), (0.5, "goal"), (0.9, "must"), (1.1, "missed"), (np.nan, "not measured")],
)
def test_verdicts(value, verdict):
    assert Goal("error", "at most", 1.0, 0.5).verdict(value) == verdict


def test_verdicts_within_limits_and_without_a_must():
    near = Goal("distance", "within", (0.9, 1.1), (0.97, 1.03))
    assert [near.verdict(value) for value in (1.0, 1.08, 0.5)] == ["goal", "must", "missed"]
    assert near.written(near.must) == "0.9 to 1.1"
    assert Goal("moved", "at most", None, 3.0).verdict(5.0) == "reported"
    with pytest.raises(ValueError, match="sense must be one of at most, at least, within, got 'below'"):
        Goal("error", "below", 1.0, 0.5)


def test_the_table_holds_every_score_and_every_goal():
    scores = [Score("feature", "error", Measured(0.4, 0.3, 0.5, 20), 0.2, "bpm")]
    goals = [Goal("error", "at most", 1.0, 0.5), Goal("speed", "at most", 1.0, 0.5)]
    table = scores_table(scores, goals)
    assert table["verdict"].tolist() == ["goal", "not measured"]
    written = markdown_table(table, unmet=True)
    assert "| error | 0.400 bpm (0.300 to 0.500) | 0.200 | 20 | <= 1 | <= 0.5 | goal |" in written
    with pytest.raises(ValueError, match="properties must differ, got 'error' twice"):
        scores_table([*scores, *scores])
    with pytest.raises(ValueError, match="level must be one of signal, .* got 'deep'"):
        Score("deep", "error", Measured(0.4, 0.3, 0.5, 20))


def test_numbers_are_written_short():
    assert [number(v) for v in (0.0, 0.12345, 12.345, 1234.5, np.nan, 1e-5, 3.0, -0.5)] == [
        "0", "0.123", "12.3", "1234", "-", "1e-05", "3", "-0.500",
    ]  # fmt: skip


def test_goals_are_named_once():
    names = [goal.property for goal in GOALS]
    assert len(names) == len(set(names))


def test_a_side_refuses_rows_that_do_not_match(trial):
    with pytest.raises(ValueError, match=f"beats must have one row per strip, got 3 for {PEOPLE}"):
        Side(trial.real.strips, trial.real.table, trial.real.beats[:3])
    with pytest.raises(ValueError, match=f"twins must have one row per record of real, got 5 for {PEOPLE}"):
        replace(trial, twins=(trial.twins[0].where(np.arange(5)),))


def test_two_sides_become_one(trial):
    found = both(trial.real.with_space("a", np.zeros((PEOPLE, 2))), trial.others)
    assert len(found) == 2 * PEOPLE
    assert not found.spaces


def test_pictures_say_what_they_show(trial):
    for draw in (plot_quantities, plot_spectra, plot_amplitudes):
        figure = draw(trial)
        labels = figure.legends[0].get_texts()
        assert [text.get_text().split(" (")[0] for text in labels] == [
            "records, held out", "records, others", "generated",
        ]  # fmt: skip
        assert all(axes.get_xlabel() for axes in figure.axes)
    scores = [Score("feature", "error", Measured(0.4, 0.3, 0.5, 20), 0.2, "bpm")]
    words = [text.get_text() for text in plot_scores(scores_table(scores, GOALS[:2] + (
        Goal("error", "at most", 1.0, 0.5),))).axes[0].texts]  # fmt: skip
    assert "0.400 bpm (0.300 to 0.500)" in words


@pytest.fixture
def command(root, monkeypatch):
    """The modules of the command."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import generator_report
    import generator_sets

    yield generator_report, generator_sets
    for name in ("generator_report", "generator_sets"):
        sys.modules.pop(name, None)


def test_generated_sets_are_kept_and_read_again(command, tmp_path, monkeypatch):
    _, sets = command
    monkeypatch.setattr(sets, "KEEP", tmp_path)
    asked = [Conditions(50, "male", 60 + k, "sinus rhythm") for k in range(3)]
    simulator = Simulator()
    first = sets.generated(simulator, asked, [1, 2, 3])
    monkeypatch.setattr(Simulator, "generate", lambda *_: pytest.fail("made again"))
    again = sets.generated(simulator, asked, [1, 2, 3])
    assert np.array_equal(first.strips, again.strips)
    assert np.array_equal(first.beats, again.beats, equal_nan=True)
    pd.testing.assert_frame_equal(
        first.table.select_dtypes(float), again.table[first.table.select_dtypes(float).columns].astype(float)
    )


def test_any_generator_can_be_named(command):
    _, sets = command
    assert isinstance(sets.bring("models.synthetic:Simulator"), Simulator)
    assert said_in({"SR": 1.0, "IMI": 0.5, "LVH": 0.2}) == "SR | possible IMI | cannot rule out LVH"


def test_the_card_keeps_what_stands_around_the_measured_part(command, tmp_path):
    report, _ = command
    card = tmp_path / "card.md"
    card.write_text("# Card\n\n## Measured\n\nold\n\n## Licence\n\nfree\n")
    report.put_in_card(card, "new\n")
    assert card.read_text() == "# Card\n\n## Measured\n\nnew\n\n## Licence\n\nfree\n"
    for text in ("other\n", "others\n"):
        report.put_in_card(card, text, report.card_mark(8))
    assert card.read_text().endswith("free\n\n## Fold 8\n\nothers\n")
    assert card.read_text().startswith("# Card\n\n## Measured\n\nnew\n\n## Licence")


def test_json_of_the_table_is_plain(tmp_path):
    table = scores_table([Score("feature", "error", Measured(np.nan, np.nan, np.nan, 0))])
    rows = json.loads(table.to_json(orient="records"))
    assert rows[0]["value"] is None


def test_twins_are_asked_with_all_that_is_known(trial):
    asked = asked_like(trial.real.table)
    assert asked[0].text == "SR | probable IMI"
    assert asked[0].heart_rate == pytest.approx(trial.real.table["rate_bpm"][0], abs=0.006)
    assert asked[0].age == trial.real.table["age"][0]
    found = twins_of(Simulator(), trial.real.where(np.arange(3)), [1, 2, 3])
    assert found.table["statements"].tolist() == trial.real.table["statements"].tolist()[:3]
    assert found.table["rate_bpm"].to_numpy() == pytest.approx(
        trial.real.table["rate_bpm"].to_numpy()[:3], abs=3
    )


def test_an_ecg_of_nobody_is_a_patient_of_its_own():
    side = side_of(Simulator().generate([Conditions(50, "male", 70, "sinus rhythm")] * 2, [1, 2]))
    assert side.table["patient_id"].tolist() == [0, 1]
    assert side.table["statements"].tolist() == [{}, {}]
