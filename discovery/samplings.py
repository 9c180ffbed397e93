"""Designs that are no full grid: one axis at a time, space-filling points, ladders of words, a population."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import qmc

from discovery.designs import AXES, Design, grid, known_axis
from models.ecg import Conditions

DECIMALS = 2
EVENED = 512  # points; the exchanges take long for more, and help less
NUMBERS = ("age", "heart_rate")


def one_at_a_time(base: Conditions, *, repeats: int = 1, seed: int = 0, **axes: Iterable) -> Design:
    """`base`, and each axis through its values while the others stay; parameters as in `grid`."""
    design = Design(base, (base,), (), repeats, seed)
    for axis, values in axes.items():
        design = design + grid(base, repeats=repeats, seed=seed, **{axis: values})
    return Design(base, design.cells, tuple(axes), repeats, seed, kind="one at a time")


def latin_hypercube(
    base: Conditions, *, points: int, repeats: int = 1, seed: int = 0, **axes: Sequence
) -> Design:
    """Points spread evenly over ranges: each axis is cut into `points` strata, and each stratum is met once.

    Parameters
    ----------
    base : Conditions
        Holds what is not swept.
    points : int
        How many cells.
    repeats, seed : int
        As in `grid`; `seed` also draws the points.
    **axes : pair of numbers, or list of words
        ``age=(20, 90)`` is the range from 20 to 90; ``sex=["female", "male"]`` are choices, equally frequent.

    Notes
    -----
    Source: McKay, Beckman, Conover 1979; `scipy.stats.qmc`, up to 512 points evened by random exchanges.
    """
    _spread(axes, points)
    evened = "random-cd" if points <= EVENED else None
    sampler = qmc.LatinHypercube(len(axes), optimization=evened, rng=np.random.default_rng(seed))
    return _filled(base, sampler.random(points), axes, (repeats, seed, "latin hypercube"))


def sobol(base: Conditions, *, points: int, repeats: int = 1, seed: int = 0, **axes: Sequence) -> Design:
    """Points of a scrambled Sobol sequence over ranges; `points` a power of two, else as `latin_hypercube`.

    Source: Sobol 1967, scrambled after Owen 1998; of `scipy.stats.qmc`.
    """
    _power_of_two(points)
    _spread(axes, points)
    sampler = qmc.Sobol(len(axes), rng=np.random.default_rng(seed))
    return _filled(base, sampler.random(points), axes, (repeats, seed, "sobol"))


def saltelli(base: Conditions, *, points: int, seed: int = 0, **axes: Sequence) -> Design:
    """A design for `discovery.sensitivity`: points A, points B, and A with one factor at a time taken from B.

    The last factor is the heart: every point of A and of B has a heart of its own. So the design has
    ``points * (number of axes + 3)`` ECGs, in the order A, B, A with B's first axis, ..., A with B's heart.

    Source: Saltelli et al. 2010, Computer Physics Communications 181:259.
    """
    _power_of_two(points)
    _spread(axes, points)
    drawn = qmc.Sobol(2 * len(axes), rng=np.random.default_rng(seed)).random(points)
    one, other = (_cells(base, half, axes) for half in np.split(drawn, 2, axis=1))
    own, others = list(range(points)), list(range(points, 2 * points))
    cells, hearts = [*one, *other], [*own, *others]
    for axis in axes:
        cells += [a.replace(**{axis: getattr(b, axis)}) for a, b in zip(one, other, strict=True)]
        hearts += own
    return Design(base, (*cells, *one), tuple(axes), 1, seed, (*hearts, *others), "saltelli")


def ladder(base: Conditions, rungs: Sequence[str], *, repeats: int = 1, seed: int = 0) -> Design:
    """`base`, and `base` with each rung's words added to its text: doses, paraphrases, nonsense as control.

    ``ladder(patient, ["borderline first degree av block", "first degree av block"], repeats=32)``
    """
    if isinstance(rungs, str) or not rungs:
        raise ValueError(f"rungs must be a list of words to add to the text, got {rungs!r}")
    texts = [base.text, *(f"{base.text} | {rung}" if base.text else rung for rung in rungs)]
    return Design(base, grid(base, text=texts).cells, ("text",), repeats, seed, kind="ladder")


def terms(
    base: Conditions,
    *,
    plus: Sequence[str] = (),
    minus: Sequence[str] = (),
    repeats: int = 1,
    seed: int = 0,
) -> Design:
    """`base`, then its report with each term of `plus` added, then with each term of `minus` left out.

    Parameters
    ----------
    base : Conditions
        Its text lists terms between ``|``.
    plus, minus : list of str
        Terms to add, and terms of the text to leave out, one at a time; both ignore case.
    repeats, seed : int
        As in `grid`.

    Raises
    ------
    ValueError
        Where there is nothing to change, or the text has no such term.
    """
    if isinstance(plus, str) or isinstance(minus, str) or not (plus or minus):
        raise ValueError(f"plus and minus must be lists of terms, got {plus!r} and {minus!r}")
    told = [term.strip() for term in (base.text or "").split("|") if term.strip()]
    texts = [base.text, *(" | ".join([*told, term]) for term in plus)]
    for term in minus:
        rest = [other for other in told if other.lower() != term.strip().lower()]
        if len(rest) == len(told):
            raise ValueError(f"minus must hold terms of the text {base.text!r}, got {term!r}")
        texts.append(" | ".join(rest) or None)
    return Design(base, grid(base, text=texts).cells, ("text",), repeats, seed, kind="terms")


def paraphrases(base: Conditions, texts: Sequence[str], *, repeats: int = 1, seed: int = 0) -> Design:
    """`base` with each of several texts that should mean the same; what differs between them is wording alone."""
    if isinstance(texts, str) or len(texts) < 2:
        raise ValueError(f"texts must be a list of at least 2 wordings, got {texts!r}")
    return Design(base, grid(base, text=texts).cells, ("text",), repeats, seed, kind="paraphrases")


def nonsense(count: int, seed: int = 0) -> list[str]:
    """Words that mean nothing, as a negative control: ``terms(patient, plus=nonsense(3))``.

    Parameters
    ----------
    count : int
        How many different words.
    seed : int
        Draws them; the first words are the same for every `count`.
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a whole number of words from 1 upwards, got {count!r}")
    draw = np.random.default_rng(seed)
    words: dict[str, None] = {}
    while len(words) < count:
        word = "".join(draw.choice(list("bdfgklmnprtvz")) + draw.choice(list("aeiou")) for _ in range(4))
        words[f"{word}x"] = None
    return list(words)


