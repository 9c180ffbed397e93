"""Generation and measurement at once leave what one after the other leaves, and go on from each other."""

import os
import threading

import numpy as np
import pandas as pd
import pytest
from toys import Toy, means, plan

from discovery.overlap import sweep_and_measure
from discovery.store import SweepStore
from discovery.sweep import SweepError, measure_sweep, run_sweep

quiet = {"progress": False}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """One after the other."""
    store = run_sweep(plan(), Toy(), tmp_path_factory.mktemp("undisturbed"), **quiet)
    return store, measure_sweep(store, means, **quiet)


def elsewhere(ecg):
    """Says in which process it was measured."""
    return means(ecg).assign(process=os.getpid())


def broken(ecg):
    raise ValueError("no electrodes")


def test_the_same_rows_and_signals_as_one_after_the_other(tmp_path, undisturbed):
    store, table = undisturbed
    pd.testing.assert_frame_equal(sweep_and_measure(plan(), Toy(), tmp_path, means, **quiet), table)
    both = SweepStore(tmp_path)
    assert both.verify() == []
    np.testing.assert_array_equal(both.ecg(slice(None)).signals, store.ecg(slice(None)).signals)
    assert {path.name for path in tmp_path.rglob("*.parquet")} == {
        path.name for path in store.folder.rglob("*.parquet")
    }


def test_it_measures_in_another_process(tmp_path):
    table = sweep_and_measure(plan(), Toy(), tmp_path, elsewhere, **quiet)
    assert os.getpid() not in set(table["process"])


def test_it_goes_on_where_making_or_measuring_ended(tmp_path, undisturbed):
    stop = threading.Event()

    class Stopping(Toy):
        def generate(self, conditions, seeds):
            stop.set()
            return super().generate(conditions, seeds)

    table = sweep_and_measure(plan(), Stopping(), tmp_path, means, stop=stop, **quiet)
    assert table["ecg"].tolist() in ([], list(range(64)))
    assert SweepStore(tmp_path).done == (0,)
    pd.testing.assert_frame_equal(
        sweep_and_measure(plan(), Toy(), tmp_path, means, workers=2, **quiet), undisturbed[1]
    )


def test_a_measurer_that_fails_is_told(tmp_path):
    with pytest.raises(ValueError, match="no electrodes"):
        sweep_and_measure(plan(), Toy(), tmp_path, broken, **quiet)


def test_cells_that_fail_are_told_after_all_others_are_measured(tmp_path):
    design = plan(repeats=64)
    with pytest.raises(SweepError, match="no heart of 40 years in cell 4"):
        sweep_and_measure(design, Toy(fails=40), tmp_path, means, **quiet)
    with pytest.warns(UserWarning, match="holds 896 of 1,024 ECGs"):
        assert measure_sweep(SweepStore(tmp_path), means, **quiet)["mean_mv"].notna().sum() == 896


@pytest.mark.parametrize("workers", [0, 1.5])
def test_workers_are_counted_in_whole_numbers(tmp_path, workers):
    with pytest.raises(
        ValueError, match=f"workers must be a whole number of processes from 1 upwards, got {workers}"
    ):
        sweep_and_measure(plan(), Toy(), tmp_path, means, workers=workers, **quiet)
