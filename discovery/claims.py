"""A claim stated before the data are read: one frozen value, hashed, and written to disk with its time."""

import difflib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from discovery.quantities import QUANTITIES

UNITS = {"ms": "ms", "mv": "mV", "bpm": "bpm", "deg": "deg"}


@dataclass(frozen=True)
class Hypothesis:
    """One claim about one measured column, frozen and hashed: eleven flat fields, for it is written by hand.

    Parameters
    ----------
    outcome : str
        A measured column, as ``qtcf_ms``.
    contrast : mapping of str to pair, optional
        One factor and its two arms: ``{"sex": ("female", "male")}`` asks for female minus male. None as an
        arm means "not asked for".
    trend : str, optional
        A numeric column instead of a contrast: the claim is about the slope of the outcome, per unit of it.
    given : sequence of str
        Factors held equal within each difference or slope.
    where : str
        A pandas query for the rows to use, as ``"age >= 40"``.
    smallest : float
        Smallest effect worth finding, above 0, in the outcome's unit (a slope: per unit of `trend`).
    direction : {"+", "-", "0"} or None
        The expected sign; ``"0"`` claims that there is no effect; None claims an effect of either sign.
    target : float
        What the effect is compared with; 1 for "the measured rate follows the asked one".
    statement : str
        The claim in English; written from the other fields where empty.
    source : str
        Where the claim comes from.
    control : {"positive", "negative"} or None
        A check of the instrument, known beforehand to hold (positive) or to have no effect (negative).

    Raises
    ------
    ValueError
        Where a field breaks its rule.
    """

    outcome: str
    contrast: Mapping[str, Sequence[Any]] | None = None
    trend: str | None = None
    given: Sequence[str] = ()
    where: str = ""
    smallest: float | None = None
    direction: str | None = None
    target: float = 0.0
    statement: str = ""
    source: str = ""
    control: str | None = None

    def __post_init__(self) -> None:
        _check_outcome(self.outcome)
        if (self.contrast is None) == (self.trend is None):
            both = {"contrast": self.contrast, "trend": self.trend}
            raise ValueError(f"contrast or trend must be given, and only one of them, got {both}")
        given = (self.given,) if isinstance(self.given, str) else tuple(self.given)
        axis = self.trend
        if self.contrast is not None:
            axis, arms = _checked_contrast(self.contrast)
            object.__setattr__(self, "contrast", {axis: arms})
        if axis in given or self.outcome in (axis, *given):
            raise ValueError(
                f"given must name other columns than the outcome and what varies, got {given!r}: "
                f"the claim is about {self.outcome} and {axis}"
            )
        if isinstance(self.smallest, bool | str) or not 0 < (self.smallest or 0) < math.inf:
            raise ValueError(
                f"smallest must be above 0 {unit_of(self.outcome)}, got {self.smallest!r}: say before "
                "looking how large an effect must be to be worth finding"
            )
        if not math.isfinite(self.target):
            raise ValueError(f"target must be a number, got {self.target!r}: 0 where nothing is expected")
        if self.direction not in ("+", "-", "0", None):
            raise ValueError(f"direction must be '+', '-', '0' or None, got {self.direction!r}")
        if self.control not in ("positive", "negative", None):
            raise ValueError(f"control must be 'positive', 'negative' or None, got {self.control!r}")
        if self.control == "negative" and self.direction not in ("0", None):
            raise ValueError(f"direction must be '0' for a negative control, got {self.direction!r}")
        filled = {"given": given, "smallest": float(self.smallest), "target": float(self.target)}
        if self.control == "negative":
            filled["direction"] = "0"
        for name, value in filled.items():
            object.__setattr__(self, name, value)
        if not self.statement:
            object.__setattr__(self, "statement", _sentence(self))

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """SHA-256 of all the fields as canonical JSON: another wording is another digest."""
        words = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(words.encode()).hexdigest()

    @property
    def axis(self) -> str:
        """The column that varies: the factor of the contrast, or the predictor of the trend."""
        return self.trend or next(iter(self.contrast))

    @property
    def claims_equality(self) -> bool:
        """Whether the claim is that nothing differs: direction "0", or agreement with a target."""
        return self.direction == "0" or (self.direction is None and self.target != 0)

    @property
    def unit(self) -> str:
        """The unit of the effect: the outcome's, per unit of the predictor for a trend."""
        unit = unit_of(self.outcome)
        per = {"years": "year"}.get(unit_of(self.trend or ""), unit_of(self.trend or ""))
        return f"{unit or '1'}/{per or 'unit'}" if self.trend else unit

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as written to files; `Hypothesis(**values)` makes it again."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        if self.contrast:
            values["contrast"] = {axis: list(arms) for axis, arms in self.contrast.items()}
        return values | {"given": list(self.given)}


def freeze(hypothesis: Hypothesis, folder: str | Path) -> Path:
    """Write the hypothesis, its digest and the time to `folder`, before the data are read; the file's path.

    The file is named after the digest; freezing the same hypothesis again keeps the first time.

    Raises
    ------
    ValueError
        Where the file is there and holds something else.
    """
    path = frozen_path(hypothesis, folder)
    if path.exists():
        read_frozen(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    frozen_at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"hypothesis": hypothesis.to_dict(), "digest": hypothesis.digest, "frozen_at": frozen_at}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2, sort_keys=True), encoding="utf-8")
    os.replace(part, path)
    return path


