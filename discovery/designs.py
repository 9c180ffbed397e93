"""Plans of a parameter study: which conditions are asked, and which hearts (seeds) are asked each of them."""

import difflib
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import yaml

from models.ecg import Conditions

AXES = ("age", "sex", "heart_rate", "text")
UNITS = {"age": " years", "sex": "", "heart_rate": " bpm", "text": ""}
OTHER_WORDS = {"hr": "heart_rate", "rate": "heart_rate", "bpm": "heart_rate", "gender": "sex", "years": "age",
               "report": "text", "statement": "text", "statements": "text", "diagnosis": "text"}  # fmt: skip
WRITTEN = ("kind", "base", "factors", "cells", "hearts", "repeats", "seed")


@dataclass(frozen=True, repr=False)
class Design:
    """A plan: every cell (one set of conditions) is asked of the same hearts (seeds).

    Parameters
    ----------
    base : Conditions
        What is held where it is not swept.
    cells : tuple of Conditions
        The different conditions asked, in their order.
    axes : tuple of str
        Which of age, sex, heart_rate and text are swept.
    repeats : int
        ECGs in each cell.
    seed : int
        Names the study's list of hearts: repeat ``r`` has the same seed in every cell, and in every
        design of the same `seed`, however many repeats.
    hearts : tuple of int
        The first repeat of each cell; empty where all begin with heart 0 (only a sensitivity design,
        in which the heart is itself a factor, has others).
    kind : str
        How the cells were chosen, for the reader: ``"grid"``, ``"sobol"``, ...

    Raises
    ------
    ValueError, TypeError
        Where a value breaks its rule.
    """

    base: Conditions
    cells: tuple[Conditions, ...]
    axes: tuple[str, ...] = ()
    repeats: int = 1
    seed: int = 0
    hearts: tuple[int, ...] = ()
    kind: str = "cells"

    def __post_init__(self) -> None:
        for name in ("cells", "axes", "hearts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "repeats", _whole("repeats", self.repeats, 1))
        object.__setattr__(self, "seed", _whole("seed", self.seed, 0))
        object.__setattr__(self, "hearts", tuple(_whole("hearts", heart, 0) for heart in self.hearts))
        if not self.cells:
            raise ValueError(
                "cells must hold at least one set of conditions, got none: give each axis a value"
            )
        for asked in (self.base, *self.cells):
            if not isinstance(asked, Conditions):
                raise TypeError(
                    f"base and cells must be Conditions, got {asked!r}: write Conditions(age=50, ...)"
                )
        if len(set(self.cells)) < len(self.cells) and not self.hearts:
            twice = next(asked for at, asked in enumerate(self.cells) if asked in self.cells[:at])
            raise ValueError(
                f"cells must differ, got {_worded(twice)} twice: the same ECGs would be made twice"
            )
        if self.hearts and len(self.hearts) != len(self.cells):
            raise ValueError(
                f"hearts must be one per cell, got {len(self.hearts)} for {len(self.cells)} cells"
            )
        for axis in self.axes:
            known_axis(axis)

    def __len__(self) -> int:
        return len(self.cells) * self.repeats

    @cached_property
    def factors(self) -> dict[str, tuple]:
        """What is swept: each axis with its different values, in the order of their first use."""
        return {axis: tuple(dict.fromkeys(getattr(cell, axis) for cell in self.cells)) for axis in self.axes}

    @cached_property
    def fingerprint(self) -> str:
        """Sixty-four hexadecimal digits that differ for every other plan (SHA-256 of its canonical JSON)."""
        return hashlib.sha256(_canonical(self.to_dict()).encode()).hexdigest()

    @property
    def table(self) -> pd.DataFrame:
        """One row per ECG, cell after cell: ecg, cell, repeat, seed, age, sex, heart_rate, text."""
        cells = np.repeat(np.arange(len(self.cells)), self.repeats)
        repeats = (
            np.tile(np.arange(self.repeats), len(self.cells))
            + np.asarray(self.hearts or (0,))[cells % (len(self.hearts) or 1)]
        )
        hearts, which = np.unique(repeats, return_inverse=True)
        seeds = np.array([heart_seed(self.seed, int(heart)) for heart in hearts], dtype=np.int64)
        columns = {"ecg": np.arange(len(cells)), "cell": cells, "repeat": repeats, "seed": seeds[which]}
        asked = self.cell_table
        columns |= {axis: asked[axis].take(cells).reset_index(drop=True) for axis in AXES}
        return pd.DataFrame(columns)

    @property
    def cell_table(self) -> pd.DataFrame:
        """One row per cell: cell, age, sex, heart_rate, text."""
        columns: dict[str, Any] = {"cell": np.arange(len(self.cells))}
        for axis in AXES:
            kind = "float64" if axis in ("age", "heart_rate") else None
            columns[axis] = pd.Series([getattr(cell, axis) for cell in self.cells], dtype=kind)
        return pd.DataFrame(columns)

    def conditions(self) -> list[Conditions]:
        """What each ECG is asked to be, in the order of the table."""
        return [asked for asked in self.cells for _ in range(self.repeats)]

    def seeds(self) -> list[int]:
        """The seed of each ECG, in the order of the table."""
        return self.table["seed"].tolist()

    def replace(self, **changes: Any) -> "Design":
        """The same design with some fields changed, as in ``design.replace(repeats=64)``."""
        return replace(self, **changes)

    def __add__(self, other: "Design") -> "Design":
        """Both designs' cells, each once."""
        if not isinstance(other, Design):
            return NotImplemented
        if self.repeats != other.repeats:
            raise ValueError(
                f"repeats must be the same in added designs, got {self.repeats} and {other.repeats}: "
                f"write other.replace(repeats={self.repeats})"
            )
        _together(self, other)
        cells = tuple(dict.fromkeys((*self.cells, *other.cells)))
        axes = tuple(axis for axis in AXES if axis in (*self.axes, *other.axes))
        return replace(self, cells=cells, axes=axes, kind=_joined(self.kind, "+", other.kind))

    def __mul__(self, other: "Design") -> "Design":
        """Every cell of this design with every value of the other's axes."""
        if not isinstance(other, Design):
            return NotImplemented
        shared = [axis for axis in self.axes if axis in other.axes]
        if shared:
            raise ValueError(
                f"axes must differ in designs that are multiplied, got {shared[0]} in both: use a + b"
            )
        if 1 not in (self.repeats, other.repeats) and self.repeats != other.repeats:
            raise ValueError(
                f"repeats must be the same, or 1 in one of the designs, got {self.repeats} "
                f"and {other.repeats}"
            )
        _together(self, other)
        cells = tuple(
            mine.replace(**{axis: getattr(theirs, axis) for axis in other.axes})
            for mine in self.cells
            for theirs in other.cells
        )
        repeats = max(self.repeats, other.repeats)
        kind = _joined(self.kind, "*", other.kind)
        return replace(self, cells=cells, axes=(*self.axes, *other.axes), repeats=repeats, kind=kind)

    def __repr__(self) -> str:
        rows = [
            f"Design {self.fingerprint[:8]} ({self.kind}): {_many(len(self.cells), 'cell')} x "
            f"{_many(self.repeats, 'repeat')} = {_many(len(self), 'ECG')}"
        ]
        rows += [f"  {axis:<11} {_values(axis, values)}" for axis, values in self.factors.items()]
        for axis in AXES:
            if axis not in self.axes:
                rows.append(f"  {axis:<11} {_value(axis, getattr(self.base, axis))}, held")
        hearts = (
            f"{_many(self.repeats, 'heart')}, the same in every cell"
            if not self.hearts
            else "the heart is a factor too"
        )
        return "\n".join([*rows, f"  {'seed':<11} {self.seed}: {hearts}"])

    def to_dict(self) -> dict[str, Any]:
        """The design in plain values, for JSON and YAML; a full grid is written by its factors."""
        plain: dict[str, Any] = {"kind": self.kind, "base": self.base.to_dict()}
        factors = {axis: list(values) for axis, values in self.factors.items()}
        plain["factors"] = factors
        if self.hearts or self.cells != _product(self.base, factors):
            plain["factors"] = list(self.axes)
            plain["cells"] = [[getattr(cell, axis) for axis in AXES] for cell in self.cells]
        if self.hearts:
            plain["hearts"] = list(self.hearts)
        return plain | {"repeats": self.repeats, "seed": self.seed}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Design":
        """The design that `to_dict` wrote, or one written by hand: base, factors, repeats, seed."""
        if not isinstance(plain, Mapping):
            raise TypeError(f"plan must be a mapping with base and factors, got {plain!r}")
        for name in plain:
            if name not in WRITTEN:
                raise ValueError(f"plan must hold {', '.join(WRITTEN)}, got {name!r}{_meant(name, WRITTEN)}")
        base = Conditions(**_axes_only(plain.get("base") or {}))
        rest = {name: plain[name] for name in ("repeats", "seed", "hearts", "kind") if name in plain}
        factors = plain.get("factors") or {}
        if "cells" in plain:
            cells = tuple(Conditions(**dict(zip(AXES, cell, strict=True))) for cell in plain["cells"])
            return cls(base, cells, tuple(factors), **rest)
        return cls(base, _product(base, factors), tuple(factors), **{"kind": "grid"} | rest)

    def to_yaml(self) -> str:
        """The design as YAML text, to be kept, edited and read back."""
        plain = self.to_dict()
        # the library writes U+0085 as it is and reads a blank: with it all else is escaped, too
        readable = "\x85" not in json.dumps(plain, ensure_ascii=False)
        return yaml.safe_dump(
            plain, sort_keys=False, allow_unicode=readable, default_flow_style=None, width=100
        )

    @classmethod
    def from_yaml(cls, text: str) -> "Design":
        """The design in YAML text."""
        try:
            plain = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"plan must be YAML, got {error}") from error
        return cls.from_dict(plain)


