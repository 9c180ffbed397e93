"""Sweeps are run and measured here: chunk by chunk, resumable by the same call, stoppable at any time."""

import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from tqdm.auto import tqdm

from discovery.designs import Design
from discovery.filing import plain_disk_errors, sole_writer, write_json
from discovery.store import SweepStore, begin_store, refuse_foreign
from discovery.store_rows import MeasuredRows, measurer
from models.ecg import ECG, Generator

BATCH = 8  # ECGs measured in one call, and the signals' inner chunk: progress and stop are felt at this grain


class SweepError(RuntimeError):
    """Some cells could not be made; everything else is finished and kept.

    `failures` maps the number of each failed cell to its cause.
    """

    def __init__(self, message: str, failures: dict[int, str]) -> None:
        super().__init__(message)
        self.failures = failures


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
    folder : path
        An empty or new folder, or the one of the same sweep.
    chunk : int or None
        ECGs per chunk: what is made at once and lost at most. None for 64, or for what the folder has.
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
    folder = Path(folder)
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"chunk must be a whole number of ECGs from 1 upwards, got {chunk!r}")
    refuse_foreign(folder)
    with plain_disk_errors(folder, "begin a sweep"):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_writer(folder):
        store = begin_store(folder, design, generator, chunk, overwrite)
        _sweep_up(folder)
        failures = _run_chunks(store, generator, progress, stop or threading.Event())
    _tell_clipped(store)
    if failures:
        raise SweepError(_failed(store, failures), failures)
    return store


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
    key, about = measurer(measure)
    kept = store.measured(key)
    with plain_disk_errors(store.folder, "keep measurements"):
        kept.place.mkdir(parents=True, exist_ok=True)
    with sole_writer(kept.place):
        kept.begin(about | {"begun": datetime.now(UTC).isoformat()})
        _measure_chunks(store, measure, kept, (workers, progress, stop or threading.Event()))
        rows = kept.gather()
    made = store.made
    if made < len(store) and stop is None:
        warnings.warn(
            f"{store.folder} holds {made:,} of {len(store):,} ECGs, and the table is of these: "
            "run_sweep makes the others",
            stacklevel=2,
        )
    return store.design.table.merge(rows, on="ecg", how="inner", validate="one_to_one")


def _run_chunks(
    store: SweepStore, generator: Generator, progress: bool, stop: threading.Event
) -> dict[int, str]:
    """Make every chunk that is not done; the causes of those cells that could not be made."""
    checked = tqdm(store.chunks, "checking", unit=" chunk", leave=False, delay=1, disable=not progress)
    pending = [chunk for chunk in checked if store.fault(chunk)]
    asked, seeds = store.design.conditions(), store.design.seeds()
    left = sum(len(store.rows(chunk)) for chunk in pending)
    bar = tqdm(total=len(store), initial=len(store) - left, unit=" ECG", desc="sweep", disable=not progress)
    failures: dict[int, str] = {}
    written: Future | None = None
    with closing(bar), ThreadPoolExecutor(1) as writer:  # one chunk is written while the next is made
        for chunk in pending:
            if stop.is_set():
                break
            rows = store.rows(chunk)
            request = (asked[rows.start : rows.stop], seeds[rows.start : rows.stop])
            try:
                ecg = _made(generator, *request)
            except Exception as error:  # recorded and raised at the end, so that the other cells are finished
                found = _guilty(store, chunk, generator, error)
                failures |= found
                _record(store, chunk, found)
                continue
            if written is not None:
                bar.update(written.result())
            written = writer.submit(_write, store, chunk, ecg)
        if written is not None:
            bar.update(written.result())
    return failures


def _write(store: SweepStore, chunk: int, ecg: ECG) -> int:
    """Keep a chunk, and forget that it failed before; how many ECGs it has."""
    store.write(chunk, ecg)
    (store.folder / "failed" / f"{chunk:06d}.json").unlink(missing_ok=True)
    return len(ecg)


def _made(generator: Generator, conditions: list, seeds: list[int]) -> ECG:
    """What the generator makes, if it is what was asked."""
    ecg = generator.generate(conditions, seeds)
    if not isinstance(ecg, ECG) or len(ecg) != len(seeds):
        got = f"{len(ecg)}" if isinstance(ecg, ECG) else f"{type(ecg).__name__}"
        raise ValueError(f"generator must return one ECG per seed, got {got} for {len(seeds)} seeds")
    return ecg


