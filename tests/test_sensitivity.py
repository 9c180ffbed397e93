import numpy as np
import pytest
from scipy import stats

from discovery.designs import grid
from discovery.plots import plot_sensitivity
from discovery.samplings import saltelli
from discovery.sensitivity import sensitivity, sobol_shares
from models.ecg import Conditions

PATIENT = Conditions(age=50, sex="female", heart_rate=70)


def ishigami(x):
    """Three numbers' known shares: 0.3139, 0.4424, 0 alone; 0.5576, 0.4424, 0.2437 in all."""
    return np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def test_ishigamis_function_has_its_known_shares():
    draw = np.random.default_rng(1)
    a, b = draw.uniform(-np.pi, np.pi, (2, 3, 2**15))
    mixed = [np.where(np.arange(3)[:, None] == factor, b, a) for factor in range(3)]
    blocks = np.stack([ishigami(x) for x in (a, b, *mixed)])
    np.testing.assert_allclose(
        sobol_shares(blocks), [[0.3139, 0.4424, 0], [0.5576, 0.4424, 0.2437]], atol=0.02
    )


def test_the_shares_are_those_of_scipy():
    blocks = np.random.default_rng(2).normal(size=(5, 64)) + np.linspace(0, 3, 64)
    parts = {"f_A": blocks[None, 0], "f_B": blocks[None, 1], "f_AB": blocks[2:, None]}
    found = stats.sobol_indices(func=parts, n=64)
    np.testing.assert_allclose(sobol_shares(blocks), [found.first_order, found.total_order], rtol=1e-6)


@pytest.fixture(scope="module")
def study():
    """A design and a table in which QT is made of age (4 parts of variance), rate (9) and the heart (3)."""
    design = saltelli(PATIENT, points=512, seed=3, age=(20, 90), heart_rate=(50, 120))
    table = design.table
    heart = np.random.default_rng(0).normal(size=table["repeat"].max() + 1)
    uniform = {axis: (table[axis] - low) / (high - low) * np.sqrt(12) for axis, low, high in
               (("age", 20, 90), ("heart_rate", 50, 120))}  # fmt: skip
    table["qt_ms"] = (
        400 + 2 * uniform["age"] - 3 * uniform["heart_rate"] + np.sqrt(3) * heart[table["repeat"]]
    )
    return design, table


def test_what_drives_a_quantity_is_found_with_its_interval(study):
    design, table = study
    found = sensitivity(table, design, "qt_ms")
    assert found.table["factor"].tolist() == ["age", "heart_rate", "heart"]
    truth = np.array([4, 9, 3]) / 16
    for share in ("first", "total"):
        np.testing.assert_allclose(found.table[share], truth, atol=0.12)
        assert (found.table[f"{share}_low"] < truth).all()
        assert (found.table[f"{share}_high"] > truth).all()
    assert (found.n, found.missing) == (512, 0)


def test_points_that_were_not_measured_are_left_out_and_counted(study):
    design, table = study
    table = table.copy()
    table.loc[[0, 512, 600], "qt_ms"] = np.nan  # A's point 0, B's point 0, and B's point 88
    found = sensitivity(table.drop(index=700), design, "qt_ms")  # B's point 188
    assert (found.n, found.missing) == (509, 3)
    assert "qt_ms: n = 509 points, 3 left out, 95% intervals" in str(found)
    assert "heart_rate  alone" in str(found)


def test_what_does_not_vary_has_no_shares(study):
    design, table = study
    found = sensitivity(table.assign(flat_ms=3.0), design, "flat_ms")
    assert found.table["first"].isna().all()


def test_the_wrong_design_and_column_are_refused(study):
    design, table = study
    with pytest.raises(
        ValueError, match="design must be one of saltelli's, got a grid: plan it with saltelli"
    ):
        sensitivity(table, grid(PATIENT, age=[1, 2]), "qt_ms")
    with pytest.raises(ValueError, match="outcome must be a column of the table, got 'qt'"):
        sensitivity(table, design, "qt")
    with pytest.raises(ValueError, match="points must number at least 16 with qt_ms in every ECG, got 1"):
        sensitivity(table[table["ecg"] % 512 == 0], design, "qt_ms")


def test_the_shares_are_drawn_with_their_intervals_and_n(study):
    design, table = study
    found = sensitivity(table, design, "qt_ms")
    figure = plot_sensitivity(found)
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[-1] == "Heart rate"
    assert set(names) == {"Age", "The heart itself (seed)", "Heart rate"}
    drawn = {line.get_label(): line.get_xdata() for line in axes.get_lines()}
    np.testing.assert_allclose(np.sort(drawn["alone"]), np.sort(found.table["first"]))
    np.testing.assert_allclose(np.sort(drawn["with its interactions"]), np.sort(found.table["total"]))
    assert "QT" in axes.get_xlabel()
    assert "n = 512 points" in figure.caption
    assert "not of patients" in figure.caption


def test_what_does_not_vary_is_not_drawn(study):
    design, table = study
    found = sensitivity(table.assign(flat_ms=3.0), design, "flat_ms")
    with pytest.raises(ValueError, match="flat_ms must vary to be shared out, got the same value"):
        plot_sensitivity(found)
