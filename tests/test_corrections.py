import numpy as np
import pandas as pd
import pytest

from discovery.corrections import rate_slopes


def known_table(exponent, qrs=90.0, n=60):
    """QT = 400 RR**exponent at rates from 50 to 110 bpm."""
    rate = np.linspace(50, 110, n)
    qt, rr = 400 * (60 / rate) ** exponent, 60 / rate
    return pd.DataFrame(
        {"rate_bpm": rate, "qrs_ms": qrs, "qt_ms": qt, "qtcf_ms": qt / rr ** (1 / 3), "qtcb_ms": qt / rr**0.5}
    )


def test_a_qt_that_follows_fridericia_leaves_fridericia_no_slope():
    slopes = rate_slopes(known_table(1 / 3), ("qt_ms", "qtcf_ms", "qtcb_ms"))
    assert slopes.loc["qtcf_ms", "slope"] == pytest.approx(0, abs=1e-9)
    assert slopes.loc["qt_ms", "high"] < -10
    assert slopes.loc["qtcb_ms", "low"] > 5
    assert (slopes["n"] == 60).all()


def test_wide_qrs_is_left_out():
    table = pd.concat([known_table(1 / 3), known_table(1 / 3, qrs=150.0).assign(qtcf_ms=900.0)])
    assert rate_slopes(table, ("qtcf_ms",)).loc["qtcf_ms", "n"] == 60


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ValueError, match="table must hold qtch_ms, got 5 other columns"):
        rate_slopes(known_table(0.3), ("qtch_ms",))
    with pytest.raises(ValueError, match="at least 10 different heart rates, got 4"):
        rate_slopes(known_table(0.3, n=4), ("qt_ms",))
    few = known_table(0.3).assign(qtcf_ms=np.nan)
    assert np.isnan(rate_slopes(few, ("qtcf_ms",)).loc["qtcf_ms", "slope"])
