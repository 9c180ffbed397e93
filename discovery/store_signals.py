"""The signals of a store as int16 microvolts in Zarr v3, and what the generator said of them."""

import io
import math

import google_crc32c
import numcodecs
import numpy as np
import xarray
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from discovery.filing import Place, read_range, write_whole
from discovery.remote import Remote
from models.ecg import ECG

STEP_MV = 0.001
LARGEST = 32767
MISSING = -32768
INNER = 8  # ECGs compressed together: what is read for one of them
NOTHING = 2**64 - 1  # in a shard's index: no such inner chunk
PACKED = {"cname": "lz4", "clevel": 5}
# LZ4 takes a quarter of the time of Zstandard for a tenth more disk. Blosc's own threads leave their blocks in the
# order in which they finish: one thread, so that the same ECGs are the same bytes.
CODEC = Blosc(**PACKED, shuffle=Blosc.BITSHUFFLE)
numcodecs.blosc.use_threads = False


def open_signals(root: Place) -> zarr.Array:
    """The array of all signals, int16, (ecg, lead, sample), to be read."""
    return zarr.open_array(_zarr_store(root), path="signals", mode="r")


def open_dataset(root: Place) -> xarray.Dataset:
    """The signals in millivolts, read when they are used."""
    return xarray.open_zarr(_zarr_store(root), consolidated=False, chunks=None)


def _zarr_store(root: Place) -> LocalStore | FsspecStore:
    """The folder as Zarr reads it."""
    if not (root / "zarr.json").is_file():
        raise LookupError(f"{root} must hold signals, got none yet: run_sweep makes them")
    if isinstance(root, Remote):
        return FsspecStore.from_mapper(root.fs.get_mapper(root.path), read_only=True)
    return LocalStore(root, read_only=True)


