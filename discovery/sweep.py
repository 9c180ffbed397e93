"""Sweeps are run and measured here: chunk by chunk, resumable by the same call, stoppable at any time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from tqdm.auto import tqdm

from discovery.chunks import (
    Made,
    SweepError,
    conclude,
    conclude_rows,
    intact,
    keep_chunk,
    make_chunk,
    measure_rows,
    measure_there,
    open_rows,
    open_sweep,
    whole_chunk,
)
from discovery.designs import Design
from discovery.filing import folder_at
from discovery.store import SweepStore
from discovery.store_rows import MeasuredRows
from models.ecg import ECG, Generator

__all__ = ["SweepError", "measure_sweep", "run_sweep"]

BATCH = 8  # ECGs measured in one call, and the signals' inner chunk: progress and stop are felt at this grain


def run_sweep(
    design: Design,
    generator: Generator,
    folder: str | Path,
    *,
    chunk: int | None = None,
    progress: bool = True,
    stop: threading.Event | None = None,
    overwrite: bool = False,
) -> SweepStore:
    """Make every ECG of a design that is not in the folder yet; the same call again goes on where it ended.

    Chunks always hold the same ECGs and are made in one call of the generator each, so that a resumed
    sweep has the same bits as an undisturbed one. On resuming, every finished chunk's bytes are checked
    against their SHA-256, and what is damaged is made again.

    Parameters
    ----------
    design : Design
        What to ask.
    generator : Generator
        Anything with ``name``, ``digest``, ``fs`` and ``generate(conditions, seeds)``.
    folder : path or URL
        An empty or new folder, or the one of the same sweep.
    chunk : int or None
        ECGs per chunk: what is made at once and lost at most. None for 64 (fewer above 500 Hz,
        so that they fit the memory), or for what the folder has.
    progress : bool
        Show a bar with ECGs per second and the time left.
    stop : threading.Event or None
        Set it, in another thread, to end after the present chunk. Ctrl-C ends at once. Both keep what
        is finished.
    overwrite : bool
        Remove another sweep that lies in the folder. The same sweep is continued all the same.

    Raises
    ------
    SweepError
        At the end, where the generator failed for some cells: which, and why.
    FileExistsError
        Where the folder holds another sweep, or something else.
    BlockingIOError
        Where another process is writing there.
    OSError
        Where the disk is full; finished chunks are kept.
    """
    with open_sweep(design, generator, folder_at(folder), chunk, overwrite) as store:
        failures = make_chunks(store, generator, progress, stop or threading.Event())
    return conclude(store, failures)


def measure_sweep(
    store: SweepStore,
    measure: Callable[[ECG], pd.DataFrame],
    *,
    progress: bool = True,
    workers: int = 1,
    stop: threading.Event | None = None,
) -> pd.DataFrame:
    """One row per ECG of the sweep: what was asked, then what `measure` found in the stored signals.

    Rows are kept chunk by chunk under a name made of the measurer's name and version, so the same call
    again measures only what is not measured yet.

    Parameters
    ----------
    store : SweepStore
        A sweep, finished or not: what is made so far is measured.
    measure : callable
        ECG -> DataFrame with one row per ECG, in order; no row may depend on another ECG. Its attribute
        ``digest``, if it has one, tells its version; otherwise its source text does.
    progress : bool
        Show a bar.
    workers : int
        Processes; above 1 `measure` must be importable or picklable.
    stop : threading.Event or None
        Set it, in another thread, to end after the present ECGs. Finished chunks are kept.

    Returns
    -------
    DataFrame
        Ordered by ``ecg``: ecg, cell, repeat, seed, age, sex, heart_rate, text, then what was measured.
    """
    with open_rows(store, measure) as kept:
        _measure_chunks(store, measure, kept, (workers, progress, stop or threading.Event()))
        return conclude_rows(store, kept, stopped=stop is not None)


def make_chunks(
    store: SweepStore,
    generator: Generator,
    progress: bool,
    stop: threading.Event,
    finished: Callable[[int], None] = lambda chunk: None,
) -> dict[int, str]:
    """Make every chunk that is not done; the causes of those cells that could not be made.

    `finished` is called with the number of each chunk once it is written, in the thread that wrote it.
    """
    pending, bar = to_do(store, progress)
    failures: dict[int, str] = {}
    written: Future | None = None

    def keep(made: Made) -> int:
        count = keep_chunk(store, made)
        finished(made.chunk)
        return count

    with closing(bar), ThreadPoolExecutor(1) as writer:  # one chunk is written while the next is made
        for chunk in pending:
            if stop.is_set():
                break
            made = make_chunk(store, generator, chunk)
            failures |= made.lacking
            if made.ecg is None:
                continue
            if written is not None:
                bar.update(written.result())
            written = writer.submit(keep, made)
        if written is not None:
            bar.update(written.result())
    return failures


def to_do(store: SweepStore, progress: bool) -> tuple[list[int], tqdm]:
    """The chunks that are not done, or no longer as they were written, and a bar that counts ECGs."""
    checked = tqdm(store.chunks, "checking", unit=" chunk", leave=False, delay=1, disable=not progress)
    pending = [chunk for chunk in checked if store.fault(chunk)]
    left = sum(len(store.rows(chunk)) - len(intact(store, chunk)) for chunk in pending)
    first = len(store) - left
    return pending, tqdm(total=len(store), initial=first, unit=" ECG", desc="sweep", disable=not progress)


def rows_to_do(store: SweepStore, kept: MeasuredRows, progress: bool) -> tuple[list[int], tqdm]:
    """The chunks that are made and not measured, and a bar that counts ECGs."""
    there = store.kept
    pending = [chunk for chunk in there if kept.fault(chunk)]
    total, left = (sum(len(store.present(chunk)) for chunk in chunks) for chunks in (there, pending))
    return pending, tqdm(total=total, initial=total - left, unit=" ECG", desc="measure", disable=not progress)


def _measure_chunks(
    store: SweepStore, measure: Callable, kept: MeasuredRows, how: tuple[int, bool, threading.Event]
) -> None:
    """Measure every chunk that is made and not measured."""
    workers, progress, stop = how
    pending, bar = rows_to_do(store, kept, progress)
    batches = _batches(store, pending, stop)
    with closing(bar):
        if workers == 1:
            results: Any = (measure_rows(measure, store, rows) for rows in batches)
        else:
            job = joblib.delayed(measure_there)
            place = store.place
            pool = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch="2*n_jobs")
            results = pool(job(measure, place, rows) for rows in batches)
        waiting: list[pd.DataFrame] = []
        for frame in results:
            bar.update(len(frame))
            waiting.append(frame)
            chunk = int(frame["ecg"].iloc[-1]) // store.identity["chunk"]
            if frame["ecg"].iloc[-1] == store.present(chunk)[-1]:
                kept.write(chunk, pd.concat(waiting, ignore_index=True))
                waiting = []


def _batches(store: SweepStore, pending: list[int], stop: threading.Event) -> Iterator[list[int]]:
    """The ECGs to measure in one call each, until asked to stop."""
    for chunk in pending:
        rows = whole_chunk(store, chunk)
        for at in range(0, len(rows), BATCH):
            if stop.is_set():
                return
            yield rows[at : at + BATCH]
