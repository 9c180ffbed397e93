"""What was measured of a sweep: one Parquet part per chunk, with a marker that ties it to its signals."""

import functools
import hashlib
import inspect
import io
import json
import marshal
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from discovery.filing import (
    Place,
    broken_seal,
    keep,
    names_in,
    plain_disk_errors,
    read_json,
    read_several,
    stamps_in,
    write_json,
)

FEW = 8  # chunks; more are gathered into one file for quick opening


def chunk_marker(folder: Place, chunk: int) -> dict[str, Any] | None:
    """What was written when a chunk of signals was finished, if it was."""
    return sound_marker(read_json(folder / "done" / f"{chunk:06d}.json"))


def sound_marker(found: Any) -> dict[str, Any] | None:
    """A marker as it was read, or None where it is none or damaged."""
    whole = isinstance(found, dict) and isinstance(found.get("files"), dict)
    return found if whole else None


def marker_fault(folder: Place, name: str, digests: bool) -> str | None:
    """What is wrong with a marker or with the files it vouches for, in words; None where nothing is."""
    marker = sound_marker(read_json(folder / name))
    if marker is None:
        got = "a damaged one" if (folder / name).is_file() else "no such file"
        return f"{name} must tell of a finished chunk, got {got}"
    return broken_seal(folder, marker["files"], digests)


@dataclass(frozen=True)
class MeasuredRows:
    """The rows that one measurer made of a sweep, in ``measured/KEY`` of its folder."""

    folder: Place
    key: str

    @property
    def place(self) -> Place:
        """Where the rows lie."""
        return self.folder / "measured" / self.key

    @property
    def chunks(self) -> list[int]:
        """The chunks that have a marker."""
        return [int(name[:-5]) for name in names_in(self.place) if re.fullmatch(r"\d+\.json", name)]

    def begin(self, measurer: dict[str, Any]) -> None:
        """Write down who measures here, and remove what an interrupted run left half written."""
        with plain_disk_errors(self.folder, "keep measurements"):
            for name in names_in(self.place):
                if name.endswith(".partial"):
                    (self.place / name).unlink(missing_ok=True)
            if not (self.place / "measurer.json").is_file():
                write_json(self.place / "measurer.json", measurer)

    def fault(self, chunk: int, digests: bool = True) -> str | None:
        """What keeps a chunk from being measured, in words; None where it is."""
        name = self._named(chunk, "json")
        marker, source = sound_marker(read_json(self.folder / name)), chunk_marker(self.folder, chunk)
        if marker and (source is None or marker.get("of") != source["files"]):
            return f"{name} must be of the chunk's present signals, got others"
        return marker_fault(self.folder, name, digests)

    def write(self, chunk: int, rows: pd.DataFrame) -> None:
        """Keep one chunk: the rows first, then their marker."""
        marker = self.folder / self._named(chunk, "json")
        with plain_disk_errors(self.folder, f"write the measurements of chunk {chunk}"):
            marker.unlink(missing_ok=True)
            files = keep(self.folder, {self._named(chunk, "parquet"): _parquet(rows)})
            of = chunk_marker(self.folder, chunk)["files"]
            write_json(marker, {"files": files, "of": of})

    def table(self) -> pd.DataFrame:
        """All rows that are there, in the order of ``ecg``."""
        if self._is_gathered(digests=False):
            return pd.read_parquet(io.BytesIO((self.place / "all.parquet").read_bytes()))
        whole = [f"{chunk:06d}.parquet" for chunk in self.chunks if self.fault(chunk, digests=False) is None]
        parts = [pd.read_parquet(io.BytesIO(part)) for part in read_several(self.place, whole).values()]
        return (
            pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"ecg": pd.Series(dtype="int64")})
        )

    def gather(self) -> pd.DataFrame:
        """All rows; where they are of many chunks, one file with a copy of them is kept, to open quickly."""
        if not self._is_gathered(digests=True):
            (self.place / "all.json").unlink(missing_ok=True)
        rows = self.table()
        if len(self.chunks) > FEW and not self._is_gathered(digests=False):
            with plain_disk_errors(self.folder, "gather the measurements"):
                files = keep(self.folder, {f"measured/{self.key}/all.parquet": _parquet(rows)})
                write_json(self.place / "all.json", {"files": files, "stamp": self._stamp()})
        return rows

    def _is_gathered(self, digests: bool) -> bool:
        """Whether the one file holds the rows as they are now."""
        marker = sound_marker(read_json(self.place / "all.json"))
        if marker is None or marker.get("stamp") != self._stamp():
            return False
        return broken_seal(self.folder, marker["files"], digests) is None

    def _stamp(self) -> str:
        """What changes when any chunk, or its rows, is made again."""
        seen = [
            sorted(
                (name, *about) for name, about in stamps_in(folder).items() if re.match(r"\d+\.json$", name)
            )
            for folder in (self.folder / "done", self.place)
        ]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()

    def _named(self, chunk: int, ending: str) -> str:
        """Where one chunk of rows, or its marker, lies below the store's folder."""
        return f"measured/{self.key}/{chunk:06d}.{ending}"


def _parquet(rows: pd.DataFrame) -> bytes:
    """A table as a Parquet file."""
    file = io.BytesIO()
    rows.to_parquet(file, index=False)
    return file.getvalue()


def measurer(measure: Callable) -> tuple[str, dict[str, str]]:
    """The name of the folder for a measurer's rows, and what to write into it about the measurer."""
    inner, settings = measure, ""
    if isinstance(measure, functools.partial):
        inner, settings = measure.func, repr((measure.args, sorted(measure.keywords.items())))
    name = f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    version = str(getattr(measure, "digest", None) or getattr(inner, "digest", None) or _source(inner))
    digest = hashlib.sha256(json.dumps([name, version, settings]).encode()).hexdigest()
    short = re.sub(r"\W+", "_", name.rsplit(".", 1)[-1]).strip("_")
    return f"{short}-{digest[:8]}", {
        "name": name,
        "version": version[:64],
        "settings": settings,
        "digest": digest,
    }


def _source(measure: Callable) -> str:
    """The version of a measurer without a digest: its source, and its package as far as used."""
    work = inspect.unwrap(measure) if inspect.isroutine(measure) else type(measure)
    module = inspect.getmodule(work)
    try:
        if module is None or module.__name__ == "__main__":  # defined in a notebook: its cells are no module
            text = inspect.getsource(work)
        else:
            text = "".join(_sources(module.__name__))
    except (OSError, TypeError):
        code = getattr(work, "__code__", None)
        text = marshal.dumps(code).hex() if code else repr(work)
    return hashlib.sha256(text.encode()).hexdigest()


def _sources(name: str) -> list[str]:
    """The source of a module and of all modules of its package that it imports, by name."""
    imported = re.compile(
        rf"^\s*(?:from|import)\s+({re.escape(name.partition('.')[0])}\.[\w.]+)", re.MULTILINE
    )
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found and one in sys.modules:
            found[one] = inspect.getsource(sys.modules[one])
            waiting += imported.findall(found[one])
    return [found[one] for one in sorted(found)]