def encode_signals(
    rows: range, ecg: ECG, size: int, places: list[int] | None = None
) -> tuple[bytes, int, int]:
    """One shard of signals, as Zarr reads it, of `size` ECGs (the last one of a sweep may hold fewer).

    `places` says where among `rows` the ECGs lie, if they are not all of them; the others stay empty.

    Returns
    -------
    tuple
        The shard's bytes, how many samples were clipped, and how many were not numbers.

    Notes
    -----
    Source: Zarr v3, codec ``sharding_indexed``: compressed chunks, then offset and length of each as uint64,
    then the CRC-32C of these. Written here because Zarr's own writer takes ten times as long.
    """
    counts, clipped, missing = to_counts(ecg.signals)
    if places is not None:
        some, counts = counts, np.full((len(rows), *counts.shape[1:]), MISSING, np.int16)
        counts[places] = some
    inner = math.gcd(INNER, size)
    index = np.full((size // inner, 2), NOTHING, "<u8")
    parts, at = [], 0
    for block in range(-(-len(counts) // inner)):
        some = counts[block * inner : (block + 1) * inner]
        if len(some) < inner:
            empty = np.full((inner - len(some), *counts.shape[1:]), MISSING, np.int16)
            some = np.concatenate([some, empty])
        parts.append(CODEC.encode(some))
        index[block] = at, len(parts[-1])
        at += len(parts[-1])
    found = index.tobytes()
    check = google_crc32c.value(found).to_bytes(4, "little")
    return b"".join([*parts, found, check]), clipped, missing


def begin_signals(root: Place, count: int, size: int, ecg: ECG) -> None:
    """Write what Zarr and xarray must know of `count` such ECGs in shards of `size`, unless it is there."""
    if not (root / "zarr.json").is_file():
        contents: dict = {}
        _create_array(MemoryStore(store_dict=contents), (count, *ecg.signals.shape[1:]), size, ecg)
        for name in sorted(
            contents, key=lambda name: (name == "zarr.json", name)
        ):  # the root's own comes last
            write_whole(root / name, contents[name].to_bytes())


def read_signals(
    folder: Place, array: zarr.Array, rows: np.ndarray
) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Some ECGs of the store in a folder in millivolts, with their sampling frequency and leads."""
    size, counts = array.shards[0], np.empty((len(rows), *array.shape[1:]), np.int16)
    chunks = rows // size
    for chunk in np.unique(chunks).tolist():
        where = chunks == chunk
        counts[where] = _read_shard(folder / shard_name(chunk), rows[where] % size, array)
    return to_millivolts(counts), array.attrs["fs"], tuple(array.attrs["leads"])


def _read_shard(path: Place, places: np.ndarray, array: zarr.Array) -> np.ndarray:
    """The counts of some ECGs of a shard, from those of its inner chunks that hold them; the way back of writing."""
    inner, blocks = array.chunks[0], array.shards[0] // array.chunks[0]
    tail = read_range(path, -(16 * blocks + 4), None)
    if google_crc32c.value(tail[:-4]).to_bytes(4, "little") != tail[-4:]:
        raise ValueError(f"{path} must hold a sound index of signals, got a damaged one: run_sweep redoes it")
    index = np.frombuffer(tail[:-4], "<u8").reshape(blocks, 2)
    counts = np.full((len(places), *array.shape[1:]), MISSING, np.int16)
    for block in np.unique(places // inner).tolist():
        at, length = map(int, index[block])
        if at == NOTHING:
            continue
        where = places // inner == block
        held = np.frombuffer(CODEC.decode(read_range(path, at, at + length)), np.int16)
        counts[where] = held.reshape(array.chunks)[places[where] % inner]
    return counts


def shard_name(chunk: int) -> str:
    """Where the signals of a chunk lie, below the store's folder."""
    return f"signals.zarr/signals/c/{chunk}/0/0"


def notes_name(chunk: int) -> str:
    """Where the annotations of a chunk lie, below the store's folder."""
    return f"annotations/{chunk:06d}.npz"


def encode_annotations(
    annotations: dict[str, np.ndarray], among: tuple[list[int], int] | None = None
) -> bytes:
    """What the generator said of these ECGs, one row each, as NPZ; `among`: their places, and among how many.

    The places between are empty: NaN, zero, or no text.
    """
    plain = {name: rows.astype(str) if rows.dtype == object else rows for name, rows in annotations.items()}
    if among is not None:
        plain = {name: _spread(rows, *among) for name, rows in plain.items()}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **plain)
    return file.getvalue()


def read_annotations(content: bytes) -> dict[str, np.ndarray]:
    """What `encode_annotations` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
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
    counts, clipped, missing = np.empty(signals.shape, np.int16), 0, 0
    for at in range(0, len(signals), INNER):  # a few at a time stay in the processor's cache
        some = np.divide(signals[at : at + INNER], np.float32(STEP_MV), dtype=np.float32)
        np.rint(some, out=some)
        if not (some.min() >= -LARGEST and some.max() <= LARGEST):  # so, too, where one is not a number
            absent = np.isnan(some)
            missing += int(absent.sum())
            clipped += int((np.abs(some) > LARGEST).sum())
            some = np.where(absent, MISSING, np.clip(some, -LARGEST, LARGEST))
        counts[at : at + INNER] = some
    return counts, clipped, missing


def to_millivolts(counts: np.ndarray) -> np.ndarray:
    """Int16 microvolts as float32 millivolts, NaN where nothing was measured or made."""
    signals = counts.astype(np.float32) * np.float32(STEP_MV)
    signals[counts == MISSING] = np.nan
    return signals


def _create_array(store: MemoryStore, shape: tuple[int, int, int], chunk: int, ecg: ECG) -> None:
    """A Zarr group with the signals and their coordinates, as xarray expects them."""
    group = zarr.create_group(store)
    group.create_array(
        "signals",
        shape=shape,
        chunks=(math.gcd(INNER, chunk), *shape[1:]),
        shards=(chunk, *shape[1:]),
        dtype="int16",
        fill_value=MISSING,
        compressors=BloscCodec(**PACKED, shuffle="bitshuffle"),
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


def refuse_other_shape(array: zarr.Array, ecg: ECG) -> None:
    """Refuse ECGs that do not fit those already there."""
    held = (*array.shape[1:], array.attrs["fs"], list(array.attrs["leads"]))
    given = (*ecg.signals.shape[1:], ecg.fs, list(ecg.leads))
    if held != given:
        raise ValueError(
            f"generator must make ECGs of one shape, got {given[0]} leads x {given[1]} samples at "
            f"{given[2]:g} Hz after {held[0]} x {held[1]} at {held[2]:g} Hz"
        )
