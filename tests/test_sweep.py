import errno
import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import Toy, means, plan

from discovery import filing
from discovery.designs import grid
from discovery.store import SweepStore
from discovery.store_rows import measurer
from discovery.sweep import SweepError, measure_sweep, run_sweep
from models.ecg import Conditions

ROOT = Path(__file__).resolve().parent.parent
KILLED = """
import os, random, signal, sys, time
from toys import Toy, means, plan
from discovery.sweep import measure_sweep, run_sweep
moments = random.Random(3)
for _ in range(10):
    child = os.fork()
    if not child:
        store = run_sweep(plan(repeats=30), Toy(slow=0.1), sys.argv[1], chunk=16, progress=False)
        measure_sweep(store, means, progress=False)
        os._exit(0)
    time.sleep(moments.uniform(0.02, 0.35))
    os.kill(child, signal.SIGKILL)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""
MEASURED = """
import os, random, signal, sys, time
from toys import means
from discovery.store import SweepStore
from discovery.sweep import measure_sweep
moments = random.Random(4)
def slowly(ecg):
    time.sleep(0.1)
    return means(ecg)
slowly.__module__, slowly.__qualname__, slowly.__wrapped__ = means.__module__, means.__qualname__, means
for _ in range(10):
    child = os.fork()
    if not child:
        measure_sweep(SweepStore(sys.argv[1]), slowly, progress=False)
        os._exit(0)
    time.sleep(moments.uniform(0.02, 0.3))
    os.kill(child, signal.SIGKILL)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""
quiet = {"progress": False}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a sweep in chunks of 16 gives when nothing happens to it: its store and table."""
    store = run_sweep(plan(), Toy(), tmp_path_factory.mktemp("undisturbed"), chunk=16, **quiet)
    return store, measure_sweep(store, means, **quiet)


def environment():
    """Of a process that can import the project and the toys."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def same_bits(store, undisturbed):
    """Signals, annotations, table and the very bytes of every file of two sweeps are the same."""
    whole, table = undisturbed
    np.testing.assert_array_equal(store.ecg(slice(None)).signals, whole.ecg(slice(None)).signals)
    pd.testing.assert_frame_equal(measure_sweep(store, means, **quiet), table)
    for path in [*whole.folder.glob("signals.zarr/**/*"), *whole.folder.glob("done/*")]:
        if path.is_file():
            assert (store.folder / path.relative_to(whole.folder)).read_bytes() == path.read_bytes(), path


class Counted(Toy):
    """A toy that tells how many ECGs it made, and stops after some."""

    def __init__(self, after=None, act=None):
        super().__init__()
        object.__setattr__(self, "made", 0)
        object.__setattr__(self, "after", after)
        object.__setattr__(self, "act", act)

    def generate(self, conditions, seeds):
        if self.after is not None and self.made >= self.after:
            self.act()
        object.__setattr__(self, "made", self.made + len(seeds))
        return super().generate(conditions, seeds)


def interrupt():
    raise KeyboardInterrupt


def test_a_sweep_makes_every_ecg_of_the_design_once(undisturbed):
    store, table = undisturbed
    pd.testing.assert_frame_equal(table[list(plan().table)], plan().table)
    np.testing.assert_allclose(
        table["mean_mv"], store.ecg(slice(None)).signals.mean((1, 2), dtype=np.float64)
    )
    assert list(table.columns) == [*plan().table, "mean_mv", "known_level_mv", "reasons"]


def test_the_same_call_again_makes_nothing(tmp_path):
    first, second = Counted(), Counted()
    run_sweep(plan(), first, tmp_path, **quiet)
    run_sweep(plan(), second, tmp_path, **quiet)
    assert (first.made, second.made) == (160, 0)


def test_an_interrupt_keeps_what_is_finished(tmp_path, undisturbed):
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(), Counted(48, interrupt), tmp_path, chunk=16, **quiet)
    assert SweepStore(tmp_path).done == (0, 1, 2)
    rest = Counted()
    store = run_sweep(plan(), rest, tmp_path, **quiet)
    assert rest.made == 160 - 48
    same_bits(store, undisturbed)


