"""Sweeps behind URLs: in memory, and on an object store that several processes see, killed as on a disk."""

import functools
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shelf  # noqa: F401  (it registers shelf://)
from toys import Toy, means, plan

from discovery import remote
from discovery.cli import main
from discovery.cluster import measure_sweep_on, run_sweep_on
from discovery.filing import folder_at, read_json, write_json
from discovery.overlap import sweep_and_measure
from discovery.remote import Remote, leased
from discovery.store import SweepStore
from discovery.sweep import SweepError, measure_sweep, run_sweep

HERE = Path(__file__).parent
quiet = {"progress": False}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one process gives on a disk, in chunks of 16."""
    store = run_sweep(plan(), Toy(), tmp_path_factory.mktemp("undisturbed"), chunk=16, **quiet)
    return store, measure_sweep(store, means, **quiet)


@pytest.fixture(params=["memory", "shelf"])
def url(request, tmp_path, monkeypatch):
    """A place of its own on each file system."""
    monkeypatch.setenv("SHELF", str(tmp_path))
    yield f"{request.param}://bucket/{uuid.uuid4().hex}/mein Herz ♥"


@pytest.fixture
def shelved(tmp_path, monkeypatch):
    """A place on the object store that other processes see."""
    monkeypatch.setenv("SHELF", str(tmp_path))
    return "shelf://bucket/run"


def same_bits(url, undisturbed):
    """Every object of signals, annotations and markers holds the bytes of the file on the disk; so the table."""
    whole, table = undisturbed
    store = SweepStore(url)
    for path in whole.folder.glob("[sad]*/**/*"):
        if path.is_file():
            name = path.relative_to(whole.folder).as_posix()
            assert (store.folder / name).read_bytes() == path.read_bytes(), name
    assert store.verify() == []
    pd.testing.assert_frame_equal(measure_sweep(store, means, **quiet), table)
    pd.testing.assert_frame_equal(SweepStore(url).table(), table)


def test_a_url_holds_the_bytes_that_a_folder_holds(url, undisturbed):
    store = run_sweep(plan(), Toy(), url, chunk=16, **quiet)
    same_bits(url, undisturbed)
    assert str(store).startswith(f"{url}: 160 of 160 ECGs (10 of 10 chunks)")
    for query in ("age > 60 and sex == 'male'", "mean_mv > 0.5"):
        mine, its = store.signals(query), undisturbed[0].signals(query)
        np.testing.assert_array_equal(mine.signals, its.signals)
        assert mine.seeds == its.seeds
    lazy, its = (
        each.xarray()["signals"].sel(lead="V2").isel(ecg=slice(30, 50)) for each in (store, undisturbed[0])
    )
    np.testing.assert_array_equal(lazy, its)


def test_the_same_call_again_makes_nothing(url):
    run_sweep(plan(), Toy(), url, **quiet)
    again = run_sweep(plan(), Toy(fails=40), url, **quiet)  # it would raise if it were asked
    assert again.complete


def test_damage_is_named_and_made_again(url, undisturbed):
    store = run_sweep(plan(), Toy(), url, chunk=16, **quiet)
    measure_sweep(store, means, **quiet)
    shard, notes = store.folder / "signals.zarr/signals/c/3/0/0", store.folder / "annotations/000005.npz"
    content = bytearray(shard.read_bytes())
    content[500] ^= 4
    shard.write_bytes(bytes(content))
    notes.write_bytes(b"PK")
    named = SweepStore(url).verify()
    assert [fault.split(":")[0] for fault in named] == ["chunk 3", "chunk 5"]
    assert "must have the digest" in named[0]
    assert re.search(r"must hold [\d,]+ bytes, got 2", named[1])
    run_sweep(plan(), Toy(), url, **quiet)
    same_bits(url, undisturbed)


def test_what_fails_is_told_and_made_later(url, undisturbed):
    with pytest.raises(SweepError, match="140 of 160 ECGs are made and kept"):
        run_sweep(plan(), Toy(fails=40), url, chunk=16, **quiet)
    assert SweepStore(url).failures() == {cell: "ValueError: no heart of 40 years" for cell in (4, 5)}
    run_sweep(plan(), Toy(), url, **quiet)
    assert SweepStore(url).failures() == {}
    same_bits(url, undisturbed)


def test_another_sweep_or_other_things_are_refused(url):
    run_sweep(plan(1, 4), Toy(), url, **quiet)
    with pytest.raises(FileExistsError, match=r"holds design \w{8}, not \w{8}: choose another folder"):
        run_sweep(plan(1, 5), Toy(), url, **quiet)
    assert len(run_sweep(plan(1, 5), Toy(), url, overwrite=True, **quiet)) == 10
    (folder_at(f"{url} 2") / "thesis.txt").write_bytes(b"dear")
    with pytest.raises(FileExistsError, match="must be empty or hold a sweep, got .* with thesis.txt"):
        run_sweep(plan(1, 5), Toy(), f"{url} 2", **quiet)
    with pytest.raises(FileNotFoundError, match="folder must hold a sweep, got .* without a sweep.json"):
        SweepStore(f"{url} 3")


def test_a_second_writer_is_refused(url):
    class Second(Toy):
        def generate(self, conditions, seeds):
            with pytest.raises(BlockingIOError, match=f"one process at a time, got process {os.getpid()} on"):
                run_sweep(plan(), Toy(), url, **quiet)
            return super().generate(conditions, seeds)

    assert run_sweep(plan(), Second(), url, **quiet).complete
    assert not (folder_at(url) / ".lock").is_file()


def test_the_lease_of_the_dead_ends(shelved, monkeypatch):
    folder = folder_at(shelved)
    other = {"holder": "process 1 on elsewhere", "host": "elsewhere", "pid": 1, "token": "a"}
    write_json(folder / ".lock", other | {"until": time.time() + 50})
    with pytest.raises(BlockingIOError, match=r"got process 1 on elsewhere .*or (49|50) s if it was killed"):
        run_sweep(plan(), Toy(), shelved, **quiet)
    write_json(folder / ".lock", other | {"until": time.time() - 1})
    assert run_sweep(plan(), Toy(), shelved, **quiet).complete


def test_a_lease_is_renewed_while_it_is_held(shelved, monkeypatch):
    monkeypatch.setattr(remote, "RENEW_S", 0.02)
    folder = folder_at(shelved)
    with leased(folder, ".lock"):
        first = read_json(folder / ".lock")["until"]
        deadline = time.monotonic() + 20
        while read_json(folder / ".lock")["until"] == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert read_json(folder / ".lock")["until"] > first
    assert not (folder / ".lock").is_file()


def test_making_and_measuring_at_once_behind_a_url(shelved, undisturbed):
    measure = functools.partial(shelf_means, shift=0)
    table = sweep_and_measure(plan(), Toy(), shelved, measure, **quiet)
    pd.testing.assert_frame_equal(table, undisturbed[1])


def shelf_means(ecg, shift):
    """The toys' measurer, of a module that knows shelf://."""
    return means(ecg).assign(mean_mv=lambda table: table["mean_mv"] + shift)


