"""Training material on disk: shards that are whole or absent, read by memory map, never held in memory at once."""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from models.beat import FRAME_MS
from models.codec import tokens_of
from models.crew import Crew
from models.ecg import ECG, INDEPENDENT_LEADS
from models.preparation import NEEDED, SAMPLES, Material, check_measured, labelled_strips, prepare
from models.records import Records
from models.strip import BANDS

SHARD = 2048
"""Records per shard: 180 MB on disk, as much in memory while it is made."""
LAYOUT = 5
"""To be raised whenever what a shard holds, or how it is made, changes: older shards are then refused."""
LEADS = len(INDEPENDENT_LEADS)
STRIP = np.dtype(
    [
        ("beats", "<f2", (LEADS, len(FRAME_MS))),
        ("rendered", "<f2", (LEADS, SAMPLES)),
        ("residual", "<f2", (LEADS, SAMPLES)),
        ("weight", "<f2", (tokens_of(SAMPLES),)),
        ("timings", "<f4", (5,)),
        ("noise", "<f4", (LEADS, BANDS)),
    ]
)
BEAT = np.dtype([("instant", "<f8"), ("kind", "i1"), ("kept", "?")])
PLAN = "plan.json"


@dataclass(frozen=True, eq=False)
class Column:
    """One array of many shards, read when rows are asked for: `column[rows]` is an array in memory.

    Parameters
    ----------
    files : tuple of ndarray
        Structured, memory-mapped, one per shard.
    name : str
        Field of `STRIP`.
    places : ndarray of int, shape (strip, 2)
        Shard and row of each strip.
    """

    files: tuple[np.ndarray, ...]
    name: str
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        if np.ndim(rows) == 0 and not isinstance(rows, slice):
            shard, row = self.places[rows]
            return self.files[shard][row][self.name].astype(np.float32)
        places = self.places[rows]
        found = np.empty((len(places), *STRIP[self.name].shape), np.float32)
        for place, (shard, row) in enumerate(places):
            found[place] = self.files[shard][row][self.name]
        return found

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array's."""
        return len(self.places), *STRIP[self.name].shape

    def astype(self, dtype: np.dtype | type) -> np.ndarray:
        """All rows in memory."""
        return self[:].astype(dtype)

    def where(self, rows: np.ndarray) -> "Column":
        """The column of some strips, still on disk."""
        return Column(self.files, self.name, self.places[rows])


@dataclass(frozen=True, eq=False)
class Rhythms:
    """Instants, kinds and keeping of the beats of many strips, packed; `rhythms[i]` is the tuple of one."""

    beats: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        here = self.beats[self.starts[row] : self.starts[row] + self.counts[row]]
        return here["instant"], here["kind"].astype(int), here["kept"]

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return (self[row] for row in range(len(self)))

    def where(self, rows: np.ndarray) -> "Rhythms":
        """The rhythms of some strips."""
        return Rhythms(self.beats, self.starts[rows], self.counts[rows])


@dataclass(frozen=True, eq=False)
class Shards(Material):
    """`Material` whose large arrays stay on disk; `noise` is what `noise_mv` gave when each shard was made."""

    noise: np.ndarray

    def noise_mv(self) -> np.ndarray:
        """Typical size of the residual per strip and lead, mV, shape (strip, 8)."""
        return self.noise

    def select(self, rows: np.ndarray) -> "Shards":
        """The strips of a mask or index, still on disk."""
        index = np.arange(len(self.table))[rows]
        return Shards(
            self.table.iloc[index].reset_index(drop=True),
            [self.statements[i] for i in index],
            *(column.where(index) for column in (self.beats, self.timings)),
            *(column.where(index) for column in (self.rendered, self.residual, self.weight)),
            self.rhythms.where(index),
            self.noise[index],
        )

    def loaded(self) -> Material:
        """These strips in memory."""
        large = (self.beats, self.timings, self.rendered, self.residual, self.weight)
        return Material(self.table, self.statements, *(column[:] for column in large), list(self.rhythms))


def prepare_shards(
    folder: Path,
    records: Records,
    measured: pd.DataFrame,
    crew: Crew | None = None,
    workers: int = 1,
) -> list[Path]:
    """Shards of all measured records, made where they are missing; the same call again goes on.

    Parameters
    ----------
    folder : Path
        One folder per shard, written under another name and renamed when whole.
    records : Records
    measured : DataFrame
        As `models.preparation.prepare` wants it; `record` is the record's name or that of its WFDB file.
    crew : Crew, optional
        Processes that share the shards.
    workers : int
        Further processes of each of them.

    Raises
    ------
    ValueError
        Where no record is measured, or the folder holds shards of other records or measurements.
    """
    check_measured(measured)
    records, measured = _matched(records, measured)
    crew = crew or Crew()
    _agree(folder, records, measured)
    jobs = []
    for number, start in enumerate(range(0, len(records), SHARD)):
        rows = np.arange(start, min(start + SHARD, len(records)))
        mask = np.zeros(len(records), bool)
        mask[rows] = True
        source = functools.partial(labelled_strips, records.where(mask))
        jobs.append(shard_job(folder / f"shard-{number:05d}", source, measured.iloc[rows]))
    if workers > 1:
        mine = [job for k, job in enumerate(jobs) if k % crew.size == crew.rank and not job[0].exists()]
        joblib.Parallel(workers)(joblib.delayed(job)() for _, job in mine)
    crew.each(jobs)
    return [path for path, _ in jobs]


