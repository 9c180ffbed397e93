"""The result of a sweep: one folder of chunks, each of which is there whole or not at all.

sweep.json            design, identity, versions
signals.zarr          int16 at 1 microvolt, (ecg, lead, sample); one shard is one chunk of the sweep
annotations/K.npz     what the generator says of chunk K's ECGs beside the signals (latents, known intervals)
done/K.json           size and SHA-256 of chunk K's files, written last: without it the chunk is not there
measured/KEY/K.*      one measurer's rows of chunk K, and their own marker
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray

from discovery.designs import Design
from discovery.filing import local_folder, plain_disk_errors, read_json, seal, write_json
from discovery.store_rows import MeasuredRows, chunk_marker, marker_fault
from discovery.store_signals import (
    open_dataset,
    read_annotations,
    read_signals,
    write_annotations,
    write_signals,
)
from models.ecg import ECG, Conditions

FORMAT = 1
CHUNK = 64


@dataclass(frozen=True, repr=False)
class SweepStore:
    """A sweep in its folder, finished or not.

    Parameters
    ----------
    folder : path or ``file://`` URL
        Where `run_sweep` wrote.

    Raises
    ------
    FileNotFoundError
        Where the folder holds no sweep.
    ValueError
        Where it holds a damaged plan, or one of another format.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", local_folder(self.folder))
        if not (self.folder / "sweep.json").is_file():
            raise FileNotFoundError(
                f"folder must hold a sweep, got {self.folder} without a sweep.json: run_sweep makes one"
            )
        if not isinstance(self._plan, dict) or self.design.fingerprint != self.identity["design"]:
            raise ValueError(
                f"{self.folder / 'sweep.json'} must hold the plan it was begun with, got a damaged one"
            )
        if self.identity["format"] != FORMAT:
            raise ValueError(f"{self.folder} must be of format {FORMAT}, got {self.identity['format']}")

    def __reduce__(self) -> tuple:
        return SweepStore, (self.folder,)

    def __len__(self) -> int:
        return len(self.design)

    def __repr__(self) -> str:
        made = self.identity
        return (
            f"{self.folder}: {self.made:,} of {len(self):,} ECGs ({len(self.done)} of {len(self.chunks)} "
            f"chunks) of design {made['design'][:8]} by {made['generator']} {made['digest'][:8]}"
        )

    @cached_property
    def _plan(self) -> Any:
        """What sweep.json holds."""
        return read_json(self.folder / "sweep.json")

    @cached_property
    def design(self) -> Design:
        """What is asked."""
        return Design.from_dict(self._plan["design"])

    @property
    def identity(self) -> dict[str, Any]:
        """What a run must agree with to go on here: design, generator, its digest, chunk, versions."""
        return self._plan["identity"]

    @property
    def chunks(self) -> range:
        """The numbers of all chunks, finished or not."""
        return range(math.ceil(len(self.design) / self.identity["chunk"]))

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers of the chunks that are there, with every file in its full size, be they lacking cells."""
        return tuple(chunk for chunk in self.chunks if self.damage(chunk, digests=False) is None)

    @property
    def done(self) -> tuple[int, ...]:
        """The numbers of the finished chunks: there, and no cell lacking."""
        return tuple(chunk for chunk in self.kept if not self.lacking(chunk))

    @property
    def made(self) -> int:
        """How many ECGs are there."""
        return sum(len(self.present(chunk)) for chunk in self.kept)

    @property
    def complete(self) -> bool:
        """Whether every ECG is there."""
        return len(self.done) == len(self.chunks)

    @property
    def clipped(self) -> dict[str, int]:
        """How many samples lay beyond 32.767 mV and were clipped, and how many were not numbers."""
        markers = [self.marker(chunk) for chunk in self.kept]
        return {name: sum(marker[name] for marker in markers) for name in ("clipped", "missing")}

    def lacking(self, chunk: int) -> dict[int, str]:
        """The cells of a chunk that could not be made though the others were, each with its cause."""
        marker = self.marker(chunk) or {}
        return {int(cell): cause for cell, cause in marker.get("lacking", {}).items()}

    def present(self, chunk: int) -> list[int]:
        """The numbers of those ECGs of a chunk that are there, once the chunk is."""
        lacking = self.lacking(chunk)
        return [row for row in self.rows(chunk) if row // self.design.repeats not in lacking]

    def rows(self, chunk: int) -> range:
        """The numbers of a chunk's ECGs."""
        size = self.identity["chunk"]
        return range(chunk * size, min((chunk + 1) * size, len(self.design)))

    def request(self, rows: Sequence[int]) -> tuple[list[Conditions], list[int]]:
        """What a generator is asked for these rows: conditions and seeds."""
        repeats = self.design.repeats
        return [self.design.cells[row // repeats] for row in rows], [self._seeds[row] for row in rows]

    def marker(self, chunk: int) -> dict[str, Any] | None:
        """What was written when the chunk was finished, if it was."""
        return chunk_marker(self.folder, chunk)

    def damage(self, chunk: int, digests: bool = True) -> str | None:
        """Why a chunk is not there as it was written, if it ever was; None where it is, be it lacking cells."""
        return marker_fault(self.folder, f"done/{chunk:06d}.json", digests)

    def fault(self, chunk: int, digests: bool = True) -> str | None:
        """What keeps a chunk from being done, in words; None where it is done."""
        if fault := self.damage(chunk, digests):
            return fault
        cells = "; ".join(f"cell {cell} is not made: {cause}" for cell, cause in self.lacking(chunk).items())
        return cells or None

    def verify(self) -> list[str]:
        """Every chunk that is not whole, with what is wrong; an empty list where all bytes are as written.

        Reads every byte. `run_sweep` with the same design, and `measure_sweep`, redo what is named.
        """
        found = [(f"chunk {chunk}", self.fault(chunk)) for chunk in self.chunks]
        for key in self._measurers():
            rows = self.measured(key)
            found += [(f"measured {key}, chunk {chunk}", rows.fault(chunk)) for chunk in rows.chunks]
        return [f"{where}: {fault}" for where, fault in found if fault]

    def failures(self) -> dict[int, str]:
        """The cells that could not be made when they were last tried, each with its cause."""
        told = [read_json(path) or {} for path in sorted((self.folder / "failed").glob("*.json"))]
        return {int(cell): cause for one in told for cell, cause in one.get("cells", {}).items()}

    def damaged(self) -> list[str]:
        """What was written and is no longer as it was written: a part of what `verify` says."""
        marked = [int(path.stem) for path in sorted((self.folder / "done").glob("*.json"))]
        found = [(f"chunk {chunk}", self.damage(chunk)) for chunk in marked]
        return [f"{where}: {fault}" for where, fault in found if fault]

    def write(self, chunk: int, ecg: ECG, lacking: dict[int, str] | None = None, clipped: int = 0) -> None:
        """Keep one chunk: its files first, then the marker that makes it done.

        Parameters
        ----------
        ecg : ECG
            The chunk's ECGs in order, those of cells that are `lacking` left out.
        lacking : dict
            Why a cell could not be made. Its place stays empty, and the chunk unfinished.
        clipped : int
            Samples that were clipped in these ECGs when they were written before.
        """
        with plain_disk_errors(self.folder, f"write chunk {chunk}"):
            rows, size = self.rows(chunk), self.identity["chunk"]
            (self.folder / "done" / f"{chunk:06d}.json").unlink(missing_ok=True)
            places = [
                place for place, row in enumerate(rows) if row // self.design.repeats not in (lacking or {})
            ]
            shard, beyond, missing = write_signals(
                self._signals, rows, ecg, (len(self), size), places if lacking else None
            )
            notes = self._notes(chunk)
            write_annotations(notes, ecg.annotations, (places, len(rows)) if lacking else None)
            marker = {
                "ecgs": [rows.start, rows.stop],
                "clipped": clipped + beyond,
                "missing": missing,
                "provenance": dict(ecg.provenance),
                "files": seal(self.folder, [shard, notes]),
            }
            write_json(
                self.folder / "done" / f"{chunk:06d}.json", marker | ({"lacking": lacking} if lacking else {})
            )

    def ecg(self, rows: int | slice | Sequence[int] | np.ndarray) -> ECG:
        """Some ECGs by their number: one, a slice, a list, or a mask over the whole design.

        Raises
        ------
        LookupError
            Where one of them is not made yet.
        """
        wanted = np.atleast_1d(np.arange(len(self))[rows])
        chunks = dict.fromkeys((wanted // self.identity["chunk"]).tolist())
        for chunk in chunks:
            fault = self.fault(chunk, digests=False)
            there = set(self._there(chunk)) if fault else ()
            absent = [row for row in wanted.tolist() if row in self.rows(chunk) and row not in there]
            if fault and absent:
                raise LookupError(
                    f"rows must be ECGs that are made, got {absent[0]} in chunk {chunk} ({fault}): "
                    "run_sweep with the same design makes it"
                )
        signals, fs, leads = read_signals(self._signals, wanted)
        told = self.marker(next(iter(chunks)))["provenance"] if chunks else {}
        asked, seeds = self.request(wanted.tolist())
        return ECG(
            signals,
            fs,
            leads,
            tuple(asked),
            tuple(seeds),
            {"source": self.identity["generator"], "synthetic": True} | told | self._origin,
            self._annotations(wanted),
        )

    def signals(self, query: str) -> ECG:
        """The ECGs that a pandas query of the table finds, as in ``store.signals("age > 60")``."""
        return self.ecg(self._found(query)["ecg"].to_numpy())

    def batches(self, query: str | None = None) -> Iterator[tuple[list[int], ECG]]:
        """The ECGs that are there, or that a query of the table finds, chunk by chunk, each with its numbers.

        The annotation ``record`` names each ECG by the design's fingerprint and its number.
        """
        rows = (self._found(query) if query else self._asked())["ecg"].to_numpy()
        for chunk in np.unique(rows // self.identity["chunk"]).tolist():
            part = rows[rows // self.identity["chunk"] == chunk]
            ecg = self.ecg(part)
            names = np.array([f"{self.identity['design'][:8]}-{row:07d}" for row in part])
            yield part.tolist(), replace(ecg, annotations=dict(ecg.annotations) | {"record": names})

    def _found(self, query: str) -> pd.DataFrame:
        """The rows of the table that a query finds; measurements are read only where it names one."""
        try:
            try:
                return self._asked().query(query)
            except (NameError, KeyError):
                return self.table().query(query)
        except Exception as error:
            raise ValueError(
                f"query must be one that pandas can apply to {', '.join(self.table())}, "
                f"got {query!r}: {error}"
            ) from error

    def _asked(self) -> pd.DataFrame:
        """What was asked of every ECG that is made."""
        table = self.design.table
        if not self.complete:
            there = [row for chunk in self.chunks for row in self._there(chunk)]
            table = table.iloc[there].reset_index(drop=True)
        return table

    def _there(self, chunk: int) -> list[int]:
        """The ECGs of a chunk that are there; none where the chunk is not."""
        return [] if self.damage(chunk, digests=False) else self.present(chunk)

    def table(self, measured: str | None = None) -> pd.DataFrame:
        """One row per ECG that is made, in order: what was asked, and what was measured if it was.

        Parameters
        ----------
        measured : str or None
            Which measurer's columns, by the name of its folder under ``measured``; None for the newest.
        """
        table = self._asked()
        keys = self._measurers()
        if measured is None and not keys:
            return table
        parts = self.measured(measured or keys[-1]).table()
        return table.merge(parts, on="ecg", how="left", validate="one_to_one") if len(parts) else table

    def xarray(self) -> xarray.Dataset:
        """The signals in millivolts, read when used, with the conditions as coordinates along ``ecg``."""
        data = open_dataset(self._signals)
        table = self.design.table
        return data.assign_coords({name: ("ecg", table[name].to_numpy()) for name in table})

    def measured(self, key: str) -> MeasuredRows:
        """What one measurer made of this sweep."""
        return MeasuredRows(self.folder, key)

    def measured_by(self) -> dict[str, int]:
        """How many ECGs each measurer has measured."""
        return {key: len(self.measured(key).table()) for key in self._measurers()}

    def _measurers(self) -> list[str]:
        """The folders of those who measured, the newest last."""
        found = {path.parent.name: read_json(path) for path in self.folder.glob("measured/*/measurer.json")}
        return sorted(found, key=lambda key: ((found[key] or {}).get("begun", ""), key))

    @cached_property
    def _seeds(self) -> list[int]:
        """The seed of every ECG."""
        return self.design.seeds()

    @property
    def _origin(self) -> dict[str, Any]:
        """Which sweep the ECGs come from, as their provenance tells."""
        return {"design": self.identity["design"], "digest": self.identity["digest"]}

    def _annotations(self, wanted: np.ndarray) -> dict[str, np.ndarray]:
        """What the generator said of these ECGs."""
        size = self.identity["chunk"]
        blocks: dict[int, dict[str, np.ndarray]] = {}
        for chunk in dict.fromkeys((wanted // size).tolist()):
            blocks[chunk] = read_annotations(self._notes(chunk))
        if not blocks:
            return {}
        names = set.intersection(*(set(block) for block in blocks.values()))
        return {
            name: np.stack([blocks[row // size][name][row % size] for row in wanted.tolist()])
            for name in sorted(names)
        }

    def _notes(self, chunk: int) -> Path:
        """Where the annotations of a chunk lie."""
        return self.folder / "annotations" / f"{chunk:06d}.npz"

    @property
    def _signals(self) -> Path:
        """Where the signals lie."""
        return self.folder / "signals.zarr"
