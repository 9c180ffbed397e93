import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import zarr
from toys import Toy, means, plan

from discovery import filing
from discovery.filing import broken_seal, keep, read_json, sole_writer, write_json, write_whole
from discovery.store import SweepStore
from discovery.store_signals import to_counts, to_millivolts
from discovery.sweep import measure_sweep, run_sweep
from models.ecg import LEADS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished and measured sweep of 160 ECGs in three chunks; not to be changed."""
    folder = tmp_path_factory.mktemp("a sweep å") / "age sex"
    store = run_sweep(plan(), Toy(), folder, progress=False)
    measure_sweep(store, means, progress=False)
    return store


@pytest.fixture
def copied(finished, tmp_path):
    """The same, to be damaged."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return SweepStore(tmp_path / "copy")


def expected(rows, design=None):
    design = design or plan()
    asked, seeds = design.conditions(), design.seeds()
    return Toy().generate([asked[row] for row in rows], [seeds[row] for row in rows])


def test_a_store_gives_back_what_was_made(finished):
    rows = [3, 159, 64, 63]
    kept, made = finished.ecg(rows), expected(rows)
    assert np.abs(kept.signals - made.signals).max() <= 0.000501
    assert (kept.fs, kept.leads, kept.conditions, kept.seeds) == (100.0, LEADS, made.conditions, made.seeds)
    assert kept.provenance == {
        "source": "toy",
        "synthetic": True,
        "design": finished.design.fingerprint,
        "digest": "abcd1234",
    }
    for name, values in made.annotations.items():
        np.testing.assert_array_equal(kept.annotations[name], values)
        assert kept.annotations[name].dtype == values.dtype


def test_rows_are_a_number_a_slice_a_list_or_a_mask(finished):
    mask = np.zeros(len(finished), bool)
    mask[[2, 100]] = True
    for rows, wanted in [
        (5, [5]),
        (-1, [159]),
        (slice(62, 66), [62, 63, 64, 65]),
        (mask, [2, 100]),
        ([], []),
    ]:
        assert finished.ecg(rows).seeds == tuple(plan().seeds()[row] for row in wanted)


def test_a_store_knows_itself(finished):
    assert (len(finished), finished.made, finished.complete) == (160, 160, True)
    assert (list(finished.chunks), finished.done) == ([0, 1, 2], (0, 1, 2))
    assert finished.design == plan()
    assert finished.verify() == []
    assert "160 of 160 ECGs (3 of 3 chunks)" in str(finished)
    assert "by toy abcd1234" in str(finished)


def test_the_table_joins_what_was_asked_and_measured(finished):
    table = finished.table()
    asked = plan().table
    pd.testing.assert_frame_equal(table[list(asked)], asked)
    assert list(table.columns[8:]) == ["mean_mv", "known_level_mv", "reasons"]
    np.testing.assert_allclose(table["known_level_mv"], table["age"] / 100)


def test_a_query_finds_its_ecgs(finished):
    found = finished.signals("age > 60 and sex == 'male'")
    assert {(asked.age, asked.sex) for asked in found.conditions} == {
        (70, "male"),
        (80, "male"),
        (90, "male"),
    }
    assert len(found) == 30
    with pytest.raises(
        ValueError, match="query must be one that pandas can apply to ecg, cell, .* got 'hight > 3'"
    ):
        finished.signals("hight > 3")


def test_xarray_opens_the_signals_in_millivolts(finished):
    data = finished.xarray()
    assert data["signals"].dims == ("ecg", "lead", "sample")
    assert data["signals"].attrs["units"] == "mV"
    first = data["signals"].sel(lead="V2").isel(ecg=data["age"].to_numpy() == 90)
    np.testing.assert_allclose(first, finished.signals("age == 90").lead("V2"), atol=1e-6)
    np.testing.assert_allclose(data["time"], np.arange(300) / 100)


def test_anything_that_reads_zarr_and_parquet_reads_a_store(finished):
    signals = zarr.open_group(finished.folder / "signals.zarr", mode="r")["signals"]
    assert (signals.shape, signals.dtype, signals.attrs["scale_factor"]) == ((160, 12, 300), np.int16, 0.001)
    parts = pd.concat(map(pd.read_parquet, sorted(finished.folder.glob("measured/*/*.parquet"))))
    assert parts["ecg"].tolist() == list(range(160))


def test_our_reader_and_zarr_see_the_same_signals(finished):
    """Both ways, in any order, across chunks and in the last, short one."""
    rows = [159, 0, 7, 8, 63, 64, 100, 3, 3, 130]
    signals = zarr.open_group(finished.folder / "signals.zarr", mode="r")["signals"]
    np.testing.assert_array_equal(finished.ecg(rows).signals, to_millivolts(signals[:][rows]))


def test_a_damaged_index_is_no_signal(copied):
    shard = copied.folder / SHARD
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="c/1/0/0 must hold a sound index of signals, got a damaged one"):
        copied.ecg([64])


def test_microvolts_hold_every_signal_within_half_a_microvolt():
    signals = np.array([[[-32.767, -0.0004, 0.0006, 1.2345, 32.767]]], np.float32)
    counts, clipped, missing = to_counts(signals)
    assert counts.tolist() == [[[-32767, 0, 1, 1234, 32767]]]  # half to even, as numpy rounds
    assert (clipped, missing) == (0, 0)
    np.testing.assert_array_equal(to_counts(to_millivolts(counts))[0], counts)


