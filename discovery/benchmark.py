"""How good a generator is, as rows: what was measured, its interval and n, the floor of real records, the goal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from discovery.alike import narrow
from discovery.distances import Measured
from models.ecg import INDEPENDENT_LEADS, LEADS

EIGHT = tuple(LEADS.index(name) for name in INDEPENDENT_LEADS)
COLUMNS = ("level", "property", "unit", "value", "low", "high", "floor", "n", "must", "goal", "verdict")
SENSES = ("at most", "at least", "within")
LEVELS = ("signal", "feature", "diagnostic", "statements", "copies", "pairs", "speed")


@dataclass(frozen=True, eq=False)
class Side:
    """ECGs of one kind, ready to be compared.

    Parameters
    ----------
    strips : ndarray, float32, shape (n, 8, 2500)
        From `discovery.alike`, mV.
    table : DataFrame
        One row per ECG: its measurements, `statements` (dict of code to likelihood), `patient_id`, `age`, `sex`;
        for a generated ECG those of the record whose conditions it was asked with.
    beats : ndarray, shape (n, 8, sample)
        Median beats around the R peak, mV; NaN where there is none.
    spaces : mapping of str to ndarray
        Feature vectors by the name of their space, (n, dimension).
    """

    strips: np.ndarray
    table: pd.DataFrame
    beats: np.ndarray
    spaces: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, part in {"table": self.table, "beats": self.beats, **self.spaces}.items():
            if len(part) != len(self.strips):
                raise ValueError(
                    f"{name} must have one row per strip, got {len(part)} for {len(self.strips)}"
                )
        object.__setattr__(self, "table", self.table.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.strips)

    def where(self, rows: np.ndarray | pd.Series) -> "Side":
        """The ECGs of a mask or of row numbers."""
        rows = np.arange(len(self))[np.asarray(rows)]
        spaces = {name: part[rows] for name, part in self.spaces.items()}
        return Side(self.strips[rows], self.table.iloc[rows], self.beats[rows], spaces)

    def with_space(self, name: str, vectors: np.ndarray) -> "Side":
        """The same ECGs with one more feature space."""
        return replace(self, spaces={**self.spaces, name: vectors})

    @cached_property
    def narrow(self) -> np.ndarray:
        """Strips at 100 Hz, as the judging networks see them, (n, 8, 896)."""
        return narrow(self.strips)


def both(first: Side, second: Side) -> Side:
    """The ECGs of two sides as one, with the feature spaces that both have."""
    spaces = {
        name: np.concatenate([first.spaces[name], second.spaces[name]])
        for name in first.spaces
        if name in second.spaces
    }
    return Side(
        np.concatenate([first.strips, second.strips]),
        pd.concat([first.table, second.table], ignore_index=True),
        np.concatenate([first.beats, second.beats]),
        spaces,
    )


def carries(table: pd.DataFrame, *codes: str, least: float = 0.5) -> np.ndarray:
    """Which rows state at least one of the codes with at least this likelihood."""
    return np.array(
        [any(said.get(code, 0.0) >= least for code in codes) for said in table["statements"]], bool
    )


def certainties(table: pd.DataFrame, codes: Sequence[str]) -> np.ndarray:
    """Certainty of each code in each row, (n, code)."""
    return np.array([[said.get(code, 0.0) for code in codes] for said in table["statements"]]).reshape(
        len(table), len(codes)
    )


@dataclass(frozen=True, eq=False)
class Trial:
    """What a generator is judged on.

    Parameters
    ----------
    real : Side
        Held-out records.
    others : Side
        Training records: other people's, with which the floor is measured.
    twins : tuple of Side
        Generated with the conditions of `real`, each row the twin of the same row there; several seeds.
    other_twins : Side
        Generated with the conditions of `others`, row by row.
    """

    real: Side
    others: Side
    twins: tuple[Side, ...]
    other_twins: Side

    def __post_init__(self) -> None:
        for twin, name in ((self.other_twins, "others"), *((twin, "real") for twin in self.twins)):
            if len(twin) != len(getattr(self, name)):
                raise ValueError(
                    f"twins must have one row per record of {name}, got {len(twin)} for {len(getattr(self, name))}"
                )

    def samples(self, count: int = 3, seed: int = 0) -> list[Side]:
        """Samples of other people's records of the size of the held-out ones."""
        random = np.random.default_rng(seed)
        size = min(len(self.real), len(self.others))
        return [self.others.where(random.permutation(len(self.others))[:size]) for _ in range(count)]

    @property
    def records(self) -> Side:
        """All records, the held-out ones first."""
        return both(self.real, self.others)

    @property
    def all_twins(self) -> Side:
        """One twin of each record, in the order of `records`."""
        return both(self.twins[0], self.other_twins)


