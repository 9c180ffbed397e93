"""Readers of recorded ECGs (PTB-XL, MIMIC-IV-ECG, single files): millivolts, leads in one order by name."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import wfdb
from tqdm.auto import tqdm

from models.ecg import ECG, join
from models.listings import COLUMNS, mimic_listing, ptbxl_descriptions, ptbxl_listing
from models.strips import known_conditions, millivolts_per, read_csv, read_npz, recorded, standard_leads

PTBXL = {
    "source": "PTB-XL",
    "licence": "CC BY 4.0",
    "citation": "Wagner et al. 2020, doi 10.1038/s41597-020-0495-6",
}
MIMIC = {
    "source": "MIMIC-IV-ECG",
    "licence": "ODbL 1.0",
    "citation": "Gow et al. 2023, doi 10.13026/4nqg-sb35",
}


@dataclass(frozen=True, eq=False)
class Records:
    """A data set of recorded ECGs: its table at once, its signals when they are asked for.

    Parameters
    ----------
    folder : Path
        Where the data set lies.
    table : DataFrame
        One row per ECG: ``record``, ``patient_id``, ``age`` (years), ``sex``, ``heart_rate`` (bpm; NaN where
        not measured), ``text``, ``statements`` (dict of code to likelihood 0..1), ``fold`` (1..10, never
        splitting a patient) and ``path`` (WFDB record, relative to the folder).
    provenance : mapping
        ``source``, ``licence``, ``citation``.
    descriptions : mapping of str to str
        What each statement code means, where the data set says so.

    Raises
    ------
    ValueError
        Where the table lacks a column.
    """

    folder: Path
    table: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.table.columns]
        if missing:
            raise ValueError(
                f"table must hold the columns {', '.join(COLUMNS)}, got none named {missing[0]!r}"
            )
        object.__setattr__(self, "table", self.table.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.table)

    def where(self, rule: str | Sequence[bool] | np.ndarray | pd.Series) -> "Records":
        """The records that follow a rule: ``"fold <= 8 and sex == 'female'"``, or one bool per row."""
        if isinstance(rule, str):
            return replace(self, table=self.table.query(rule))
        mask = np.asarray(rule)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise ValueError(
                f"rule must be a query or {len(self)} bools, got {mask.dtype} of shape {mask.shape}"
            )
        return replace(self, table=self.table[mask])

    def stating(self, code: str, likelihood: float = 0.0) -> "Records":
        """The records that state a code (``"CLBBB"``) with more than this likelihood."""
        return self.where(
            np.array([held.get(code, 0.0) > likelihood for held in self.table["statements"]], dtype=bool)
        )

    def with_heart_rate(self, heart_rate: Sequence[float] | np.ndarray) -> "Records":
        """The same records with measured heart rates, bpm, one per row (NaN where not measurable)."""
        rates = np.asarray(heart_rate, dtype=float)
        if rates.shape != (len(self),):
            raise ValueError(
                f"heart_rate must have one value per record, got {rates.size} for {len(self)} records"
            )
        return replace(self, table=self.table.assign(heart_rate=rates))

    def row(self, record: int | str) -> int:
        """Row number of a record by its name.

        Raises
        ------
        ValueError
            Where the data set holds no such record.
        """
        found = np.flatnonzero(self.table["record"].astype(str).to_numpy() == str(record))
        if len(found) == 0:
            raise ValueError(f"record must be one of the {len(self)} in {self.folder.name}, got {record!r}")
        return int(found[0])

    def ecg(self, rows: int | slice | Sequence[int] | np.ndarray) -> ECG:
        """The signals of some rows, mV, as one batch, read now.

        Parameters
        ----------
        rows : int, slice, sequence of int, or mask
            Row numbers of `table`, in the order wanted.

        Raises
        ------
        ValueError
            Where a row does not exist.
        FileNotFoundError
            Where a record of the table is not on disk.
        """
        if not isinstance(rows, slice):
            rows = np.atleast_1d(np.asarray(rows))
            rows = rows.astype(int) if rows.size == 0 else rows
            if rows.dtype != bool and rows.size and not (0 <= rows.min() and rows.max() < len(self)):
                raise ValueError(
                    f"rows must lie between 0 and {len(self) - 1}, got {rows.min()} to {rows.max()}"
                )
        part = self.table.iloc[rows]
        if part.empty:
            raise ValueError(f"rows must name at least one of the {len(self)} records, got none")
        strips = join([read_wfdb(self.folder / path) for path in part["path"]])
        return replace(
            strips,
            conditions=tuple(known_conditions(known) for known in part.to_dict("records")),
            provenance=recorded(**self.provenance),
            annotations={name: part[name].to_numpy() for name in ("record", "patient_id", "fold")},
        )

    def batches(self, size: int = 64) -> Iterator[ECG]:
        """All records in the order of the table, `size` at a time, the last batch smaller."""
        if size < 1:
            raise ValueError(f"size must be 1 or more ECGs, got {size}")
        for start in range(0, len(self), size):
            yield self.ecg(slice(start, start + size))


def open_ptbxl(folder: str | Path, fs: int = 500) -> Records:
    """PTB-XL in its public layout: `ptbxl_database.csv`, `scp_statements.csv`, WFDB records.

    Ages over 89 are written 300 in the data set and read as 90 here. A likelihood of 0 means "mentioned,
    likelihood unknown": 1.0 for form and rhythm statements (SR, AFIB, LVOLT: they are seen, not inferred),
    0.5 for a purely diagnostic statement. Heart rates are not in the data set: measure them and
    hand them to `Records.with_heart_rate`.

    Parameters
    ----------
    folder : path
    fs : {500, 100}
        Which of the two versions of each signal, Hz.

    Raises
    ------
    FileNotFoundError
        Where the folder or one of its tables is missing.

    Source
    ------
    Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, Sci. Data 7:154, 2020.
    """
    folder = _folder(folder)
    return Records(folder, ptbxl_listing(folder, fs), PTBXL, ptbxl_descriptions(folder))


def open_mimic(
    folder: str | Path,
    patients: str | Path | None = None,
    recognise: Callable[[str], Mapping[str, float]] | None = None,
) -> Records:
    """MIMIC-IV-ECG in its public layout: `record_list.csv`, `machine_measurements.csv`, WFDB records.

    The text is the machine's report lines joined by ``|``, the heart rate 60,000 / `rr_interval` (NaN outside
    200 to 3,000 ms). Folds 1 to 10 are drawn from the patient's id, so that no patient is split.

    Parameters
    ----------
    folder : path
    patients : path, optional
        `patients.csv` (or `.csv.gz`) of MIMIC-IV, which holds age and sex; looked for in the folder where not
        given. Without it both are unknown.
    recognise : callable, optional
        From a report to its statements (code to likelihood); without it the statements are left empty.

    Raises
    ------
    FileNotFoundError
        Where the folder or one of its tables is missing.

    Source
    ------
    Gow et al., MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset, PhysioNet, 2023.
    """
    folder = _folder(folder)
    return Records(folder, mimic_listing(folder, patients, recognise), MIMIC)


def read_wfdb(path: str | Path) -> ECG:
    """One ECG from a WFDB record, mV, with age and sex where the header's comments tell them.

    Samples that the record marks as invalid are NaN.

    Parameters
    ----------
    path : path
        The record, without extension (``.hea`` and ``.dat`` are taken off).

    Raises
    ------
    FileNotFoundError
        Where the record or its signal file does not exist.
    ValueError
        Where no channel is a known lead, or a unit is no voltage.
    """
    path = Path(path)
    path = path.with_suffix("") if path.suffix in (".hea", ".dat") else path
    try:
        strip = wfdb.rdrecord(str(path), return_res=32)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"record must be on disk with its header and signals, got {path}: {error}"
        ) from error
    scales = [millivolts_per(unit, path.name) for unit in strip.units]
    signals, leads = standard_leads((strip.p_signal * np.array(scales, np.float32)).T[None], strip.sig_name)
    notes = re.findall(r"<?(age|sex)>?\s*:\s*(\w+)", " ".join(strip.comments), re.IGNORECASE)
    return ECG(
        signals=signals,
        fs=strip.fs,
        leads=leads,
        conditions=(known_conditions({name.lower(): value for name, value in notes}),),
        provenance=recorded(path.name),
        annotations={"record": np.array([path.name])},
    )


def read_files(
    paths: Iterable[str | Path], unreadable: dict[str, str] | None = None
) -> Iterator[tuple[str, ECG]]:
    """One (name, ECG) after another from files and folders of any readable kind.

    A path is a WFDB record (with or without ``.hea``), a CSV table (see `models.strips.read_csv`), an NPZ
    archive (`models.strips.read_npz`), or a folder: PTB-XL, MIMIC-IV-ECG, one with a ``RECORDS`` file, or any
    other, read with all the records, tables and archives below it. With `unreadable`, what cannot be read in
    a folder is left out and noted there, name and why, so that one bad file does not end the reading of all.

    Raises
    ------
    FileNotFoundError
        Where a path does not exist.
    ValueError
        Where a folder holds no ECG, or a file cannot be read.
    """
    for path in map(Path, paths):
        if path.is_dir():
            yield from _read_folder(path, unreadable)
        elif path.suffix.lower() == ".csv" and path.is_file():
            yield path.stem, read_csv(path)
        elif path.suffix.lower() == ".npz" and path.is_file():
            yield from read_npz(path)
        else:
            yield path.stem if path.suffix in (".hea", ".dat") else path.name, read_wfdb(path)


def download_ptbxl(folder: str | Path, part: int = 200) -> Path:
    """The folder, with PTB-XL at 500 Hz downloaded into it from PhysioNet; files already there are kept."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    wfdb.dl_files("ptb-xl", str(folder), ["ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt"])
    paths = open_ptbxl(folder).table["path"]
    files = [f"{path}{extension}" for path in paths for extension in (".hea", ".dat")]
    for start in tqdm(range(0, len(files), part), unit_scale=part, unit="file"):
        wfdb.dl_files("ptb-xl", str(folder), files[start : start + part])
    return folder


