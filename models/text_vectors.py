"""Texts as vectors for DiffuSETS: the prompt of a report, and where its vector comes from."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

OPENAI_MODEL = "text-embedding-ada-002"
"""The model whose vectors (1,536 numbers, length 1) the released weights were trained with."""
FIRST = "Most importantly, the 1st diagnosis is {%s}."
FURTHER = "As a supplementary condition, the %s diagnosis is {%s}."


def prompt_of(text: str) -> str:
    """The sentences that DiffuSETS makes of a report whose statements are separated by ``|``.

    ``sinus rhythm|abnormal ecg.`` becomes ``Most importantly, the 1st diagnosis is {sinus rhythm}.As a supplementary
    condition, the 2nd diagnosis is {abnormal ecg.}.``; spaces around ``|`` are kept, as they were in training.
    """
    first, *others = text.split("|")
    further = [FURTHER % (_ordinal(place), said) for place, said in enumerate(others, 2)]
    return "".join([FIRST % first, *further])


class VectorFile:
    """Vectors of texts, read from a file; called with a text it gives back the text's vector.

    Parameters
    ----------
    path : str or Path
        ``.npz`` with two arrays, `texts` (n,) of strings and `vectors` (n, width), as `save_vectors` writes it, or
        ``.npy`` of records with fields of these names. A text is a report or its prompt (`prompt_of`).

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it holds something else, pickled objects among it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        texts, vectors = _read(self.path)
        self.texts = tuple(map(str, texts))
        self._vectors = dict(zip(map(_as_prompt, self.texts), vectors, strict=True))
        self.digest = hashlib.sha256(repr(self.texts).encode() + vectors.tobytes()).hexdigest()[:8]

    def __call__(self, text: str) -> np.ndarray:
        """The vector of this text, (width,)."""
        found = self._vectors.get(_as_prompt(text))
        if found is None:
            known = ", ".join(map(repr, self.texts[:3])) + (", ..." if len(self.texts) > 3 else "")
            raise ValueError(
                f"text must have a vector in {str(self.path)!r}, got {text!r} (there are {len(self.texts)}: {known}): "
                "embed prompt_of(text) and add it with save_vectors, or pass vectors=openai_vectors()"
            )
        return found


class Embedded:
    """Vectors from a function of the prompt, asked once for each text.

    Parameters
    ----------
    embed : callable
        ``embed(prompt)`` gives a sequence of `width` numbers. Its attribute ``digest``, if it has one, or else its
        name, goes into the generator's digest: another embedding makes other ECGs.
    """

    def __init__(self, embed: Callable[[str], Sequence[float]]) -> None:
        self.embed = embed
        name = getattr(embed, "__qualname__", type(embed).__qualname__)
        self.digest = str(getattr(embed, "digest", name)).replace("<", "").replace(">", "")
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, text: str) -> np.ndarray:
        """The vector of this text, (width,)."""
        if text not in self._known:
            self._known[text] = np.asarray(self.embed(prompt_of(text)), np.float32).reshape(-1)
        return self._known[text]


def save_vectors(path: str | Path, vectors: Mapping[str, Sequence[float]]) -> Path:
    """Writes vectors by text as an ``.npz`` that `VectorFile` reads. Returns its path.

    Raises
    ------
    ValueError
        Where the vectors are not all of one width and finite.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz, got {str(path)!r}")
    rows = [np.asarray(row, np.float32).reshape(-1) for row in vectors.values()]
    if len({len(row) for row in rows}) != 1 or not all(np.isfinite(row).all() for row in rows):
        raise ValueError(
            f"vectors must be finite and of one width, got widths {sorted({len(row) for row in rows})}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.stem}.new.npz")
    np.savez(new, texts=np.array(list(vectors)), vectors=np.stack(rows))
    new.replace(path)
    return path


def openai_vectors(model: str = OPENAI_MODEL) -> Callable[[str], list[float]]:
    """A function from prompt to vector that asks OpenAI's service; the key is the environment's OPENAI_API_KEY.

    Texts leave this machine, and the service is paid: keep what comes back with `save_vectors`.

    Raises
    ------
    ImportError
        Where the client is not installed.
    ValueError
        Where there is no key.
    ConnectionError
        From the function, where the service cannot be reached or refuses.
    """
    try:
        import openai
    except ImportError as error:
        raise ImportError(
            "openai must be installed to embed texts, got none: pip install openai, or pass a file of vectors"
        ) from error
    if not os.environ.get("OPENAI_API_KEY"):
        raise ValueError(
            "OPENAI_API_KEY must hold a key of the service, got none: set it, or pass a file of vectors"
        )
    client = openai.OpenAI()

    def embed(prompt: str) -> list[float]:
        """The vector of one prompt."""
        try:
            answer = client.embeddings.create(model=model, input=[prompt])
        except openai.APIError as error:
            raise ConnectionError(
                f"OpenAI's service must embed the text, got: {error}: look at OPENAI_API_KEY and the network, "
                "or pass a file of vectors"
            ) from error
        return answer.data[0].embedding

    embed.digest = model
    return embed


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Texts and vectors of a file, which must be what `VectorFile` says."""
    if not path.is_file():
        raise FileNotFoundError(
            f"vectors must be a file or a function, got {str(path)!r}: there is no such file"
        )
    rule = f"vectors must be an .npz with texts (n,) and vectors (n, width), got {str(path)!r}"
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            texts, vectors = found["texts"], np.asarray(found["vectors"], np.float32)
    except (ValueError, LookupError, OSError, EOFError, TypeError, BadZipFile) as error:
        raise ValueError(f"{rule} ({error}): make it with save_vectors") from error
    if texts.dtype.kind != "U" or texts.ndim != 1 or vectors.ndim != 2 or len(texts) != len(vectors):
        raise ValueError(
            f"{rule} with texts {texts.shape} and vectors {vectors.shape}: make it with save_vectors"
        )
    if not np.isfinite(vectors).all():
        raise ValueError(f"{rule} with NaN or infinity: make it again")
    return texts, vectors


def _as_prompt(text: str) -> str:
    """The prompt of a report; a prompt is its own."""
    return text if text.startswith(FIRST.partition("%")[0]) else prompt_of(text)


def _ordinal(place: int) -> str:
    """1st, 2nd, 3rd, and every other number with th, 21th among them: so the texts of the training were made."""
    return f"{place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place, 'th') }"
