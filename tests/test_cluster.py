import functools
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from toys import Toy, means, plan

from discovery.cluster import measure_sweep_on, run_sweep_on
from discovery.store import SweepStore
from discovery.sweep import SweepError, measure_sweep, run_sweep

quiet = {"progress": False}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one process gives in chunks of 16."""
    store = run_sweep(plan(), Toy(), tmp_path_factory.mktemp("undisturbed"), chunk=16, **quiet)
    return store, measure_sweep(store, means, **quiet)


def same_bits(store, table, undisturbed):
    """Every byte of the signals and markers, and the table, are those of one process."""
    whole, expected = undisturbed
    assert store.verify() == []
    pd.testing.assert_frame_equal(table, expected)
    for path in [*whole.folder.glob("signals.zarr/**/*"), *whole.folder.glob("done/*")]:
        if path.is_file():
            assert (store.folder / path.relative_to(whole.folder)).read_bytes() == path.read_bytes(), path


def test_processes_make_and_measure_the_same_bits(tmp_path, undisturbed):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        store = run_sweep_on(pool, plan(), Toy, tmp_path, chunk=16, **quiet)
        table = measure_sweep_on(pool, store, means, **quiet)
    same_bits(store, table, undisturbed)


@pytest.mark.slow
def test_dask_workers_make_the_same_bits_though_one_is_killed(tmp_path, undisturbed):
    distributed = pytest.importorskip("distributed")
    bomb = tmp_path / "bomb"
    bomb.write_text("")
    folder = tmp_path / "sweep"
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        store = run_sweep_on(
            client, plan(), functools.partial(Toy, bomb=str(bomb)), folder, chunk=16, **quiet
        )
        assert not bomb.exists()
        table = measure_sweep_on(client, store, means, **quiet)
    same_bits(store, table, undisturbed)


def test_a_stop_leaves_what_has_not_begun(tmp_path, undisturbed):
    stop = threading.Event()

    class Stopping(Toy):
        def generate(self, conditions, seeds):
            stop.set()
            return super().generate(conditions, seeds)

    with ThreadPoolExecutor(1) as pool:
        store = run_sweep_on(
            pool, plan(), lambda: Stopping(digest="dddd"), tmp_path, chunk=16, stop=stop, **quiet
        )
        assert 1 <= len(store.done) < 10
        run_sweep_on(pool, plan(), lambda: Toy(digest="dddd"), tmp_path, **quiet)
        table = measure_sweep_on(pool, store, means, **quiet)
    pd.testing.assert_frame_equal(table, undisturbed[1])
    np.testing.assert_array_equal(store.ecg(slice(None)).signals, undisturbed[0].ecg(slice(None)).signals)


def test_cells_that_fail_are_told_and_all_others_made(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(SweepError, match="no heart of 40 years in cell 4"):
            run_sweep_on(pool, plan(), lambda: Toy(fails=40, digest="ffff"), tmp_path, chunk=10, **quiet)
    assert set(SweepStore(tmp_path).chunks) - set(SweepStore(tmp_path).done) == {4, 5}


def test_every_worker_must_load_the_same_generator(tmp_path):
    digests = iter(["1111", "2222", "3333", "4444"])
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="load must give the generator 1111 on every worker, got 2222"):
            run_sweep_on(pool, plan(), lambda: Toy(digest=next(digests)), tmp_path, **quiet)


def test_damaged_signals_are_not_measured(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        store = run_sweep_on(pool, plan(), Toy, tmp_path, chunk=16, **quiet)
        shard = tmp_path / "signals.zarr/signals/c/3/0/0"
        content = bytearray(shard.read_bytes())
        content[500] ^= 4
        shard.write_bytes(bytes(content))
        with pytest.raises(ValueError, match="must be whole to be measured, got chunk 3: signals.zarr"):
            measure_sweep_on(pool, store, means, **quiet)