def _guilty(store: SweepStore, chunk: int, generator: Generator, error: Exception) -> dict[int, str]:
    """Which cells of a failed chunk fail by themselves, with the cause; all of them where none does."""
    repeats, rows = store.design.repeats, store.rows(chunk)
    asked, seeds = store.design.conditions(), store.design.seeds()
    cells = sorted({row // repeats for row in rows})
    found = {}
    for cell in cells if len(cells) > 1 else ():
        own = [row for row in rows if row // repeats == cell]
        try:
            _made(generator, [asked[row] for row in own], [seeds[row] for row in own])
        except Exception as cause:  # this is the answer
            found[cell] = f"{type(cause).__name__}: {cause}"
    return found or dict.fromkeys(cells, f"{type(error).__name__}: {error}")


def _record(store: SweepStore, chunk: int, found: dict[int, str]) -> None:
    """Write down which cells of a chunk failed, and why."""
    with plain_disk_errors(store.folder, f"record the failure of chunk {chunk}"):
        write_json(store.folder / "failed" / f"{chunk:06d}.json", {"chunk": chunk, "cells": found})


def _failed(store: SweepStore, failures: dict[int, str]) -> str:
    """The error of a sweep that could not be finished."""
    cell = min(failures)
    others = f", and {len(failures) - 1} more cells" if len(failures) > 1 else ""
    return (
        f"generator must make every cell, got {failures[cell]} in cell {cell} ({store.design.cells[cell]})"
        f"{others}: {len(store.done)} of {len(store.chunks)} chunks are finished and kept; the causes are in "
        f"{store.folder / 'failed'}"
    )


def _tell_clipped(store: SweepStore) -> None:
    """Warn of samples that the store could not hold as they were."""
    lost = store.clipped
    if any(lost.values()):
        warnings.warn(
            f"{store.folder}: {lost['clipped']:,} samples lay beyond 32.767 mV and were clipped, "
            f"{lost['missing']:,} were not numbers and are kept as NaN",
            stacklevel=3,
        )


def _sweep_up(folder: Path) -> None:
    """Remove what an interrupted run left half written (measuring cleans up after itself)."""
    for path in [*folder.glob(".*.partial"), *folder.glob("[ads]*/**/*.partial")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _measure_chunks(
    store: SweepStore, measure: Callable, kept: MeasuredRows, how: tuple[int, bool, threading.Event]
) -> None:
    """Measure every chunk that is made and not measured."""
    workers, progress, stop = how
    done = store.done
    pending = [chunk for chunk in done if kept.fault(chunk)]
    total = sum(len(store.rows(chunk)) for chunk in done)
    left = sum(len(store.rows(chunk)) for chunk in pending)
    bar = tqdm(total=total, initial=total - left, unit=" ECG", desc="measure", disable=not progress)
    batches = _batches(store, pending, stop)
    with closing(bar):
        if workers == 1:
            results: Any = (_measured(measure, store, rows) for rows in batches)
        else:
            job = joblib.delayed(_measured)
            pool = joblib.Parallel(n_jobs=workers, return_as="generator", pre_dispatch="2*n_jobs")
            results = pool(job(measure, store, rows) for rows in batches)
        waiting: list[pd.DataFrame] = []
        for frame in results:
            bar.update(len(frame))
            waiting.append(frame)
            chunk = int(frame["ecg"].iloc[-1]) // store.identity["chunk"]
            if frame["ecg"].iloc[-1] == store.rows(chunk)[-1]:
                kept.write(chunk, pd.concat(waiting, ignore_index=True))
                waiting = []


def _batches(store: SweepStore, pending: list[int], stop: threading.Event) -> Iterator[range]:
    """The ECGs to measure in one call each, until asked to stop."""
    for chunk in pending:
        if fault := store.fault(chunk):
            raise ValueError(
                f"{store.folder} must be whole to be measured, got chunk {chunk}: {fault}: "
                "run_sweep redoes it"
            )
        rows = store.rows(chunk)
        for at in range(0, len(rows), BATCH):
            if stop.is_set():
                return
            yield rows[at : at + BATCH]


def _measured(measure: Callable, store: SweepStore, rows: range) -> pd.DataFrame:
    """The measured columns of some ECGs, with their number."""
    frame = measure(store.ecg(rows))
    if not isinstance(frame, pd.DataFrame) or len(frame) != len(rows):
        got = f"{len(frame)} rows" if isinstance(frame, pd.DataFrame) else type(frame).__name__
        raise ValueError(
            f"measure must return a DataFrame with one row per ECG, got {got} for {len(rows)} ECGs"
        )
    asked = ("ecg", "cell", "repeat", "seed", "age", "sex", "heart_rate", "text")
    frame = frame.drop(columns=[name for name in asked if name in frame]).reset_index(drop=True)
    frame.insert(0, "ecg", list(rows))
    return frame
