"""The hypothesis widget's state, without a browser: plan, freeze, run, stop, finding, code."""

import time

import pytest
from toys import Watched

from discovery.hypotheses import read_frozen
from discovery.measure import measure
from discovery.widget_question import QuestionPicker
from discovery.widgets import hypothesis_widget
from models.ecg import Conditions
from models.synthetic import Simulator

PATIENT = Conditions(age=60, sex="male", heart_rate=75, text="sinus rhythm")
SECONDS = 60


@pytest.fixture
def tester(tmp_path):
    """A hypothesis widget on a few hearts."""
    widget = hypothesis_widget(Simulator(), measure, conditions=PATIENT, folder=tmp_path, seed=5)
    assert widget.settle(SECONDS)
    widget.question.hearts.value = 6
    return widget


def test_a_question_follows_its_controls():
    picker = QuestionPicker(seed=9)
    assert picker.value.values == ("female", "male") and picker.value.contrast and picker.value.seed == 9
    picker.axis.value = "age"
    assert picker.value.values == (80.0, 30.0) and picker.first.layout.display is None
    picker.axis.value = "heart_rate"
    assert picker.value.values == (100.0, 60.0)
    picker.outcome.value = "t_v5_mv"
    assert picker.unit.value == "mV" and picker.value.smallest == 0.1
    picker.axis.value = "text"
    assert picker.value.values == ("left bundle branch block", "sinus rhythm")
    picker.kind.value = False
    assert picker.value.axis == "age" and picker.value.values == (30.0, 42.5, 55.0, 67.5, 80.0)
    assert picker.unit.value == "mV per years"


def test_the_plan_is_shown_before_anything_runs(tester):
    assert "2 cells &times; 6 hearts = 12 ECGs" in tester.plan.value and "about" in tester.plan.value
    assert "exploratory" in tester.plan.value and tester.hypothesis.contrast == {"sex": ("female", "male")}
    assert tester.hypothesis.given == ("age", "heart_rate", "text")
    tester.held.unknown["age"].value = True
    assert tester.hypothesis.given == ("heart_rate", "text")
    assert not list(tester.folder.iterdir())


def test_a_plan_that_cannot_be_is_refused_with_its_sentence(tester):
    tester.question.smallest.value = 0.0
    assert "smallest must be above 0 ms, got 0.0" in tester.plan.value and tester.run_button.disabled
    tester.question.smallest.value = 5.0
    assert not tester.run_button.disabled


def test_a_run_gives_a_finding_with_interval_and_verdict(tester):
    tester.run_button.click()
    assert tester.settle(SECONDS)
    finding = tester.finding
    assert finding.n == 6 and finding.exploratory
    assert finding.low < finding.estimate < finding.high and abs(finding.estimate - 13) < 4, (
        "12 ms are planted"
    )
    for words in ("exploratory", finding.verdict, "n = 6 seeds", "interval", "not measured: 0% of female"):
        assert words in tester.result.value
    assert len(tester.pictures.children) == 2 and tester.progress.value == tester.progress.max == 24
    assert tester.stop_button.disabled and not tester.run_button.disabled


def test_freezing_comes_before_reading(tester):
    tester.freeze_button.click()
    path = next((tester.folder / "frozen").iterdir())
    assert read_frozen(path) == tester.hypothesis and "kd-frozen" in tester.plan.value
    tester.run()
    assert tester.settle(SECONDS)
    assert not tester.finding.exploratory and "kd-frozen" in tester.result.value


def test_what_was_read_cannot_be_frozen(tester):
    tester.run()
    assert tester.settle(SECONDS)
    with pytest.raises(
        ValueError, match=r"before its ECGs are read, got .*-n6 there: choose another study number"
    ):
        tester.freeze()
    tester.question.hearts.value = 8
    tester.freeze_button.click()
    assert "choose another study number" in tester.status.value
    tester.question.seed.value = 6
    tester.freeze()
    tester.question.seed.value = 5
    assert "kd-exploratory" in tester.plan.value, "frozen for other hearts, after these were read"


def test_stop_acts_and_the_next_run_goes_on(tmp_path):
    class Slow(Watched):
        def generate(self, conditions, seeds):
            time.sleep(0.02 * len(seeds))
            return super().generate(conditions, seeds)

    widget = hypothesis_widget(Slow(), measure, conditions=PATIENT, folder=tmp_path)
    assert widget.settle(SECONDS)
    widget.question.hearts.value = 24
    widget.generator.asked.clear()
    widget.run()
    while not widget.progress.value:
        time.sleep(0.01)
    began = time.perf_counter()
    widget.stop()
    assert widget.settle(SECONDS) and time.perf_counter() - began < 3
    made = len(widget.generator.asked)
    assert 0 < made < 48 and widget.finding is None
    assert f"Stopped after {made} of 48 ECGs" in widget.status.value
    widget.run()
    assert widget.settle(SECONDS)
    assert len(widget.generator.asked) == 48 and widget.finding.n == 24


def test_a_run_that_fails_says_so_and_gives_the_buttons_back(tmp_path):
    widget = hypothesis_widget(Watched(), measure, conditions=PATIENT, folder=tmp_path)
    assert widget.settle(SECONDS)
    widget.generator.error = RuntimeError("no memory")
    widget.run()
    assert widget.settle(SECONDS)
    assert 'role="alert"' in widget.status.value and "no memory" in widget.status.value
    assert not widget.run_button.disabled and widget.stop_button.disabled


@pytest.mark.parametrize("trend", [False, True])
def test_the_copied_code_gives_the_same_finding(tester, trend):
    tester.question.kind.value = not trend
    tester.freeze()
    tester.run()
    assert tester.settle(SECONDS)
    made = {}
    exec(tester.code.code, made)
    assert made["finding"].to_dict() == tester.finding.to_dict()
    assert not made["finding"].exploratory
