"""What a sweep costs beyond bare generation, what overlapping and a second worker gain, and what large sweeps need.

Run as `python benchmarks/sweep.py [ECGs] [checkpoint] [--capacity docs/capacity.md]`: the simulator, or the bundled
generator as `ptbxl`. Ratios are of one run on one machine; processor time counts all threads, so that it holds on a
busy one. With `--capacity` the note on large sweeps is written from the same figures.
"""

import argparse
import functools
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from discovery.cluster import run_sweep_on
from discovery.designs import Design, grid
from discovery.forecast import in_bytes, in_time
from discovery.measure import measure
from discovery.overlap import sweep_and_measure
from discovery.store import CHUNK, SweepStore
from discovery.sweep import measure_sweep, run_sweep
from models.ecg import Conditions, Generator
from models.generator import load_generator
from models.synthetic import Simulator

SIZES = (1_000_000, 100_000_000)
quiet = {"progress": False}


@dataclass(frozen=True)
class Figures:
    """Of one run: seconds, bytes, files and chunks for `ecgs` ECGs."""

    ecgs: int
    generate_s: float
    measure_s: float
    bytes: int
    files: int
    chunks: int
    row_bytes: float


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds on the clock and of the processor, and what came back."""
    begun, used = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - begun, time.process_time() - used, result


def memory_mb() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def generate(generator: Generator, conditions: list[Conditions], seeds: list[int]) -> None:
    """The same ECGs, chunk by chunk, kept nowhere."""
    for at in range(0, len(seeds), CHUNK):
        generator.generate(conditions[at : at + CHUNK], seeds[at : at + CHUNK])


def load(name: str) -> Generator:
    """The simulator where no checkpoint is named."""
    return load_generator(name) if name else Simulator()


def plan(ecgs: int) -> Design:
    """Sixteen cells."""
    patient = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
    return grid(patient, age=range(20, 100, 10), sex=["female", "male"], repeats=max(1, ecgs // 16))


def overhead(design: Design, generator: Generator, place: Path) -> Figures:
    """Print what keeping costs beyond making, and measuring after it."""
    generate(generator, design.conditions()[:CHUNK], design.seeds()[:CHUNK])
    bare, bare_cpu, _ = timed(lambda: generate(generator, design.conditions(), design.seeds()))
    kept, kept_cpu, store = timed(lambda: run_sweep(design, generator, place, **quiet))
    again, _, _ = timed(lambda: run_sweep(design, generator, place, **quiet))
    cell, _, _ = timed(lambda: store.signals("age == 50 and sex == 'male'"))
    measure(store.ecg([0]))
    measured, _, _ = timed(lambda: measure_sweep(store, measure, **quiet))
    table, _, rows = timed(lambda: SweepStore(store.folder).table())
    paths = [path for path in place.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(design):,} ECGs of {generator.name} in chunks of {CHUNK}, {os.cpu_count()} cores")
    print(f"generation alone     {bare:8.2f} s  {len(design) / bare:8.1f} ECG/s")
    print(
        f"as a sweep           {kept:8.2f} s  overhead {kept / bare - 1:+.1%}, of the processor "
        f"{kept_cpu / bare_cpu - 1:+.1%}"
    )
    print(f"resume when finished {again:8.2f} s  (every byte checked)")
    print(f"measured after it    {measured:8.2f} s  {len(design) / measured:8.1f} ECG/s, one process")
    print(f"open the table       {table:8.3f} s")
    print(f"one cell's signals   {cell:8.3f} s  ({design.repeats} ECGs)")
    print(f"disk per ECG         {size / len(design) / 1000:8.1f} kB")
    print(f"most memory          {memory_mb():8.0f} MB")
    files = sum(path.stem.isdigit() and not {"lead", "time"} & {*path.parts} for path in paths)
    row = rows.memory_usage(deep=True).sum() / len(rows)
    return Figures(len(design), kept, measured, size, files, len(store.chunks), row)


def overlapping(design: Design, generator: Generator, place: Path, figures: Figures) -> None:
    """Print what making and measuring at once takes beside one after the other."""
    sweep_and_measure(plan(16), generator, place / "warm", measure, **quiet)
    both, _, _ = timed(lambda: sweep_and_measure(design, generator, place / "both", measure, **quiet))
    after = figures.generate_s + figures.measure_s
    least = max(figures.generate_s, figures.measure_s)
    print(f"made, then measured  {after:8.2f} s")
    print(
        f"made and measured    {both:8.2f} s  {after / both:.2f} x as fast; {after / least:.2f} x is possible"
    )


def dask_workers(design: Design, name: str, place: Path) -> None:
    """Print what two Dask workers gain over one."""
    from distributed import Client, LocalCluster

    seconds = {}
    for workers in (1, 2):
        settings = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**settings) as cluster, Client(cluster) as client:
            make = functools.partial(run_sweep_on, client, load=functools.partial(load, name), **quiet)
            make(
                plan(32 * workers), folder=place / f"warm{workers}", chunk=8
            )  # each worker loads the generator
            seconds[workers], _, _ = timed(
                lambda make=make, workers=workers: make(design, folder=place / f"on{workers}", chunk=16)
            )
    print(f"one Dask worker      {seconds[1]:8.2f} s")
    print(f"two Dask workers     {seconds[2]:8.2f} s  {seconds[1] / seconds[2]:.2f} x as fast")


def capacity(figures: Figures, generator: Generator) -> str:
    """The note on large sweeps, in proportion to what was measured."""
    lines = [
        "# Capacity",
        "",
        f"Written by `benchmarks/sweep.py` on {date.today()}: {figures.ecgs:,} ECGs of {generator.name} were made,",
        f"kept and measured on a machine of {os.cpu_count()} cores in chunks of {CHUNK}, and the figures multiplied.",
        f"Other work kept {os.getloadavg()[0]:.1f} processes busy at the time, so an idle machine is faster. It is an",
        "extrapolation: nobody has run 100 million. Run it on the machine that is to do the work.",
        "",
        f"| measured on {figures.ecgs:,} ECGs | per ECG |",
        "|---|---|",
        f"| generating, one process | {1000 * figures.generate_s / figures.ecgs:.1f} ms |",
        f"| measuring, one process | {1000 * figures.measure_s / figures.ecgs:.1f} ms |",
        f"| disk | {in_bytes(figures.bytes / figures.ecgs)} |",
        f"| files | {figures.files / figures.chunks:.1f} per chunk |",
        "",
        "| | " + " | ".join(f"{size:,} ECGs" for size in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    rows = {
        "generating, one process": lambda size: in_time(figures.generate_s * size / figures.ecgs),
        "measuring, one process": lambda size: in_time(figures.measure_s * size / figures.ecgs),
        "both, 64 such workers": lambda size: in_time(
            (figures.generate_s + figures.measure_s) * size / figures.ecgs / 64
        ),
        "disk": lambda size: in_bytes(figures.bytes * size / figures.ecgs),
        "chunks": lambda size: f"{-(-size // CHUNK):,}",
        "files": lambda size: f"{round(figures.files / figures.chunks * size / CHUNK):,}",
        "the table in memory": lambda size: in_bytes(figures.row_bytes * size),
    }
    lines += [f"| {name} | " + " | ".join(work(size) for size in SIZES) + " |" for name, work in rows.items()]
    return "\n".join([*lines, "", *BREAKS, ""])


BREAKS = """\
A sweep holds a few chunks of signals in memory at a time, whatever its length; its plan it holds whole.

