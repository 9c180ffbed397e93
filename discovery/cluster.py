"""Sweeps on several processes or machines: each worker writes its own chunks into a shared folder.

`client` is whatever runs functions elsewhere: a `dask.distributed` Client (a workstation, Slurm through
dask-jobqueue, one worker per GPU through dask-cuda) or an executor of `concurrent.futures`.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.chunks import (
    conclude,
    conclude_rows,
    keep_chunk,
    make_chunk,
    measure_rows,
    open_rows,
    open_sweep,
    opened,
    whole_chunk,
)
from discovery.designs import Design
from discovery.filing import folder_at
from discovery.store import SweepStore
from discovery.store_rows import MeasuredRows
from discovery.sweep import BATCH, rows_to_do, to_do
from models.ecg import ECG, Generator

LOOK = 0.2  # s between looks at the stop event
LOADED: dict[str, Generator] = {}


def run_sweep_on(
    client: Any,
    design: Design,
    load: Callable[[], Generator],
    folder: str | Path,
    *,
    chunk: int | None = None,
    progress: bool = True,
    stop: threading.Event | None = None,
) -> SweepStore:
    """Make every ECG of a design that is not in the folder yet, on the workers of `client`.

    Parameters
    ----------
    client : dask.distributed.Client or concurrent.futures.Executor
        Where to work. Under Dask the chunks of a worker that dies are done by another; a process pool
        raises, and the same call again goes on.
    design, folder, chunk, progress, stop
        As in `run_sweep`; the folder must be one that every worker sees under the same path.
    load : callable
        Gives the generator; called once in each worker, as ``functools.partial(load_generator, "ptbxl")``.

    Returns
    -------
    SweepStore
        Bit for bit what `run_sweep` makes in chunks of the same size. Raises what it raises.
    """
    generator = load()
    failures: dict[int, str] = {}
    with open_sweep(design, generator, folder_at(folder).absolute(), chunk) as store:
        pending, bar = to_do(store, progress)
        place = store.place
        jobs = [(place, chunk, load, generator.digest) for chunk in pending]
        with closing(bar):
            for made, found in _everywhere(client, _make_there, jobs, stop or threading.Event()):
                bar.update(made)
                failures |= found
    return conclude(store, failures)


def measure_sweep_on(
    client: Any,
    store: SweepStore,
    measure: Callable[[ECG], pd.DataFrame],
    *,
    progress: bool = True,
    stop: threading.Event | None = None,
) -> pd.DataFrame:
    """One row per ECG of the sweep, measured on the workers of `client`; otherwise as `measure_sweep`."""
    store = SweepStore(store.folder.absolute())
    with open_rows(store, measure) as kept:
        pending, bar = rows_to_do(store, kept, progress)
        place = store.place
        jobs = [(place, chunk, measure, kept.key) for chunk in pending]
        with closing(bar):
            for measured in _everywhere(client, measure_chunk_there, jobs, stop or threading.Event()):
                bar.update(measured)
        return conclude_rows(store, kept, stopped=stop is not None)


def _everywhere(client: Any, work: Callable, jobs: list[tuple], stop: threading.Event) -> Iterator[Any]:
    """What `work` returns for each job, as they are finished; on a stop, what has not begun is left."""
    executor = client.get_executor(retries=2) if hasattr(client, "get_executor") else client
    waiting = {executor.submit(work, *job) for job in jobs}
    try:
        while waiting and not stop.is_set():
            finished, waiting = wait(waiting, timeout=LOOK, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        wait({future for future in waiting if not future.cancel()})


def _make_there(
    place: tuple[str, str], chunk: int, load: Callable, digest: str
) -> tuple[int, dict[int, str]]:
    """On a worker: make and write one chunk; how many ECGs, and the causes where it cannot be made."""
    if digest not in LOADED:
        LOADED[digest] = load()
    if LOADED[digest].digest != digest:
        raise ValueError(
            f"load must give the generator {digest[:8]} on every worker, got {LOADED[digest].digest[:8]}"
        )
    store = opened(*place)
    if SweepStore(store.folder).identity != store.identity:
        raise ValueError(f"{store.folder} must still hold the sweep of this run, got another in its place")
    made = make_chunk(store, LOADED[digest], chunk)
    return keep_chunk(store, made), made.lacking


def measure_chunk_there(place: tuple[str, str], chunk: int, measure: Callable, key: str) -> int:
    """On a worker: measure one chunk and write its rows; how many."""
    store = opened(*place)
    rows = whole_chunk(store, chunk)
    frames = [measure_rows(measure, store, rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)]
    MeasuredRows(store.folder, key).write(chunk, pd.concat(frames, ignore_index=True))
    return len(rows)
