"""What is done with one chunk of a sweep, here or on another machine, and what frames a run of many."""

import functools
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from discovery.designs import Design
from discovery.filing import Place, keep, plain_disk_errors, sole_writer, write_json
from discovery.remote import Remote
from discovery.store import SweepStore
from discovery.store_plan import begin_store, refuse_foreign
from discovery.store_rows import MeasuredRows, measurer
from discovery.store_signals import (
    begin_signals,
    encode_annotations,
    encode_signals,
    notes_name,
    refuse_other_shape,
    shard_name,
)
from models.ecg import ECG, Generator, join


class SweepError(RuntimeError):
    """Some cells could not be made; everything else is finished and kept.

    `failures` maps the number of each failed cell to its cause.
    """

    def __init__(self, message: str, failures: dict[int, str]) -> None:
        super().__init__(message)
        self.failures = failures


@contextmanager
def open_sweep(
    design: Design, generator: Generator, folder: Place, chunk: int | None = None, overwrite: bool = False
) -> Iterator[SweepStore]:
    """The store of a sweep, begun or found again in `folder`, held for this process alone."""
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"chunk must be a whole number of ECGs from 1 upwards, got {chunk!r}")
    refuse_foreign(folder)
    with plain_disk_errors(folder, "begin a sweep"):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_writer(folder):
        store = begin_store(folder, design, generator, chunk, overwrite)
        _sweep_up(folder)
        yield store


def conclude(store: SweepStore, failures: dict[int, str]) -> SweepStore:
    """The store of a run that is over; warns of what was clipped, raises for the cells that failed."""
    lost = store.clipped
    if any(lost.values()):
        warnings.warn(
            f"{store.folder}: {lost['clipped']:,} samples lay beyond 32.767 mV and were clipped, "
            f"{lost['missing']:,} were not numbers and are kept as NaN",
            stacklevel=3,
        )
    if failures:
        raise SweepError(_failed(store, failures), failures)
    return store


@contextmanager
def open_rows(store: SweepStore, measure: Callable) -> Iterator[MeasuredRows]:
    """The place for a measurer's rows, held for this process alone."""
    key, about = measurer(measure)
    kept = store.measured(key)
    with plain_disk_errors(store.folder, "keep measurements"):
        kept.place.mkdir(parents=True, exist_ok=True)
    with sole_writer(kept.place):
        kept.begin(about | {"begun": datetime.now(UTC).isoformat()})
        yield kept


def conclude_rows(store: SweepStore, kept: MeasuredRows, stopped: bool) -> pd.DataFrame:
    """What was asked and measured, one row per ECG; warns where the sweep is not finished."""
    rows, made = kept.gather(), store.made
    if made < len(store) and not stopped:
        warnings.warn(
            f"{store.folder} holds {made:,} of {len(store):,} ECGs, and the table is of these: "
            "run_sweep makes the others",
            stacklevel=3,
        )
    return store.design.table.merge(rows, on="ecg", how="inner", validate="one_to_one")


@dataclass(frozen=True, eq=False)
class Made:
    """What a run has of one chunk: its ECGs but for those of the `lacking` cells, each with its cause.

    `new` counts the ECGs that were not there before; `clipped` the samples clipped in those that were.
    """

    chunk: int
    ecg: ECG | None
    lacking: dict[int, str]
    new: int
    clipped: int


