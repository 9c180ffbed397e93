"""How long a store of 100,000 ECGs takes to open, to give its table, and to give one cell's signals.

Run as `python benchmarks/large_store.py [ECGs] [--folder FOLDER]`, where the store is kept and used again. The
sixty-four ECGs of the simulator are written again and again, by `run_sweep` and `measure_sweep` as any others (some
minutes, and 70 kB of disk for each). Every figure is of a fresh process, as in a notebook that was just opened, the
file cache warm; of five, the middle one, and in brackets the processor's time, which other work on the machine
changes less.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from discovery.designs import Design, grid
from discovery.sweep import measure_sweep, run_sweep
from models.ecg import ECG, Conditions
from models.synthetic import Simulator

REPEATS = 32
ROOT = Path(__file__).resolve().parent.parent
FRESH = """
import sys, time
import pandas, zarr
from discovery.store import SweepStore
def timed(name, work):
    begun, used = time.perf_counter(), time.process_time()
    result = work()
    print(name, time.perf_counter() - begun, time.process_time() - used, flush=True)
    return result
store = timed("open", lambda: SweepStore(sys.argv[1]))
if sys.argv[2] == "table":
    timed("table", store.table)
else:
    timed("cell", lambda: store.signals(sys.argv[3]))
    timed("another", lambda: store.signals(sys.argv[4]))
"""


@dataclass(frozen=True)
class Repeated:
    """Gives the same few ECGs again and again, whatever is asked."""

    some: ECG
    name: str = "repeated"
    digest: str = "0"
    fs: float = 500.0

    def generate(self, conditions: list[Conditions], seeds: list[int]) -> ECG:
        """The first of the few."""
        few = self.some[: len(seeds)]
        return replace(few, conditions=tuple(conditions), seeds=tuple(seeds))


def counted(ecg: ECG) -> pd.DataFrame:
    """Forty columns that cost nothing to measure."""
    names = [f"column_{number}_mv" for number in range(40)]
    return pd.DataFrame(np.repeat(ecg.signals[:, :1, 0], 40, axis=1), columns=names)


def plan(ecgs: int) -> Design:
    """Cells of thirty-two hearts."""
    patient = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
    rates = max(1, round(ecgs / REPEATS / 50))
    return grid(
        patient, age=range(20, 45), sex=["female", "male"], heart_rate=range(50, 50 + rates), repeats=REPEATS
    )


def fresh(folder: str, *what: str) -> dict[str, str]:
    """Seconds of each step in a new process, the middle one of five; and those of the processor."""
    runs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(5):
        command = [sys.executable, "-c", FRESH, folder, *what]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            name, clock, used = line.split()
            runs.setdefault(name, []).append((float(clock), float(used)))
    middle = {
        name: [statistics.median(column) for column in zip(*all_, strict=True)] for name, all_ in runs.items()
    }
    return {name: f"{clock:.3f} s ({used:.3f} s)" for name, (clock, used) in middle.items()}


def write(folder: str, design: Design) -> None:
    """Make and measure the store, unless it is there."""
    seeds = design.seeds()[:64]
    generator = Repeated(Simulator().generate(design.conditions()[:64], seeds))
    begun = time.perf_counter()
    measure_sweep(run_sweep(design, generator, folder, progress=False), counted, progress=False)
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(
        f"{len(design):,} ECGs, {len(design.cells):,} cells, {size / 1e9:.1f} GB on disk, made and measured"
    )
    print(f"or checked in {time.perf_counter() - begun:.0f} s; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ecgs", type=int, nargs="?", default=100_000)
    parser.add_argument("--folder", help="of the store; one that is removed afterwards if not said")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = str(Path(given.folder or passing).absolute())
        write(folder, plan(given.ecgs))
        table = fresh(folder, "table")
        queries = (f"age == {age} and sex == 'male' and heart_rate == 60" for age in (40, 30))
        cells = fresh(folder, "cell", *queries)
    print(f"open the store       {table['open']}")
    print(f"its table            {table['table']}  (goal 1 s)")
    print(f"one cell's signals   {cells['cell']} the first, {cells['another']} the next  (goal 0.050 s)")


if __name__ == "__main__":
    main()
