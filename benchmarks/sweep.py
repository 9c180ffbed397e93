"""What a sweep costs beyond bare generation, and whether its memory grows with its length.

Run as `python benchmarks/sweep.py [ECGs] [checkpoint]`: the simulator, or the bundled generator as `ptbxl`. Ratios
are of one run on one machine; processor time counts all threads, so that it holds on a busy one.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from discovery.designs import grid
from discovery.store import SweepStore
from discovery.sweep import run_sweep
from models.ecg import Conditions, Generator
from models.generator import load_generator
from models.synthetic import Simulator

CHUNK = 64


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


def main(ecgs: int, generator: Generator) -> None:
    """Print the figures."""
    patient = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
    design = grid(patient, age=range(20, 100, 10), sex=["female", "male"], repeats=max(1, ecgs // 16))
    generate(generator, design.conditions()[:CHUNK], design.seeds()[:CHUNK])
    bare, bare_cpu, _ = timed(lambda: generate(generator, design.conditions(), design.seeds()))
    with tempfile.TemporaryDirectory() as place:
        kept, kept_cpu, store = timed(
            lambda: run_sweep(design, generator, Path(place) / "run", progress=False)
        )
        size = sum(path.stat().st_size for path in Path(place).rglob("*") if path.is_file())
        again, _, _ = timed(lambda: run_sweep(design, generator, Path(place) / "run", progress=False))
        table, _, _ = timed(lambda: SweepStore(store.folder).table())
        cell, _, _ = timed(lambda: store.signals("age == 50 and sex == 'male'"))
    print(f"{len(design):,} ECGs of {generator.name} in chunks of {CHUNK}")
    print(f"generation alone     {bare:8.2f} s  {len(design) / bare:8.1f} ECG/s")
    print(
        f"as a sweep           {kept:8.2f} s  overhead {kept / bare - 1:+.1%}, of the processor "
        f"{kept_cpu / bare_cpu - 1:+.1%}"
    )
    print(f"resume when finished {again:8.2f} s  (every byte checked)")
    print(f"open the table       {table:8.3f} s")
    print(f"one cell's signals   {cell:8.3f} s  ({design.repeats} ECGs)")
    print(f"disk per ECG         {size / len(design) / 1000:8.1f} kB")
    print(f"most memory          {memory_mb():8.0f} MB")


if __name__ == "__main__":
    asked = [*sys.argv[1:], *("1024", "")[len(sys.argv) - 1 :]]
    main(int(asked[0]), load_generator(asked[1]) if asked[1] else Simulator())
