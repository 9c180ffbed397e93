"""Known answers and laws of the rhythm."""

import numpy as np
import pytest

from models.rhythm import ATRIAL, DOMINANT, VENTRICULAR, RhythmModel, fit_rhythm, rhythm_kind

MODEL = RhythmModel(
    log_cv=np.array([[-3.5, -0.2, 0.3, 0.4], [-2.3, 0, 0, 0.2], [-1.6, 0, 0, 0.2], [-5.0, 0, 0, 0.1]]),
    autoregression=np.array([[0.4, -0.2], [0.6, -0.3], [0.0, 0.0], [0.0, 0.0]]),
    ectopy=np.array([0.15, 0.65, 0.08]),
)


def _inside(rhythm, seconds=10.0):
    return rhythm.beats_s[(rhythm.beats_s >= 0) & (rhythm.beats_s <= seconds)]


@pytest.mark.parametrize("rate", [35, 45, 60, 75, 110, 150, 200])
@pytest.mark.parametrize("said", [{"SR": 1}, {"SARRH": 1}, {"AFIB": 1}, {"SR": 1, "PVC": 1}])
def test_mean_rate_inside_the_strip_is_the_rate_asked_for(rate, said):
    for seed in range(8):
        rhythm = MODEL.draw(rate, 60, said, 10.0, np.random.default_rng(seed))
        assert 60 / np.diff(_inside(rhythm)).mean() == pytest.approx(rate, rel=0.01)
        assert rhythm.beats_s[0] < 0 and rhythm.beats_s[-1] > 10.0
        assert (np.diff(rhythm.beats_s) > 0).all()


def test_fibrillation_varies_more_than_sinus_rhythm():
    cv = {}
    for code in ("SR", "AFIB"):
        draws = [
            np.diff(_inside(MODEL.draw(75, 60, {code: 1}, 10.0, np.random.default_rng(s)))) for s in range(40)
        ]
        cv[code] = np.mean([rr.std() / rr.mean() for rr in draws])
    assert cv["AFIB"] > 0.12 > 0.06 > cv["SR"]


def test_same_seed_keeps_the_pattern_at_another_rate():
    slow, fast = (MODEL.draw(r, 60, {"SR": 1}, 10.0, np.random.default_rng(3)) for r in (60, 61))
    a, b = (np.diff(_inside(r)) for r in (slow, fast))
    n = min(len(a), len(b))
    assert np.corrcoef(a[:n], b[:n])[0, 1] > 0.95


def test_premature_beats_come_early_and_are_marked():
    rhythm = MODEL.draw(70, 60, {"SR": 1, "PVC": 1}, 10.0, np.random.default_rng(1))
    early = np.flatnonzero(rhythm.kinds == VENTRICULAR)
    early = early[early > 0]
    assert len(early) and (np.diff(rhythm.beats_s)[early - 1] < 0.8 * 60 / 70).all()
    assert ATRIAL in MODEL.draw(70, 60, {"PAC": 1}, 10.0, np.random.default_rng(1)).kinds
    assert (MODEL.draw(70, 60, {"SR": 1}, 10.0, np.random.default_rng(1)).kinds == DOMINANT).all()


def test_fibrillation_outranks_sinus_rhythm():
    assert rhythm_kind({"SR": 1.0, "AFIB": 1.0}) == "fibrillation"
    assert rhythm_kind({"AFIB": 0.1}) == "sinus"


def test_kinds_without_records_vary_as_sinus_rhythm_does():
    draws = [_inside(MODEL.draw(70, 60, {"SR": 1}, 10.0, np.random.default_rng(seed))) for seed in range(40)]
    fitted = fit_rhythm(draws, [np.ones(len(b), bool) for b in draws], np.full(40, 60.0), [{"SR": 1.0}] * 40)
    assert np.array_equal(fitted.log_cv[2], fitted.log_cv[0])
    assert np.isfinite(fitted.ectopy).all()


def test_fit_finds_the_variation_that_was_planted():
    beats, kept, said = [], [], []
    for seed in range(150):
        for code in ("SR", "SARRH", "AFIB", "PACE"):
            rhythm = MODEL.draw(70, 60, {code: 1}, 10.0, np.random.default_rng(seed))
            beats.append(_inside(rhythm))
            kept.append(np.ones(len(beats[-1]), bool))
            said.append({code: 1.0})
    with_ectopy = [MODEL.draw(70, 60, {"SR": 1, "PVC": 1}, 10.0, np.random.default_rng(s)) for s in range(40)]
    for rhythm in with_ectopy:
        inside = (rhythm.beats_s >= 0) & (rhythm.beats_s <= 10)
        beats.append(rhythm.beats_s[inside])
        kept.append(rhythm.kinds[inside] == DOMINANT)
        said.append({"SR": 1.0, "PVC": 1.0})
    fitted = fit_rhythm(beats, kept, np.full(len(beats), 60.0), said)
    at_70 = fitted.log_cv[:, 0] + fitted.log_cv[:, 2] * np.log(60 / 70)
    planted = MODEL.log_cv[:, 0] + MODEL.log_cv[:, 2] * np.log(60 / 70)
    assert np.allclose(at_70, planted, atol=0.35)
    assert fitted.ectopy[1] == pytest.approx(0.65, abs=0.06)