## What breaks first

1. **Files.** Each chunk is five. At 100 million ECGs in chunks of 64 that is millions of files in a handful of
   folders: opening a store looks at every marker. `run_sweep(..., chunk=4096)` makes 64 times fewer; a chunk is then
   also what a crash can lose, and what is held in memory.
2. **The table.** `measure_sweep` returns it whole. A million rows fit anywhere; a hundred million do not: split the
   study into sweeps (one folder for each text, say) of a few million ECGs, and read columns of the Parquet parts.
3. **The plan.** A design lists its cells in `sweep.json`; ten thousand are fine, ten million are not. Repeats are free.
4. **One writer.** The process that began a sweep counts its chunks; workers write. Its queue holds one entry for each
   chunk that is not made, so it, too, wants large chunks.

Splitting is safe: the same `seed` names the same hearts in every sweep, so findings stay paired across
folders.""".splitlines()


def main() -> None:
    """Print the figures, and write the note where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ecgs", type=int, nargs="?", default=1024)
    parser.add_argument("checkpoint", nargs="?", default="")
    parser.add_argument("--capacity", type=Path, help="write the note on large sweeps here")
    given = parser.parse_args()
    generator, design = load(given.checkpoint), plan(given.ecgs)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        figures = overhead(design, generator, place / "run")
        overlapping(design, generator, place, figures)
        dask_workers(design, given.checkpoint, place)
    if given.capacity:
        given.capacity.parent.mkdir(parents=True, exist_ok=True)
        given.capacity.write_text(capacity(figures, generator), encoding="utf-8")
        print(given.capacity)


if __name__ == "__main__":
    main()
