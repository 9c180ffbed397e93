"""The signals of a store as int16 microvolts in Zarr v3, and what the generator said of them."""

import math
import os
import secrets
import shutil
from pathlib import Path

import numpy as np
import xarray
import zarr
from zarr.codecs import BloscCodec

from discovery.filing import settle, write_whole
from models.ecg import ECG

STEP_MV = 0.001
LARGEST = 32767
MISSING = -32768


def open_signals(root: Path) -> zarr.Array:
    """The array of all signals, int16, (ecg, lead, sample)."""
    if not root.is_dir():
        raise LookupError(f"{root} must hold signals, got none yet: run_sweep makes them")
    return zarr.open_array(root, path="signals", mode="r+", config={"write_empty_chunks": True})


def open_dataset(root: Path) -> xarray.Dataset:
    """The signals in millivolts, read when they are used."""
    open_signals(root)
    return xarray.open_zarr(root, consolidated=False, chunks=None)


def write_signals(
    root: Path, rows: range, ecg: ECG, shape: tuple[int, int], places: list[int] | None = None
) -> tuple[Path, int, int]:
    """Write one shard of signals; `shape` is the whole sweep's ECGs and those of a shard.

    `places` says where among `rows` the ECGs lie, if they are not all of them; the others stay empty.

    Returns
    -------
    tuple
        The shard's file, how many samples were clipped, and how many were not numbers.
    """
    if not root.is_dir():
        aside = root.with_name(f".signals.{secrets.token_hex(4)}.partial")
        _create_array(aside, (shape[0], *ecg.signals.shape[1:]), shape[1], ecg)
        try:
            os.rename(aside, root)
        except OSError:  # another worker was first
            shutil.rmtree(aside, ignore_errors=True)
            if not root.is_dir():
                raise
    array = open_signals(root)
    _same_shape(array, ecg)
    counts, clipped, missing = to_counts(ecg.signals)
    shard = shard_path(root, rows.start // shape[1])
    shard.unlink(missing_ok=True)  # Zarr would read what it half replaces, damaged or not
    if places is not None:
        some, counts = counts, np.full((len(rows), *counts.shape[1:]), MISSING, np.int16)
        counts[places] = some
    array[rows.start : rows.stop] = counts
    settle(shard)
    settle(shard.parent)
    return shard, clipped, missing


def read_signals(root: Path, rows: np.ndarray) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Some ECGs in millivolts, with their sampling frequency and leads."""
    array = open_signals(root)
    counts = np.empty((len(rows), *array.shape[1:]), np.int16)
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    for places in np.split(np.arange(len(rows)), breaks) if len(rows) else ():  # slices read ten times faster
        first, last = rows[places[0]], rows[places[-1]]
        counts[places[0] : places[-1] + 1] = array[first : last + 1]
    return to_millivolts(counts), array.attrs["fs"], tuple(array.attrs["leads"])


def shard_path(root: Path, chunk: int) -> Path:
    """Where the signals of a chunk lie."""
    return root / "signals" / "c" / str(chunk) / "0" / "0"


def write_annotations(
    path: Path, annotations: dict[str, np.ndarray], among: tuple[list[int], int] | None = None
) -> None:
    """Keep what the generator said of these ECGs, one row each; `among` tells their places, and among how many.

    The places between are empty: NaN, zero, or no text.
    """
    plain = {name: rows.astype(str) if rows.dtype == object else rows for name, rows in annotations.items()}
    if among is not None:
        plain = {name: _spread(rows, *among) for name, rows in plain.items()}

    def write(aside: Path) -> None:
        with open(aside, "wb") as file:
            np.savez(file, allow_pickle=False, **plain)

    write_whole(path, write)


def read_annotations(path: Path) -> dict[str, np.ndarray]:
    """What `write_annotations` kept."""
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def _spread(rows: np.ndarray, places: list[int], count: int) -> np.ndarray:
    """Rows in their places among `count`, the others empty."""
    spread = np.zeros((count, *rows.shape[1:]), rows.dtype)
    if rows.dtype.kind == "f":
        spread[:] = np.nan
    spread[places] = rows
    return spread


def to_counts(signals: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Millivolts as int16 microvolts; how many samples were clipped, and how many were not numbers."""
    counts = np.rint(signals.astype(np.float32) / np.float32(STEP_MV))
    missing = np.isnan(counts)
    clipped = np.abs(counts) > LARGEST
    counts = np.clip(np.where(missing, MISSING, counts), MISSING, LARGEST)
    counts = np.where(clipped & (counts < 0), -LARGEST, counts)
    return counts.astype(np.int16), int(clipped.sum()), int(missing.sum())


def to_millivolts(counts: np.ndarray) -> np.ndarray:
    """Int16 microvolts as float32 millivolts, NaN where nothing was measured or made."""
    signals = counts.astype(np.float32) * np.float32(STEP_MV)
    signals[counts == MISSING] = np.nan
    return signals


def _create_array(path: Path, shape: tuple[int, int, int], chunk: int, ecg: ECG) -> None:
    """A Zarr group with the signals and their coordinates, as xarray expects them."""
    group = zarr.create_group(path, overwrite=True)
    group.create_array(
        "signals",
        shape=shape,
        chunks=(math.gcd(8, chunk), *shape[1:]),
        shards=(chunk, *shape[1:]),
        dtype="int16",
        fill_value=MISSING,
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
        dimension_names=("ecg", "lead", "sample"),
        attributes={
            "scale_factor": STEP_MV,
            "_FillValue": MISSING,
            "units": "mV",
            "long_name": "generated ECG (synthetic)" if ecg.provenance.get("synthetic", True) else "ECG",
            "fs": ecg.fs,
            "leads": list(ecg.leads),
            "coordinates": "time",
        },
    )
    leads = group.create_array("lead", shape=(shape[1],), dtype=str, dimension_names=("lead",))
    leads[:] = np.array(ecg.leads)
    time = group.create_array(
        "time", shape=(shape[2],), dtype="float64", dimension_names=("sample",), attributes={"units": "s"}
    )
    time[:] = np.arange(shape[2]) / ecg.fs


def _same_shape(array: zarr.Array, ecg: ECG) -> None:
    """Refuse ECGs that do not fit those already there."""
    held = (*array.shape[1:], array.attrs["fs"], list(array.attrs["leads"]))
    given = (*ecg.signals.shape[1:], ecg.fs, list(ecg.leads))
    if held != given:
        raise ValueError(
            f"generator must make ECGs of one shape, got {given[0]} leads x {given[1]} samples at "
            f"{given[2]:g} Hz after {held[0]} x {held[1]} at {held[2]:g} Hz"
        )