def test_what_is_too_large_or_no_number_is_counted():
    signals = np.array([[[40.0, -40.0, np.inf, -np.inf, np.nan, 1.0]]], np.float32)
    counts, clipped, missing = to_counts(signals)
    assert (clipped, missing) == (4, 1)
    back = to_millivolts(counts)[0, 0]
    np.testing.assert_allclose(back, [32.767, -32.767, 32.767, -32.767, np.nan, 1.0], rtol=1e-6)


def test_clipping_is_said(tmp_path):
    with pytest.warns(
        UserWarning, match=r"[\d,]+ samples lay beyond 32.767 mV and were clipped, 0 were not numbers"
    ):
        store = run_sweep(plan(1, 4), Toy(scale=30.0), tmp_path / "loud", progress=False)
    signals = expected(range(8), plan(1, 4)).signals  # the same seeds at a smaller scale
    assert store.clipped["clipped"] > signals.size * 0.1
    assert np.abs(store.ecg(slice(None)).signals).max() == pytest.approx(32.767)


SHARD, NOTES = "signals.zarr/signals/c/1/0/0", "annotations/000001.npz"
MARKER = "done/000001.json"
DAMAGE = {
    "a truncated shard": (SHARD, lambda path: cut(path, 1000), r"must hold [\d,]+ bytes, got 1,000"),
    "a flipped bit": (SHARD, lambda path: flip(path), "must have the digest"),
    "a lost shard": (SHARD, lambda path: path.unlink(), "must be there, got no such file"),
    "truncated annotations": (NOTES, lambda path: path.write_bytes(b"PK"), "must hold [\\d,]+ bytes, got 2"),
    "a lost marker": (MARKER, lambda path: path.unlink(), "finished chunk, got no such file"),
    "an empty marker": (MARKER, lambda path: path.write_text(""), "got a damaged one"),
    "a strange marker": (MARKER, lambda path: path.write_text("{}"), "got a damaged one"),
}  # fmt: skip


def cut(path, size):
    """Keep the beginning of a file."""
    path.write_bytes(path.read_bytes()[:size])


def flip(path):
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(("file", "damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_and_made_again(finished, copied, file, damage, said):
    damage(copied.folder / file)
    named = copied.verify()
    assert len(named) >= 1
    assert named[0].startswith(f"chunk 1: {file} ")
    assert re.search(said, named[0])
    store = run_sweep(plan(), Toy(), copied.folder, progress=False)
    table = measure_sweep(store, means, progress=False)
    assert store.verify() == []
    pd.testing.assert_frame_equal(table, finished.table())
    np.testing.assert_array_equal(store.ecg(slice(None)).signals, finished.ecg(slice(None)).signals)


def test_damaged_rows_are_named_and_measured_again(finished, copied):
    part = next(copied.folder.glob("measured/*/000002.parquet"))
    flip(part)
    assert [fault.split(":")[0] for fault in copied.verify()] == [f"measured {part.parent.name}, chunk 2"]
    pd.testing.assert_frame_equal(measure_sweep(copied, means, progress=False), finished.table())
    assert copied.verify() == []


def test_ecgs_that_are_not_there_are_refused(copied):
    (copied.folder / "done" / "000001.json").unlink()
    assert len(copied.ecg([0, 63, 128])) == 3
    with pytest.raises(LookupError, match=r"rows must be ECGs that are made, got 70 in chunk 1"):
        copied.ecg([0, 70])
    assert set(copied.table()["ecg"] // 64) == {0, 2}


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder must hold a sweep, got .* without a sweep.json"):
        SweepStore(tmp_path)


def test_a_damaged_plan_is_refused(copied):
    plan_file = copied.folder / "sweep.json"
    content = json.loads(plan_file.read_text())
    content["design"]["repeats"] = 11
    plan_file.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match="sweep.json must hold the plan it was begun with, got a damaged one"
    ):
        SweepStore(copied.folder)
    plan_file.write_text("{")
    with pytest.raises(ValueError, match="got a damaged one"):
        SweepStore(copied.folder)


def test_another_format_is_refused(copied):
    plan_file = copied.folder / "sweep.json"
    plan_file.write_text(plan_file.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(ValueError, match="must be of format 2, got 99"):
        SweepStore(copied.folder)


def test_a_file_is_whole_or_absent(tmp_path, monkeypatch):
    def fails(handle):
        raise OSError("pulled the plug")

    path = tmp_path / "deep" / "file"
    write_whole(path, b"old")
    monkeypatch.setattr(filing.os, "fsync", fails)
    with pytest.raises(OSError, match="pulled the plug"):
        write_whole(path, b"half")
    assert [each.name for each in path.parent.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_json_comes_back_and_damage_is_nothing(tmp_path):
    write_json(tmp_path / "a.json", {"word": "ä", "n": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"word": "ä", "n": [1, 2.5, None]}
    (tmp_path / "b.json").write_bytes(b"\xff{")
    assert read_json(tmp_path / "b.json") is None
    assert read_json(tmp_path / "c.json") is None


def test_a_seal_is_of_the_bytes_that_were_meant(tmp_path):
    sealed = keep(tmp_path, {"deep/b": b"\xff{", "a": b"abc"})
    assert sealed["deep/b"]["bytes"] == 2
    assert broken_seal(tmp_path, sealed, digests=True) is None
    (tmp_path / "a").write_bytes(b"abd")
    assert broken_seal(tmp_path, sealed, digests=False) is None
    assert broken_seal(tmp_path, sealed, digests=True).startswith("a must have the digest ba7816bf, got ")


def test_a_folder_has_one_writer(tmp_path):
    with sole_writer(tmp_path):
        with pytest.raises(
            BlockingIOError, match=r"must be written by one process at a time, got process \d+ on"
        ):
            with sole_writer(tmp_path):
                pass
    with sole_writer(tmp_path):
        pass
