"""ECGs as files: pictures, numbers, and one HTML page; every one says that a generated ECG is synthetic."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discovery.delineate import delineate
from discovery.plots import plot_ecg
from discovery.report_style import PLAIN_PAGE, STYLE
from discovery.store import SweepStore
from discovery.style import SYNTHETIC_MARK, Picture, data_uri, save_figure
from models.ecg import ECG

KINDS = ("png", "svg", "pdf", "html", "npz", "csv")


def draw_measured(
    ecg: ECG, row: Mapping[str, Any] | pd.Series, index: int = 0, layout: str = "3x4"
) -> Picture:
    """One ECG on paper with its measured values, and the measured boundaries beneath every beat."""
    found = delineate(ecg.signals[[index]], ecg.fs, ecg.leads)
    beats = {"r_peaks_s": found.r_peaks[0], "beat_kept": found.beat_kept[0]}
    return plot_ecg(ecg, index, boundaries=dict(row) | beats, layout=layout)


def save_ecg(
    ecg: ECG, path: str | Path, *, measured: pd.DataFrame | None = None, layout: str = "3x4"
) -> list[Path]:
    """The files written; several ECGs as pictures or CSV are numbered, NPZ and HTML hold them all.

    Parameters
    ----------
    ecg : ECG
    path : str or Path
        Its ending says what is written: png, svg, pdf, html, npz (`models.strips.read_npz` reads it back)
        or csv (`models.strips.read_csv`).
    measured : DataFrame, optional
        Rows of `measure`, for the pictures.
    layout : {"3x4", "6x2", "12x1"}
        Of the pictures.

    Raises
    ------
    ValueError
        Where the ending is none of these.
    """
    path, kind = Path(path), kind_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "npz":
        _write_npz(ecg, path)
        return [path]
    if kind == "html":
        path.write_text(_page(ecg, measured, layout), encoding="utf-8")
        return [path]
    paths = _numbered(path, len(ecg))
    for index, one in enumerate(paths):
        if kind == "csv":
            _write_csv(ecg, index, one)
        else:
            save_figure(_picture(ecg, index, measured, layout), one)
    return paths


def save_sweep(store: SweepStore, path: str | Path, query: str | None = None) -> list[Path]:
    """The files written of a sweep, chunk by chunk, each with the number of its chunk or ECG in its name.

    Parameters
    ----------
    store : SweepStore
    path : str or Path
        ``name.npz`` for an archive of each chunk, ``name.csv`` for a table of each ECG.
    query : str, optional
        As in `SweepStore.signals`; all ECGs where not given.

    Raises
    ------
    ValueError
        Where the ending is another, or the query finds nothing.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("npz", "csv"):
        raise ValueError(f"path must end in .npz or .csv, got {path.name!r}: pictures are drawn one by one")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for rows, ecg in store.batches(query):
        if kind == "npz":
            written.append(path.with_name(f"{path.stem}-{rows[0] // store.identity['chunk']:06d}.npz"))
            _write_npz(ecg, written[-1])
            continue
        for index, row in enumerate(rows):
            written.append(path.with_name(f"{path.stem}-{row:07d}.csv"))
            _write_csv(ecg, index, written[-1])
    if not written:
        raise ValueError(f"query must find ECGs that are made, got none for {query!r} in {store.folder}")
    return written


def kind_of(path: str | Path) -> str:
    """The format that a path's ending asks for."""
    kind = Path(path).suffix.lower().lstrip(".")
    if kind not in KINDS:
        endings = ", ".join(f".{known}" for known in KINDS)
        raise ValueError(f"path must end in one of {endings}, got {Path(path).name!r}: it says the format")
    return kind


def _picture(ecg: ECG, index: int, measured: pd.DataFrame | None, layout: str) -> Picture:
    """One ECG on paper, with what was measured if it was."""
    if measured is None:
        return plot_ecg(ecg, index, layout=layout)
    return draw_measured(ecg, measured.iloc[index], index, layout)


def _numbered(path: Path, count: int) -> list[Path]:
    """The path itself for one file; else `name-1.png`, `name-2.png`, with as many digits as are needed."""
    if count == 1:
        return [path]
    digits = len(str(count))
    return [path.with_name(f"{path.stem}-{number:0{digits}d}{path.suffix}") for number in range(1, count + 1)]


def _provenance(ecg: ECG) -> dict[str, Any]:
    """Where the batch comes from, with the mark where it is generated."""
    mark = {"mark": SYNTHETIC_MARK} if ecg.provenance.get("synthetic") else {}
    return dict(ecg.provenance) | mark


def _write_npz(ecg: ECG, path: Path) -> None:
    """All ECGs of a batch with their conditions, seeds and provenance."""
    known = [asked.to_dict() for asked in ecg.conditions]
    numbers = {name: np.array([_number(row[name]) for row in known]) for name in ("age", "heart_rate")}
    words = {name: np.array([row[name] or "" for row in known]) for name in ("sex", "text")}
    source = str(ecg.provenance.get("source", "ecg"))
    names = [f"{source}-{seed}" if seed >= 0 else f"{source}-{row}" for row, seed in enumerate(ecg.seeds)]
    provenance = json.dumps(_provenance(ecg), default=str)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            signals=ecg.signals,
            fs=ecg.fs,
            leads=np.array(ecg.leads),
            record=ecg.annotations.get("record", np.array(names)).astype(str),
            seed=np.array(ecg.seeds),
            provenance=np.array(provenance),
            **numbers,
            **words,
        )


def _write_csv(ecg: ECG, index: int, path: Path) -> None:
    """One ECG as a table of one column per lead, mV, with comment lines that say what it is."""
    lines = [f"# fs: {ecg.fs:g}", "# unit: mV"]
    for name, value in ecg.conditions[index].to_dict().items():
        if value is not None:
            words = f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
            lines.append(f"# {name}: {words}")
    if ecg.seeds[index] >= 0:
        lines.append(f"# seed: {ecg.seeds[index]}")
    lines += [
        f"# {name}: {value}" for name, value in _provenance(ecg).items() if isinstance(value, str | bool)
    ]
    table = pd.DataFrame(ecg.signals[index].T, columns=list(ecg.leads))
    body = table.to_csv(index=False, float_format="%.5f", lineterminator="\n")
    path.write_text("\n".join(lines) + "\n" + body, encoding="utf-8")


def _page(ecg: ECG, measured: pd.DataFrame | None, layout: str) -> str:
    """One page with every ECG of a batch."""
    figures = []
    for index in range(len(ecg)):
        figure = _picture(ecg, index, measured, layout)
        words = escape(figure.caption)
        figures.append(
            f'<figure><img src="{data_uri(figure)}" alt="{words}"><figcaption>{words}</figcaption></figure>'
        )
    title = (
        f"{len(ecg)} ECG{'s' if len(ecg) > 1 else ''} from {escape(str(ecg.provenance.get('source', '?')))}"
    )
    mark = f'<p class="honesty"><b>{SYNTHETIC_MARK}.</b></p>' if ecg.provenance.get("synthetic") else ""
    return PLAIN_PAGE.substitute(title=title, style=STYLE, body=mark + "".join(figures))


def _number(value: float | None) -> float:
    """A number, NaN where unknown."""
    return np.nan if value is None else float(value)
