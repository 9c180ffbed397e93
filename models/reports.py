"""Reports as sentence embeddings, reduced to a few columns that stand beside the statements."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from models.crew import Crew

COMPONENTS = 32
BLOCK = 4096
MOST_REPORTS = 20_000
"""The principal components are fitted on at most so many training reports, drawn at random."""
FURTHEST = 6.0


@runtime_checkable
class TextEncoder(Protocol):
    """Anything that turns texts into vectors, such as a `sentence_transformers.SentenceTransformer`."""

    def encode(self, texts: list[str]) -> np.ndarray:
        """One vector per text, shape (text, number)."""
        ...


@dataclass(frozen=True, eq=False)
class ReportSpace:
    """Principal components of the training reports' embeddings, of mean 0 and variance 1.

    Parameters
    ----------
    encoder : str
        Name or folder of the sentence-transformers model.
    centre : ndarray, shape (number,)
    basis : ndarray, shape (component, number)
    spread : ndarray, shape (component,)
    """

    encoder: str
    centre: np.ndarray
    basis: np.ndarray
    spread: np.ndarray

    @property
    def columns(self) -> int:
        """How many columns a report becomes."""
        return len(self.basis)

    def reduce(self, embeddings: np.ndarray) -> np.ndarray:
        """Columns of embeddings, shape (text, component).

        Raises
        ------
        ValueError
            Where the embeddings are not of the length this was fitted on.
        """
        embeddings = np.atleast_2d(np.asarray(embeddings, float))
        if embeddings.shape[1] != len(self.centre):
            raise ValueError(
                f"text_encoder must give vectors of {len(self.centre)} numbers as {self.encoder} does, "
                f"got {embeddings.shape[1]}: pass the encoder the checkpoint was trained with"
            )
        return np.clip((embeddings - self.centre) @ self.basis.T / self.spread, -FURTHEST, FURTHEST)


class Reader:
    """Columns of reports, each read once and by itself, so that one does not depend on those beside it.

    Parameters
    ----------
    space : ReportSpace
    encoder : TextEncoder, optional
        Loaded by the name in `space` when the first report is read, where not given.
    """

    def __init__(self, space: ReportSpace, encoder: TextEncoder | None = None) -> None:
        self.space, self.encoder = space, encoder
        self._read: dict[str, np.ndarray] = {}

    def columns(self, text: str | None) -> np.ndarray:
        """The report's columns; zeros where there is none."""
        text = (text or "").strip()
        if not text:
            return np.zeros(self.space.columns)
        if text not in self._read:
            self.encoder = self.encoder or load_text_encoder(self.space.encoder)
            self._read[text] = self.space.reduce(embedded(self.encoder, [text]))[0]
        return self._read[text]


def load_text_encoder(name: str) -> TextEncoder:
    """A sentence-transformers model by name or local folder.

    Weights are read from safetensors alone, and no code that comes with a model is run.

    Raises
    ------
    ImportError
        Where the package is not installed.
    ValueError
        Where there is no such model.
    """
    try:
        import sentence_transformers
    except ImportError as error:
        raise ImportError(
            f"text_encoder needs the package sentence-transformers to load {name!r}: "
            "pip install -e '.[text]', or pass an object with encode(texts)"
        ) from error
    try:
        return sentence_transformers.SentenceTransformer(name, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError, LookupError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"text_encoder must be the name or folder of a sentence-transformers model, got {name!r}: {why}"
        ) from error


def embedded(encoder: TextEncoder, texts: Sequence[str]) -> np.ndarray:
    """Embeddings of texts, shape (text, number).

    Raises
    ------
    ValueError
        Where the encoder gives something else, or no numbers.
    """
    found = np.asarray(encoder.encode(list(texts)), dtype=float)
    if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
        raise ValueError(
            f"text_encoder must give one vector of numbers per text, got shape {found.shape} for {len(texts)}"
        )
    return found


def read_reports(
    texts: Sequence[str], train: np.ndarray, name: str, encoder: TextEncoder, folder: Path, crew: Crew
) -> tuple[ReportSpace, np.ndarray]:
    """The space of the training reports, and the columns of all reports (zeros where there is none).

    Each different text is embedded once, in blocks that are kept in `folder`: the same call again goes on.

    Parameters
    ----------
    texts : sequence of str
        One per strip, "" where unknown.
    train : ndarray of bool
        On which of them the components are fitted.
    name : str
        Of the encoder, as the checkpoint will hold it.
    encoder : TextEncoder
    folder : Path
    crew : Crew
        Processes that share the blocks.

    Raises
    ------
    ValueError
        Where no training strip has a report.
    """
    texts = [text.strip() for text in texts]
    said = np.array([text != "" for text in texts], dtype=bool)
    fitted = np.flatnonzero(said & train)
    if not len(fitted):
        raise ValueError(
            f"data must hold reports for text_encoder {name!r}, got none in {len(texts)} records"
        )
    unique = sorted(set(texts) - {""})
    row = {text: number for number, text in enumerate(unique)}
    where = np.array([row.get(text, -1) for text in texts])
    digest = hashlib.sha256(json.dumps([name, BLOCK, *unique]).encode()).hexdigest()[:16]
    folder = folder / digest
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.npy" for number in range(-(-len(unique) // BLOCK))]

    def job(number: int) -> None:
        rows = embedded(encoder, unique[number * BLOCK : (number + 1) * BLOCK]).astype(np.float16)
        new = paths[number].with_suffix(".new.npy")
        np.save(new, rows)
        new.replace(paths[number])

    crew.each([(path, lambda number=number: job(number)) for number, path in enumerate(paths)])
    some = np.random.default_rng(4).permutation(fitted)[:MOST_REPORTS]
    space = _fit(name, paths, where[some])
    reduced = np.concatenate([space.reduce(np.load(path)) for path in paths])
    columns = np.zeros((len(texts), space.columns))
    columns[said] = reduced[where[said]]
    return space, columns


def _fit(name: str, paths: Sequence[Path], chosen: np.ndarray) -> ReportSpace:
    """Principal components of chosen rows of the blocks; none that hardly varies."""
    rows = np.concatenate(
        [np.load(path)[chosen[chosen // BLOCK == k] % BLOCK] for k, path in enumerate(paths)]
    )
    rows = rows.astype(float)
    centre = rows.mean(axis=0)
    _, sizes, basis = np.linalg.svd(rows - centre, full_matrices=False)
    spread = sizes / np.sqrt(len(rows))
    kept = np.flatnonzero(spread > 1e-3 * max(spread.max(), 1e-12))[:COMPONENTS]
    if not len(kept):  # one report for all: it tells nothing
        kept, spread = np.array([0]), np.ones(len(spread))
    return ReportSpace(name, centre, basis[kept], spread[kept])
