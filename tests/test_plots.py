"""Figures are right to the millimetre, have units, are marked synthetic, and refuse what they cannot draw."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from discovery.claims import Hypothesis
from discovery.evidence import Published, weigh
from discovery.forest import interval_in_words
from discovery.hypotheses import compare
from discovery.measure import measure
from discovery.paper import FARTHEST_MM, lay_out
from discovery.plots import plot_ecg, plot_effects, plot_map, plot_pair, plot_trend
from discovery.style import DPI, MM_PER_INCH, SYNTHETIC_MARK, Picture, png, save_figure
from models.ecg import ECG, LEADS, Conditions, twelve_leads
from models.synthetic import Simulator


def beats(count: int = 1, fs: float = 500.0, seconds: float = 10.0) -> ECG:
    """Spikes of 1 mV at whole seconds plus a half, on eight leads; a broad bump for a T wave."""
    time = np.arange(int(fs * seconds)) / fs
    phase = (time + 0.5) % 1.0 - 0.0
    wave = np.exp(-(((phase - 0.0) % 1.0 - 0.5) ** 2) / 2e-4) + 0.25 * np.exp(-((phase - 0.8) ** 2) / 3e-3)
    eight = np.stack([wave * scale for scale in (0.8, 1.0, -0.6, 0.4, 0.9, 1.2, 1.0, 0.8)])
    signals = twelve_leads(np.repeat(eight[None], count, axis=0).astype(np.float32))
    asked = tuple(
        Conditions(age=40 + 10 * k, sex="female", heart_rate=60, text="sinus rhythm") for k in range(count)
    )
    made = {"source": "spikes", "synthetic": True, "digest": "0123456789abcdef"}
    return ECG(signals, fs, LEADS, asked, tuple(range(7, 7 + count)), made)


def words(figure: Picture) -> str:
    """Every text on a figure, its axes and its legends."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts] + [
            axes.get_xlabel(),
            axes.get_ylabel(),
            axes.get_title("left"),
        ]
        if axes.get_legend():
            found += [text.get_text() for text in axes.get_legend().get_texts()]
    return "\n".join(found)


def sweep_table(hearts: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    own = rng.normal(0, 10, hearts)
    rows = [
        {
            "seed": seed,
            "age": age,
            "sex": sex,
            "heart_rate": 60.0,
            "text": text,
            "qtcf_ms": 400 + own[seed] + 10 * (sex == "female") + 0.2 * age + rng.normal(0, 3),
            "rr_ms": 1000 + rng.normal(0, 50),
        }
        for seed in range(hearts)
        for age in (30.0, 70.0)
        for sex in ("female", "male")
        for text in ("normal", None)
    ]
    return pd.DataFrame(rows)


def finding(hearts: int = 12):
    claim = Hypothesis(
        "qtcf_ms", contrast={"sex": ("female", "male")}, given=("age",), smallest=5.0, direction="+"
    )
    return compare(sweep_table(hearts), claim)


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 10), (25, 5), (25, 20)])
def test_paper_is_right_to_the_millimetre(speed, gain):
    sheet = lay_out(beats(), 0, speed=speed, gain=gain)
    rhythm = [trace for trace in sheet.traces if trace.lead == "II"][-1]
    peaks = rhythm.x[np.argsort(rhythm.y)[-30:]]
    apart = np.diff(sorted({round(float(x) / speed) for x in peaks}))
    assert set(apart) == {1}, "beats 1 s apart lie `speed` mm apart"
    assert rhythm.y.max() == pytest.approx(gain, rel=0.02), "1 mV is `gain` mm"


def test_a_millimetre_of_the_sheet_is_a_millimetre_of_the_figure():
    figure = plot_ecg(beats())
    paper = figure.axes[0]
    corner, across = paper.transData.transform([(0, 0), (25, 10)])
    assert (across - corner) / DPI * MM_PER_INCH == pytest.approx([25, 10])
    width, height = figure.get_size_inches() * MM_PER_INCH
    assert paper.get_xlim() == pytest.approx((0, width))
    assert paper.get_ylim() == pytest.approx((0, height))


