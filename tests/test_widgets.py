"""The widgets' state, without a browser: what is asked, what is shown, what is said when something fails."""

import base64
import re
import threading
import time
from types import SimpleNamespace

import IPython.display
import numpy as np
import pandas as pd
import pytest

from discovery.delineate import delineate
from discovery.hypotheses import read_frozen
from discovery.measure import measure
from discovery.widget_conditions import ConditionsPicker
from discovery.widget_map import compared
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
from discovery.widget_points import inside, legend, painted
from discovery.widget_question import QuestionPicker
from discovery.widget_worker import NewestWins, sentence
from discovery.widgets import explorer, hypothesis_widget, map_widget
from models.ecg import ECG, Conditions
from models.synthetic import Simulator

PATIENT = Conditions(age=60, sex="male", heart_rate=75, text="sinus rhythm")
SECONDS = 60


class Watched:
    """A simulator that keeps what it was asked, can be slow, and can fail."""

    name, digest, fs = "watched", "0123456789abcdef", 500.0

    def __init__(self, *, wait=None, error=None):
        self.asked, self.within, self.wait, self.error = [], Simulator(), wait, error

    def generate(self, conditions, seeds):
        self.asked += list(zip(conditions, seeds, strict=True))
        if self.wait is not None:
            self.wait.wait(SECONDS)
        if self.error is not None:
            raise self.error
        return self.within.generate(conditions, seeds)


@pytest.fixture(scope="module")
def view():
    """An explorer that has shown its first ECG."""
    shown = explorer(Simulator(), measure, PATIENT, seed=3)
    assert shown.settle(SECONDS)
    return shown


@pytest.fixture
def tester(tmp_path):
    """A hypothesis widget on a few hearts."""
    widget = hypothesis_widget(Simulator(), measure, conditions=PATIENT, folder=tmp_path, seed=5)
    assert widget.settle(SECONDS)
    widget.question.hearts.value = 6
    return widget


@pytest.fixture(scope="module")
def batch():
    """Twenty hearts in sinus rhythm and with left bundle branch block."""
    asked = [
        PATIENT.replace(text=text) for text in ("sinus rhythm", "left bundle branch block") for _ in range(10)
    ]
    return Simulator().generate(asked, [*range(10), *range(10)])


@pytest.fixture
def browser_of(batch):
    """Makes a map widget on the twenty hearts, blocks on the left and sinus rhythm on the right."""
    table = measure(batch)
    side = np.where(table["text"] == "sinus rhythm", 1.0, -1.0)
    places = np.stack([side, np.linspace(0, 1, len(table))], axis=1)
    drawn = SimpleNamespace(
        coordinates=places, rows=table.index.to_numpy(), columns=("qrs_ms",), trustworthiness=0.9, seed=0
    )
    return lambda: map_widget(drawn, table, lambda rows: batch[list(rows)])


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


def test_the_notebook_keeps_a_picture_under_a_name_that_the_living_widget_hides(
    view, browser_of, monkeypatch
):
    for widget in (view, browser_of()):
        shown = []
        monkeypatch.setattr(IPython.display, "display", lambda data, raw=False, to=shown: to.append(data))
        widget._ipython_display_()
        live, kept = shown
        assert "application/vnd.jupyter.widget-view+json" in live
        assert live["text/plain"].startswith(type(widget).__name__)
        assert f'<div class="{widget.paper.kept}"><img alt=' in kept.data and widget.paper.kept
        picture = re.search('base64,([^"]+)', kept.data).group(1)
        assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_the_qtc_limit_depends_on_sex(view):
    row = view.shown.row.copy()
    row["qtcf_ms"], row["sex"] = 455.0, "male"
    assert "up to 450" in numbers_table(row) and "high" in numbers_table(row)
    row["sex"] = "female"
    assert "up to 460" in numbers_table(row)


# the hypothesis widget


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


# the map widget


def test_points_inside_a_polygon_are_found():
    points = np.array([[0.5, 0.5], [1.5, 0.5], [0.5, -0.1], [0.9, 0.9]])
    assert inside(points, [[0, 0], [1, 0], [1, 1], [0, 1]]).tolist() == [True, False, False, True]
    assert not inside(points, []).any() and not inside(points, [[0, 0], [1, 1]]).any()
    bent = [[0, 0], [2, 0], [2, 1], [1, 0.2], [0, 1]]
    assert inside(np.array([[1.0, 0.5], [1.9, 0.5]]), bent).tolist() == [False, True]


def test_numbers_are_graded_words_have_colours_of_their_own():
    paint = painted(pd.Series([*np.linspace(0, 100, 50), np.nan]))
    assert paint.graded and paint.missing == 1 and paint.rgb.shape == (51, 3)
    assert paint.codes[0] == 0 and paint.codes[49] == 23 and "not known (1)" in legend(paint, "age")
    paint = painted(pd.Series(["b", "a", "b", None]))
    assert paint.words == ("b", "a") and paint.codes.tolist() == [0, 1, 0, 3]
    many = painted(pd.Series([f"text {k}" for k in range(20)]))
    assert many.words[-1] == "others" and len(many.palette) <= 12
    assert "&lt;b&gt;" in legend(painted(pd.Series(["<b>"])), "text")


def test_a_lasso_selects_draws_and_compares(browser_of, batch):
    widget = browser_of()
    widget.canvas.lasso = [[-2, -1], [0, -1], [0, 2], [-2, 2]]
    assert widget.settle(SECONDS)
    assert widget.selected.tolist() == list(range(10, 20))
    assert np.frombuffer(widget.canvas.chosen, np.uint8).sum() == 10
    assert (
        "exploratory" in widget.summary.value and "10 selected</b> against 10 others" in widget.summary.value
    )
    assert "100% left bundle branch block" in widget.summary.value
    assert np.array_equal(widget.ecg.signals[0], batch.signals[10]) and "1 of 10" in widget.paper.caption
    widget.which.value = 3
    assert "3 of 10" in widget.paper.caption
    widget.clear.click()
    assert widget.settle(SECONDS)
    assert len(widget.selected) == 0 and widget.canvas.chosen == b"" and "Nothing" in widget.summary.value


def test_without_webgl_the_map_is_our_canvas(browser_of):
    widget = browser_of()
    widget.probe.webgl = "no"
    assert widget.place.children == (widget.canvas,)


def test_with_webgl_the_map_is_jupyter_scatter_and_its_lasso_is_heard(browser_of):
    widget = browser_of()
    widget.probe.webgl = "yes"
    scatter = widget.place.children[0]
    assert type(scatter).__name__ == "JupyterScatter"
    widget.color.value = "qrs_ms"
    scatter.selection = np.array([0, 4], dtype="uint32")
    assert widget.settle(SECONDS)
    assert widget.selected.tolist() == [0, 4] and "2 selected" in widget.summary.value
    widget.clear.click()
    assert len(scatter.selection) == 0


def test_ecgs_that_cannot_be_fetched_are_reported(browser_of):
    widget = browser_of()
    widget.ecg_of = lambda rows: 1 / 0
    widget.select([1, 2])
    assert widget.settle(SECONDS)
    assert "ZeroDivisionError: division by zero" in widget.status.value


def test_the_summary_gives_differences_with_intervals():
    table = pd.DataFrame({"qrs_ms": [100.0, 102, 98, 150, 152, np.nan], "sex": ["male"] * 6})
    words = compared(table, np.array([False, False, False, True, True, True]))
    assert "+51 (" in words and "<td>2, 3</td>" in words and "100% male" in words