def make_chunk(store: SweepStore, generator: Generator, chunk: int) -> Made:
    """What is not there of a chunk, made in one call; where that fails cell by cell, so that one cannot spoil all.

    What failed is also written down, with its cause, in the folder ``failed``.
    """
    rows, there = list(store.rows(chunk)), intact(store, chunk)
    wanted = [row for row in rows if row not in set(there)]
    try:
        ecg, lacking = _made(store, generator, wanted), {}
    except Exception as error:  # told at the end of the run, so that the other cells are finished
        ecg, lacking = _cell_by_cell(store, generator, wanted, error)
        if lacking:
            with plain_disk_errors(store.folder, f"record the failure of chunk {chunk}"):
                write_json(store.folder / "failed" / f"{chunk:06d}.json", {"chunk": chunk, "cells": lacking})
    new = 0 if ecg is None else len(ecg)
    clipped = store.marker(chunk)["clipped"] if there else 0
    if ecg is not None and there:
        numbers = [row for row in wanted if row // store.design.repeats not in lacking]
        ecg = _in_order([(there, store.ecg(there)), (numbers, ecg)])
    return Made(chunk, ecg, lacking, new, clipped)


def keep_chunk(store: SweepStore, made: Made) -> int:
    """Write a chunk, and forget that it failed before if nothing is lacking now; how many ECGs are new."""
    if made.ecg is not None:
        write_chunk(store, made)
    if not made.lacking:
        (store.folder / "failed" / f"{made.chunk:06d}.json").unlink(missing_ok=True)
    return made.new


def write_chunk(store: SweepStore, made: Made) -> None:
    """Keep one chunk: its files first, then the marker that makes it done.

    The place of a cell that is lacking stays empty, and the chunk unfinished.
    """
    with plain_disk_errors(store.folder, f"write chunk {made.chunk}"):
        rows, size, marked = store.rows(made.chunk), store.identity["chunk"], f"done/{made.chunk:06d}.json"
        (store.folder / marked).unlink(missing_ok=True)
        if "array" not in store.__dict__:
            begin_signals(store.folder / "signals.zarr", len(store), size, made.ecg)
        refuse_other_shape(store.array, made.ecg)
        repeats = store.design.repeats
        places = [place for place, row in enumerate(rows) if row // repeats not in made.lacking]
        shard, beyond, missing = encode_signals(rows, made.ecg, size, places if made.lacking else None)
        notes = encode_annotations(made.ecg.annotations, (places, len(rows)) if made.lacking else None)
        marker = {
            "ecgs": [rows.start, rows.stop],
            "clipped": made.clipped + beyond,
            "missing": missing,
            "provenance": dict(made.ecg.provenance),
            "files": keep(store.folder, {shard_name(made.chunk): shard, notes_name(made.chunk): notes}),
        }
        lacking = {"lacking": made.lacking} if made.lacking else {}
        write_json(store.folder / marked, marker | lacking)


def whole_chunk(store: SweepStore, chunk: int) -> list[int]:
    """The ECGs of a chunk that are there, refused where its bytes are not as they were written."""
    if fault := store.damage(chunk):
        raise ValueError(
            f"{store.folder} must be whole to be measured, got chunk {chunk}: {fault}: run_sweep redoes it"
        )
    return store.present(chunk)


@functools.lru_cache(maxsize=4)
def opened(folder: str, sweep: str) -> SweepStore:
    """The store of `SweepStore.place`, read once by each worker."""
    store = SweepStore(folder)
    if store.place[1] != sweep:
        raise ValueError(
            f"{folder} must hold design {sweep}, got {store.place[1]}: another has taken its place"
        )
    return store


def measure_there(measure: Callable, place: tuple[str, str], rows: Sequence[int]) -> pd.DataFrame:
    """`measure_rows` in a worker, which finds the store by its folder and its design's fingerprint."""
    return measure_rows(measure, opened(*place), rows)


def measure_rows(measure: Callable, store: SweepStore, rows: Sequence[int]) -> pd.DataFrame:
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


def _made(store: SweepStore, generator: Generator, rows: list[int]) -> ECG:
    """What the generator makes of some rows of the design, if it is what was asked."""
    conditions, seeds = store.request(rows)
    ecg = generator.generate(conditions, seeds)
    if not isinstance(ecg, ECG) or len(ecg) != len(seeds):
        got = f"{len(ecg)}" if isinstance(ecg, ECG) else f"{type(ecg).__name__}"
        raise ValueError(f"generator must return one ECG per seed, got {got} for {len(seeds)} seeds")
    return ecg


def intact(store: SweepStore, chunk: int) -> list[int]:
    """The ECGs of a chunk that are there already, to the byte."""
    return [] if store.damage(chunk) else store.present(chunk)


def _cell_by_cell(
    store: SweepStore, generator: Generator, wanted: list[int], error: Exception
) -> tuple[ECG | None, dict[int, str]]:
    """The ECGs of those cells that can be made alone, and for each other cell the cause."""
    repeats = store.design.repeats
    cells = sorted({row // repeats for row in wanted})
    if len(cells) == 1:
        return None, {cells[0]: f"{type(error).__name__}: {error}"}
    whole, lacking = [], {}
    for cell in cells:
        try:
            whole.append(_made(store, generator, [row for row in wanted if row // repeats == cell]))
        except Exception as cause:  # this is the answer
            lacking[cell] = f"{type(cause).__name__}: {cause}"
    return (join(whole) if whole else None), lacking


def _in_order(parts: list[tuple[list[int], ECG]]) -> ECG:
    """ECGs with their numbers in the design, as one batch in its order."""
    rows = [row for numbers, _ in parts for row in numbers]
    both = join([ecg for _, ecg in parts])
    return replace(both[np.argsort(rows)], provenance=parts[-1][1].provenance)


def _failed(store: SweepStore, failures: dict[int, str]) -> str:
    """The error of a sweep that could not be finished."""
    cell = min(failures)
    others = f", and {len(failures) - 1} more cells" if len(failures) > 1 else ""
    return (
        f"generator must make every cell, got {failures[cell]} in cell {cell} ({store.design.cells[cell]})"
        f"{others}: {store.made:,} of {len(store):,} ECGs are made and kept, the same call again tries the "
        f"others; the causes are in {store.folder / 'failed'}"
    )


def _sweep_up(folder: Place) -> None:
    """Remove what an interrupted run left half written (measuring cleans up after itself)."""
    if isinstance(folder, Remote):  # puts leave nothing
        return
    for path in [*folder.glob(".*.partial"), *folder.glob("[adfs]*/**/*.partial")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
