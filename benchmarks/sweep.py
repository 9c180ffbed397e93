"""What a sweep costs beyond bare generation, what overlapping and a second worker gain, and what large sweeps need.

Run as `python benchmarks/sweep.py [ECGs] [checkpoint] [--capacity docs/capacity.md]`: the simulator, or the bundled
generator as `ptbxl`. What is compared is run in turns, ROUNDS times on the same machine; the middle ratio is given,
with the smallest and the largest. Processor time counts all threads, so that it holds on a busy machine, where a
second core is not to be had: how much two processes gain there by themselves is printed first. With `--capacity` the
note on large sweeps is written from the same figures.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

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
LENGTHS = (1_000, 20_000)  # sweeps whose memory is compared
OVERLAPPED = {"": 4_096, "ptbxl": 1_024}
"""ECGs made and measured at once, by checkpoint: the second process takes seconds to start."""
ROUNDS = 3
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


@dataclass(frozen=True)
class Gains:
    """Of the same run: how many times as fast two are as one, middle of the rounds; and memory in MB by length.

    `overlapped` ECGs were made and measured at once.
    """

    machine: float
    overlap: float
    overlapped: int
    dask: float
    memory_mb: dict[int, float]


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds on the clock and of the processor, and what came back."""
    begun, used = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - begun, time.process_time() - used, result


def spread(ratios: list[float], form: str) -> str:
    """The middle of some ratios, and between what they lay."""
    low, middle, high = (
        format(value, form) for value in (min(ratios), statistics.median(ratios), max(ratios))
    )
    return f"{middle} ({low} to {high})"


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


def machine(design: Design, name: str) -> float:
    """Print how many times as fast two processes of one core generate as one, with nothing of ours between them."""
    ratios = []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        halves = [(name, design.conditions()[at::2], design.seeds()[at::2]) for at in (0, 1)]
        list(pool.map(_generate_there, halves))  # both have loaded the generator
        for _ in range(ROUNDS):
            one = sum(
                timed(lambda half=half: pool.submit(_generate_there, half).result())[0] for half in halves
            )
            two, _, _ = timed(lambda: list(pool.map(_generate_there, halves)))
            ratios.append(one / two)
    print(f"two bare processes   {spread(ratios, '.2f')} x as fast as one: what this machine allows now, load "
          f"{os.getloadavg()[0]:.1f}")  # fmt: skip
    return statistics.median(ratios)


def _generate_there(asked: tuple[str, list[Conditions], list[int]]) -> None:
    """In another process: make some ECGs on one core and forget them."""
    torch.set_num_threads(1)  # what a generator makes side by side, were there more
    generate(_loaded(asked[0]), *asked[1:])


@functools.cache
def _loaded(name: str) -> Generator:
    """The generator, once in each process."""
    return load(name)


