"""Free text of an ECG report to SCP-ECG statements: what was understood, what not, what was never learnt.

Three steps: the words are folded (case, accents, spelling), known phrases are found, longest first, and
negations and doubts are spread over the findings they reach.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from models import vocabulary as words
from models import wording
from models.phrases import FINDINGS, Meaning, fold, keys, longest, nearest_phrase, tokens
from models.walls import NAMES, WALLS

CODES = (*words.STATEMENTS, *(code for wall in WALLS.values() for code in wall[1:] if code))
FEW = 20
EXCEPTION_CERTAINTY = 0.5
REACH = 6
AHEAD = ("negation", "doubt")
BEHIND = ("denial", "doubt_after", "exception")


@dataclass(frozen=True)
class Span:
    """A piece of the text that was understood.

    Parameters
    ----------
    text : str
        The words as they were written.
    code : str
        SCP-ECG code they stand for.
    certainty : float
        1 as stated, less where the words leave doubt (possible 0.5, cannot be ruled out 0.35).
    note : str
        Why this code, where the words do not name it.
    """

    text: str
    code: str
    certainty: float = 1.0
    note: str = ""

    def __str__(self) -> str:
        doubt = "" if self.certainty == 1 else f", certainty {self.certainty:.2g}"
        note = f", {self.note}" if self.note else ""
        return f"{describe(self.code)} ({self.code}{doubt}) from '{self.text}'{note}"


@dataclass(frozen=True)
class Understanding:
    """What a text was taken to mean.

    Parameters
    ----------
    text : str
        The text itself.
    statements : mapping of str to float
        Certainty, 0 to 1, of each SCP-ECG code: what a generator is asked for.
    understood : tuple of Span
        Where each of them comes from.
    negated : tuple of str
        Findings that the text denies.
    ignored : tuple of str
        Words that change nothing.
    unseen : tuple of str
        Findings of ECG reading that the vocabulary lacks, or that the training records never showed.
    """

    text: str
    statements: Mapping[str, float] = field(default_factory=dict)
    understood: tuple[Span, ...] = ()
    negated: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @cached_property
    def suggestions(self) -> dict[str, str]:
        """The nearest known phrase for each ignored one that looks like a slip of the pen."""
        return {text: near for text in self.ignored if (near := nearest_phrase(text))}

    def __str__(self) -> str:
        lines = [f"understood: {span}" for span in self.understood] or ["understood: nothing"]
        lines += [f"denied: {text}" for text in self.negated]
        lines += [f"never seen in training: {text}" for text in self.unseen]
        for text in self.ignored:
            near = self.suggestions.get(text)
            lines.append(f"ignored: {text}" + (f" (did you mean '{near}'?)" if near else ""))
        return "\n".join(lines)


def recognise(text: str, vocabulary: Iterable[str], seen: Mapping[str, int] | None = None) -> Understanding:
    """What `text` says in terms of a checkpoint's SCP-ECG codes.

    Parameters
    ----------
    text : str
        Report in English or German; statements may be separated by ``|``, full stops or nothing.
    vocabulary : iterable of str
        SCP-ECG codes the checkpoint knows.
    seen : mapping of str to int, optional
        Training records with each code (a code missing here: none). Without it every code counts as seen.

    Returns
    -------
    Understanding
        A class of findings ('myocardial infarction') stands for the first of its members that is
        known, at half certainty. 'Normal' also means sinus rhythm, unless the text names another rhythm.

    Raises
    ------
    TypeError
        Where `text` is not a string, or `vocabulary` is one.
    ValueError
        Where `vocabulary` holds something that is not an SCP-ECG code.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {text!r}: write the report as words")
    if isinstance(vocabulary, str):
        raise TypeError(f"vocabulary must be several codes, got {vocabulary!r}: write [{vocabulary!r}]")
    known = []
    for code in vocabulary:
        describe(code)
        if seen is None or seen.get(code, 0) > 0:
            known.append(code)
    return _understand(text, frozenset(known))