def population(
    base: Conditions, people: pd.DataFrame, *, points: int, repeats: int = 1, seed: int = 0
) -> Design:
    """Conditions drawn from a table's rows, so that age, sex, rate and text go together as they do there.

    Parameters
    ----------
    base : Conditions
        Holds what `people` has no column for.
    people : DataFrame
        Any of the columns age, sex, heart_rate, text (a table of `models.records`, say); NaN is unknown.
    points : int
        How many different rows to draw, without replacement.
    """
    axes = tuple(axis for axis in AXES if axis in people)
    if not axes:
        raise ValueError(f"people must have a column of {', '.join(AXES)}, got {', '.join(map(str, people))}")
    different = people[list(axes)].drop_duplicates().reset_index(drop=True)
    if not 1 <= points <= len(different):
        raise ValueError(f"points must be between 1 and the {len(different):,} different rows, got {points}")
    rows = np.random.default_rng(seed).choice(len(different), points, replace=False)
    chosen = different.iloc[rows].astype(object)
    chosen = chosen.where(chosen.notna(), None).to_dict("records")
    return Design(base, tuple(base.replace(**row) for row in chosen), axes, repeats, seed, kind="population")


def _filled(
    base: Conditions, unit: np.ndarray, axes: dict[str, Sequence], how: tuple[int, int, str]
) -> Design:
    """The design of points in the unit cube."""
    repeats, seed, kind = how
    return Design(base, tuple(_cells(base, unit, axes)), tuple(axes), repeats, seed, kind=kind)


def _cells(base: Conditions, unit: np.ndarray, axes: dict[str, Sequence]) -> list[Conditions]:
    """Points of the unit cube as conditions: numbers between the ends of a range, words in equal shares."""
    columns = {axis: _scaled(axis, unit[:, at], values) for at, (axis, values) in enumerate(axes.items())}
    return [
        base.replace(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]


def _scaled(axis: str, unit: np.ndarray, values: Sequence) -> list[Any]:
    """Numbers between 0 and 1 as values of an axis."""
    if axis in NUMBERS:
        low, high = values
        return np.round(low + unit * (high - low), DECIMALS).tolist()
    return [values[int(place * len(values))] for place in unit]


def _spread(axes: dict[str, Sequence], points: int) -> None:
    """Refuse what cannot be spread over."""
    if not axes:
        raise ValueError("axes must name at least one range, got none: write age=(20, 90)")
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    for axis, values in axes.items():
        known_axis(axis)
        if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
            raise ValueError(f"{axis} must be a range (low, high) or a list of words, got {values!r}")
        if axis in NUMBERS and (len(values) != 2 or not values[0] < values[1]):
            raise ValueError(
                f"{axis} must be a range (low, high), got {values!r}: use grid for single values"
            )


def _power_of_two(points: int) -> None:
    """Refuse a number of points that would unbalance a Sobol sequence."""
    if points < 1 or points & (points - 1):
        fitting = 1 << max(points, 1).bit_length()
        raise ValueError(f"points must be a power of 2, got {points}: take {fitting}")