def test_the_drawn_trace_is_the_signal_in_millimetres():
    ecg = beats()
    lines = plot_ecg(ecg).axes[0].get_lines()
    longest = max(lines, key=lambda line: len(line.get_xdata()))
    x, y = longest.get_data()
    assert np.ptp(x) == pytest.approx((ecg.signals.shape[2] - 1) / ecg.fs * 25, rel=1e-6)
    assert np.ptp(y) == pytest.approx(10 * np.ptp(ecg.lead("II")), rel=1e-5)


def test_the_calibration_pulse_is_a_millivolt_high_and_200_ms_wide():
    pulses = [line.get_data() for line in plot_ecg(beats()).axes[0].get_lines() if len(line.get_xdata()) == 6]
    assert len(pulses) == 4
    for x, y in pulses:
        assert (np.ptp(y), x[3] - x[2]) == pytest.approx((10, 5))


@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
@pytest.mark.parametrize("scale", [1, 6])
def test_no_lead_runs_into_another(layout, scale):
    ecg = beats()
    loud = ECG(ecg.signals * scale, ecg.fs, ecg.leads, ecg.conditions, ecg.seeds, ecg.provenance)
    sheet = lay_out(loud, 0, layout)
    for upper in sheet.traces:
        for lower in sheet.traces:
            if lower.row == upper.row + 1 and lower.start < upper.stop and upper.start < lower.stop:
                start, stop = max(lower.x[0], upper.x[0]), min(lower.x[-1], upper.x[-1])
                low = upper.y[(upper.x >= start) & (upper.x <= stop)].min() + sheet.baselines[upper.row]
                high = lower.y[(lower.x >= start) & (lower.x <= stop)].max() + sheet.baselines[lower.row]
                assert low > high
    assert {trace.lead for trace in sheet.traces} == set(LEADS)
    assert all(baseline % 5 == 0 for baseline in sheet.baselines)


def test_far_excursions_are_cut_and_named():
    ecg = beats()
    signals = ecg.signals.copy()
    signals[0, LEADS.index("V2"), 2600] = 50.0
    figure = plot_ecg(ECG(signals, 500, provenance={"synthetic": True}))
    assert "cut at 4 mV: V2" in words(figure)
    assert lay_out(ECG(signals, 500), 0).height < 10 * FARTHEST_MM


def test_an_ecg_says_what_was_asked_what_was_measured_and_that_it_is_synthetic():
    row = {
        "rate_bpm": 60.2,
        "pr_ms": math.nan,
        "p_present": 0.0,
        "qrs_ms": 92.4,
        "qt_ms": 400.0,
        "qtcf_ms": math.nan,
    }
    shown = words(plot_ecg(beats(2), 1, boundaries=row))
    for part in (
        "Asked: 50 years, female, 60 bpm",
        "sinus rhythm",
        "rate 60 bpm",
        "PR no P",
        "QRS 92 ms",
        "QTcF –",
        "25 mm/s   10 mm/mV",
        SYNTHETIC_MARK,
        "spikes   01234567   seed 8",
        *LEADS,
    ):
        assert part in shown


def test_a_recorded_ecg_is_not_called_synthetic():
    ecg = beats()
    recorded = ECG(
        ecg.signals,
        ecg.fs,
        provenance={"source": "records", "synthetic": False},
        annotations={"record": np.array(["00042"])},
    )
    shown = words(plot_ecg(recorded))
    assert SYNTHETIC_MARK not in shown
    assert "record 00042" in shown


def test_boundaries_are_marked_beneath_every_kept_beat():
    row = {
        "p_on_ms": -160.0,
        "qrs_on_ms": -40.0,
        "qrs_off_ms": 50.0,
        "t_off_ms": 340.0,
        "r_peaks_s": np.arange(10) + 0.5,
        "beat_kept": np.arange(10) != 3,
    }
    bars = plot_ecg(beats(), boundaries=row).axes[0].collections
    bars = [bar for bar in bars if bar.get_array() is None and len(bar.get_facecolor())]
    widths = [round(float(np.ptp(bar.get_paths()[0].vertices[:, 0])), 3) for bar in bars]
    for width in (2.25, 3.0, 7.25):
        assert widths.count(width) == 9, "90, 120 and 290 ms at 25 mm/s"