def resting_on_few(codes: Iterable[str], seen: Mapping[str, int]) -> list[str]:
    """A sentence for each of these statements that fewer than `FEW` training records carry, but some."""
    return [
        f"{describe(code)} ({code}) rests on {seen[code]} training records, fewer than {FEW}: "
        "what it does here may be theirs alone"
        for code in codes
        if 0 < seen.get(code, 0) < FEW
    ]


@lru_cache(maxsize=1024)
def describe(code: str) -> str:
    """English name of an SCP-ECG code, as in ``describe("1AVB")``.

    Raises
    ------
    ValueError
        Where there is no such code.
    """
    if code in words.STATEMENTS:
        return words.STATEMENTS[code].name
    for name, wall in WALLS.items():
        for kind, form in NAMES.items():
            if getattr(wall, kind) == code:
                return form.format(name)
    near = difflib.get_close_matches(str(code).upper(), CODES, 1, 0.3)
    mend = f"did you mean {near[0]!r}?" if near else "see models.statements.CODES"
    raise ValueError(f"code must be an SCP-ECG statement, got {code!r}: {mend}")


@dataclass
class _Piece:
    """A phrase, word or mark of the text, and what became of it."""

    text: str
    meanings: list[Meaning]
    negated: bool = False
    certainty: float = 1.0

    def meaning(self, *roles: str) -> Meaning | None:
        """The meaning in one of these roles, if it has one."""
        return next((meaning for meaning in self.meanings if meaning.role in roles), None)


def _pieces(text: str) -> list[_Piece]:
    """The text cut into known phrases (longest first), unknown words and marks; stop words are gone."""
    sentence, pieces, place = tokens(text), [], 0
    stop = keys(wording.STOPWORDS)
    while place < len(sentence):
        token = sentence[place]
        end, meanings = longest(sentence, place)
        if token.key in ("|", ","):
            pieces.append(_Piece(token.key, [Meaning("break" if token.key == "|" else "comma")]))
        elif meanings:
            pieces.append(_Piece(text[token.start : sentence[end - 1].end], meanings))
        elif token.key not in stop:
            pieces.append(_Piece(text[token.start : token.end], [Meaning("word")]))
        place = end
    return _without_stray_normals(pieces)


def _without_stray_normals(pieces: list[_Piece]) -> list[_Piece]:
    """The word 'normal' beside a word it may belong to ('normal gait', 'rate normal') is not a normal ECG."""
    silent = keys(wording.SILENT)
    for place, piece in enumerate(pieces):
        if piece.text.lower() not in ("normal", "norm", "healthy"):
            continue
        before = pieces[place - 1] if place else None
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        stray = any(
            other and other.meaning("word") and fold(other.text) not in silent for other in (before, after)
        )
        if stray or (after and after.meaning(*FINDINGS)):
            piece.meanings = [Meaning("word")]
    return pieces


def _spread(pieces: list[_Piece]) -> None:
    """Write negations and doubts onto the findings they reach.

    A negation or doubt reaches the next finding and those joined to it by and/or; one that stands
    behind reaches the finding before it and those joined to that.
    """
    ahead, shared, chain, distance = [], [], [], 0
    for place, piece in enumerate(pieces):
        if piece.meaning(*FINDINGS):
            if not (chain and pieces[place - 1].meaning("joint", "comma")):
                chain = []
            shared = ahead or (shared if chain else [])
            ahead = []
            chain.append(piece)
            for meaning in shared:
                _mark([piece], meaning)
        elif piece.meaning("joint") or (piece.meaning("comma") and _lists_on(pieces, place)):
            continue
        elif (behind := piece.meaning(*BEHIND)) and chain and not _finding_follows(pieces, place):
            _mark(chain, behind)
        elif forward := piece.meaning(*AHEAD, "denial", "doubt_after"):
            ahead, chain, distance = [*ahead, forward], [], 0
        elif piece.meaning("word"):
            distance += 1
            ahead = ahead if distance <= REACH else []
        elif not piece.meaning("age"):
            ahead, chain = [], []