@dataclass(frozen=True)
class Score:
    """One property of a generator.

    Parameters
    ----------
    level : {"signal", "feature", "diagnostic", "statements", "copies", "pairs", "speed"}
    property : str
        In words, as in the table and in the goals.
    measured : Measured
    floor : float
        The same for records against records (or of records, where nothing is compared); NaN where there is none.
    unit : str
    """

    level: str
    property: str
    measured: Measured
    floor: float = np.nan
    unit: str = ""

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {self.level!r}")


@dataclass(frozen=True)
class Goal:
    """What a property must reach, and what it is meant to reach.

    Parameters
    ----------
    property : str
    sense : {"at most", "at least", "within"}
    must, goal : float or (float, float)
        For "within" the lowest and highest value; None where there is no such limit.
    """

    property: str
    sense: str
    must: float | tuple[float, float] | None
    goal: float | tuple[float, float] | None

    def __post_init__(self) -> None:
        if self.sense not in SENSES:
            raise ValueError(f"sense must be one of {', '.join(SENSES)}, got {self.sense!r}")

    def verdict(self, value: float) -> str:
        """`goal`, `must` or `missed`; `reported` where only a goal is set and not reached; `not measured`."""
        if not np.isfinite(value):
            return "not measured"
        if self.goal is not None and self._meets(value, self.goal):
            return "goal"
        if self.must is None:
            return "reported"
        return "must" if self._meets(value, self.must) else "missed"

    def written(self, limit: float | tuple[float, float] | None) -> str:
        """A limit in words."""
        if limit is None:
            return ""
        if self.sense == "within":
            return f"{limit[0]:g} to {limit[1]:g}"
        return f"{'<=' if self.sense == 'at most' else '>='} {limit:g}"

    def _meets(self, value: float, limit: float | tuple[float, float]) -> bool:
        """Whether a value keeps to a limit."""
        if self.sense == "within":
            return limit[0] <= value <= limit[1]
        return value <= limit if self.sense == "at most" else value >= limit


def scores_table(scores: Sequence[Score], goals: Sequence[Goal] = ()) -> pd.DataFrame:
    """One row per score with the columns `COLUMNS`; a goal without its score is a row `not measured`.

    Raises
    ------
    ValueError
        Where a property is named twice.
    """
    names = [score.property for score in scores]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"properties must differ, got {twice[0]!r} twice: say what sets them apart")
    wanted = {goal.property: goal for goal in goals}
    rows = [_row(score, wanted.pop(score.property, None)) for score in scores]
    for goal in wanted.values():
        missing = Score("feature", goal.property, Measured(np.nan, np.nan, np.nan, 0))
        rows.append({**_row(missing, goal), "level": ""})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(score: Score, goal: Goal | None) -> dict[str, object]:
    """One row of the table."""
    found = score.measured
    return {
        "level": score.level,
        "property": score.property,
        "unit": score.unit,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "floor": score.floor,
        "n": found.n,
        "must": goal.written(goal.must) if goal else "",
        "goal": goal.written(goal.goal) if goal else "",
        "verdict": goal.verdict(found.value) if goal else "",
    }


def markdown_table(table: pd.DataFrame, unmet: bool = False) -> str:
    """A table of scores as Markdown; with `unmet` only rows that have a goal."""
    shown = table[table["verdict"] != ""] if unmet else table
    head = "| property | value (95 %) | records | n | must | goal | verdict |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in shown.itertuples():
        value = number(row.value) + (f" {row.unit}" if row.unit else "")
        if np.isfinite(row.low) and row.low != row.high:
            value += f" ({number(row.low)} to {number(row.high)})"
        lines.append(
            f"| {row.property} | {value} | {number(row.floor)} | {row.n} | {row.must} | {row.goal} | {row.verdict} |"
        )
    return "\n".join(lines)


def number(value: float) -> str:
    """Three figures that matter, or a dash for nothing."""
    if not np.isfinite(value):
        return "-"
    if abs(value) < 1e-9:
        return "0"
    if 0.001 <= abs(value) < 10_000:
        return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:#.3g}".rstrip(".")
    return f"{value:.2g}"