def test_measured_edges_are_drawn_on_the_strip_and_on_the_median_beat():
    ecg = Simulator().generate([Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")], [7])
    table = measure(ecg)
    figure = plot_ecg(ecg, boundaries=table)
    shown, row = words(figure), table.iloc[0]
    assert f"Median beat, of {row['beats_used']:.0f} alike" in shown
    assert "all leads" in shown
    bars = [bar for bar in figure.axes[0].collections if bar.get_array() is None and len(bar.get_facecolor())]
    widths = np.array([np.ptp(bar.get_paths()[0].vertices[:, 0]) for bar in bars])
    for name in ("pr_ms", "qrs_ms", "jt_ms"):
        assert np.isclose(widths, row[name] / 40).sum() >= row["beats_used"] - 2, "strip, 25 mm/s"
        assert np.isclose(widths, row[name] / 20).sum() >= 4, "median beat, 50 mm/s"
    assert "Median beat" not in words(plot_ecg(ecg))


def test_the_median_beat_leaves_what_was_not_measured_unmarked():
    ecg = Simulator().generate([Conditions(age=70, heart_rate=90, text="atrial fibrillation")], [3])
    table = measure(ecg)
    assert "p_absent" in table["reasons"][0]
    shown = words(plot_ecg(ecg, boundaries=table)).splitlines()
    assert "Median beat" in "".join(shown)
    assert "PR" not in shown


def test_a_pair_overlays_two_beats_and_names_what_differs():
    first, second = beats(), beats(2)[1]
    figure = plot_pair(first, ECG(second.signals, 500, LEADS, second.conditions, (7,), second.provenance))
    shown = words(figure)
    for part in (
        "A: 40 years",
        "B: 50 years",
        "Both: female, 60 bpm, sinus rhythm; the same heart, seed 7",
        SYNTHETIC_MARK,
    ):
        assert part in shown
    dashed = [line for line in figure.axes[0].get_lines() if line.is_dashed()]
    assert len(dashed) >= 12


def test_nothing_is_left_in_pyplot():
    before = pyplot.get_fignums()
    plot_trend(sweep_table(), "qtcf_ms", "age", "sex")
    assert pyplot.get_fignums() == before


def test_a_figure_shows_itself_and_saves_itself(tmp_path):
    figure = plot_trend(sweep_table(), "qtcf_ms", "age")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert len(png(figure, caption=False)) < len(png(figure))
    for ending in ("png", "svg", "pdf"):
        assert save_figure(figure, tmp_path / f"figure.{ending}").stat().st_size > 1000
    with pytest.raises(ValueError, match=r"path must end in \.png, \.svg or \.pdf, got 'figure.bmp'"):
        save_figure(figure, tmp_path / "figure.bmp")


def test_a_trend_has_units_and_its_n_and_means_over_seeds():
    table = sweep_table()
    table.loc[0, "qtcf_ms"] = np.nan
    figure = plot_trend(table, "qtcf_ms", "age", "sex")
    axes = figure.axes[0]
    assert axes.get_ylabel() == "QTc (Fridericia), ms"
    assert axes.get_xlabel() == "Age (years)"
    assert f"n = {len(table) - 1} ECGs on 12 seeds" in figure.caption
    assert "1 ECGs without a value" in figure.caption
    drawn = {bar.get_label(): bar.lines[0].get_ydata() for bar in axes.containers}
    expected = table[(table.sex == "male") & (table.age == 70)].groupby("seed")["qtcf_ms"].mean().mean()
    assert drawn["male"][1] == pytest.approx(expected)


@pytest.mark.parametrize("by", ["text", "rr_ms"])
def test_a_trend_takes_words_and_many_numbers(by):
    axes = plot_trend(sweep_table(), "qtcf_ms", by, "sex").axes[0]
    assert len(axes.containers[0].lines[0].get_xdata()) == (2 if by == "text" else 8)
    if by == "text":
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["normal", "not given"]


def test_effects_put_each_unit_on_its_own_axis_and_say_the_numbers():
    slope = Hypothesis("qtcf_ms", trend="age", given=("sex",), smallest=0.1, direction="+")
    weighed = weigh(slope, sweep_table(), published=Published(0.3, 0.2, 0.4, "somebody"))
    figure = plot_effects([finding(), weighed])
    assert [axes.get_xlabel() for axes in figure.axes] == ["ms", "ms/year"]
    shown = words(figure)
    assert interval_in_words(finding()) in shown
    assert "12" in shown
    assert "supported" in shown
    assert "Open diamonds" in figure.caption


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((12.345, 10.1, 14.6), "12.3 [10.1, 14.6]"),
        ((-0.151, -0.16, -0.142), "\N{MINUS SIGN}0.151 [\N{MINUS SIGN}0.160, \N{MINUS SIGN}0.142]"),
        ((0.0, 0.0, 0.0), "0.0 [0.0, 0.0]"),
        ((math.nan,) * 3, "no estimate"),
    ],
)
def test_numbers_have_the_digits_their_interval_earns(numbers, expected):
    assert (
        interval_in_words(SimpleNamespace(**dict(zip(("estimate", "low", "high"), numbers, strict=True))))
        == expected
    )


