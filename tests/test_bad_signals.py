"""A thousand bad signals go through the measurer: a row of NaN and a reason, or a sentence, never an error."""

import numpy as np
import pytest
from known_beats import known_ecg

from discovery.measure import measure
from discovery.quantities import MEASURED, REASONS
from models.ecg import ECG, LEADS

FS, SECONDS = 100.0, 5.0
INTERVALS = ["rate_bpm", "pr_ms", "qrs_ms", "qt_ms"]
DERIVED = {"einthoven_mv"}  # known without a beat


def limbs_swapped(strip, random):
    """The arm electrodes exchanged."""
    swapped = strip.copy()
    swapped[0] = -strip[0]
    for new, old in (("II", "III"), ("III", "II"), ("aVR", "aVL"), ("aVL", "aVR")):
        swapped[LEADS.index(new)] = strip[LEADS.index(old)]
    return swapped


def dead(strip, random):
    """Some leads at zero."""
    bad = strip.copy()
    bad[random.choice(12, random.integers(1, 12), replace=False)] = 0
    return bad


def missing(strip, random, value=np.nan):
    """A share of the samples, a stretch, or a lead without a number."""
    bad = strip.copy()
    kind = random.integers(3)
    if kind == 0:
        bad[random.random(bad.shape) < random.choice([0.001, 0.02, 0.3])] = value
    elif kind == 1:
        start = random.integers(bad.shape[1])
        bad[:, start : start + random.integers(1, 300)] = value
    else:
        bad[random.integers(12)] = value
    return bad


def hum(strip, random):
    """Mains of 60 Hz, here folded to 40 Hz by the sampling, up to 5 mV."""
    at = np.arange(strip.shape[1]) / FS
    return strip + random.choice([0.05, 0.5, 5.0]) * np.sin(2 * np.pi * 60 * at + random.uniform(0, 6))


def spikes(strip, random):
    """A pacemaker's spikes, with capture or without."""
    bad = strip.copy()
    every = random.integers(30, 120)
    bad[:, random.integers(20) :: every] += random.choice([-3.0, 1.0, 3.0, 20.0])
    return bad


KINDS = {
    "flat": lambda strip, random: np.full_like(strip, random.choice([0.0, 0.3, -2.0, 1e6])),
    "lead constants": lambda strip, random: np.repeat(random.normal(0, 5, (12, 1)), strip.shape[1], 1),
    "clipped": lambda strip, random: np.clip(strip, -0.1, random.choice([0.01, 0.1, 0.5])),
    "missing": missing,
    "infinite": lambda strip, random: missing(strip, random, random.choice([np.inf, -np.inf])),
    "all missing": lambda strip, random: np.full_like(strip, np.nan),
    "dead leads": dead,
    "swapped limbs": limbs_swapped,
    "shuffled leads": lambda strip, random: strip[random.permutation(12)],
    "noise": lambda strip, random: random.normal(0, random.choice([0.02, 0.3, 3.0]), strip.shape),
    "noisy": lambda strip, random: strip + random.normal(0, random.choice([0.2, 0.6, 2.0]), strip.shape),
    "hum": hum,
    "hum alone": lambda strip, random: hum(0 * strip, random),
    "pacing": spikes,
    "spikes alone": lambda strip, random: spikes(0 * strip, random),
    "microvolts": lambda strip, random: strip * 1000,
    "volts": lambda strip, random: strip / 1000,
    "huge": lambda strip, random: strip * random.choice([1e12, 1e30, 3e37]),
    "upside down": lambda strip, random: -strip,
    "backwards": lambda strip, random: strip[:, ::-1],
    "a step": lambda strip, random: strip + 10.0 * (np.arange(strip.shape[1]) > 250),
    "a ramp": lambda strip, random: strip + np.linspace(0, random.choice([5.0, 50.0]), strip.shape[1]),
    "one beat": lambda strip, random: strip * (np.abs(np.arange(strip.shape[1]) - 250) < 40),
    "transposed": lambda strip, random: np.resize(strip.T.ravel(), strip.shape),
    "digital counts": lambda strip, random: np.round(strip * 200),
}  # fmt: skip
NOTHING_TO_MEASURE = {"flat", "lead constants", "all missing", "microvolts", "huge", "volts"}


