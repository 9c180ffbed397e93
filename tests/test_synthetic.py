import numpy as np
import pytest

from models.ecg import ECG, Conditions, Generator
from models.forms import FORMS
from models.hearts import LATENT, Known, grow
from models.synthetic import Simulator, heart_parts
from models.vectorcardiogram import Lobe, frontal_axis_deg, turned

PATIENT = Conditions(age=50, sex="male", heart_rate=60, text="sinus rhythm")
QUIET = {"noise_uv": 0, "wander_mv": 0}


def known(ecg, name):
    return ecg.annotations[f"known_{name}"]


def lead_by_lead(signals):
    names = "I II III aVR aVL aVF".split()
    return {name: signals[:, place].astype(float) for place, name in enumerate(names)}


# --- known answers


@pytest.mark.parametrize(
    "text", ["normal", "LBBB", "RBBB", "LAFB", "WPW", "IMI", "1AVB", "LVH", "ISC_", "ASMI"]
)
def test_the_parts_of_a_beat_are_zero_outside_their_known_ends(text):
    codes = frozenset(Simulator().understand(text).statements)
    heart = grow(Known(50, "male", 60, codes), np.zeros(LATENT), {}, 1 / 3, True)
    at = np.arange(-600, 800) / 1000
    parts = {name: np.abs(part).max(0) > 0 for name, part in heart_parts(heart, at).items()}
    ends = {name: (1000 * at[part][0], 1000 * at[part][-1]) for name, part in parts.items()}
    value = heart.values
    assert ends["p"] == pytest.approx((-value["pr_ms"], value["p_ms"] - value["pr_ms"]), abs=1.01)
    assert ends["qrs"] == pytest.approx((0, value["qrs_ms"]), abs=1.01)
    assert ends["repolarisation"][1] == pytest.approx(value["qt_ms"], abs=1.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_quiet_strip_is_zero_but_between_p_onset_and_p_offset_and_qrs_onset_and_t_offset(seed):
    ecg = Simulator(**QUIET, fs=1000).generate([PATIENT], [seed])
    alive = np.flatnonzero(np.abs(ecg.signals[0]).max(0) > 0)
    gaps = np.flatnonzero(np.diff(alive) > 1)
    starts, stops = alive[gaps + 1], alive[gaps]
    edges = np.sort(np.concatenate([starts, stops]))
    peak = 1000 * known(ecg, "r_s")[0, 3]
    qrs_onset = peak - 0.42 * known(ecg, "qrs_ms")[0]
    expected = [
        qrs_onset - known(ecg, "pr_ms")[0],
        qrs_onset - known(ecg, "pr_ms")[0] + known(ecg, "p_ms")[0],
        qrs_onset,
        qrs_onset + known(ecg, "qt_ms")[0],
    ]
    for place in expected:
        assert np.abs(edges - place).min() <= 1.5


@pytest.mark.parametrize("heart_rate", [20, 45, 60, 88, 150, 300])
@pytest.mark.parametrize("text", ["sinus rhythm", "sinus arrhythmia", "AF", "AFLT", "PVC", "PAC", "bigeminy"])
def test_the_mean_rr_of_the_strip_is_the_rate_asked_for(heart_rate, text):
    ecg = Simulator().generate([PATIENT.replace(heart_rate=heart_rate, text=text)] * 4, range(4))
    assert known(ecg, "rate_bpm") == pytest.approx([heart_rate] * 4, abs=1e-6)


def test_fibrillation_is_irregular_and_has_no_p_and_sinus_rhythm_has():
    simulator = Simulator()
    cv = {}
    for text in ("AF", "sinus rhythm"):
        ecg = simulator.generate([PATIENT.replace(text=text, heart_rate=75)] * 30, range(30))
        rr = np.diff(known(ecg, "r_s"), axis=1)
        cv[text] = np.mean(np.nanstd(rr, axis=1) / np.nanmean(rr, axis=1))
        assert (known(ecg, "p_present") == (text != "AF")).all()
        assert np.isnan(known(ecg, "pr_ms")).all() == (text == "AF")
    assert 0.13 < cv["AF"] < 0.27
    assert cv["sinus rhythm"] < 0.05


def test_fibrillatory_waves_lie_between_4_and_9_hz():
    still = Simulator(**QUIET).generate([PATIENT.replace(text="AF", heart_rate=20)], [3])
    strip = still.lead("V1")[0]
    peak = known(still, "r_s")[0, 0]
    part = strip[int(500 * (peak + 0.75)) : int(500 * (peak + 2.2))]
    spectrum = np.abs(np.fft.rfft(part - part.mean(), 8192)) ** 2
    fastest = np.fft.rfftfreq(8192, 1 / 500)[spectrum.argmax()]
    assert 4 <= fastest <= 9


def test_qt_follows_rr_to_the_power_asked_for():
    slow, fast = PATIENT.replace(heart_rate=50), PATIENT.replace(heart_rate=100)
    for exponent in (0, 1 / 3, 0.5):
        simulator = Simulator({}, spread=0, rate_exponent=exponent)
        ecg = simulator.generate([slow, fast], [0, 1])
        ratio = known(ecg, "qt_ms")[0] / known(ecg, "qt_ms")[1]
        assert ratio == pytest.approx(2**exponent)


def test_planted_effects_are_exactly_the_difference_between_paired_hearts():
    effects = {
        "qt_ms": {"sex:female": 12, "age:decade": 2, "text:long QT": 60},
        "pr_ms": {"rate:10bpm": -3, "sex:male": 5},
        "qrs_ms": {"text:LBBB": 30},
    }
    simulator = Simulator(effects)
    seeds = range(6)

    def difference(outcome, **changes):
        pair = [simulator.generate([asked] * 6, seeds) for asked in (PATIENT, PATIENT.replace(**changes))]
        return known(pair[1], outcome) - known(pair[0], outcome)

    assert difference("qt_ms", sex="female") == pytest.approx([12] * 6)
    assert difference("qt_ms", age=80) == pytest.approx([6] * 6)
    assert difference("qt_ms", text="long QT") == pytest.approx([60] * 6)
    assert difference("pr_ms", heart_rate=90) == pytest.approx([-9] * 6)
    assert difference("pr_ms", sex="female") == pytest.approx([-5] * 6)
    assert difference("qrs_ms", sex="female") == pytest.approx([0] * 6)
    assert difference("qrs_ms", text="LBBB") == pytest.approx([30] * 6)
    assert difference("pr_ms", text="1AVB") == pytest.approx([FORMS["1AVB"].shifts["pr_ms"]] * 6)


def test_the_axis_is_the_one_of_the_leads():
    ecg = Simulator(**QUIET, fs=1000).generate([PATIENT, PATIENT.replace(text="LAFB")], [5, 5])
    for row in range(2):
        onset = known(ecg, "r_s")[row, 2] - 0.42e-3 * known(ecg, "qrs_ms")[row]
        during = slice(int(1000 * onset), int(1000 * onset + known(ecg, "qrs_ms")[row]))
        area_i, area_avf = (ecg.lead(name)[row, during].sum() for name in ("I", "aVF"))
        axis = np.degrees(np.arctan2(2 / np.sqrt(3) * area_avf, area_i))
        assert axis == pytest.approx(known(ecg, "qrs_axis_deg")[row], abs=1.5)
    assert known(ecg, "qrs_axis_deg")[1] < -30


@pytest.mark.parametrize("axis", [-170, -90, -45, 0, 3, 60, 90, 179])
def test_a_wave_can_be_turned_to_any_axis(axis):
    wave = (Lobe(0, 0.5, (0.2, 0.1, -0.3)), Lobe(0.3, 1, (0.8, 0.5, 0.2)))
    assert frontal_axis_deg(turned(wave, axis)) == pytest.approx(axis, abs=0.01)


def test_the_area_of_a_lobe_is_its_integral():
    lobe = Lobe(0.2, 0.8, (1.0, 0.0, 2.0), 0.3, 3.0, 1.3)
    at = np.linspace(0, 1, 20001)
    inside = np.clip((at - 0.2) / 0.6, 0, 1)
    flank = np.where(inside < 0.3, inside / 0.3, (1 - inside) / 0.7)
    height = np.sin(np.pi / 2 * flank) ** np.where(inside < 0.3, 3.0, 1.3)
    assert lobe.area()[0] == pytest.approx(height.mean(), rel=1e-3)


# --- shapes: what a clinician looks for


def middle_beat(text, lead):
    ecg = Simulator(**QUIET, spread=0).generate([PATIENT.replace(text=text)], [1])
    peak, qrs = known(ecg, "r_s")[0, 4], known(ecg, "qrs_ms")[0] / 1000
    start = int(500 * (peak - 0.42 * qrs))
    strip = ecg.lead(lead)[0]
    return strip[start : start + int(500 * qrs)], strip[start + int(500 * qrs) : start + 220]


def test_left_bundle_branch_block():
    qrs, t_wave = middle_beat("LBBB", "V6")
    assert qrs.min() > -0.05 and qrs.max() > 0.8 and len(qrs) >= 60
    assert t_wave.min() < -0.15
    qrs, t_wave = middle_beat("LBBB", "V1")
    assert qrs.min() < -1 and qrs.max() < 0.2 and t_wave.max() > 0.2


def test_right_bundle_branch_block():
    qrs, t_wave = middle_beat("RBBB", "V1")
    half = len(qrs) // 2
    assert qrs[half:].max() > qrs[:half].max() > 0.05
    assert t_wave.min() < -0.05
    assert middle_beat("RBBB", "V6")[0][half:].min() < -0.2


def test_other_shapes():
    qrs, _ = middle_beat("IMI", "III")
    assert qrs[: len(qrs) // 2].min() < -0.1
    qrs, _ = middle_beat("ASMI", "V2")
    assert np.abs(qrs.min()) > 3 * qrs.max()
    assert middle_beat("INVT", "V5")[1].min() < -0.1 < middle_beat("normal", "V5")[1].min()
    assert middle_beat("STD_", "V5")[1][20] < -0.05
    assert middle_beat("LVH", "V5")[0].max() > 1.3 * middle_beat("normal", "V5")[0].max()
    assert middle_beat("LVOLT", "II")[0].max() < 0.6


# --- laws


def test_the_limb_leads_obey_einthoven_and_goldberger():
    ecg = Simulator().generate([PATIENT, PATIENT.replace(text="AF")], [1, 2])
    lead = lead_by_lead(ecg.signals)
    assert np.abs(lead["III"] - (lead["II"] - lead["I"])).max() < 1e-6
    assert np.abs(lead["aVR"] + (lead["I"] + lead["II"]) / 2).max() < 1e-6
    assert np.abs(lead["aVL"] - (lead["I"] - lead["III"]) / 2).max() < 1e-6
    assert np.abs(lead["aVF"] - (lead["II"] + lead["III"]) / 2).max() < 1e-6


def test_the_same_pair_gives_the_same_ecg_whatever_the_batch():
    simulator = Simulator()
    asked = [PATIENT, Conditions(), PATIENT.replace(text="AF"), PATIENT.replace(text="LBBB, PVC", age=None)]
    batch = simulator.generate(asked, [7, 8, 9, 10])
    for row in range(4):
        alone = Simulator().generate([asked[row]], [7 + row])
        assert np.array_equal(alone.signals[0], batch.signals[row])
        for name, values in batch.annotations.items():
            assert np.array_equal(alone.annotations[name][0], values[row], equal_nan=True)


def test_every_text_it_knows_makes_finite_ecgs_at_extreme_conditions():
    for code in FORMS:
        asked = [Conditions(0, "female", 300, code), Conditions(120, "male", 20, code)]
        ecg = Simulator(seconds=2).generate(asked, [1, 2])
        assert np.isfinite(ecg.signals).all() and np.abs(ecg.signals).max() < 12


def test_the_null_simulator_knows_neither_age_nor_sex_nor_text():
    simulator = Simulator.null()
    others = [PATIENT.replace(age=90), PATIENT.replace(sex="female"), PATIENT.replace(text="LBBB | AF")]
    batch = simulator.generate([PATIENT, *others], [4] * 4)
    for row in (1, 2, 3):
        assert np.array_equal(batch.signals[0], batch.signals[row])
    faster = [PATIENT, PATIENT.replace(heart_rate=90)]
    for exponent, same in ((0, True), (1 / 3, False)):
        ecg = Simulator.null(rate_exponent=exponent).generate(faster, [4, 4])
        assert (known(ecg, "qt_ms")[0] == known(ecg, "qt_ms")[1]) == same
        assert known(ecg, "pr_ms")[0] == known(ecg, "pr_ms")[1]


def test_hearts_differ_between_seeds_and_not_without_spread():
    pair = [PATIENT] * 2
    assert np.ptp(known(Simulator().generate(pair, [1, 2]), "qt_ms")) > 0.1
    assert np.ptp(known(Simulator(spread=0).generate(pair, [1, 2]), "qt_ms")) == 0


def test_unknown_conditions_are_chosen_by_the_seed_and_stay_unknown_in_the_ecg():
    ecg = Simulator().generate([Conditions()] * 40, range(40))
    assert ecg.conditions[0] == Conditions()
    assert 0.2 < known(ecg, "female").mean() < 0.8
    assert 18 <= known(ecg, "age").min() < known(ecg, "age").max() <= 90
    slow = Simulator().generate([Conditions(text="sinus bradycardia")] * 5, range(5))
    assert (known(slow, "rate_bpm") < 60).all()


def test_a_doubtful_statement_holds_in_that_share_of_the_seeds():
    ecg = Simulator().generate([PATIENT.replace(text="possible LBBB")] * 200, range(200))
    assert 0.35 < (known(ecg, "qrs_ms") > 120).mean() < 0.65


def test_noise_wander_and_mains_have_their_size():
    none = Simulator(**QUIET).generate([PATIENT], [3]).signals
    noise = Simulator(noise_uv=50, wander_mv=0).generate([PATIENT], [3]).signals - none
    assert noise[:, [0, 1, 6, 11]].std() == pytest.approx(0.050, rel=0.05)
    mains = Simulator(noise_uv=0, wander_mv=0, mains_uv=100).generate([PATIENT], [3]).signals - none
    spectrum = np.abs(np.fft.rfft(mains[0, 0]))
    assert spectrum.argmax() == 500
    asked = [PATIENT] * 60
    wander = Simulator(noise_uv=0, wander_mv=0.1).generate(asked, range(60)).lead("V1")
    wander = wander - Simulator(**QUIET).generate(asked, range(60)).lead("V1")
    assert wander.std() == pytest.approx(0.1, rel=0.2)


def test_it_is_a_generator_and_says_what_it_is():
    simulator = Simulator(seconds=4, fs=250)
    assert isinstance(simulator, Generator)
    ecg = simulator.generate([PATIENT], [0])
    assert isinstance(ecg, ECG) and ecg.signals.shape == (1, 12, 1000) and ecg.fs == 250
    assert ecg.provenance["synthetic"] is True and ecg.provenance["source"] == "simulator"
    assert len(simulator.generate([], [])) == 0
    assert simulator.understand("LBBB and brugada").unseen == ("brugada",)


def test_the_digest_changes_with_the_parameters_only():
    assert Simulator().digest == Simulator(noise_uv=15).digest
    assert hash(Simulator()) == hash(Simulator())
    others = [Simulator({}), Simulator.null(), Simulator(noise_uv=16), Simulator(spread=0.5)]
    assert len({Simulator().digest, *(other.digest for other in others)}) == 5


# --- messages


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        ({"qt": {"sex:female": 12}}, "effects must be on pr_ms, .*, got 'qt': did you mean 'qt_ms'?"),
        ({"qt_ms": {"sex:woman": 12}}, "must be per sex:female, .*, got 'sex:woman': did you mean"),
        ({"qt_ms": {"text:purple": 12}}, "must name a text that the simulator draws, got 'text:purple'"),
        ({"qt_ms": {"sex:female": np.nan}}, "must be a finite number, got nan"),
        ({"qt_ms": {"sex:female": "12"}}, "must be a finite number, got '12'"),
        ({"qt_ms": {"fixed": 480, "sex:male": 3}}, "must hold 'fixed' alone, got fixed, sex:male"),
    ],
)
def test_bad_effects_are_refused(effects, message):
    with pytest.raises(ValueError, match=message):
        Simulator(effects)


def test_bad_sizes_are_refused():
    with pytest.raises(TypeError, match="must map conditions to sizes, got 12: write"):
        Simulator({"qt_ms": 12})
    with pytest.raises(ValueError, match="noise_uv must be between 0 and 10000, got -1"):
        Simulator(noise_uv=-1)
    with pytest.raises(ValueError, match="seconds must be between 1 and 600, got 0"):
        Simulator(seconds=0)
    with pytest.raises(ValueError, match="fs must be between 50 and 5000, got 10"):
        Simulator(fs=10)
    with pytest.raises(ValueError, match="seeds must be one per condition, got 2 for 1"):
        Simulator().generate([PATIENT], [1, 2])