def read_frozen(path: str | Path) -> Hypothesis:
    """The hypothesis that `freeze` wrote to `path`.

    Raises
    ------
    ValueError
        Where the file does not hold what its name and its digest say.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        hypothesis = Hypothesis(**content["hypothesis"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold a frozen hypothesis, got {error}: choose another folder"
        ) from error
    if not hypothesis.digest == content.get("digest") or not hypothesis.digest.startswith(path.stem):
        raise ValueError(
            f"{path} must hold the hypothesis it was frozen with, got digest {hypothesis.digest[:12]}: "
            "it was changed afterwards, choose another folder"
        )
    return hypothesis


def frozen_path(hypothesis: Hypothesis, place: str | Path) -> Path:
    """Where `freeze` keeps this hypothesis: `place` itself where it is a file, else a file in that folder."""
    place = Path(place)
    return place if place.suffix == ".json" else place / f"{hypothesis.digest[:16]}.json"


def unit_of(column: str) -> str:
    """The unit of a column: of its quantity, else of its name's ending, else nothing."""
    if column in QUANTITIES:
        return QUANTITIES[column].unit
    return UNITS.get(column.rpartition("_")[2], "")


def label_of(column: str) -> str:
    """What a reader calls a column; its own name where it is not a known quantity."""
    return QUANTITIES[column].label if column in QUANTITIES else column


def nearest(name: Any, names: Iterable[Any]) -> str:
    """The mend for a wrong name: the one that was probably meant, or those there are."""
    known = list(names)
    if (
        isinstance(name, float)
        and known
        and all(isinstance(value, int | float | np.number) for value in known)
    ):
        return f"the nearest is {min(known, key=lambda value: abs(value - name)):g}"
    words = {str(value): value for value in known}
    lower = str(name).lower()
    starts = [word for word in words if word.lower() == lower or word.lower().startswith(f"{lower}_")]
    close = starts or difflib.get_close_matches(str(name), words, n=1, cutoff=0.5)
    if close:
        return f"did you mean {words[close[0]]!r}?"
    listed = ", ".join(list(words)[:12]) + (", ..." if len(words) > 12 else "")
    return f"there are {listed or 'none'}"


def _check_outcome(outcome: Any) -> None:
    """Refuse what cannot be a column, and a known quantity without its unit, such as 'PR' for 'pr_ms'."""
    if not isinstance(outcome, str) or not outcome.strip():
        raise ValueError(f"outcome must be the name of a measured column, got {outcome!r}: write 'qtcf_ms'")
    lower = outcome.lower()
    starts = [name for name in QUANTITIES if name == lower or name.startswith(f"{lower}_")]
    if outcome not in QUANTITIES and starts:
        raise ValueError(f"outcome must be a measured column, got {outcome!r}: did you mean {starts[0]!r}?")


def _checked_contrast(contrast: Any) -> tuple[str, tuple[Any, Any]]:
    """The factor and its two arms, numbers as floats."""
    arms: tuple[Any, ...] = ()
    if isinstance(contrast, Mapping) and len(contrast) == 1:
        axis, pair = next(iter(contrast.items()))
        arms = tuple(pair) if isinstance(pair, Sequence) and not isinstance(pair, str) else ()
    if len(arms) != 2 or arms[0] == arms[1]:
        raise ValueError(
            f"contrast must name one factor and its two arms, got {contrast!r}: "
            'write {"sex": ("female", "male")} for female minus male'
        )
    first, second = (float(arm) if isinstance(arm, int | float | np.number) else arm for arm in arms)
    return axis, (first, second)


def _sentence(claim: Hypothesis) -> str:
    """The claim in English, from its fields."""
    unit, outcome = unit_of(claim.outcome), label_of(claim.outcome)
    held = f", with {' and '.join(label_of(name) for name in claim.given)} held" if claim.given else ""
    where = f", where {claim.where}" if claim.where else ""
    if claim.trend:
        change = {"+": "rises with", "-": "falls with", "0": "does not change with", None: "changes with"}
        words = f"{outcome} {change[claim.direction]} {label_of(claim.trend)}"
        if claim.claims_equality and claim.target:
            words = f"{outcome} follows {label_of(claim.trend)} with a slope of {claim.target:g}"
        return f"{words}{held}{where}; smallest effect: {claim.smallest:g} {claim.unit}"
    axis, arms = next(iter(claim.contrast.items()))
    first, second = (repr(arm) if " " in str(arm) else arm_label(arm) for arm in arms)
    change = {
        "+": f"is higher for {first} than for {second}",
        "-": f"is lower for {first} than for {second}",
        "0": f"is the same for {first} and {second}",
        None: f"differs between {first} and {second}",
    }[claim.direction]
    smallest = f"smallest effect: {claim.smallest:g} {unit}".rstrip()
    return f"{outcome} {change} ({label_of(axis)}){held}{where}; {smallest}"


def arm_label(arm: Any) -> str:
    """One arm of a contrast as a reader sees it."""
    if arm is None:
        return "not asked for"
    return f"{arm:g}" if isinstance(arm, float) else str(arm)
