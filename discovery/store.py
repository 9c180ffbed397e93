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
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray
import zarr

from discovery.designs import Design, heart_seed
from discovery.filing import (
    Place,
    broken_seal,
    folder_at,
    names_in,
    parse_json,
    read_json,
    read_several,
    sizes_of,
    stamps_in,
)
from discovery.store_rows import MeasuredRows, chunk_marker, marker_fault, sound_marker
from discovery.store_signals import (
    notes_name,
    open_dataset,
    open_signals,
    read_annotations,
    read_signals,
)
from models.ecg import ECG, Conditions

FORMAT = 2
CHUNK = 64
_seed = lru_cache(maxsize=65_536)(heart_seed)


@dataclass(frozen=True, repr=False)
class SweepStore:
    """A sweep in its folder, finished or not.

    Parameters
    ----------
    folder : path or URL
        Where `run_sweep` wrote.

    Raises
    ------
    FileNotFoundError
        Where the folder holds no sweep.
    ValueError
        Where it holds a damaged plan, or one of another format.
    """

    folder: Place

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", folder_at(self.folder))
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
    def cautions(self) -> list[str]:
        """What of the plan lies beyond what the generator has learnt, in its own words."""
        return self._plan.get("cautions", [])

    @property
    def place(self) -> tuple[str, str]:
        """Where workers find this sweep, and what tells it from any other that takes its place."""
        made = self.identity
        return str(
            self.folder.absolute()
        ), f"{made['design']} by {made['digest']}, begun {self._plan['begun']}"

    @property
    def chunks(self) -> range:
        """The numbers of all chunks, finished or not."""
        return range(math.ceil(len(self.design) / self.identity["chunk"]))

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers of the chunks that are there, with every file in its full size, be they lacking cells."""
        return tuple(self._there())

    @property
    def done(self) -> tuple[int, ...]:
        """The numbers of the finished chunks: there, and no cell lacking."""
        return tuple(chunk for chunk, marker in self._there().items() if not marker.get("lacking"))

    @property
    def made(self) -> int:
        """How many ECGs are there."""
        return sum(len(self._present(chunk, marker)) for chunk, marker in self._there().items())

    @property
    def complete(self) -> bool:
        """Whether every ECG is there."""
        return len(self.done) == len(self.chunks)

    @property
    def clipped(self) -> dict[str, int]:
        """How many samples lay beyond 32.767 mV and were clipped, and how many were not numbers."""
        markers = self._there().values()
        return {name: sum(marker[name] for marker in markers) for name in ("clipped", "missing")}

    def _there(self) -> dict[int, dict[str, Any]]:
        """The markers of the chunks that are there, by their numbers; a marker is read once while it stays."""
        stamps = stamps_in(self.folder / "done")
        names = [name for chunk in self.chunks if (name := f"{chunk:06d}.json") in stamps]
        new = [name for name in names if self._read.get(name, (None,))[0] != stamps[name]]
        for name, content in read_several(self.folder / "done", new).items():
            self._read[name] = stamps[name], sound_marker(parse_json(content))
        markers = {int(name[:-5]): self._read[name][1] for name in names if name in self._read}
        markers = {chunk: marker for chunk, marker in markers.items() if marker}
        sizes = sizes_of(self.folder, [name for marker in markers.values() for name in marker["files"]])
        return {
            chunk: marker
            for chunk, marker in markers.items()
            if broken_seal(self.folder, marker["files"], False, sizes) is None
        }

    @cached_property
    def _read(self) -> dict[str, tuple]:
        """Markers that were read before, each with the size and time that its file had."""
        return {}

    def lacking(self, chunk: int) -> dict[int, str]:
        """The cells of a chunk that could not be made though the others were, each with its cause."""
        marker = self.marker(chunk) or {}
        return {int(cell): cause for cell, cause in marker.get("lacking", {}).items()}

    def present(self, chunk: int) -> list[int]:
        """The numbers of those ECGs of a chunk that are there, once the chunk is."""
        return self._present(chunk, self.marker(chunk) or {})

    def _present(self, chunk: int, marker: dict[str, Any]) -> list[int]:
        """The same, where the chunk's marker is known."""
        lacking = {int(cell) for cell in marker.get("lacking", ())}
        return [row for row in self.rows(chunk) if not lacking or row // self.design.repeats not in lacking]

    def rows(self, chunk: int) -> range:
        """The numbers of a chunk's ECGs."""
        size = self.identity["chunk"]
        return range(chunk * size, min((chunk + 1) * size, len(self.design)))

    def request(self, rows: Sequence[int]) -> tuple[list[Conditions], list[int]]:
        """What a generator is asked for these rows: conditions and seeds."""
        design = self.design
        cells = [row // design.repeats for row in rows]
        first = design.hearts or (0,) * len(design.cells)
        hearts = [first[cell] + row % design.repeats for cell, row in zip(cells, rows, strict=True)]
        return [design.cells[cell] for cell in cells], [_seed(design.seed, heart) for heart in hearts]

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
        folder = self.folder / "failed"
        told = [read_json(folder / name) or {} for name in names_in(folder) if name.endswith(".json")]
        return {int(cell): cause for one in told for cell, cause in one.get("cells", {}).items()}

    def damaged(self) -> list[str]:
        """What was written and is no longer as it was written: a part of what `verify` says."""
        marked = [int(name[:-5]) for name in names_in(self.folder / "done") if name.endswith(".json")]
        found = [(f"chunk {chunk}", self.damage(chunk)) for chunk in marked]
        return [f"{where}: {fault}" for where, fault in found if fault]

    def ecg(self, rows: int | slice | Sequence[int] | np.ndarray) -> ECG:
        """Some ECGs by their number: one, a slice, a list, or a mask over the whole design.

        Raises
        ------
        LookupError
            Where one of them is not made yet.
        """
        wanted = np.atleast_1d(np.arange(len(self))[rows])
        absent = wanted[~self._are_made(wanted)]
        if len(absent):
            chunk = int(absent[0]) // self.identity["chunk"]
            raise LookupError(
                f"rows must be ECGs that are made, got {absent[0]} in chunk {chunk} "
                f"({self.fault(chunk, digests=False)}): run_sweep with the same design makes it"
            )
        signals, fs, leads = read_signals(self.folder, self.array, wanted)
        told = self.marker(int(wanted[0]) // self.identity["chunk"])["provenance"] if len(wanted) else {}
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
        return self.ecg(self._found(query))

    def batches(self, query: str | None = None) -> Iterator[tuple[list[int], ECG]]:
        """The ECGs that are there, or that a query of the table finds, chunk by chunk, each with its numbers.

        The annotation ``record`` names each ECG by the design's fingerprint and its number.
        """
        rows = self._found(query) if query else self._asked()["ecg"].to_numpy()
        for chunk in np.unique(rows // self.identity["chunk"]).tolist():
            part = rows[rows // self.identity["chunk"] == chunk]
            ecg = self.ecg(part)
            names = np.array([f"{self.identity['design'][:8]}-{row:07d}" for row in part])
            yield part.tolist(), replace(ecg, annotations=dict(ecg.annotations) | {"record": names})

    def _found(self, query: str) -> np.ndarray:
        """The numbers of the ECGs a query finds, if made; measurements are read only where it names one."""
        repeats = self.design.repeats
        try:
            try:
                cells = self._cell_table.query(query)["cell"].to_numpy()
                rows = (cells[:, None] * repeats + np.arange(repeats)).ravel()
            except (NameError, KeyError):
                try:
                    rows = self._plan_table.query(query)["ecg"].to_numpy()
                except (NameError, KeyError):
                    return self.table().query(query)["ecg"].to_numpy()
        except Exception as error:
            raise ValueError(
                f"query must be one that pandas can apply to {', '.join(self.table())}, "
                f"got {query!r}: {error}"
            ) from error
        return rows[self._are_made(rows)]

    def _asked(self) -> pd.DataFrame:
        """What was asked of every ECG that is made."""
        there = self._there()
        rows = [row for chunk, marker in there.items() for row in self._present(chunk, marker)]
        if len(rows) == len(self):
            return self._plan_table.copy()
        return self._plan_table.iloc[rows].reset_index(drop=True)

    def _are_made(self, rows: np.ndarray) -> np.ndarray:
        """Whether each of these ECGs is there; only their own chunks are looked at."""
        chunks = np.unique(rows // self.identity["chunk"]).tolist()
        there = [chunk for chunk in chunks if self.damage(chunk, digests=False) is None]
        return np.isin(rows, [row for chunk in there for row in self.present(chunk)])

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
        data = open_dataset(self.folder / "signals.zarr")
        table = self._plan_table
        return data.assign_coords({name: ("ecg", table[name].to_numpy()) for name in table})

    def measured(self, key: str) -> MeasuredRows:
        """What one measurer made of this sweep."""
        return MeasuredRows(self.folder, key)

    def measured_by(self) -> dict[str, int]:
        """How many ECGs each measurer has measured."""
        return {key: len(self.measured(key).table()) for key in self._measurers()}

    def _measurers(self) -> list[str]:
        """The folders of those who measured, the newest last."""
        place = self.folder / "measured"
        found = {key: read_json(place / key / "measurer.json") or {} for key in names_in(place)}
        return sorted(
            (key for key in found if found[key]), key=lambda key: (found[key].get("begun", ""), key)
        )

    @cached_property
    def _plan_table(self) -> pd.DataFrame:
        """The design's table; not to be changed."""
        return self.design.table

    @cached_property
    def _cell_table(self) -> pd.DataFrame:
        """What each cell asks; not to be changed."""
        return self.design.cell_table

    @cached_property
    def array(self) -> zarr.Array:
        """All signals as counts of a microvolt, int16, (ecg, lead, sample), to be read."""
        return open_signals(self.folder / "signals.zarr")

    @property
    def _origin(self) -> dict[str, Any]:
        """Which sweep the ECGs come from, as their provenance tells."""
        return {"design": self.identity["design"], "digest": self.identity["digest"]}

    def _annotations(self, wanted: np.ndarray) -> dict[str, np.ndarray]:
        """What the generator said of these ECGs."""
        size = self.identity["chunk"]
        blocks: dict[int, dict[str, np.ndarray]] = {}
        for chunk in dict.fromkeys((wanted // size).tolist()):
            blocks[chunk] = read_annotations((self.folder / notes_name(chunk)).read_bytes())
        if not blocks:
            return {}
        names = set.intersection(*(set(block) for block in blocks.values()))
        return {
            name: np.stack([blocks[row // size][name][row % size] for row in wanted.tolist()])
            for name in sorted(names)
        }