def shard_job(
    path: Path,
    source: Callable[[], Iterable[tuple[list[dict], ECG]]],
    measured: pd.DataFrame,
    labelled: bool = True,
) -> tuple[Path, Callable[[], None]]:
    """A shard's folder, and the call that makes it."""
    return path, functools.partial(_write_shard, path, source, measured, labelled)


def open_shards(paths: Sequence[Path]) -> Shards:
    """The material of several shards; opening reads the tables and rhythms, not the strips.

    Raises
    ------
    ValueError
        Where no strip of any shard can serve.
    """
    facts = [json.loads((path / "facts.json").read_text()) for path in paths]
    rows = [len(fact["statements"]) for fact in facts]
    if not sum(rows):
        raise ValueError(
            f"data must hold measured records of eight leads or more, got none that can serve in {len(paths)} "
            "shards: see what discovery measure says of them"
        )
    files = tuple(
        np.load(path / "strips.npy", mmap_mode="r") if count else np.zeros(0, STRIP)
        for path, count in zip(paths, rows, strict=True)
    )
    shard = np.repeat(np.arange(len(paths)), rows)
    places = np.column_stack([shard, np.concatenate([np.arange(count) for count in rows])])
    tables = [pd.DataFrame(fact["table"]) for fact in facts if fact["statements"]]
    counts = np.concatenate([fact["beat_counts"] for fact in facts]).astype(int)
    beats = np.concatenate([np.load(path / "beats.npy") for path in paths])
    columns = {name: Column(files, name, places) for name in STRIP.names}
    return Shards(
        pd.concat(tables, ignore_index=True),
        [said for fact in facts for said in fact["statements"]],
        *(columns[name] for name in ("beats", "timings", "rendered", "residual", "weight")),
        Rhythms(beats, np.cumsum(counts) - counts, counts),
        columns["noise"][:].astype(float),
    )


def _write_shard(
    path: Path,
    source: Callable[[], Iterable[tuple[list[dict], ECG]]],
    measured: pd.DataFrame,
    labelled: bool,
) -> None:
    """One shard, whole or not at all."""
    material = prepare(source(), measured, labelled)
    new = path.with_suffix(".new")
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(parents=True)
    strips = np.zeros(len(material.table), STRIP)
    for name in STRIP.names:
        strips[name] = material.noise_mv() if name == "noise" else getattr(material, name)
    np.save(new / "strips.npy", strips)
    beats = np.zeros(sum(len(instants) for instants, *_ in material.rhythms), BEAT)
    for place, name in enumerate(BEAT.names):
        if len(beats):
            beats[name] = np.concatenate([rhythm[place] for rhythm in material.rhythms])
    np.save(new / "beats.npy", beats)
    facts = {
        "table": material.table.to_dict("list"),
        "statements": material.statements,
        "beat_counts": [len(instants) for instants, *_ in material.rhythms],
    }
    (new / "facts.json").write_text(json.dumps(facts))
    new.rename(path)


def _matched(records: Records, measured: pd.DataFrame) -> tuple[Records, pd.DataFrame]:
    """Records that have measurements, and these in the same order under the same names."""
    place = {str(name): row for row, name in enumerate(measured["record"])}
    names = records.table["record"].astype(str)
    stems = records.table["path"].map(lambda path: Path(str(path)).name)
    rows = np.array([place.get(name, place.get(stem, -1)) for name, stem in zip(names, stems, strict=True)])
    if not (rows >= 0).any():
        raise ValueError(
            f"measured must hold the records of {records.folder}, got none of its {len(records)}: "
            "write it with discovery measure FOLDER --out measured.parquet"
        )
    known = rows >= 0
    kept = measured.iloc[rows[known]][list(NEEDED)].assign(record=names[known].to_numpy())
    return records.where(known), kept.reset_index(drop=True)


def _agree(folder: Path, records: Records, measured: pd.DataFrame) -> None:
    """Notes what the shards are made of, or refuses shards of something else."""
    numbers = measured.select_dtypes("number").to_numpy(float)
    digest = hashlib.sha256("\n".join(map(str, measured["record"])).encode() + numbers.tobytes())
    told = {"layout": LAYOUT, "shard": SHARD, "records": len(records), "digest": digest.hexdigest()[:16]}
    plan = folder / PLAN
    if plan.exists() and json.loads(plan.read_text()) != told:
        raise ValueError(
            f"folder must be new or hold shards of the same records and measurements, got {folder} of "
            f"{json.loads(plan.read_text())}, not {told}: choose another --folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not plan.exists():
        new = plan.with_suffix(f".{os.getpid()}.new")
        new.write_text(json.dumps(told))
        new.replace(plan)