def _mark(chain: list[_Piece], meaning: Meaning) -> None:
    """One negation, doubt or exception onto joined findings."""
    for piece in chain:
        if meaning.role in ("negation", "denial"):
            piece.negated = True
        elif meaning.role == "exception":
            piece.certainty *= EXCEPTION_CERTAINTY
        else:
            piece.certainty = min(piece.certainty, meaning.certainty)


def _lists_on(pieces: list[_Piece], comma: int) -> bool:
    """Whether this comma stands in a list that ends in 'or', as in 'no LBBB, RBBB or AF'."""
    for piece in pieces[comma + 1 :]:
        if piece.meaning("joint"):
            return piece.text.lower() in ("or", "nor", "oder", "noch", "eller")
        if not piece.meaning("comma", *FINDINGS):
            return False
    return False


def _finding_follows(pieces: list[_Piece], place: int) -> bool:
    """Whether a word that can reach both ways ('possible') has a finding ahead in its clause."""
    if not pieces[place].meaning(*AHEAD):
        return False
    for piece in pieces[place + 1 : place + 1 + REACH]:
        if piece.meaning(*FINDINGS):
            return True
        if not piece.meaning("word"):
            return False
    return False


def _understand(text: str, known: frozenset[str]) -> Understanding:
    """The text in terms of the known codes."""
    pieces = _pieces(text)
    _spread(pieces)
    spans: list[Span] = []
    denied: set[str] = set()
    negated, unseen = [], []
    for piece in pieces:
        if not (meaning := piece.meaning(*FINDINGS)):
            continue
        if piece.negated:
            negated.append(piece.text)
            denied.update(meaning.codes)
        elif made := list(_spans(piece, meaning, known)):
            spans += made
        else:
            unseen.append(piece.text)
    spans += _implied_rhythm(spans, denied, known)
    statements: dict[str, float] = {}
    for span in spans:
        statements[span.code] = max(span.certainty, statements.get(span.code, 0.0))
    unique = (tuple(dict.fromkeys(items)) for items in (spans, negated, _ignored(pieces), unseen))
    return Understanding(text, statements, *unique)


def _spans(piece: _Piece, meaning: Meaning, known: frozenset[str]) -> Iterator[Span]:
    """The codes of one finding that are known, or their nearest relatives."""
    certainty = piece.certainty * meaning.certainty
    if meaning.role == "class":
        for code in [code for code in meaning.codes if code in known][:1]:
            yield Span(piece.text, code, certainty, meaning.note)
        return
    for code in meaning.codes:
        near = words.NEAREST.get(code)
        if code in known:
            yield Span(piece.text, code, certainty)
        elif near in known:
            yield Span(piece.text, near, certainty, f"nearest to {describe(code)}, never seen in training")


def _implied_rhythm(spans: list[Span], denied: set[str], known: frozenset[str]) -> Iterator[Span]:
    """Sinus rhythm, where the text says normal and names no rhythm."""
    codes = {span.code for span in spans}
    if "NORM" in codes and "SR" in known - denied and not codes.intersection(words.RHYTHMS):
        normal = next(span for span in spans if span.code == "NORM")
        yield Span(normal.text, "SR", normal.certainty, "a normal ECG is in sinus rhythm")


def _ignored(pieces: list[_Piece]) -> list[str]:
    """Words that changed nothing, neighbours together."""
    silent = keys(wording.SILENT)
    groups: list[list[str]] = [[]]
    for piece in pieces:
        if piece.meaning("word") and fold(piece.text) not in silent:
            groups[-1].append(piece.text)
        else:
            groups.append([piece.text] if piece.meaning("age", "harmless") else [])
            groups.append([])
    return [" ".join(group) for group in groups if group]