def grid(base: Conditions, *, repeats: int = 1, seed: int = 0, **axes: Iterable) -> Design:
    """Every combination of the axes' values, each asked of the same `repeats` hearts.

    Parameters
    ----------
    base : Conditions
        Holds what is not swept.
    repeats : int
        ECGs in each cell, that is, hearts.
    seed : int
        Names the list of hearts; the same in every cell.
    **axes : iterable
        Values of any of ``age``, ``sex``, ``heart_rate``, ``text``; None stands for unknown.

    Returns
    -------
    Design
        Cells in the order of the axes, the last one fastest.
    """
    return Design(base, _product(base, axes), tuple(axes), repeats, seed, kind="grid")


def contrast(base: Conditions, *, repeats: int, seed: int = 0, **axes: tuple[Any, Any]) -> Design:
    """Two cells, A against B: `base` with each axis' first value, and `base` with each axis' second.

    The same hearts stand in both, so that every A has its own B. Multiply by a grid for the same
    contrast under several conditions:
    ``contrast(base, repeats=32, sex=("female", "male")) * grid(base, age=[30, 70])``.
    """
    if not axes:
        raise ValueError(
            "contrast must name an axis, got none: write contrast(base, repeats=32, sex=('female', 'male'))"
        )
    pairs = {axis: _listed(axis, pair) for axis, pair in axes.items()}
    for axis, pair in pairs.items():
        if len(pair) != 2:
            raise ValueError(
                f"{axis} must be a pair (a, b) in a contrast, got {len(pair)} values: use grid for more"
            )
    cells = tuple(base.replace(**{axis: pair[arm] for axis, pair in pairs.items()}) for arm in (0, 1))
    return Design(base, cells, tuple(axes), repeats, seed, kind="contrast")