def _read_folder(folder: Path, unreadable: dict[str, str] | None) -> Iterator[tuple[str, ECG]]:
    """All ECGs of a folder, one after another; what cannot be read is raised, or noted and left out."""
    for name, read in _listed(folder):
        try:
            found = read()
        except (ValueError, OSError, LookupError, TypeError) as error:
            if unreadable is None:
                raise
            unreadable[name] = str(error)
            continue
        yield from found


def _listed(folder: Path) -> Iterator[tuple[str, Callable[[], list[tuple[str, ECG]]]]]:
    """Each record or file of a folder by name, and how it is read."""
    for table, opened in (("ptbxl_database.csv", open_ptbxl), ("record_list.csv", open_mimic)):
        if (folder / table).is_file():
            records = opened(folder)
            for row, name in enumerate(map(str, records.table["record"])):
                yield name, lambda name=name, row=row, records=records: [(name, records.ecg(row))]
            return
    if (folder / "RECORDS").is_file():
        for name in (folder / "RECORDS").read_text().split():
            yield name, lambda name=name: [(name, read_wfdb(folder / name))]
        return
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".hea", ".csv", ".npz"))
    if not found:
        raise ValueError(
            f"folder must hold WFDB records, CSV or NPZ files, got {folder}: choose another folder"
        )
    for path in found:
        yield path.stem, lambda path=path: list(read_files([path]))


def _folder(folder: str | Path) -> Path:
    """The folder of a data set, which must exist."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder must exist, got {folder}: `make data` downloads PTB-XL to data/ptb-xl"
        )
    return folder
