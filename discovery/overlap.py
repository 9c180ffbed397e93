"""A sweep made and measured at once: finished chunks are measured in other processes while the next are made."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pandas as pd
from joblib.externals.loky import ProcessPoolExecutor
from tqdm.auto import tqdm

from discovery.chunks import conclude, conclude_rows, open_rows, open_sweep
from discovery.cluster import measure_chunk_there
from discovery.designs import Design
from discovery.filing import folder_at
from discovery.sweep import make_chunks, rows_to_do
from models.ecg import ECG, Generator


def sweep_and_measure(
    design: Design,
    generator: Generator,
    folder: str | Path,
    measure: Callable[[ECG], pd.DataFrame],
    *,
    workers: int = 1,
    progress: bool = True,
    stop: threading.Event | None = None,
) -> pd.DataFrame:
    """One row per ECG of a design; the generator works here while `workers` processes measure.

    The folder is the one that `run_sweep` and then `measure_sweep` would leave, to the bit, and each of the
    three goes on where another ended.

    Parameters
    ----------
    design, generator, folder, progress
        As in `run_sweep`.
    measure : callable
        As in `measure_sweep`; sent to the other processes by value where it cannot be imported.
    workers : int
        Processes that measure, beside this one that generates.
    stop : threading.Event or None
        Set it, in another thread, to end after the chunks in hand. Finished chunks and rows are kept.

    Returns
    -------
    DataFrame
        As of `measure_sweep`.

    Raises
    ------
    SweepError
        At the end, where the generator failed for some cells; all others are made and measured.
    """
    if not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers must be a whole number of processes from 1 upwards, got {workers!r}")
    ended = stop or threading.Event()
    folder = folder_at(folder).absolute()
    with open_sweep(design, generator, folder) as store, open_rows(store, measure) as kept:
        place = store.place
        with ProcessPoolExecutor(workers) as pool:
            waiting = [pool.submit(callable, measure) for _ in range(workers)]  # they start while we make

            def send(chunk: int) -> None:
                for early in waiting:
                    if early.done():
                        early.result()  # a measurer that fails is told now, not after hours
                waiting.append(pool.submit(measure_chunk_there, place, chunk, measure, kept.key))

            try:
                for chunk in rows_to_do(store, kept, progress=False)[0]:
                    send(chunk)
                failures = make_chunks(store, generator, progress, ended, send)
                _finish(waiting, progress, ended)
            finally:
                for future in waiting:
                    future.cancel()
        rows = conclude_rows(store, kept, stopped=bool(failures) or stop is not None)
    conclude(store, failures)
    return rows


def _finish(waiting: list[Future], progress: bool, ended: threading.Event) -> None:
    """Wait for what is still to be measured; on a stop, for what has begun."""
    for future in tqdm(waiting, "measure", unit=" chunk", delay=1, disable=not progress):
        if ended.is_set() and future.cancel():
            continue
        future.result()