def test_processes_write_their_own_objects(shelved, undisturbed):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        store = run_sweep_on(pool, plan(), shelf.slow_toy, shelved, chunk=16, **quiet)
        table = measure_sweep_on(pool, store, functools.partial(shelf_means, shift=0), **quiet)
    pd.testing.assert_frame_equal(table, undisturbed[1])
    same_bits(shelved, undisturbed)


RUN = """
import sys
import shelf
from toys import means, plan
from discovery.sweep import measure_sweep, run_sweep
store = run_sweep(plan(), shelf.slow_toy(), "shelf://bucket/run", chunk=16, progress=False)
measure_sweep(store, means, progress=False)
"""


def test_kill_9_at_any_moment_changes_nothing(shelved, undisturbed):
    """Five times, each in a process of its own; on the same machine the lease of the dead is no hindrance."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}
    moments, killed = np.random.default_rng(5), 0
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", RUN], env=environment, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while child.poll() is None and not list(Path(os.environ["SHELF"]).glob("*lock")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(moments.uniform(0.02, 0.4))
        child.kill()
        said = child.communicate()[1]
        killed += child.returncode == -signal.SIGKILL
        assert child.returncode in (0, -signal.SIGKILL), said
    assert killed >= 3
    run_sweep(plan(), Toy(), shelved, chunk=16, **quiet)
    same_bits(shelved, undisturbed)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense://bucket/run", "got 'nonsense://bucket/run': .*nonsense"),
        ("simplecache::memory://run", "must be a URL without a cache, got 'simplecache::memory://run'"),
    ],
)
def test_a_url_that_cannot_be_written_is_refused(url, said):
    for attempt in (folder_at, SweepStore, lambda folder: run_sweep(plan(), Toy(), folder, **quiet)):
        with pytest.raises(ValueError, match=said):
            attempt(url)


def test_a_remote_folder_has_the_words_of_a_path(url):
    folder = Remote(url + "/")
    file = folder / "a" / "b.json"
    assert (str(folder), file.name, file.is_file(), folder.is_dir()) == (url, "b.json", False, False)
    write_json(file, {"n": 1})
    assert (file.is_file(), folder.is_dir(), read_json(file)) == (True, True, {"n": 1})
    assert folder.sizes()["a/b.json"][0] == len(file.read_bytes())
    with pytest.raises(FileExistsError):
        file.create(b"other")
    file.unlink()
    file.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        file.unlink()
    assert folder.sizes() == {}


def test_the_command_line_takes_urls(shelved, tmp_path, capsys):
    (tmp_path / "plan.yaml").write_text("{factors: {age: [30, 70]}, repeats: 2}")
    command = ["sweep", str(tmp_path / "plan.yaml"), "--out", shelved, "--generator", "simulator", "--quiet"]
    assert main([*command, "--yes"]) == 0
    assert main(["show", shelved, "--verify"]) == 0
    assert main(["measure", shelved, "--out", str(tmp_path / "t.csv"), "--quiet"]) == 0
    assert len(pd.read_csv(tmp_path / "t.csv")) == 4
    assert main(["export", shelved, "--out", str(tmp_path / "e.npz")]) == 0
    capsys.readouterr()
    assert main(["show", "nonsense://run"]) == 2
    assert "folder must be a path or a URL of fsspec, got 'nonsense://run'" in capsys.readouterr().err
    (tmp_path / "claims.yaml").write_text("- {outcome: qt_ms, contrast: {age: [30, 70]}, smallest: 5}")
    assert main([*command, "--yes", "--hypotheses", str(tmp_path / "claims.yaml")]) == 2
    assert f"must be frozen in a folder on a disk, got --out {shelved}" in capsys.readouterr().err
