"""Laws of the bundled generator: seeds, batches, leads, rate, effects, messages."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from discovery.measure import measure
from models.ecg import LEADS, Conditions, Generator
from models.generator import WEIGHTS, load_generator
from models.parts import halving

PATIENT = Conditions(age=55, sex="female", heart_rate=70, text="normal ECG")


@pytest.fixture(scope="module")
def generator():
    torch.set_num_threads(1)
    return load_generator("ptbxl", device="cpu")


def _measured(generator, conditions, count=12, first_seed=100):
    ecg = generator.generate([conditions] * count, range(first_seed, first_seed + count))
    return measure(ecg)


def test_generator_keeps_the_protocol(generator):
    assert isinstance(generator, Generator)
    ecg = generator.generate([PATIENT], [1])
    assert ecg.signals.shape == (1, 12, 2500) and ecg.fs == 250
    assert ecg.provenance["synthetic"] and ecg.provenance["digest"] == generator.digest
    assert ecg.annotations["latent"].shape[0] == 1
    assert np.abs(ecg.signals).max() < 10


def test_same_seed_same_ecg_whatever_the_batch(generator):
    conditions = [PATIENT, PATIENT.replace(age=80), PATIENT.replace(text="atrial fibrillation")]
    together = generator.generate(conditions, [5, 6, 7])
    reverse = generator.generate(conditions[::-1], [7, 6, 5])
    alone = generator.generate([conditions[1]], [6])
    assert np.array_equal(together.signals[1], alone.signals[0])
    assert np.array_equal(together.signals[::-1], reverse.signals)


def test_autocast_about_it_changes_nothing(generator):
    expected = generator.generate([PATIENT], [1]).signals
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(generator.generate([PATIENT], [1]).signals, expected)


def test_other_seed_other_heart(generator):
    pair = generator.generate([PATIENT, PATIENT], [1, 2])
    assert not np.allclose(pair.signals[0], pair.signals[1])


def test_limb_leads_obey_einthoven_and_goldberger(generator):
    ecg = generator.generate([PATIENT] * 2, [3, 4])
    i, ii, iii, avr, avl, avf = (ecg.lead(name) for name in LEADS[:6])
    for lead, expected in ((iii, ii - i), (avr, -(i + ii) / 2), (avl, i - ii / 2), (avf, ii - i / 2)):
        assert np.allclose(lead, expected, atol=1e-6)


@pytest.mark.parametrize("rate", [45, 60, 75, 110, 150])
def test_heart_rate_is_obeyed_in_sinus_rhythm(generator, rate):
    table = _measured(generator, PATIENT.replace(heart_rate=rate, text="sinus rhythm"))
    assert (table["rate_bpm"] - rate).abs().mean() <= 2.0


def test_text_shows_in_the_ecg(generator):
    normal = _measured(generator, PATIENT)
    for text in ("left bundle branch block", "right bundle branch block"):
        block = _measured(generator, PATIENT.replace(text=text))
        assert (block["qrs_ms"] >= 120).mean() >= 0.6
        assert (block["qrs_ms"].to_numpy() > normal["qrs_ms"].to_numpy()).mean() >= 0.9
    av_block = _measured(generator, PATIENT.replace(text="first degree AV block"))
    assert av_block["pr_ms"].median() > normal["pr_ms"].median() + 25
    fibrillation = _measured(generator, PATIENT.replace(text="atrial fibrillation"))
    assert fibrillation["rr_cv"].median() > 0.1 > normal["rr_cv"].median()
    assert fibrillation["p_present"].mean() < 0.35 < 0.7 < normal["p_present"].mean()


def test_sex_and_age_show_in_the_same_hearts(generator):
    women, men = (_measured(generator, PATIENT.replace(sex=sex), 16) for sex in ("female", "male"))
    assert (women["qtcf_ms"].to_numpy() - men["qtcf_ms"].to_numpy()).mean() > 2
    young, old = (_measured(generator, PATIENT.replace(age=age), 16) for age in (30, 80))
    assert np.nanmean(old["pr_ms"].to_numpy() - young["pr_ms"].to_numpy()) > 5


def test_unknown_conditions_are_drawn_by_the_seed(generator):
    first, again = (generator.generate([Conditions()] * 4, [1, 2, 3, 4]) for _ in range(2))
    assert np.array_equal(first.signals, again.signals)
    assert len(set(first.annotations["used_age"])) > 1
    assert ((first.annotations["used_heart_rate"] > 29) & (first.annotations["used_heart_rate"] < 201)).all()


def test_rate_words_move_an_unknown_rate(generator):
    unknown = PATIENT.replace(heart_rate=None)
    rates = {
        text: np.mean([generator._fill(unknown.replace(text=text), seed).heart_rate for seed in range(60)])
        for text in ("sinus bradycardia", "sinus rhythm", "sinus tachycardia")
    }
    assert rates["sinus bradycardia"] < 60 < rates["sinus rhythm"] < 100 < rates["sinus tachycardia"]


def test_what_was_never_seen_is_said(generator):
    understanding = generator.understand("Brugada pattern | left bundle branch block | blue bicycle")
    assert "CLBBB" in understanding.statements
    assert any("brugada" in term.lower() for term in understanding.unseen)
    assert any("bicycle" in word for word in understanding.ignored)


def test_what_lies_beyond_the_records_is_said(generator):
    assert generator.cautions(PATIENT) == ()
    age, rate = generator.cautions(PATIENT.replace(age=5, heart_rate=200))
    assert "age 5 years lies beyond the training records" in age
    assert "heart rate 200 bpm lies beyond" in rate
    rare = PATIENT.replace(text="Wolff-Parkinson-White syndrome")
    (few,) = generator.cautions(rare)
    assert f"(WPW) rests on {generator.facts['seen']['WPW']} training records" in few
    assert generator.cautions(PATIENT.replace(text="no Wolff-Parkinson-White syndrome")) == ()


def test_a_text_with_nothing_recognised_is_warned_of_once():
    generator = load_generator("ptbxl", device="cpu")
    with pytest.warns(
        UserWarning, match="text must say something that ptbxl.* has learnt, got 'blue bicycle'"
    ) as told:
        generator.generate([PATIENT.replace(text="blue bicycle")] * 2, [1, 2])
        generator.generate([PATIENT.replace(text="blue bicycle")], [3])
    assert len(told) == 1
    generator.generate([PATIENT.replace(text=text) for text in ("", "no infarct", "normal ECG")], [1, 2, 3])


def test_a_batch_too_large_for_a_gpu_is_halved(generator, monkeypatch):
    asked, seen = [PATIENT.replace(age=age) for age in (30, 40, 50)], []
    expected, work = generator.generate(asked, [1, 2, 3]).signals, generator._generate

    def small(requests):
        seen.append(len(requests))
        if len(requests) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return work(requests)

    monkeypatch.setattr(generator, "_generate", small)
    monkeypatch.setattr(generator, "batch", 256)
    monkeypatch.setattr(
        "models.generator.in_parts", lambda work, items, device, most: halving(work, items, most)
    )
    assert np.array_equal(generator.generate(asked, [1, 2, 3]).signals, expected)
    assert seen == [3, 1, 1, 1]


def test_a_batch_made_at_once_as_on_a_gpu_holds_the_same_ecgs(generator, monkeypatch):
    texts = ("sinus rhythm", "ventricular bigeminy", "atrial fibrillation", "left bundle branch block")
    asked = [PATIENT.replace(text=text, heart_rate=rate) for text in texts for rate in (50, 90, 140)]
    expected = generator.generate(asked, range(len(asked))).signals
    sizes = []

    def at_once(work, items, device, most):
        sizes.append(len(items))
        return [work(items)]

    monkeypatch.setattr("models.generator.in_parts", at_once)
    together = generator.generate(asked, range(len(asked))).signals
    assert sizes == [12] and np.array_equal(together, expected), "the networks see one at a time"
    part = generator.checkpoint
    for name, net in (("heart", part.heart_net), ("strip", part.strip_net), ("texture", part.texture)):
        owner = f"_{name}" if name == "texture" else f"_{name}_net"
        monkeypatch.setattr(generator, owner, net)
    beside_each_other = generator.generate(asked, range(len(asked))).signals
    assert np.abs(beside_each_other - expected).max() < 0.002, "mV: single precision alone"


def test_one_leap_gives_nearly_what_many_steps_give(generator):
    """The leap is an approximation: the ECG must be the same one, and nearer to it than other seeds' are."""
    slow = load_generator("ptbxl", device="cpu", steps=8)
    assert slow.digest != generator.digest
    asked = [
        PATIENT,
        PATIENT.replace(text="atrial fibrillation"),
        PATIENT.replace(text="inferior infarct"),
    ] * 2
    quick, exact = (each.generate(asked, range(6)).signals for each in (generator, slow))
    missed, apart = np.abs(quick - exact).mean(), np.abs(exact[:3] - exact[3:]).mean()
    assert 0 < missed < apart / 4


def test_empty_request_gives_an_empty_batch(generator):
    assert generator.generate([], []).signals.shape == (0, 12, 2500)


def test_messages(generator, tmp_path):
    with pytest.raises(ValueError, match="seeds must be one per condition, got 1 for 2"):
        generator.generate([PATIENT, PATIENT], [1])
    with pytest.raises(FileNotFoundError, match=r"which must name bundled weights \(.*ptbxl.*got 'ptbx'"):
        load_generator("ptbx")
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        load_generator("ptbxl", device="cpu", steps=0)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device must be there, got 'cuda'"):
            load_generator("ptbxl", device="cuda")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((WEIGHTS / "ptbxl.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"path must be a safetensors checkpoint, got .*damaged"):
        load_generator(damaged)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, other, metadata={"config": json.dumps({"format": 99})})
    with pytest.raises(ValueError, match="path must hold format 10, got format 99"):
        load_generator(other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_gpu_gives_the_same_ecg_to_a_hundredth_of_a_millivolt(generator):
    on_gpu = load_generator("ptbxl", device="cuda")
    a, b = (each.generate([PATIENT] * 4, range(4)).signals for each in (generator, on_gpu))
    assert np.abs(a - b).max() < 0.01