def heart_seed(seed: int, repeat: int) -> int:
    """The seed of heart number `repeat` of the study `seed`, below 2**53 (exact in tables and JavaScript)."""
    words = np.random.SeedSequence(seed, spawn_key=(repeat,)).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(11))


def _product(base: Conditions, axes: Mapping[str, Iterable]) -> tuple[Conditions, ...]:
    """Every combination of the axes' values, the last axis fastest."""
    if not isinstance(base, Conditions):
        raise TypeError(f"base must be Conditions, got {base!r}: write Conditions(age=50, ...)")
    if not isinstance(axes, Mapping):
        raise TypeError(f"factors must map each axis to its values, got {axes!r}: write age: [20, 40]")
    values = {axis: _listed(axis, given) for axis, given in axes.items()}
    chosen = itertools.product(*values.values())
    return tuple(base.replace(**dict(zip(values, combination, strict=True))) for combination in chosen)


def _listed(axis: str, given: Any) -> list:
    """The values of an axis as Conditions hold them; a lone value is a list of one."""
    known_axis(axis)
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    values = [value.item() if isinstance(value, np.generic) else value for value in given]
    values = [getattr(Conditions(**{axis: value}), axis) for value in values]
    if not values:
        raise ValueError(f"{axis} must hold at least one value, got none")
    for at, value in enumerate(values):
        if value in values[:at]:
            raise ValueError(
                f"{axis} must hold different values, got {value!r} twice: use repeats for more ECGs"
            )
    return values