def test_a_map_has_a_panel_for_each_column_and_says_how_far_to_trust_it():
    table = sweep_table().drop(index=[0])
    points = np.random.default_rng(1).normal(size=(len(table), 2))
    made = SimpleNamespace(
        coordinates=points, rows=table.index.to_numpy(), columns=("a", "b"), seed=3, trustworthiness=0.93
    )
    figure = plot_map(made, sweep_table(), color=["sex", "qtcf_ms", "text"])
    shown = words(figure)
    for part in ("Sex", "QTc (Fridericia), ms", "female (", "not given ("):
        assert part in shown
    assert f"UMAP of {len(table)} ECGs by 2 columns, seed 3; trustworthiness 0.93" in figure.caption


@pytest.mark.parametrize("count", [5, 6, 7, 16, 30])
def test_a_long_legend_does_not_reach_the_panel_below(count):
    table = pd.DataFrame({"heart": [f"heart {k % count}" for k in range(60)], "qtcf_ms": np.arange(60.0)})
    points = np.random.default_rng(1).normal(size=(60, 2))
    made = SimpleNamespace(
        coordinates=points, rows=table.index.to_numpy(), columns=("a",), seed=3, trustworthiness=0.9
    )
    figure = plot_map(made, table, color=["qtcf_ms", "heart", "heart", "qtcf_ms"])
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    titles = [axes._left_title.get_window_extent() for axes in panels]
    legend = panels[1].get_legend().get_window_extent()
    assert legend.y0 > max(title.y1 for title in titles[2:])
    assert panels[2].get_legend().get_window_extent().y0 >= 0


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_ecg(beats(), 3), "index must be one of the 1 ECGs, 0 to 0, got 3"),
        (lambda: plot_ecg(beats(), layout="4x3"), "layout must be one of '3x4', '6x2', '12x1', got '4x3'"),
        (lambda: plot_ecg(beats(), speed=30), "speed must be one of 25, 50, got 30"),
        (lambda: plot_ecg(beats(), gain=7), "gain must be one of 5, 10, 20, got 7"),
        (
            lambda: plot_ecg(beats(3), boundaries=pd.DataFrame({"pr_ms": [1, 2]})),
            "boundaries must have one row per ECG, got 2",
        ),
        (
            lambda: plot_trend(sweep_table(), "QTcF", "age"),
            "outcome must be a column of the table, got 'QTcF': did you mean 'qtcf_ms'",
        ),
        (
            lambda: plot_trend(sweep_table(), "qtcf_ms", "Age"),
            "by must be a column of the table, got 'Age': did you mean 'age'",
        ),
        (lambda: plot_effects([]), "findings must hold at least one finding, got none"),
        (
            lambda: plot_map(SimpleNamespace(), sweep_table(), "gender"),
            "color must be a column of the table, got 'gender'",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
