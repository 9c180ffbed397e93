import threading
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest

from discovery.maps import DEFAULT_COLUMNS, make_map, warm_up


def measured(hearts=60, random=0):
    """Two kinds of ECG of the same hearts, told apart by QRS and axis, with the rate a third dimension."""
    draw = np.random.default_rng(random)
    rows = pd.MultiIndex.from_product([range(hearts), ("normal", "LBBB")], names=["seed", "text"])
    rows = rows.to_frame(index=False)
    wide, count = (rows["text"] == "LBBB").to_numpy(), len(rows)
    rows["rr_ms"] = draw.uniform(500, 1200, count)
    rows["qrs_ms"] = 90 + 55 * wide + draw.normal(0, 5, count)
    rows["qtcf_ms"] = 405 + 40 * wide + draw.normal(0, 10, count)
    rows["qrs_axis_deg"] = (170 + 30 * wide + draw.normal(0, 8, count) + 180) % 360 - 180
    rows["noise"] = draw.normal(size=count)
    rows.loc[7, "qrs_ms"] = np.nan
    rows.index += 1000
    return rows


@pytest.fixture(scope="module")
def table():
    return measured()


@pytest.fixture(scope="module")
def umap_map(table):
    return make_map(table, seed=3)


def test_a_map_tells_what_it_is_made_of(umap_map, table):
    assert umap_map.columns == ("rr_ms", "qrs_ms", "qtcf_ms", "qrs_axis_deg")
    assert set(umap_map.columns) < set(DEFAULT_COLUMNS)
    assert umap_map.coordinates.shape == (len(table) - 1, 2) == (len(umap_map.rows), 2)
    assert umap_map.left_out == 1 and 1007 not in umap_map.rows
    assert umap_map.seed == 3 and umap_map.trustworthiness > 0.9
    assert "map of 119 ECGs (1 left out for missing values) by 4 columns, seed 3" in str(umap_map)
    with pytest.raises(FrozenInstanceError):
        umap_map.left_out = 0


def test_the_same_seed_gives_the_same_map_and_another_seed_another(umap_map, table):
    assert np.array_equal(make_map(table, seed=3).coordinates, umap_map.coordinates)
    assert not np.array_equal(make_map(table, seed=4).coordinates, umap_map.coordinates)


def test_kinds_lie_apart_and_are_read_off_the_map(umap_map, table):
    read = umap_map.covariates(table, ["text", "rr_ms", "noise"]).set_index("column")
    assert read.loc["text", "score"] > 0.95 and read.loc["text", "chance"] == 0.5
    assert read.loc["text", "kind"] == "accuracy" and read.loc["rr_ms", "kind"] == "R2"
    assert read.loc["rr_ms", "score"] > 0.5
    assert read.loc["noise", "score"] < 0.15  # the map knows nothing of it
    assert list(read["n"]) == [119, 119, 119]


def test_reading_off_leaves_the_own_heart_out(umap_map, table):
    draw = np.random.default_rng(0)
    rows = pd.DataFrame({"seed": np.repeat(np.arange(12), 16)})
    rows["height"] = draw.normal(size=12)[rows["seed"]]  # nothing to do with where the heart lies
    rows[["rr_ms", "qrs_ms"]] = draw.normal(size=(12, 2))[rows["seed"]] + draw.normal(0, 0.02, (192, 2))
    hearts = make_map(rows)
    assert hearts.covariates(rows, ["height"]).loc[0, "score"] < 0.3
    assert hearts.covariates(rows.assign(seed=-1), ["height"]).loc[0, "score"] > 0.9
    constant = umap_map.covariates(table.assign(sex="male"), ["sex"])
    assert np.isnan(constant.loc[0, "score"])


def test_points_of_the_map_are_placed_where_they_are(umap_map, table):
    placed = umap_map.transform(table)
    assert placed.shape == (120, 2)
    assert np.isnan(placed[7]).all()
    assert placed[~np.isnan(placed[:, 0])] == pytest.approx(umap_map.coordinates, abs=1e-4)


def test_new_points_fall_among_their_kind_and_strangers_are_told(umap_map, table):
    new = measured(hearts=20, random=9)
    new.loc[1000, "qrs_ms"] = 300.0
    placed = umap_map.place(new)
    assert placed.index.equals(new.index)
    assert placed.loc[1000, "far"] and placed["far"].sum() <= 4
    kinds = table.loc[umap_map.rows, "text"].to_numpy()
    centres = {kind: umap_map.coordinates[kinds == kind].mean(axis=0) for kind in ("normal", "LBBB")}
    for kind, other in (("normal", "LBBB"), ("LBBB", "normal")):
        points = placed.loc[
            (new["text"] == kind) & placed["x"].notna() & ~placed["far"], ["x", "y"]
        ].to_numpy()
        nearer = np.linalg.norm(points - centres[kind], axis=1) < np.linalg.norm(
            points - centres[other], axis=1
        )
        assert nearer.mean() > 0.9


