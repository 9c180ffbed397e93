"""One simulated heart: its intervals, axis and shapes, from planted effects, statements, and its own seed."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.ecg import Conditions
from models.forms import FORMS, P_WAVE, QRS, T_VECTOR, Form
from models.statements import recognise
from models.vectorcardiogram import Lobe, Wave, scaled, turned

Effects = Mapping[str, Mapping[str, float]]

# Each outcome at 50 years, 70 bpm (QT: RR of 1 s), and its standard deviation between persons.
BASE = {
    "pr_ms": (158.0, 18.0),
    "qrs_ms": (94.0, 7.0),
    "qt_ms": (396.0, 14.0),
    "p_ms": (110.0, 8.0),
    "qrs_axis_deg": (38.0, 22.0),
    "qrs_gain": (0.88, 0.16),
    "t_gain": (1.0, 0.20),
    "rr_cv": (0.030, 0.009),
}
FLOORS = {
    "pr_ms": 80.0,
    "qrs_ms": 50.0,
    "qt_ms": 180.0,
    "p_ms": 50.0,
    "qrs_axis_deg": -720.0,
    "qrs_gain": 0.2,
    "t_gain": 0.1,
    "rr_cv": 0.004,
}

# Sizes of the order that surveys of healthy adults report; none of them is a claim about patients.
PHYSIOLOGY: Effects = {
    "pr_ms": {"sex:female": -6, "age:decade": 4, "rate:10bpm": -3},
    "qrs_ms": {"sex:female": -6},
    "qt_ms": {"sex:female": 12, "age:decade": 3},
    "p_ms": {"sex:female": -4, "age:decade": 2},
    "qrs_axis_deg": {"sex:female": 4, "age:decade": -7},
    "qrs_gain": {"sex:female": -0.10, "age:decade": -0.03},
    "t_gain": {"sex:female": -0.20, "age:decade": -0.06},
    "rr_cv": {"age:decade": -0.004},
}
PER = ("sex:female", "sex:male", "age:decade", "rate:10bpm", "fixed")
LATENT = 40


@dataclass(frozen=True)
class Known:
    """Conditions with nothing left open: what was asked, and the seed's choice where nothing was."""

    age: float
    sex: str
    heart_rate: float
    codes: frozenset[str]


@dataclass(frozen=True)
class Heart:
    """What the beats of one strip have in common.

    Parameters
    ----------
    values : mapping of str to float
        Every outcome of `BASE`, exact.
    p, qrs, repolarisation : tuple of Lobe
        The waves; repolarisation lies between the end of QRS and the end of T.
    """

    values: Mapping[str, float]
    p: Wave
    qrs: Wave
    repolarisation: Wave


def check_effects(effects: Effects) -> dict[str, dict[str, float]]:
    """The effects with their texts turned into SCP-ECG codes.

    Raises
    ------
    ValueError
        Where an outcome, a condition or a text is not known, or a size is not a finite number.
    """
    checked: dict[str, dict[str, float]] = {}
    for outcome, sizes in effects.items():
        if outcome not in BASE:
            raise ValueError(
                f"effects must be on {', '.join(BASE)}, got {outcome!r}{_meant(outcome, list(BASE))}"
            )
        if not isinstance(sizes, Mapping):
            raise TypeError(
                f"effects[{outcome!r}] must map conditions to sizes, got {sizes!r}: "
                "write {'sex:female': 12}"
            )
        checked[outcome] = {}
        for per, size in sizes.items():
            if isinstance(size, bool | str) or not np.isscalar(size) or not np.isfinite(size):
                raise ValueError(f"effects[{outcome!r}][{per!r}] must be a finite number, got {size!r}")
            for name in _conditions(outcome, per):
                checked[outcome][name] = float(size)
        if "fixed" in checked[outcome] and len(checked[outcome]) > 1:
            raise ValueError(f"effects[{outcome!r}] must hold 'fixed' alone, got {', '.join(sizes)}")
    return checked


def fill(asked: Conditions, drawn: np.ndarray) -> Known:
    """Conditions with the seed's choice for what was left open; `drawn` are six uniform numbers.

    A statement in doubt ("possible LBBB", certainty 0.5) holds for that share of the seeds.
    """
    codes = frozenset()
    if asked.text:
        certainties = recognise(asked.text, FORMS).statements
        doubts = np.random.default_rng(int(drawn[5] * 2**32)).uniform(size=len(FORMS))
        codes = frozenset(
            code for code, doubt in zip(FORMS, doubts, strict=True) if certainties.get(code, 0) > doubt
        )
    usual = {"SBRAD": (46, 59), "STACH": (102, 130), "AFIB": (60, 115), "AFLT": (75, 150)}
    low, high = next((usual[code] for code in usual if code in codes), (56, 88))
    return Known(
        18 + 72 * drawn[0] if asked.age is None else asked.age,
        ("female" if drawn[1] < 0.5 else "male") if asked.sex is None else asked.sex,
        low + (high - low) * drawn[2] if asked.heart_rate is None else asked.heart_rate,
        codes,
    )


