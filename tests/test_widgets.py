"""The widgets' state, without a browser: what is asked, what is shown, what is said when something fails."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from toys import Watched

from discovery.delineate import delineate
from discovery.measure import measure
from discovery.widget_conditions import ConditionsPicker
from discovery.widget_numbers import generator_code, numbers_table, statements_line
from discovery.widget_paper import (
    SHOWN_S,
    BeatOverlay,
    ECGPaper,
    beat_marks,
    beat_rows,
    interval_bars,
    microvolts,
)
from discovery.widget_worker import NewestWins, sentence
from discovery.widgets import explorer
from models.ecg import ECG, Conditions
from models.synthetic import Simulator

PATIENT = Conditions(age=60, sex="male", heart_rate=75, text="sinus rhythm")
SECONDS = 60


@pytest.fixture(scope="module")
def view():
    """An explorer that has shown its first ECG."""
    shown = explorer(Simulator(), measure, PATIENT, seed=3)
    assert shown.settle(SECONDS)
    return shown


# the worker


def test_the_newest_request_wins_and_waiting_ones_are_dropped():
    gate, begun, done = threading.Event(), threading.Event(), []

    def work(request):
        begun.set()
        gate.wait(SECONDS)
        done.append(request)

    worker = NewestWins(work, done.append)
    worker.ask(1)
    begun.wait(SECONDS)
    worker.ask(2)
    worker.ask(3)
    assert worker.superseded and worker.busy
    gate.set()
    assert worker.settle(SECONDS)
    assert done == [1, 3]


def test_an_error_of_the_worker_becomes_a_sentence():
    failed = []
    worker = NewestWins(lambda request: 1 / request, failed.append)
    worker.ask(0)
    assert worker.settle(SECONDS)
    assert sentence(failed[0]) == "ZeroDivisionError: division by zero"
    assert sentence(ValueError("age must be 0 or more, got -1\nmore")) == "age must be 0 or more, got -1"
    assert sentence(KeyError()) == "KeyError: no reason was given"


# the controls


def test_the_picker_shows_conditions_and_gives_them_back():
    picker = ConditionsPicker(PATIENT)
    assert (picker.age.value, picker.sex.value, picker.heart_rate.value) == (60, "male", 75)
    picker.age.value, picker.sex.value = 81, "female"
    assert picker.value == PATIENT.replace(age=81, sex="female")
    picker.value = Conditions(age=104, sex="male", heart_rate=30, text="AF")
    assert (picker.age.value, picker.heart_rate.value, picker.text.value) == (104, 30, "AF")


def test_unknown_conditions_are_none_and_switch_their_control_off():
    picker = ConditionsPicker(PATIENT)
    for name in ("age", "sex", "heart_rate", "text"):
        picker.unknown[name].value = True
        assert getattr(picker.value, name) is None and getattr(picker, name).disabled
    assert picker.value == Conditions()
    picker.unknown["age"].value = False
    assert picker.value == Conditions(age=60) and not picker.age.disabled
    assert ConditionsPicker(Conditions()).value == Conditions()


def test_a_preset_fills_the_text():
    picker = ConditionsPicker(PATIENT)
    picker.preset.value = "atrial fibrillation"
    assert picker.value.text == picker.text.value == "atrial fibrillation"
    assert picker.preset.value == ""


# the paper


def test_signals_travel_as_microvolts_about_their_median():
    sent = np.frombuffer(microvolts(np.array([[0.5, 0.5, 1.5], [np.nan, 0.0, 99.0]])), "<i2").reshape(2, 3)
    assert sent.tolist() == [[0, 0, 1000], [0, -32767, 32767]]
    assert microvolts(np.full((2, 3), np.nan)) == bytes(12)


def test_the_paper_holds_one_ecg_and_says_that_it_is_synthetic():
    ecg = Simulator(fs=250).generate([PATIENT, PATIENT], [1, 2])
    paper = ECGPaper()
    paper.show(ecg, 1, caption="60 years")
    assert len(paper.data) == 12 * SHOWN_S * 250 * 2
    assert paper.fs == 250 and paper.seq == 1 and paper.synthetic and "seed 2" in paper.footer
    assert paper.label == "Synthetic 12-lead ECG, not a patient. 60 years"
    recorded = ECG(ecg.signals, ecg.fs, provenance={"source": "PTB-XL", "synthetic": False})
    paper.show(recorded)
    assert not paper.synthetic and paper.label.startswith("Recorded")


def test_boundaries_lie_where_they_were_measured():
    row = pd.Series({"p_on_ms": -160.0, "qrs_on_ms": -40.0, "qrs_off_ms": 50.0, "t_off_ms": np.nan})
    row = pd.concat([row, pd.Series({"pr_ms": 120.0, "qrs_ms": 90.0, "qt_ms": np.nan, "rate_bpm": 60.0})])
    beats = np.array([0.1, 1.0, 2.0, 9.98])
    marks = beat_marks(row, beats)
    assert {"at": 0.84, "name": "p_on_ms"} in marks and {"at": 1.05, "name": "qrs_off_ms"} in marks
    assert all(0 <= mark["at"] <= SHOWN_S for mark in marks)
    bars = interval_bars(row, beats)
    assert [bar["text"] for bar in bars] == ["PR 120 ms", "QRS 90 ms"]
    assert (bars[0]["from"], bars[0]["to"]) == (1.84, 1.96)
    assert interval_bars(row, np.array([])) == []


def test_the_overlay_aligns_at_r():
    overlay = BeatOverlay()
    beat = np.zeros((12, 450))
    overlay.show(beat, None, fs=500, r_index=175)
    assert overlay.r_ms == 350 and overlay.a == b"" and len(overlay.b) == 12 * 450 * 2
    overlay.show(beat, beat, fs=500, r_index=175)
    assert overlay.a == overlay.b and "A" in overlay.label


def test_no_beat_is_cut_off_and_no_lead_runs_into_another():
    beats = np.zeros((12, 450))
    beats[1, 200], beats[7, 200] = 1.2, -3.0  # II upwards, V2 downwards: the second row
    assert beat_rows(beats) == [[15.0, 9.5], [45.0, 13.5], [15.0, 9.5]]
    paper, signals = ECGPaper(), np.zeros((2, 12, 5000), np.float32)
    signals[1, 9] = 4 * np.sin(np.arange(5000) / 50)  # V4
    tall = []
    for index in (0, 1):
        paper.show(ECG(signals, 500), index)
        tall.append(paper.height)
        assert len(paper.baselines) == 4 and paper.height > paper.baselines[0] > paper.baselines[3] > 0
    assert tall[1] > tall[0] + 20


# the explorer


def test_the_explorer_shows_what_the_verbs_give(view):
    ecg = Simulator().generate([PATIENT], [3])
    assert np.array_equal(view.shown.ecg.signals, ecg.signals)
    row = measure(ecg).iloc[0]
    assert view.shown.row["qt_ms"] == row["qt_ms"]
    assert (
        f"<td>{row['pr_ms']:.0f}</td>" in view.numbers.value
        and "60 years, male, 75 bpm" in view.paper.caption
    )
    found = delineate(ecg.signals, ecg.fs, ecg.leads)
    assert len({mark["at"] for mark in view.paper.marks}) > 2 * found.beat_kept[0].sum()
    assert f"QT {row['qt_ms']:.0f} ms" in view.paper.label


def test_a_moved_slider_asks_for_another_ecg_of_the_same_heart():
    generator = Watched()
    view = explorer(generator, measure, PATIENT)
    assert view.settle(SECONDS)
    before = view.paper.data
    view.asked.heart_rate.value = 110
    assert view.settle(SECONDS)
    assert generator.asked[-1] == (PATIENT.replace(heart_rate=110), 0)
    assert view.paper.data != before and abs(view.shown.row["rate_bpm"] - 110) < 3
    view.another.click()
    assert view.settle(SECONDS)
    assert generator.asked[-1][1] == view.seed.value == 1


def test_while_the_generator_is_slow_only_the_newest_request_is_made():
    gate = threading.Event()
    generator = Watched(wait=gate)
    began = time.perf_counter()
    view = explorer(generator, measure, PATIENT)
    for age in range(61, 81):
        view.asked.age.value = age
    assert time.perf_counter() - began < 5, "the controls must not wait for the generator"
    gate.set()
    assert view.settle(SECONDS)
    assert len(generator.asked) <= 2 and view.shown.ecg.conditions[0].age == 80


def test_a_failing_generator_is_reported_in_the_widget():
    view = explorer(Watched(error=RuntimeError("out of <memory>")), measure, PATIENT)
    assert view.settle(SECONDS)
    assert 'role="alert">RuntimeError: out of &lt;memory&gt;' in view.status.value and view.shown is None
    view.generator.error = None
    view.seed.value = 4
    assert view.settle(SECONDS)
    assert "ready" in view.status.value and view.shown is not None


def test_a_flat_ecg_is_shown_with_its_reasons():
    class Flat(Watched):
        def generate(self, conditions, seeds):
            return ECG(np.zeros((1, 12, 5000)), 500, conditions=conditions, seeds=seeds)

    view = explorer(Flat(), measure, PATIENT)
    assert view.settle(SECONDS)
    assert "not measured" in view.numbers.value and "Reasons:" in view.numbers.value
    assert view.paper.marks == [] and "Measured: nothing" in view.paper.label


def test_pinning_compares_b_with_a():
    view = explorer(Simulator(), measure, PATIENT)
    assert view.settle(SECONDS)
    view.pin.click()
    pr = view.shown.row["pr_ms"]
    view.asked.text.value = "first degree AV block"
    assert view.settle(SECONDS)
    assert view.pinned.row["pr_ms"] == pr and view.overlay.a and view.overlay.a != view.overlay.b
    gap = view.shown.row["pr_ms"] - pr
    assert gap > 20 and f"<td>{gap:+.0f}</td>" in view.numbers.value and "high" in view.numbers.value
    view.unpin.click()
    assert view.pinned is None and view.overlay.a == b"" and "asked" in view.numbers.value


def test_words_of_the_user_are_escaped():
    view = explorer(Simulator(), measure, PATIENT.replace(text="<img src=x onerror=alert(1)> LBBB"))
    assert view.settle(SECONDS)
    view.pin.click()
    for shown in (view.statements, view.legend, view.numbers, view.status):
        assert "<img" not in shown.value


def test_the_statements_line_names_what_was_and_was_not_understood():
    line = statements_line(Simulator().understand("LBBB, no atrial fibrillation, purple elephant"))
    assert "understood:" in line and "CLBBB" in line
    assert "negated:" in line and "not understood:" in line and "purple elephant" in line
    strange = SimpleNamespace(
        understood=(),
        negated=("<b>",),
        unseen=("<i>",),
        ignored=("<script>",),
        suggestions={"<script>": "<u>"},
    )
    line = statements_line(strange)
    assert "&lt;script&gt; (did you mean" in line and not any(
        tag in line for tag in ("<b>", "<i>", "<script>", "<u>")
    )
    assert "does not say" in statements_line(None)


@pytest.mark.parametrize("pinned", [False, True])
def test_the_copied_code_makes_the_same_ecg_and_numbers(pinned):
    view = explorer(Simulator(noise_uv=5.0), measure, PATIENT.replace(text='it\'s "LBBB"'), seed=12)
    assert view.settle(SECONDS)
    if pinned:
        view.pin.click()
        view.asked.unknown["age"].value = True
        assert view.settle(SECONDS)
    made = {}
    exec(view.code.code, made)
    assert np.array_equal(made["ecg"].signals[-1], view.shown.ecg.signals[0])
    assert made["table"]["qt_ms"].iloc[-1] == view.shown.row["qt_ms"]
    assert len(made["ecg"]) == 1 + pinned


def test_a_generator_that_cannot_be_written_as_code_is_named():
    assert (
        generator_code(Watched()) == "# generator: watched, digest 0123456789abcdef, as given to the widget"
    )
    assert generator_code(Simulator()).endswith("generator = Simulator()")


def test_the_qtc_limit_depends_on_sex(view):
    row = view.shown.row.copy()
    row["qtcf_ms"], row["sex"] = 455.0, "male"
    assert "up to 450" in numbers_table(row) and "high" in numbers_table(row)
    row["sex"] = "female"
    assert "up to 460" in numbers_table(row)
