"""The map widget's state, without a browser: lasso, colours, comparison, the picture a notebook keeps."""

import base64
import re
from types import SimpleNamespace

import IPython.display
import numpy as np
import pandas as pd
import pytest

from discovery.measure import measure
from discovery.widget_map import compared
from discovery.widget_points import inside, legend, painted
from discovery.widgets import explorer, map_widget
from models.ecg import Conditions
from models.synthetic import Simulator

PATIENT = Conditions(age=60, sex="male", heart_rate=75, text="sinus rhythm")
SECONDS = 60


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


def test_the_notebook_keeps_a_picture_under_a_name_that_the_living_widget_hides(browser_of, monkeypatch):
    for widget in (explorer(Simulator(), measure, PATIENT), browser_of()):
        shown = []
        monkeypatch.setattr(IPython.display, "display", lambda data, raw=False, to=shown: to.append(data))
        widget._ipython_display_()
        live, kept = shown
        assert "application/vnd.jupyter.widget-view+json" in live
        assert live["text/plain"].startswith(type(widget).__name__)
        assert f'<div class="{widget.paper.kept}"><img alt=' in kept.data and widget.paper.kept
        picture = re.search('base64,([^"]+)', kept.data).group(1)
        assert base64.b64decode(picture).startswith(b"\x89PNG")
