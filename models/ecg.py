"""The shared values: what is asked (`Conditions`), what comes back (`ECG`), who makes it (`Generator`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
SEXES = ("female", "male")
AGE_LIMITS = (0.0, 120.0)
HEART_RATE_LIMITS = (20.0, 300.0)


@dataclass(frozen=True)
class Conditions:
    """What one ECG is asked to be; `None` means unknown, and the generator chooses.

    Parameters
    ----------
    age : float or None
        Years, 0 to 120.
    sex : {"female", "male"} or None
    heart_rate : float or None
        Ventricular rate asked for, 20 to 300 beats per minute.
    text : str or None
        Clinical report, free text; statements may be separated by ``|``.

    Raises
    ------
    ValueError
        Where a value lies outside its limits.
    TypeError
        Where a value is of the wrong kind.
    """

    age: float | None = None
    sex: str | None = None
    heart_rate: float | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "age", _number("age", self.age, AGE_LIMITS, "years"))
        object.__setattr__(
            self, "heart_rate", _number("heart_rate", self.heart_rate, HEART_RATE_LIMITS, "bpm")
        )
        if self.sex is not None and self.sex not in SEXES:
            raise ValueError(
                f"sex must be 'female' or 'male', got {self.sex!r}: write the word, "
                "or leave it out where it is unknown"
            )
        if self.text is not None and not isinstance(self.text, str):
            raise TypeError(f"text must be a string, got {self.text!r}: write the report as words")

    def replace(self, **changes: Any) -> "Conditions":
        """The same conditions with some values changed, as in ``patient.replace(age=80)``."""
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                raise TypeError(f"conditions must be among {', '.join(known)}, got {name!r}")
        return replace(self, **changes)

    def to_dict(self) -> dict[str, float | str | None]:
        """The four values by name, as written to tables and files."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(frozen=True, eq=False)
class ECG:
    """A batch of ECGs with all that is needed to make them again.

    Parameters
    ----------
    signals : ndarray, float32, shape (batch, lead, sample)
        Millivolts.
    fs : float
        Sampling frequency, Hz.
    leads : tuple of str
        Names of the second axis; `LEADS` unless said otherwise.
    conditions : tuple of Conditions
        What each ECG was asked to be (for a recorded ECG: what is known of it).
    seeds : tuple of int
        The seed of each generated ECG; -1 for a recorded one.
    provenance : mapping
        Where the batch comes from: at least ``source`` (generator or data set) and ``synthetic`` (bool).
    annotations : mapping of str to ndarray
        Arrays with one row per ECG: known intervals of the simulator (``known_qt_ms``), a generator's
        latent vectors (``latent``), a record's name (``record``).

    Raises
    ------
    ValueError
        Where shapes disagree.
    """

    signals: np.ndarray
    fs: float
    leads: tuple[str, ...] = LEADS
    conditions: tuple[Conditions, ...] = ()
    seeds: tuple[int, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        signals = np.asarray(self.signals, dtype=np.float32)
        if signals.ndim != 3:
            raise ValueError(
                f"signals must have the shape (batch, lead, sample), got {signals.shape}: "
                "for one ECG write signals[None]"
            )
        batch, leads, _ = signals.shape
        if leads != len(self.leads):
            raise ValueError(
                f"signals must have one row per lead, got {leads} rows for the {len(self.leads)} leads "
                f"{' '.join(self.leads)}: the axes are (batch, lead, sample)"
            )
        if not self.fs > 0:
            raise ValueError(f"fs must be above 0 Hz, got {self.fs}")
        filled = {
            "signals": signals,
            "fs": float(self.fs),
            "leads": tuple(self.leads),
            "conditions": tuple(self.conditions) or (Conditions(),) * batch,
            "seeds": tuple(int(seed) for seed in self.seeds) or (-1,) * batch,
            "provenance": dict(self.provenance),
            "annotations": {name: np.asarray(rows) for name, rows in self.annotations.items()},
        }
        counts = {"conditions": len(filled["conditions"]), "seeds": len(filled["seeds"])}
        counts |= {name: len(rows) for name, rows in filled["annotations"].items()}
        for name, count in counts.items():
            if count != batch:
                raise ValueError(f"{name} must have one row per ECG, got {count} for {batch} ECGs")
        for name, value in filled.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.signals)

    def __iter__(self) -> Iterator["ECG"]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> "ECG":
        """A smaller batch: one ECG (kept as a batch of one), a slice, a list of rows or a mask."""
        rows = np.arange(len(self))[index]
        rows = np.atleast_1d(rows)
        return replace(
            self,
            signals=self.signals[rows],
            conditions=tuple(self.conditions[row] for row in rows),
            seeds=tuple(self.seeds[row] for row in rows),
            annotations={name: values[rows] for name, values in self.annotations.items()},
        )

    def lead(self, name: str) -> np.ndarray:
        """One lead of every ECG, mV, shape (batch, sample)."""
        if name not in self.leads:
            raise ValueError(f"lead must be one of {' '.join(self.leads)}, got {name!r}")
        return self.signals[:, self.leads.index(name)]

    @property
    def seconds(self) -> float:
        """Length of the strips in seconds."""
        return self.signals.shape[2] / self.fs