@pytest.fixture(scope="module")
def broken():
    """One thousand ECGs, each spoilt in its own way, every eighth whole; their kinds, and the table."""
    random = np.random.default_rng(20250105)
    good = known_ecg(8, fs=FS, seconds=SECONDS, rate=72, noise_mv=0.01).signals
    kinds = [list(KINDS)[k % len(KINDS)] for k in range(1000)]
    spoilt = [KINDS[kind](good[random.integers(8)].astype(float), random) for kind in kinds]
    whole = np.arange(0, 1000, 8)
    signals = np.insert(np.array(spoilt, np.float32), whole, good[0], axis=0)
    kinds = np.insert(np.array(kinds, object), whole, "whole")
    return good, kinds, measure(ECG(signals, FS))


def test_a_thousand_bad_signals_have_a_row_each(broken):
    _, kinds, table = broken
    assert len(table) == len(kinds) == 1125
    assert (kinds != "whole").sum() == 1000
    assert set(",".join(table["reasons"]).split(",")) - {""} <= set(REASONS)


def test_what_is_not_measured_has_a_reason(broken):
    _, _, table = broken
    lost = table[["rate_bpm", "qrs_ms", "qt_ms", "pr_ms"]].isna().any(axis=1)
    assert lost.sum() > 300
    assert (table["reasons"][lost] != "").all()


def test_no_measurement_is_infinite(broken):
    _, _, table = broken
    assert not np.isinf(table[list(MEASURED)].to_numpy(float)).any()


def test_whole_neighbours_are_measured_as_if_alone(broken):
    good, kinds, table = broken
    alone = measure(ECG(good[:1], FS))
    for name in MEASURED:
        seen = table[name][kinds == "whole"].to_numpy(float)
        np.testing.assert_array_equal(seen, np.full(len(seen), alone[name][0]), err_msg=name)
    assert set(table["reasons"][kinds == "whole"]) == {""}


@pytest.mark.parametrize("kind", sorted(NOTHING_TO_MEASURE))
def test_signals_without_an_ecg_are_nan_throughout(broken, kind):
    _, kinds, table = broken
    assert table.loc[kinds == kind, list(set(MEASURED) - DERIVED)].isna().all(axis=None)


@pytest.mark.parametrize(("kind", "codes"), [
    ("flat", {"flat"}), ("all missing", {"flat"}), ("microvolts", {"not_millivolts"}), ("volts", {"flat"}),
    ("dead leads", {"dead_lead", "flat", "leads_disagree"}), ("missing", {"missing_samples"}),
    ("infinite", {"missing_samples"}), ("clipped", {"clipped"}), ("swapped limbs", {"limb_reversal"}),
    ("shuffled leads", {"leads_disagree"}), ("noise", {"noise", "no_beats"}), ("huge", {"not_millivolts", "flat"}),
])  # fmt: skip
def test_each_kind_is_called_by_its_name(broken, kind, codes):
    _, kinds, table = broken
    said = table["reasons"][kinds == kind].str.split(",").map(set)
    assert len(said) == 40
    assert said.map(lambda found: bool(found & codes)).mean() >= 0.95, said.value_counts()


def test_pacing_spikes_are_named_at_a_rate_that_shows_them():
    ecg = known_ecg(2, rate=60)
    signals = ecg.signals.copy()
    signals[:, :, 60::500] += 3.0
    signals[:, :, 61::500] += 3.0
    assert measure(ECG(signals, ecg.fs))["reasons"].str.contains("paced_like").all()


@pytest.mark.parametrize("seconds", [0.02, 0.2, 1.0, 3.9])
def test_too_short_is_a_reason(seconds):
    row = measure(known_ecg(3, seconds=seconds))
    assert row["reasons"].str.contains("too_short").all()
    assert row[INTERVALS].isna().all(axis=None)


@pytest.mark.parametrize(("shape", "message"), [
    ((2, 1000, 12), "signals must have one row per lead, got 1000 rows for the 12 leads .*axes are"),
    ((12, 1000), r"signals must have the shape \(batch, lead, sample\), got \(12, 1000\): for one ECG"),
    ((1, 12, 6001), "signals must last at most 60 s, got 60.01 s: cut them into strips"),
])  # fmt: skip
def test_a_wrong_shape_is_a_sentence(shape, message):
    with pytest.raises(ValueError, match=message):
        measure(ECG(np.zeros(shape, np.float32), 100.0))
