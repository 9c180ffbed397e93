"""Editing of a recorded ECG: nothing changed gives it back, one change shows, what is off the manifold is told."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from discovery.measure import measure
from models import flow
from models.ecg import Conditions
from models.editing import edit
from models.generator import load_generator
from models.records import open_ptbxl
from models.records_written import at_a_version_of_ptbxl
from models.synthetic import Simulator

PATIENT = Conditions(50, "male", 70, "normal ECG")
AF = PATIENT.replace(text="atrial fibrillation", heart_rate=85)


@pytest.fixture(scope="module")
def generator():
    torch.set_num_threads(1)
    return load_generator("ptbxl", device="cpu")


@pytest.fixture(scope="module")
def made(generator):
    """A generated ECG that stands for a record, and its measurements."""
    ecg = generator.generate([PATIENT], [3])
    return ecg, measure(ecg, beats=True)


def test_a_flow_runs_backwards():
    x_1 = torch.tensor([[0.3, -2.0, 1.1]])
    velocity = lambda x, t: flow.gaussian_velocity(x, t) + torch.sin(3 * x) * t[:, None]  # noqa: E731
    x_0 = flow.invert(velocity, x_1, 64)
    assert not torch.allclose(x_0, x_1, atol=0.05)
    assert torch.allclose(flow.sample(velocity, x_0, 64), x_1, atol=1e-3)


@pytest.mark.parametrize("asked", [PATIENT, AF], ids=["sinus", "fibrillation"])
def test_nothing_changed_gives_the_ecg_back(generator, asked, recwarn):
    ecg = generator.generate([asked], [3])
    back = edit(ecg, measure(ecg, beats=True), generator)
    assert back.rms_mv < 0.005 and back.correlation > 0.9995
    assert np.allclose(back.recorded.signals[0, 6:], ecg.signals[0, 6:], atol=1e-5)
    assert np.allclose(back.ecg.signals, back.unedited.signals)
    # a median beat keeps some of its strip's noise, and 160 components show it: larger than normal, as in records
    assert 0.5 < back.squares["heart"] < 2.0
    low, high = generator.facts["inversion"]["strip"]
    assert low < back.squares["strip"] < high
    assert back.cautions == () and not recwarn.list


def test_another_heart_rate_is_measured(generator, made):
    for rate in (50, 100):
        table = measure(edit(*made, generator, heart_rate=rate).ecg)
        assert table["rate_bpm"][0] == pytest.approx(rate, abs=2)


def test_another_text_is_measured(generator, made):
    ecg, row = made
    block = measure(edit(ecg, row, generator, text="left bundle branch block").ecg)
    assert block["qrs_ms"][0] > row["qrs_ms"][0] + 30
    irregular = measure(edit(ecg, row, generator, text="atrial fibrillation").ecg)
    assert irregular["rr_cv"][0] > 2 * row["rr_cv"][0]  # how much differs from draw to draw


def test_another_age_leaves_the_beats_where_they_are(generator, made):
    ecg, row = made
    old = edit(ecg, row, generator, age=85)
    after = measure(old.ecg, beats=True)
    assert np.allclose(after["r_peaks_s"][0], row["r_peaks_s"][0], atol=0.03)
    assert not np.allclose(old.ecg.signals, old.unedited.signals, atol=0.01)
    assert old.ecg.conditions[0] == PATIENT.replace(age=85)
    assert old.ecg.provenance["synthetic"] and old.ecg.provenance["edited"] == "age=85"
    assert "edited from ptbxl" in old.ecg.provenance["source"]


def test_limb_leads_of_an_edited_ecg_obey_einthoven(generator, made):
    ecg = edit(*made, generator, sex="female").ecg
    assert np.allclose(ecg.lead("III"), ecg.lead("II") - ecg.lead("I"), atol=1e-5)


def test_wander_and_units_of_a_record_stay(generator):
    ecg = at_a_version_of_ptbxl(generator.generate([PATIENT], [3]))
    wander = 0.3 * np.sin(2 * np.pi * 0.1 * np.arange(ecg.signals.shape[2]) / ecg.fs).astype(np.float32)
    ecg = replace(ecg, signals=ecg.signals + wander)
    back = edit(ecg, measure(ecg, beats=True).iloc[0], generator)
    assert ecg.fs == 500 and back.ecg.fs == 250
    assert back.rms_mv < 0.03 and np.corrcoef(back.unedited.lead("V5"), wander[::2])[0, 1] > 0.5


@pytest.mark.parametrize("how", ["time backwards", "leads exchanged"])
def test_a_scrambled_ecg_is_warned_of(generator, made, how):
    ecg, row = made
    signals = ecg.signals[:, :, ::-1] if how == "time backwards" else np.roll(ecg.signals, 5, axis=1)
    with pytest.warns(UserWarning, match="ecg lies off what ptbxl has learnt: .*heart's noise is .*usual is"):
        found = edit(replace(ecg, signals=signals.copy()), row, generator, age=80)
    assert found.cautions and found.squares["heart"] > 2


def test_recorded_ecgs_come_back(generator, shared_data):
    records = open_ptbxl(shared_data / "ptb-xl")
    records = records.where("fold == 9").stating("NORM")
    for row in range(3):
        ecg = records.ecg(row)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # some records are rarer than others
            found = edit(ecg, measure(ecg, beats=True), generator, age=80)
        assert found.correlation > 0.98 and found.rms_mv < 0.02


def test_what_cannot_be_edited_is_told(generator, made):
    ecg, row = made
    two = generator.generate([PATIENT] * 2, [1, 2])
    with pytest.raises(ValueError, match="ecg must hold one ECG, got 2"):
        edit(two, row, generator)
    with pytest.raises(ValueError, match="measured must have one row for one ECG, got 2"):
        edit(ecg, measure(two, beats=True), generator)
    with pytest.raises(ValueError, match="measured must have the columns .* got no beat_kept, r_peaks_s"):
        edit(ecg, measure(ecg), generator)
    with pytest.raises(ValueError, match="ecg must have eight clean leads and four or more beats, .*3 beats"):
        short = {**row.iloc[0], "r_peaks_s": row["r_peaks_s"][0][:3], "beat_kept": [True] * 3}
        edit(ecg, short, generator)
    with pytest.raises(TypeError, match="conditions must be among .*, got 'weight'"):
        edit(ecg, row, generator, weight=80)
    with pytest.raises(ValueError, match="age must be between 0 and 120 years, got 400"):
        edit(ecg, row, generator, age=400)
    with pytest.raises(TypeError, match="generator must come from load_generator, got Simulator"):
        edit(ecg, row, Simulator(), age=80)