@runtime_checkable
class Generator(Protocol):
    """Anything that makes ECGs: the bundled model, the simulator, DiffuSETS weights, a user's own.

    `name` names it in tables and files; `digest` changes whenever the same seeds would give other ECGs.
    """

    name: str
    digest: str
    fs: float

    def generate(self, conditions: Sequence[Conditions], seeds: Sequence[int]) -> ECG:
        """One ECG per (conditions, seed) pair; an ECG depends on its own pair only, never on its batch."""
        ...


def twelve_leads(eight: np.ndarray) -> np.ndarray:
    """The twelve leads from the eight independent ones, mV, (batch, 8, sample) -> (batch, 12, sample).

    Source: Einthoven, III = II - I; Goldberger, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2.
    """
    if eight.ndim != 3 or eight.shape[1] != len(INDEPENDENT_LEADS):
        raise ValueError(
            f"eight must have the shape (batch, 8, sample) in the order {' '.join(INDEPENDENT_LEADS)}, "
            f"got {eight.shape}"
        )
    lead_i, lead_ii = eight[:, :1], eight[:, 1:2]
    derived = (lead_ii - lead_i, -(lead_i + lead_ii) / 2, lead_i - lead_ii / 2, lead_ii - lead_i / 2)
    return np.concatenate([lead_i, lead_ii, *derived, eight[:, 2:]], axis=1)


def join(batches: Sequence[ECG]) -> ECG:
    """One batch out of several of the same sampling frequency, leads and length, in their order."""
    if not batches:
        raise ValueError("batches must hold at least one ECG batch, got none")
    first = batches[0]
    for other in batches[1:]:
        if (other.fs, other.leads, other.signals.shape[2]) != (first.fs, first.leads, first.signals.shape[2]):
            raise ValueError(
                f"batches must agree in fs, leads and length, got {first.fs:g} Hz x {first.signals.shape[2]} "
                f"and {other.fs:g} Hz x {other.signals.shape[2]}"
            )
    shared = sorted(set(first.annotations).intersection(*(other.annotations for other in batches)))
    return replace(
        first,
        signals=np.concatenate([ecg.signals for ecg in batches]),
        conditions=tuple(asked for ecg in batches for asked in ecg.conditions),
        seeds=tuple(seed for ecg in batches for seed in ecg.seeds),
        annotations={name: np.concatenate([ecg.annotations[name] for ecg in batches]) for name in shared},
    )


def check_request(conditions: Sequence[Conditions], seeds: Sequence[int]) -> None:
    """Refuse a request whose conditions and seeds do not pair up one to one."""
    if len(conditions) != len(seeds):
        raise ValueError(
            f"seeds must be one per condition, got {len(seeds)} for {len(conditions)}: "
            "give every ECG its own integer"
        )
    for seed in seeds:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"seeds must be whole numbers from 0 upwards, got {seed!r}")
    for asked in conditions:
        if not isinstance(asked, Conditions):
            raise TypeError(f"conditions must be Conditions, got {asked!r}: write Conditions(age=50, ...)")


def _number(name: str, value: Any, limits: tuple[float, float], unit: str) -> float | None:
    """`value` as a float within `limits`, or None where it is unknown."""
    if value is None:
        return None
    if isinstance(value, bool | str) or not np.isscalar(value):
        raise TypeError(f"{name} must be a number of {unit}, got {value!r}: leave it out where it is unknown")
    if not limits[0] <= float(value) <= limits[1]:
        raise ValueError(f"{name} must be between {limits[0]:g} and {limits[1]:g} {unit}, got {value:g}")
    return float(value)