def grow(known: Known, person: np.ndarray, effects: Effects, rate_exponent: float, forms: bool) -> Heart:
    """The heart of one person under these conditions; `person` are its `LATENT` standard normal numbers.

    QT = base RR**rate_exponent + person + effects, ms, RR in s; other outcomes are base + person + effects;
    an outcome that is fixed is what it was fixed at, as far as `FLOORS` and the order of the waves allow.
    """
    table = [form for code, form in FORMS.items() if code in known.codes] if forms else []
    names = [code for code in FORMS if code in known.codes] if forms else []
    own = np.clip(person, -2.5, 2.5)
    values = {}
    for place, (outcome, (base, sd)) in enumerate(BASE.items()):
        if outcome == "qt_ms":
            base *= (60 / known.heart_rate) ** rate_exponent
        planted = effects.get(outcome, {})
        value = base + sd * own[place] + _planted(planted, known)
        for code, form in zip(names, table, strict=True):
            value += form.shifts.get(outcome, 0.0) if f"text:{code}" not in planted else 0.0
        values[outcome] = max(planted.get("fixed", value), FLOORS[outcome])
    values["p_ms"] = min(values["p_ms"], values["pr_ms"] - 12)
    values["qt_ms"] = max(values["qt_ms"], values["qrs_ms"] + 110)
    values["qrs_axis_deg"] = (values["qrs_axis_deg"] + 180) % 360 - 180
    return _shapes(values, table, own)


def _shapes(values: dict[str, float], forms: list[Form], own: np.ndarray) -> Heart:
    """The waves of a heart; every person's lobes differ a little in size and direction."""
    nudges = iter(1 + 0.10 * own[8:].reshape(-1, 2))
    p_wave = tuple(_nudged(lobe, next(nudges)) for lobe in P_WAVE)
    t_nudge = next(nudges)
    qrs = next((form.qrs for form in forms if form.qrs), QRS)
    qrs = (*qrs, *(lobe for form in forms for lobe in form.initial))
    t_vector = next((form.t_vector for form in forms if form.t_vector), T_VECTOR)
    st_vector = np.sum([form.st_vector for form in forms] or [(0.0, 0.0, 0.0)], axis=0)
    qrs = turned(tuple(_nudged(lobe, next(nudges)) for lobe in qrs), values["qrs_axis_deg"])
    jt = values["qt_ms"] - values["qrs_ms"]
    t_wave = Lobe(0.0, 1.0, t_vector, peak=max(0.5, 1 - 88 / jt), rise=3.2, fall=1.5)
    repolarisation = scaled((_nudged(t_wave, t_nudge),), values["t_gain"])
    if st_vector.any():
        repolarisation += (Lobe(-0.15, 0.85, tuple(st_vector), 0.35, 1.4, 1.6),)
    return Heart(values, p_wave, scaled(qrs, values["qrs_gain"]), repolarisation)


def _nudged(lobe: Lobe, nudge: np.ndarray) -> Lobe:
    """The lobe in another person: a little larger or smaller, front to back apart from the frontal plane."""
    x, y, z = lobe.vector
    return replace(lobe, vector=(x * nudge[0], y * nudge[0], z * nudge[1]))


def _planted(sizes: Mapping[str, float], known: Known) -> float:
    """Sum of the planted effects of these conditions on one outcome."""
    doses = {
        "sex:female": known.sex == "female",
        "sex:male": known.sex == "male",
        "age:decade": (known.age - 50) / 10,
        "rate:10bpm": (known.heart_rate - 70) / 10,
    } | {f"text:{code}": 1 for code in known.codes}
    return float(sum(size * doses.get(per, 0) for per, size in sizes.items()))


def _conditions(outcome: str, per: str) -> list[str]:
    """The conditions that an effect is tied to, its text as codes."""
    if per in PER:
        return [per]
    if isinstance(per, str) and per.startswith("text:"):
        codes = recognise(per.removeprefix("text:"), FORMS).statements
        if codes:
            return [f"text:{code}" for code in codes]
        raise ValueError(
            f"effects[{outcome!r}] must name a text that the simulator draws, got {per!r}: "
            f"it knows {', '.join(FORMS)}"
        )
    raise ValueError(
        f"effects[{outcome!r}] must be per {', '.join(PER)} or text:CODE, got {per!r}{_meant(per, PER)}"
    )


def _meant(got: object, known: list[str] | tuple[str, ...]) -> str:
    """The end of a message: what may have been meant."""
    near = difflib.get_close_matches(str(got), known, 1, 0.3)
    return f": did you mean {near[0]!r}?" if near else ""
