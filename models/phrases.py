"""The phrases of the vocabulary as a tree of folded words: cut a text into words, find the longest phrase."""

import difflib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from models import vocabulary, walls, wording

CLASS_CERTAINTY = 0.5
CAPITALS_ONLY = ("EL",)
FINDINGS = ("finding", "class", "outside")


class Token(NamedTuple):
    """One word, folded (`key`), with its place in the text; `key` is '|' or ',' for a mark."""

    key: str
    start: int
    end: int


MARKS = ("|", ",")
_SIGNS = {"°": "degree", ",": ",", "?": "?"} | dict.fromkeys("|;.\n", "|")
_WORD = re.compile(r"\d+\.\d+|\w+(?:['’]\w+)?|[°|;,?\n]|\.(?=\s|$)")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "a", "ß": "ss", "’": "'"})


def fold(word: str) -> str:
    """A word without case, accents, plural s, and differences of British, American and German spelling."""
    if word in CAPITALS_ONLY:
        return word
    word = word.lower().translate(_GERMAN)
    if word in ("can't", "cannot"):
        return "cannot"
    if word.endswith("n't"):
        return "not"
    word = unicodedata.normalize("NFKD", word.removesuffix("'s")).encode("ascii", "ignore").decode()
    word = word.replace("aemi", "emi").replace("isation", "ization").replace("oedem", "edem")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=1)
def _pairs() -> dict[tuple[str, str], str]:
    """Pairs of words that are read as one."""
    pairs = (pair.split("=") for pair in wording.JOINED.split(";"))
    return {tuple(fold(word) for word in two.split()): one.strip() for two, one in pairs}


def tokens(text: str) -> list[Token]:
    """The folded words and marks of a text."""
    found: list[Token] = []
    for match in _WORD.finditer(text):
        raw = match.group()
        key = _SIGNS.get(raw) or fold(raw)
        if found and key.startswith(("grad", "degree")) and found[-1].key == "|" and raw != "|":
            found.pop()  # the full stop of "1. Grades"
        joined = _pairs().get((found[-1].key, key)) if found else None
        start = found.pop().start if joined else match.start()
        found.append(Token(fold(joined) if joined else key, start, match.end()))
    return found


class Meaning(NamedTuple):
    """What a phrase does: name codes, or deny, doubt, end a reach; several for words like 'possible'."""

    role: str
    codes: tuple[str, ...] = ()
    certainty: float = 1.0
    note: str = ""


def split(phrases: str) -> list[str]:
    """The phrases of a table entry."""
    return [phrase.strip() for phrase in phrases.split(";") if phrase.strip()]


@lru_cache(maxsize=4)
def keys(phrases: str) -> frozenset[str]:
    """Single folded words of a list."""
    return frozenset(fold(word) for word in split(phrases))


def findings() -> Iterator[tuple[str, Meaning]]:
    """Every phrase of the vocabulary that names a finding."""
    for code, term in vocabulary.STATEMENTS.items():
        for phrase in (code, term.name, *split(term.phrases)):
            yield phrase, Meaning("finding", (code,))
    for wall in walls.WALLS.values():
        for kind, templates in walls.WALL_PHRASES.items():
            if not (code := getattr(wall, kind)):
                continue
            yield code, Meaning("finding", (code,))
            for name in split(wall.names):
                yield from ((form.format(name), Meaning("finding", (code,))) for form in split(templates))
    for note, (codes, phrases) in vocabulary.CLASSES.items():
        yield from ((phrase, Meaning("class", codes, CLASS_CERTAINTY, note)) for phrase in split(phrases))
    for codes, phrases in vocabulary.BUNDLES.items():
        yield from ((phrase, Meaning("finding", codes)) for phrase in split(phrases))
    yield from ((phrase, Meaning("outside")) for phrase in split(vocabulary.OUTSIDE))


def _controls() -> Iterator[tuple[str, Meaning]]:
    """Every phrase that changes what findings mean."""
    plain = {
        "negation": wording.NEGATIONS,
        "denial": wording.DENIALS,
        "harmless": wording.HARMLESS,
        "age": wording.AGES,
        "exception": wording.EXCEPTIONS,
        "barrier": wording.BARRIERS,
        "joint": wording.JOINTS,
    }
    for role, phrases in plain.items():
        yield from ((phrase, Meaning(role)) for phrase in split(phrases))
    for role, table in (("doubt", wording.DOUBTS), ("doubt_after", wording.DOUBTS_AFTER)):
        for certainty, phrases in table.items():
            yield from ((phrase, Meaning(role, (), certainty)) for phrase in split(phrases))


@lru_cache(maxsize=1)
def tree() -> dict:
    """All phrases as a tree of folded words; the meanings of a phrase hang at its end under ''."""
    root: dict = {}
    skipped = keys(wording.STOPWORDS)
    for phrase, meaning in (*findings(), *_controls()):
        path = [token.key for token in tokens(phrase) if token.key not in MARKS]
        if meaning.role in FINDINGS:
            path = [key for key in path if key not in skipped] or path
        node = root
        for key in path:
            node = node.setdefault(key, {})
        meanings = node.setdefault("", [])
        if meaning.role not in [other.role for other in meanings]:
            meanings.append(meaning)
    return root


@lru_cache(maxsize=1)
def _phrases() -> dict[str, str]:
    """Folded form of every finding's phrase, and how it is written."""
    shown: dict[str, str] = {}
    for phrase, _ in findings():
        shown.setdefault(" ".join(token.key for token in tokens(phrase)), phrase)
    return shown


@lru_cache(maxsize=1)
def _lexicon() -> frozenset[str]:
    """Every folded word that occurs in some phrase."""
    phrases = (phrase for phrase, _ in (*findings(), *_controls()))
    return frozenset(token.key for phrase in phrases for token in tokens(phrase))


def nearest_phrase(text: str) -> str | None:
    """The known phrase nearest to an ignored text with an unknown word in it, or None."""
    path = [token.key for token in tokens(text)]
    odd = [key for key in path if len(key) > 4 and key.isalpha() and key not in _lexicon()]
    for attempt in [" ".join(path), *odd] if odd else []:
        if near := difflib.get_close_matches(attempt, _phrases(), 1, 0.8):
            return _phrases()[near[0]]
    return None


def longest(sentence: list[Token], start: int) -> tuple[int, list[Meaning]]:
    """End and meanings of the longest phrase that begins at `start`; fillers inside it are stepped over."""
    fillers = keys(wording.STOPWORDS + ";" + wording.MODIFIERS)
    node, best = tree(), (start + 1, [])
    for place in range(start, len(sentence)):
        key = sentence[place].key
        if key in node:
            node = node[key]
            if "" in node:
                best = (place + 1, node[""])
        elif place == start or key not in fillers:
            break
    return best
