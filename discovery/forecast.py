"""What a plan will cost before it is run: time, disk and memory, from a few ECGs made on this machine."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from discovery.designs import Design
from discovery.filing import keep
from discovery.store import CHUNK
from discovery.store_signals import encode_annotations, encode_signals
from models.ecg import ECG, Generator

PROBE = 16
KEPT_AHEAD = 3  # chunks in memory at most: one being made, one being written, one in its conversion
ROW_BYTES = 700  # of measurements, in Parquet


@dataclass(frozen=True, repr=False)
class Forecast:
    """What a plan will cost on this machine.

    Parameters
    ----------
    cells, ecgs, chunks : int
        Of the plan.
    probe : int
        ECGs that were made to find out.
    generate_s, measure_s : float
        Seconds for the whole plan, one after the other; `measure_s` is NaN where no measurer was given.
    disk_bytes, memory_bytes : int
        On disk at the end; of signals in memory at any time, whatever the plan's length.
    """

    cells: int
    ecgs: int
    chunks: int
    probe: int
    generate_s: float
    measure_s: float
    disk_bytes: int
    memory_bytes: int

    def __repr__(self) -> str:
        rate = self.ecgs / self.generate_s
        rows = [
            f"Forecast from {self.probe} ECGs made here: {self.cells:,} cells, {self.ecgs:,} ECGs in "
            f"{self.chunks:,} chunks",
            f"  generating  about {in_time(self.generate_s)} ({rate:,.1f} ECGs a second)",
        ]
        if self.measure_s == self.measure_s:
            rate = self.ecgs / self.measure_s
            rows.append(f"  measuring   about {in_time(self.measure_s)} ({rate:,.1f} a second, one process)")
        rows.append(
            f"  disk        about {in_bytes(self.disk_bytes)}; "
            f"signals in memory {in_bytes(self.memory_bytes)} at most"
        )
        return "\n".join(rows)


def forecast(
    design: Design,
    generator: Generator,
    measure: Callable[[ECG], pd.DataFrame] | None = None,
    *,
    probe: int = PROBE,
    chunk: int = CHUNK,
) -> Forecast:
    """What a plan will cost, from `probe` of its ECGs, evenly spread, made, kept for a moment and measured.

    The first call of a generator and of a measurer is slow (they load what they need) and not counted.

    Parameters
    ----------
    design, generator, measure
        As for `run_sweep` and `measure_sweep`; without `measure` only generation is forecast.
    probe : int
        ECGs to make.
    chunk : int
        ECGs per chunk.
    """
    if not isinstance(probe, int) or probe < 2:
        raise ValueError(f"probe must be a whole number of ECGs from 2 upwards, got {probe!r}")
    probe = min(probe, max(2, len(design)))
    rows = [round(place * (len(design) - 1) / (probe - 1)) for place in range(probe)]
    table = design.table.iloc[rows]
    asked, seeds = [design.cells[cell] for cell in table["cell"]], table["seed"].tolist()
    first = generator.generate(asked[:1], seeds[:1])
    making, ecg = _timed(lambda: generator.generate(asked, seeds))
    measuring = float("nan")
    if measure is not None:
        measure(first)
        measuring, _ = _timed(lambda: measure(ecg))
    writing, size = _kept(ecg)
    count = len(design)
    return Forecast(
        cells=len(design.cells),
        ecgs=count,
        chunks=-(-count // chunk),
        probe=probe,
        generate_s=max(making, writing) / probe * count,  # one chunk is written while the next is made
        measure_s=measuring / probe * count,
        disk_bytes=int(size / probe * count) + (count * ROW_BYTES if measure else 0),
        memory_bytes=KEPT_AHEAD * min(chunk, count) * ecg.signals[0].nbytes,
    )


def in_time(seconds: float) -> str:
    """Seconds as a person says them: ``40 s``, ``12 min``, ``3.5 h``, ``12 days``."""
    for size, unit in ((172_800, "days"), (5_400, "h"), (90, "min")):
        if seconds >= size:
            amount = seconds / {"days": 86_400, "h": 3_600, "min": 60}[unit]
            return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
    return f"{max(1, round(seconds))} s"


def in_bytes(count: float) -> str:
    """Bytes with three digits and their unit: ``45.2 MB``."""
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.3g} {unit}"
    return f"{count / 1000:.3g} TB"


def _timed(work: Callable) -> tuple:
    """Seconds, and what came back."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _kept(ecg: ECG) -> tuple[float, int]:
    """Seconds to write some ECGs, and the bytes they take."""
    with tempfile.TemporaryDirectory() as place:

        def write() -> int:
            shard, _, _ = encode_signals(range(len(ecg)), ecg, len(ecg))
            kept = keep(Path(place), {"signals": shard, "annotations": encode_annotations(ecg.annotations)})
            return sum(sealed["bytes"] for sealed in kept.values())

        return _timed(write)