def known_axis(axis: str) -> None:
    """Refuse what is not one of the four conditions."""
    if axis not in AXES:
        raise ValueError(f"axis must be one of {', '.join(AXES)}, got {axis!r}{_meant(axis, AXES)}")


def _axes_only(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The base's values by axis, refusing other names."""
    for name in plain:
        known_axis(name)
    return dict(plain)


def _meant(word: Any, known: Iterable[str]) -> str:
    """The end of an error: which name was probably meant, if any."""
    close = difflib.get_close_matches(str(word).lower(), known, n=1)
    guess = OTHER_WORDS.get(str(word).lower()) or (close[0] if close else None)
    return f": did you mean {guess!r}?" if guess in known else ""


def _together(one: Design, other: Design) -> None:
    """Refuse to compose designs that would not share their hearts."""
    if one.seed != other.seed:
        raise ValueError(
            f"seed must be the same in designs that are composed, got {one.seed} and {other.seed}: "
            f"write other.replace(seed={one.seed}), so that both ask the same hearts"
        )
    if one.hearts or other.hearts:
        raise ValueError(
            "designs must share one list of hearts to be composed, got a sensitivity design: run it alone"
        )


def _joined(one: str, sign: str, other: str) -> str:
    """The kind of a composed design."""
    return one if one == other else f"{one} {sign} {other}"


def _whole(name: str, value: Any, low: int) -> int:
    """`value` as a Python int of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}")
    return int(value)


def _canonical(plain: Mapping[str, Any]) -> str:
    """JSON with one spelling for each value."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _worded(asked: Conditions) -> str:
    """Conditions in one line."""
    return ", ".join(f"{axis} {_value(axis, value)}" for axis, value in asked.to_dict().items())


def _value(axis: str, value: Any) -> str:
    """One value with its unit."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return repr(value) if axis == "text" else value
    return f"{value:g}{UNITS[axis]}"


def _many(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _values(axis: str, values: tuple) -> str:
    """The values of a factor, shortened where they are many."""
    if len(values) <= 4 or axis == "text" and len(values) <= 8:
        return ", ".join(_value(axis, value) for value in values)
    if all(isinstance(value, float) for value in values):
        return f"{min(values):g} to {max(values):g}{UNITS[axis]} ({len(values):,} values)"
    return f"{_value(axis, values[0])} ... {_value(axis, values[-1])} ({len(values):,} values)"
