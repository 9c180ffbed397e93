import numpy as np
import pandas as pd
import pytest

from discovery.plots import plot_error_map


@pytest.fixture
def table():
    rows = pd.DataFrame({"noise_uv": [0, 0, 0, 80, 80, 0], "qt_ms": [400, 400, 400, 400, 400, 480]})
    return rows.assign(qt_error_ms=[4.0, 6.0, 5.0, -18.0, np.nan, np.nan])


def test_each_cell_tells_its_median_and_the_share_answered(table):
    figure = plot_error_map(table, "qt_error_ms", "noise_uv", "qt_ms")
    assert [item.get_text() for item in figure.axes[0].texts] == ["+5", "-18\n50%", "none"]
    assert [item.get_text() for item in figure.axes[0].get_xticklabels()] == ["0", "80"]
    assert figure.axes[0].get_ylabel() == "QT interval (ms)"
    assert figure.axes[0].get_xlabel() == "Noise (µV)"
    assert figure.axes[0].get_title(loc="left") == "Error of QT interval (ms)"
    assert "colours end at 20" in figure.caption


def test_what_cannot_be_drawn_is_refused(table):
    with pytest.raises(ValueError, match="up must be a column of the table, got 'pr_ms'"):
        plot_error_map(table, "qt_error_ms", "noise_uv", "pr_ms")
    with pytest.raises(ValueError, match="limit must be above 0, got 0"):
        plot_error_map(table, "qt_error_ms", "noise_uv", "qt_ms", limit=0)