def test_placed_points_join_the_map_and_its_table(umap_map, table):
    new = measured(hearts=10, random=9)
    whole, joined = umap_map.with_placed(table, new, ("old", "new"))
    assert joined["source"].value_counts().to_dict() == {"old": 119, "new": 19}
    assert len(whole.coordinates) == len(whole.features) == len(joined) == 138
    assert whole.coordinates[:119] == pytest.approx(umap_map.coordinates)
    assert joined.loc[119:, "rr_ms"].tolist() == new["rr_ms"].drop(1007).tolist()


def test_the_order_of_rows_does_not_change_the_features(umap_map, table):
    turned = make_map(table.iloc[::-1], seed=3)
    order = np.argsort(turned.rows)
    assert turned.features[order] == pytest.approx(umap_map.features)
    assert np.array_equal(turned.rows[order], umap_map.rows)


def test_angles_are_scaled_the_short_way_round(umap_map):
    axis = umap_map.features[:, umap_map.columns.index("qrs_axis_deg")]
    assert np.abs(axis).max() < 3  # 170 and -160 degrees are neighbours, not strangers


def test_noise_is_told_by_its_trustworthiness():
    noise = make_map(np.random.default_rng(5).normal(size=(200, 12)))
    assert noise.trustworthiness - noise.noise_trustworthiness() < 0.03
    draw = np.random.default_rng(5)
    plane = make_map(draw.normal(size=(200, 2)) @ draw.normal(size=(2, 12)))
    assert plane.trustworthiness - plane.noise_trustworthiness() > 0.1
    assert noise.columns[:2] == ("0", "1") and noise.left_out == 0


def test_latent_vectors_keep_their_geometry():
    draw = np.random.default_rng(6)
    latent = draw.normal(size=(120, 8)) * np.array([5, 5, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
    made = make_map(latent, neighbours=10)
    assert made.features[:, 2:].std() < 0.01 * made.features[:, :2].std()
    assert made.transform(latent[:5]) == pytest.approx(made.coordinates[:5], abs=1e-4)


def test_warming_up_works_in_a_thread(umap_map):
    thread = threading.Thread(target=warm_up)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda t: make_map(t, ["qrs"]),
            "columns must be columns of the table, got 'qrs': did you mean 'qrs_ms'",
        ),
        (lambda t: make_map(t, ["text"]), "columns must be numbers, got 'text' of"),
        (lambda t: make_map(t.assign(a=1.0), ["rr_ms", "a"]), "columns must vary, got a with one value only"),
        (lambda t: make_map(t[["text"]]), "columns must be named, got none and only 0 of the default ones"),
        (lambda t: make_map(t.assign(qrs_ms=np.nan), ["qrs_ms"]), "5 or more rows .*, got 0 of 120"),
        (lambda t: make_map(t, neighbours=1), "neighbours must be 2 or more, got 1"),
        (lambda t: make_map(t, min_distance=2), "min_distance must be between 0 and 1, got 2"),
        (lambda t: make_map(pd.concat([t, t])), "table must have one label for each row, got some twice"),
        (lambda t: make_map(np.zeros((5, 2)), ["a"]), "columns must be left out for an array, got \\['a'\\]"),
        (
            lambda t: make_map(np.zeros(5)),
            "table must have the shape \\(row, column\\), got an array of shape \\(5,\\)",
        ),
        (lambda t: make_map(np.zeros((9, 2))), "columns must vary, got all with one value only"),
    ],
)
def test_what_cannot_be_mapped_is_refused(table, call, message):
    with pytest.raises(ValueError, match=message):
        call(table)


def test_other_tables_are_refused(umap_map, table):
    with pytest.raises(ValueError, match="table must have the columns rr_ms, qrs_ms"):
        umap_map.transform(np.zeros((3, 4)))
    with pytest.raises(
        ValueError, match="columns must be columns of the table, got 'txt': did you mean 'text'"
    ):
        umap_map.covariates(table, ["txt"])
    made = make_map(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(ValueError, match="table must have the 3 columns of the map, got 2"):
        made.transform(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="table must be an array for this map, got a table"):
        made.transform(table)