def test_a_stop_keeps_what_is_finished(tmp_path, undisturbed):
    stop = threading.Event()
    store = run_sweep(plan(), Counted(32, stop.set), tmp_path, chunk=16, stop=stop, **quiet)
    assert store.done == (0, 1, 2)
    assert not store.complete
    same_bits(run_sweep(plan(), Toy(), tmp_path, **quiet), undisturbed)


def test_kill_9_at_any_moment_changes_nothing(tmp_path):
    """Ten times, in the middle of whatever it is doing: starting, making, writing."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["9"] * 10, done
    design = plan(repeats=30)
    whole = run_sweep(design, Toy(), tmp_path / "whole", chunk=16, **quiet)
    store = run_sweep(design, Toy(), tmp_path / "killed", chunk=16, **quiet)
    same_bits(store, (whole, measure_sweep(whole, means, **quiet)))
    assert not list(tmp_path.rglob("*.partial"))


def test_kill_9_while_measuring_changes_nothing(tmp_path, undisturbed):
    store = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["9"] * 10, done
    same_bits(store, undisturbed)


def test_a_second_process_on_the_folder_is_refused(tmp_path, undisturbed):
    seen = []

    class Second(Toy):
        def generate(self, conditions, seeds):
            if not seen:
                with pytest.raises(BlockingIOError, match="one process at a time, got process") as refusal:
                    run_sweep(plan(), Toy(), tmp_path, **quiet)
                seen.append(refusal)
            return super().generate(conditions, seeds)

    store = run_sweep(plan(), Second(), tmp_path, chunk=16, **quiet)
    assert len(seen) == 1
    same_bits(store, undisturbed)


def test_another_sweep_in_the_folder_is_refused_with_what_differs(tmp_path):
    run_sweep(plan(1, 4), Toy(), tmp_path / "age", chunk=8, **quiet)
    old, new = plan(1, 4).fingerprint[:8], plan(1, 5).fingerprint[:8]
    said = f"age holds design {old}, not {new}: choose another folder, or pass overwrite=True"
    with pytest.raises(FileExistsError, match=said):
        run_sweep(plan(1, 5), Toy(), tmp_path / "age", **quiet)
    with pytest.raises(
        FileExistsError, match="age holds ECGs of generator toy abcd1234, not toy ffff: choose"
    ):
        run_sweep(plan(1, 4), Toy(digest="ffff"), tmp_path / "age", **quiet)
    with pytest.raises(
        FileExistsError, match="age holds ECGs of generator toy abcd1234, not other abcd1234: "
    ):
        run_sweep(plan(1, 4), Toy(name="other"), tmp_path / "age", **quiet)
    with pytest.raises(FileExistsError, match="age holds chunks of 8, not 4: "):
        run_sweep(plan(1, 4), Toy(), tmp_path / "age", chunk=4, **quiet)
    assert SweepStore(tmp_path / "age").complete


def test_another_version_of_the_toolkit_is_refused(tmp_path, monkeypatch):
    run_sweep(plan(1, 4), Toy(), tmp_path, **quiet)
    monkeypatch.setattr("discovery.store_plan.metadata.version", lambda name: "99.0")
    with pytest.raises(FileExistsError, match="holds ECGs made by version .*, not 99.0: "):
        run_sweep(plan(1, 4), Toy(), tmp_path, **quiet)


def test_overwrite_replaces_another_sweep_and_keeps_the_same(tmp_path):
    store = run_sweep(plan(1, 4), Toy(), tmp_path, chunk=4, **quiet)
    measure_sweep(store, means, **quiet)
    store = run_sweep(plan(1, 5), Toy(), tmp_path, chunk=5, overwrite=True, **quiet)
    assert (len(store), store.complete, len(store.table().columns)) == (10, True, 8)
    again = Counted()
    run_sweep(plan(1, 5), again, tmp_path, overwrite=True, **quiet)
    assert again.made == 0


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(
            FileExistsError, match="folder must be empty or hold a sweep, got .* with thesis.txt"
        ):
            run_sweep(plan(), Toy(), tmp_path, overwrite=overwrite, **quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("chunk", [0, -3, 2.5])
def test_a_chunk_must_be_a_number_of_ecgs(tmp_path, chunk):
    with pytest.raises(ValueError, match=f"chunk must be a whole number of ECGs from 1 upwards, got {chunk}"):
        run_sweep(plan(), Toy(), tmp_path, chunk=chunk, **quiet)


@pytest.mark.parametrize(("fs", "size"), [(100, 64), (500, 64), (1000, 32), (2000, 16), (48_000, 8)])
def test_chunks_fit_the_memory(tmp_path, fs, size):
    store = run_sweep(plan(1, 2), Toy(fs=fs), tmp_path, **quiet)
    assert store.identity["chunk"] == size


def test_the_bar_counts_ecgs(tmp_path, capsys):
    run_sweep(plan(1, 4), Toy(), tmp_path, chunk=4)
    assert "8/8" in capsys.readouterr().err


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_and_the_sweep_goes_on_after_it(tmp_path, monkeypatch, undisturbed):
    real, calls = os.fsync, []

    def fills(handle):
        calls.append(handle)
        return full_disk() if len(calls) > 32 else real(handle)

    monkeypatch.setattr(filing.os, "fsync", fills)
    with pytest.raises(
        OSError, match=r"disk must have room to write chunk 3 in .*, got 'No space left on device': "
    ):
        run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    monkeypatch.undo()
    assert SweepStore(tmp_path).done == (0, 1, 2)
    same_bits(run_sweep(plan(), Toy(), tmp_path, **quiet), undisturbed)


LIMITED = """
import resource, sys
from toys import Toy, plan
from discovery.sweep import run_sweep
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
run_sweep(plan(), Toy(), sys.argv[1], chunk=16, progress=False)
"""


def test_a_file_that_the_system_refuses_is_said(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], env=environment(), capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "disk must have room to write chunk 0 in" in done.stderr
    assert SweepStore(tmp_path).done == ()


def test_a_folder_that_may_not_be_written_is_said(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(
        PermissionError, match="folder must be one that may be written, got 'Read-only file system'"
    ):
        run_sweep(plan(), Toy(), tmp_path / "new", **quiet)


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file"):
        run_sweep(plan(), Toy(), tmp_path / "file", **quiet)


def test_a_generator_that_fails_for_one_cell_makes_all_others(tmp_path):
    with pytest.raises(
        SweepError, match=r"got ValueError: no heart of 40 years in cell 4 .*, and 1 more cells"
    ) as told:
        run_sweep(plan(), Toy(fails=40), tmp_path, chunk=10, **quiet)
    assert told.value.failures == {cell: "ValueError: no heart of 40 years" for cell in (4, 5)}
    store = SweepStore(tmp_path)
    assert set(store.chunks) - set(store.done) == {4, 5}
    assert "no heart of 40 years" in (tmp_path / "failed" / "000004.json").read_text()
    repaired = run_sweep(plan(), Toy(), tmp_path, **quiet)
    assert repaired.complete
    assert not list((tmp_path / "failed").iterdir())


def test_a_failing_cell_does_not_spoil_those_that_share_its_chunk(tmp_path, undisturbed):
    """Their ECGs are kept and measured, only what failed is tried again, and nothing tells the difference."""
    with pytest.raises(SweepError, match="140 of 160 ECGs are made and kept") as told:
        run_sweep(plan(), Toy(fails=40), tmp_path, chunk=16, **quiet)
    assert told.value.failures == {cell: "ValueError: no heart of 40 years" for cell in (4, 5)}
    store = SweepStore(tmp_path)
    assert (store.made, len(store.kept), len(store.done)) == (140, 10, 8)
    assert store.failures() == told.value.failures
    assert [said.split(":")[0] for said in store.verify()] == ["chunk 2", "chunk 3"]
    assert store.damaged() == []
    with pytest.warns(UserWarning, match="holds 140 of 160 ECGs"):
        table = measure_sweep(store, means, workers=2, **quiet)
    assert table["ecg"].tolist() == [*range(40), *range(60, 160)]
    expected = undisturbed[1].drop(index=range(40, 60)).reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected)
    assert len(store.signals("age == 30")) == 20
    with pytest.raises(LookupError, match="got 40 in chunk 2 .*cell 4 is not made: ValueError: no heart of"):
        store.ecg([39, 40])
    again = Counted()
    same_bits(run_sweep(plan(), again, tmp_path, **quiet), undisturbed)
    assert again.made == 20


def test_a_cell_that_fails_again_leaves_the_others_alone(tmp_path):
    for tries in (140, 0):
        maker = Counted()
        object.__setattr__(maker, "fails", 40)
        with pytest.raises(SweepError):
            run_sweep(plan(), maker, tmp_path, chunk=16, **quiet)
        assert SweepStore(tmp_path).made == 140, tries


class Large(Toy):
    """Cannot make more than one cell at once."""

    def generate(self, conditions, seeds):
        if len(set(conditions)) > 1:
            raise MemoryError("too many at once")
        return super().generate(conditions, seeds)


def test_what_can_be_made_cell_by_cell_is_no_failure(tmp_path, undisturbed):
    same_bits(run_sweep(plan(), Large(), tmp_path, chunk=16, **quiet), undisturbed)
    assert SweepStore(tmp_path).failures() == {}


class Odd(Toy):
    """Makes one ECG too few."""

    def generate(self, conditions, seeds):
        return super().generate(conditions, seeds)[1:]


class Shrinking(Toy):
    """Makes shorter strips for one of the ages."""

    def generate(self, conditions, seeds):
        ecg = super().generate(conditions, seeds)
        return ecg if conditions[0].age < 90 else type(ecg)(ecg.signals[..., :100], ecg.fs)


def test_what_is_not_one_ecg_per_seed_is_refused(tmp_path):
    with pytest.raises(SweepError, match="generator must return one ECG per seed, got 9 for 10 seeds"):
        run_sweep(plan(1), Odd(), tmp_path, chunk=10, **quiet)


def test_ecgs_of_another_shape_are_refused(tmp_path):
    said = (
        "generator must make ECGs of one shape, got 12 leads x 100 samples at 100 Hz after 12 x 300 at 100 Hz"
    )
    with pytest.raises(ValueError, match=said):
        run_sweep(plan(), Shrinking(), tmp_path, chunk=20, **quiet)
    assert SweepStore(tmp_path).done == (0, 1, 2, 3, 4, 5, 6)


def test_workers_measure_the_same(undisturbed, tmp_path):
    store = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    pd.testing.assert_frame_equal(measure_sweep(store, means, workers=2, **quiet), undisturbed[1])


def test_workers_see_the_sweep_that_is_there_now(tmp_path):
    """The same workers measure a sweep, and then another one of the same design that took its place."""
    for fs in (100.0, 50.0):
        maker = Toy(fs=fs, digest=f"{fs:g}")
        store = run_sweep(plan(), maker, tmp_path, overwrite=True, **quiet)
        table = measure_sweep(store, told, workers=2, **quiet)
        assert set(table["told_fs"]) == {fs}
        assert set(table["told_digest"]) == {maker.digest}


def test_measuring_goes_on_where_it_ended(tmp_path, undisturbed):
    store = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    seen = []

    @functools.wraps(means)
    def watched(ecg):
        seen.append(len(ecg))
        if len(seen) == 8:
            raise KeyboardInterrupt
        return means(ecg)

    with pytest.raises(KeyboardInterrupt):
        measure_sweep(store, watched, **quiet)
    pd.testing.assert_frame_equal(measure_sweep(store, watched, **quiet), undisturbed[1])
    assert sum(seen) == 160 + 8 + 8  # the interrupted batch, and the one before it of the same chunk


def test_measuring_can_be_stopped(tmp_path):
    store = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    stop, seen = threading.Event(), []

    @functools.wraps(means)
    def watched(ecg):
        seen.append(len(ecg))
        if len(seen) == 5:
            stop.set()
        return means(ecg)

    table = measure_sweep(store, watched, stop=stop, **quiet)
    assert table["ecg"].tolist() == list(range(32))
    assert len(measure_sweep(store, means, **quiet)) == 160


def test_an_unfinished_sweep_is_measured_as_far_as_it_is(tmp_path):
    stop = threading.Event()
    store = run_sweep(plan(), Counted(32, stop.set), tmp_path, chunk=16, stop=stop, **quiet)
    with pytest.warns(
        UserWarning, match="holds 48 of 160 ECGs, and the table is of these: run_sweep makes the others"
    ):
        table = measure_sweep(store, means, **quiet)
    assert table["ecg"].tolist() == list(range(48))


def test_damaged_signals_are_not_measured(tmp_path):
    store = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    shard = tmp_path / "signals.zarr/signals/c/3/0/0"
    content = bytearray(shard.read_bytes())
    content[500] ^= 4
    shard.write_bytes(bytes(content))
    with pytest.raises(
        ValueError, match="must be whole to be measured, got chunk 3: signals.zarr.* must have the digest"
    ):
        measure_sweep(store, means, **quiet)


@pytest.mark.parametrize(
    ("measure", "got"), [(lambda ecg: means(ecg)[1:], "7 rows"), (lambda ecg: [1] * len(ecg), "list")]
)
def test_a_measurer_must_keep_the_rows(undisturbed, measure, got):
    said = f"measure must return a DataFrame with one row per ECG, got {got} for 8 ECGs"
    with pytest.raises(ValueError, match=said):
        measure_sweep(undisturbed[0], measure, **quiet)


def scaled(ecg, factor=1.0):
    """A measurer with a setting."""
    return means(ecg).assign(mean_mv=lambda table: table["mean_mv"] * factor)


def test_each_measurer_keeps_its_own_rows(tmp_path):
    store = run_sweep(plan(1, 4), Toy(), tmp_path, **quiet)
    double = measure_sweep(store, functools.partial(scaled, factor=2), **quiet)
    single = measure_sweep(store, functools.partial(scaled, factor=1), **quiet)
    np.testing.assert_allclose(double["mean_mv"], 2 * single["mean_mv"])
    pd.testing.assert_frame_equal(store.table(), single)
    pd.testing.assert_frame_equal(store.table(measurer(functools.partial(scaled, factor=2))[0]), double)


def test_a_measurer_is_known_by_its_name_its_text_and_its_settings():
    def digested(ecg):
        return means(ecg)

    digested.digest = "1"
    first = measurer(digested)
    digested.digest = "2"
    assert first[0] != measurer(digested)[0]
    partials = [functools.partial(scaled, factor=factor) for factor in (1, 2, 2)]
    one, two, same = (measurer(each)[0] for each in partials)
    assert one != two == same
    assert measurer(means)[0].startswith("means-")
    assert measurer(means) == measurer(functools.wraps(means)(lambda ecg: means(ecg)))


def told(ecg):
    """What an ECG says of its origin."""
    return means(ecg).assign(told_fs=ecg.fs, told_digest=ecg.provenance["digest"])


def test_rows_of_many_chunks_are_gathered_and_never_stale(tmp_path, undisturbed):
    store = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    measure_sweep(store, means, **quiet)
    copy = next(tmp_path.glob("measured/*/all.parquet"))
    pd.testing.assert_frame_equal(store.table(), undisturbed[1])
    content = bytearray(copy.read_bytes())
    content[200] ^= 1
    copy.write_bytes(bytes(content))
    pd.testing.assert_frame_equal(measure_sweep(store, means, **quiet), undisturbed[1])
    pd.testing.assert_frame_equal(store.table(), undisturbed[1])
    (copy.parent / "000003.json").unlink()
    assert store.table()["mean_mv"].isna().sum() == 16
    pd.testing.assert_frame_equal(measure_sweep(store, means, **quiet), undisturbed[1])


def test_seeds_and_conditions_reach_the_generator(tmp_path):
    base = Conditions(age=None, text="ä\n'quoted'")
    store = run_sweep(grid(base, age=[30, 60], sex=[None, "male"], repeats=3), Toy(), tmp_path, **quiet)
    assert store.ecg(slice(None)).conditions == tuple(store.design.conditions())
    assert store.ecg(11).seeds == (store.design.seeds()[11],)
