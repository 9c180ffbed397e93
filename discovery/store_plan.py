"""How a sweep's folder is begun, found again, or refused because it holds something else."""

import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from discovery.cautions import cautions_of
from discovery.designs import Design
from discovery.filing import Place, names_in, plain_disk_errors, read_json, remove_tree, write_json
from discovery.store import CHUNK, FORMAT, SweepStore
from discovery.store_signals import INNER
from models.ecg import Generator


def begin_store(
    folder: Place, design: Design, generator: Generator, chunk: int | None = None, overwrite: bool = False
) -> SweepStore:
    """The store of this sweep in `folder`: a new one, or the one that is there if it is the same.

    Parameters
    ----------
    chunk : int or None
        ECGs per chunk; None for as many as `fitting_chunk` says, or for what the folder was begun with.
    overwrite : bool
        Remove another sweep that lies there. The same sweep is kept and continued all the same.

    Raises
    ------
    FileExistsError
        Where the folder holds something else.
    """
    identity = {
        "format": FORMAT,
        "version": _version(),
        "design": design.fingerprint,
        "generator": generator.name,
        "digest": generator.digest,
        "chunk": chunk or fitting_chunk(generator.fs),
    }
    if (folder / "sweep.json").is_file():
        held = (read_json(folder / "sweep.json") or {}).get("identity", {})
        difference = _difference(held, identity if chunk else identity | {"chunk": held.get("chunk")})
        if difference is None:
            return SweepStore(folder)
        if not overwrite:
            raise FileExistsError(
                f"{folder} holds {difference}: choose another folder, or pass overwrite=True"
            )
        for name in ("done", "measured", "failed", "annotations", "signals.zarr"):
            remove_tree(folder / name)
    plan = {
        "identity": identity,
        "design": design.to_dict(),
        "begun": _now(),
        "made_with": _made_with(),
        "cautions": cautions_of(design, generator),
    }
    with plain_disk_errors(folder, "begin a sweep"):
        write_json(folder / "sweep.json", plan)
    return SweepStore(folder)


def fitting_chunk(fs: float) -> int:
    """ECGs per chunk so that ten seconds of them take 15 MB of memory at most: 64, and fewer above 500 Hz.

    The same on every machine, so that a sweep begun on one goes on, to the bit, on another.
    """
    return max(INNER, min(CHUNK, int(CHUNK * 500 / fs) // INNER * INNER))


def refuse_foreign(folder: Place) -> None:
    """Refuse a folder that holds anything but a sweep."""
    names = [name for name in names_in(folder) if not name.startswith(".")]
    if "sweep.json" not in names:
        for name in names:
            raise FileExistsError(
                f"folder must be empty or hold a sweep, got {folder} with {name}: choose another folder"
            )


def _difference(held: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """What a folder holds that is not what is asked, as 'design 3f2a, not 9c1e'; None where nothing."""
    words = {
        "design": "design",
        "digest": "ECGs of generator",
        "version": "ECGs made by version",
        "chunk": "chunks of",
    }
    for name in ("format", "design", "generator", "digest", "version", "chunk"):
        if held.get(name) == asked[name]:
            continue
        old, new = (
            f"{values.get(name)}"[: 8 if name in ("design", "digest") else None] for values in (held, asked)
        )
        if name in ("generator", "digest"):
            old = f"{held.get('generator')} {str(held.get('digest'))[:8]}"
            new = f"{asked['generator']} {asked['digest'][:8]}"
            return f"ECGs of generator {old}, not {new}"
        return f"{words.get(name, name)} {old}, not {new}"
    return None


def _made_with() -> dict[str, str]:
    """Versions that a reader may want to know; they are no part of the identity."""
    return {"python": platform.python_version(), "numpy": np.__version__, "zarr": metadata.version("zarr")}


def _version() -> str:
    """The version of this toolkit."""
    try:
        return metadata.version("ecg-discovery")
    except metadata.PackageNotFoundError:
        return "not installed"


def _now() -> str:
    """The time of day, in words that sort."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