def overhead(design: Design, generator: Generator, place: Path) -> Figures:
    """Print what keeping costs beyond making, and measuring after it."""
    conditions, seeds = design.conditions(), design.seeds()
    generate(generator, conditions[:CHUNK], seeds[:CHUNK])
    rounds, cpus = [], []
    for turn in range(ROUNDS):
        bare, bare_cpu, _ = timed(lambda: generate(generator, conditions, seeds))
        folder = place / f"run{turn}"
        kept, kept_cpu, store = timed(lambda folder=folder: run_sweep(design, generator, folder, **quiet))
        rounds.append((kept / bare - 1, bare, kept))
        cpus.append(kept_cpu / bare_cpu - 1)
    again, _, _ = timed(lambda: run_sweep(design, generator, store.folder, **quiet))
    measure(store.ecg([0]))
    measured, _, _ = timed(lambda: measure_sweep(store, measure, **quiet))
    rows = SweepStore(store.folder).table()
    paths = [path for path in store.folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    _, bare, kept = statistics.median_low(rounds)
    print(f"{len(design):,} ECGs of {generator.name} in chunks of {CHUNK}, {os.cpu_count()} cores")
    print(f"generation alone     {bare:8.2f} s  {len(design) / bare:8.1f} ECG/s")
    print(f"as a sweep           {kept:8.2f} s  overhead {spread([over for over, _, _ in rounds], '+.1%')}, "
          f"of the processor {spread(cpus, '+.1%')}  (goal 5 %)")  # fmt: skip
    print(f"resume when finished {again:8.2f} s  (every byte checked)")
    print(f"measured after it    {measured:8.2f} s  {len(design) / measured:8.1f} ECG/s, one process")
    print(f"disk per ECG         {size / len(design) / 1000:8.1f} kB")
    files = sum(path.stem.isdigit() and not {"lead", "time"} & {*path.parts} for path in paths)
    row = rows.memory_usage(deep=True).sum() / len(rows)
    return Figures(len(design), kept, measured, size, files, len(store.chunks), row)


def overlapping(design: Design, generator: Generator, place: Path) -> float:
    """Print what making and measuring at once takes beside one after the other."""
    sweep_and_measure(plan(16), generator, place / "warm", measure, **quiet)
    ratios, possible = [], []
    for turn in range(ROUNDS):
        made, cpu, store = timed(lambda at=place / f"after{turn}": run_sweep(design, generator, at, **quiet))
        measured, more, _ = timed(lambda store=store: measure_sweep(store, measure, **quiet))
        at = place / f"both{turn}"
        both, _, _ = timed(lambda at=at: sweep_and_measure(design, generator, at, measure, **quiet))
        ratios.append((made + measured) / both)
        possible.append((made + measured) / max(made, measured, (cpu + more) / (os.cpu_count() or 1)))
    print(f"made and measured    {spread(ratios, '.2f')} x as fast at once as one after the other; "
          f"{statistics.median(possible):.2f} x is possible ({len(design):,} ECGs)")  # fmt: skip
    return statistics.median(ratios)


def dask_workers(design: Design, name: str, place: Path) -> float:
    """Print what two Dask workers gain over one."""
    from distributed import Client, LocalCluster

    ratios = []
    for turn in range(ROUNDS):
        seconds = {}
        for workers in (1, 2):
            settings = {
                "n_workers": workers,
                "threads_per_worker": 1,
                "dashboard_address": None,
                "silence_logs": 50,
            }
            with LocalCluster(**settings) as cluster, Client(cluster) as client:
                make = functools.partial(run_sweep_on, client, load=functools.partial(load, name), **quiet)
                at = place / f"on{workers}-{turn}"
                make(plan(32 * workers), folder=at / "warm", chunk=8)  # each worker loads the generator
                seconds[workers], _, _ = timed(
                    lambda make=make, at=at: make(design, folder=at / "run", chunk=16)
                )
        ratios.append(seconds[1] / seconds[2])
    print(
        f"two Dask workers     {spread(ratios, '.2f')} x as fast as one  (goal 1.7 x where two bare processes reach it)"
    )
    return statistics.median(ratios)


LONG = """
import resource, sys, tempfile
from benchmarks.sweep import plan, load
from discovery.sweep import run_sweep
with tempfile.TemporaryDirectory() as folder:
    run_sweep(plan(int(sys.argv[1])), load(""), folder, progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def memory() -> dict[int, float]:
    """Print the most memory that a process holds while it sweeps with the simulator, by the sweep's length."""
    found = {}
    for length in LENGTHS:
        root = Path(__file__).resolve().parent.parent
        command = [sys.executable, "-c", LONG, str(length)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        found[length] = float(done.stdout)
    told = ", ".join(f"{held:.0f} MB for {length:,} ECGs" for length, held in found.items())
    print(f"most memory          {told}, of the simulator")
    return found


def capacity(figures: Figures, gains: Gains, generator: Generator) -> str:
    """The note on large sweeps, in proportion to what was measured."""
    lines = [
        "# Capacity",
        "",
        f"Written by `benchmarks/sweep.py` on {date.today()}: {figures.ecgs:,} ECGs of {generator.name} were made,",
        f"kept and measured on a machine of {os.cpu_count()} cores in chunks of {CHUNK}, and the figures multiplied.",
        "It is an extrapolation: nobody has run 100 million. Run it on the machine that is to do the work.",
        "",
        f"| measured on {figures.ecgs:,} ECGs | per ECG |",
        "|---|---|",
        f"| generating, one process on all cores | {1000 * figures.generate_s / figures.ecgs:.1f} ms |",
        f"| measuring, one process | {1000 * figures.measure_s / figures.ecgs:.1f} ms |",
        f"| disk | {in_bytes(figures.bytes / figures.ecgs)} |",
        f"| files | {figures.files / figures.chunks:.1f} per chunk |",
        "",
        f"In the same run two processes of one core each generated {gains.machine:.2f} times as fast as one, two Dask",
        f"workers {gains.dask:.2f} times. Making and measuring {gains.overlapped:,} ECGs at once was",
        f"{gains.overlap:.2f} times as fast as one after the other; a process that makes ECGs of a checkpoint uses all",
        "cores by itself.",
        "While sweeping with the simulator a process held "
        + ",\nand ".join(f"{held:.0f} MB for {length:,} ECGs" for length, held in gains.memory_mb.items())
        + ".",
        "",
        "| | " + " | ".join(f"{size:,} ECGs" for size in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    rows = {
        "generating, one process on all cores": lambda size: in_time(
            figures.generate_s * size / figures.ecgs
        ),
        "measuring, one process": lambda size: in_time(figures.measure_s * size / figures.ecgs),
        "both, 64 such machines": lambda size: in_time(
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
   folders, and the table asks for every marker (`benchmarks/large_store.py` measures it at 100,000 ECGs; one cell's
   signals ask for their own chunks alone). `run_sweep(..., chunk=4096)` makes 64 times fewer; a chunk is then also
   what a crash can lose, and what is held in memory.
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
    allowed = machine(design, given.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        figures = overhead(design, generator, place)
        long = plan(max(given.ecgs, OVERLAPPED.get(given.checkpoint, 0)))
        overlap = overlapping(long, generator, place)
        gains = Gains(allowed, overlap, len(long), dask_workers(design, given.checkpoint, place), memory())
    if given.capacity:
        given.capacity.parent.mkdir(parents=True, exist_ok=True)
        given.capacity.write_text(capacity(figures, gains, generator), encoding="utf-8")
        print(given.capacity)


if __name__ == "__main__":
    main()
