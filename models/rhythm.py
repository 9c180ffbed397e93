"""Instants and kinds of a strip's beats: seeded, at exactly the rate asked for, varying as records vary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("sinus", "arrhythmia", "fibrillation", "fixed")
"""How RR intervals vary; `fixed` stands for paced and other regular rhythms."""
MARGIN_S = 2.0
SHORTEST_RR = 0.55
FEWEST_RUNS = 5
ECTOPY_ELSEWHERE = (0.15, 0.65, 0.1)
"""Share, coupling and its spread where no record shows premature beats: chosen by us, not learnt."""
DOMINANT, VENTRICULAR, ATRIAL = 0, 1, 2
"""Kinds of beat: the rhythm's own, premature ventricular, premature atrial."""
PREMATURE_CODES = {"PVC": VENTRICULAR, "BIGU": VENTRICULAR, "TRIGU": VENTRICULAR, "PAC": ATRIAL}


@dataclass(frozen=True)
class Rhythm:
    """The beats of one strip.

    Parameters
    ----------
    beats_s : ndarray
        Instants of the R peaks, s; some lie before 0 and after the end, so that the ends are complete.
    kinds : ndarray of int
        `DOMINANT`, `VENTRICULAR` or `ATRIAL` for each beat.
    """

    beats_s: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class RhythmModel:
    """Variation of RR intervals for each of `KINDS`: log RR is a second-order autoregression of learnt size.

    Parameters
    ----------
    log_cv : ndarray, shape (4, 4)
        For each kind: constant, slope per 20 years of age from 60, slope per log RR, and residual standard
        deviation of the log of the coefficient of variation.
    autoregression : ndarray, shape (4, 2)
        Coefficients of the two intervals before.
    ectopy : ndarray, shape (3,)
        Mean share of premature beats in records that name them; mean and standard deviation of their
        coupling interval over the mean RR.
    """

    log_cv: np.ndarray
    autoregression: np.ndarray
    ectopy: np.ndarray

    def draw(
        self,
        heart_rate: float,
        age: float,
        statements: Mapping[str, float],
        seconds: float,
        draw: np.random.Generator,
    ) -> Rhythm:
        """Beats whose mean RR interval inside the strip is 60 / heart_rate seconds.

        Parameters
        ----------
        heart_rate : float
            Beats per minute.
        age : float
            Years.
        statements : mapping
            Statement -> certainty; decides between `KINDS` and whether there are premature beats.
        seconds : float
            Length of the strip.
        draw : numpy Generator
            The rhythm's own stream of the ECG's seed.
        """
        mean = 60 / heart_rate
        kind = KINDS.index(rhythm_kind(statements))
        phase = draw.random()
        spread, premature = draw.standard_normal(), draw.random(4)
        noise = draw.standard_normal(400)
        count = int(np.ceil((seconds + 2 * MARGIN_S) / mean / SHORTEST_RR)) + 8
        constant, slope_age, slope_rr, residual = self.log_cv[kind]
        log_cv = (
            constant
            + slope_age * (age - 60) / 20
            + slope_rr * np.log(mean)
            + residual * np.clip(spread, -2, 2)
        )
        log_rr = (
            np.exp(log_cv) * _autoregression(self.autoregression[kind], np.resize(noise, count + 20))[20:]
        )
        relative = np.maximum(np.exp(log_rr), SHORTEST_RR)
        kinds = np.zeros(count + 1, int)
        for code, beat_kind in PREMATURE_CODES.items():
            if statements.get(code, 0) > 0.3:
                share = {"BIGU": 0.5, "TRIGU": 1 / 3}.get(code, self.ectopy[0])
                _insert_premature(relative, kinds, beat_kind, share, self.ectopy[1:], premature)
                break
        return _scaled_to(mean, relative, kinds, phase, seconds)


def rhythm_kind(statements: Mapping[str, float]) -> str:
    """Which of `KINDS` the statements ask for."""
    if statements.get("AFIB", 0) > 0.3:
        return "fibrillation"
    if any(statements.get(code, 0) > 0.3 for code in ("PACE", "AFLT", "SVTAC", "PSVT", "3AVB")):
        return "fixed"
    return "arrhythmia" if statements.get("SARRH", 0) > 0.3 else "sinus"


def fit_rhythm(
    beats: Sequence[np.ndarray], kept: Sequence[np.ndarray], age: np.ndarray, statements: Sequence
) -> RhythmModel:
    """The rhythm model of recorded strips.

    Only runs of beats of the dominant class count, and of each strip only intervals within 40 % of its median
    (75 to 140 % outside fibrillation), so that missed, false and premature beats do not pass for variation.
    """
    kinds = np.array([KINDS.index(rhythm_kind(said)) for said in statements])
    series = [_clean_intervals(b, k, KINDS[kind]) for b, k, kind in zip(beats, kept, kinds, strict=True)]
    log_cv, coefficients = np.zeros((4, 4)), np.zeros((4, 2))
    for kind in range(len(KINDS)):  # a kind with too few records varies as sinus rhythm, the first, does
        rows = [i for i in np.flatnonzero(kinds == kind) if len(series[i]) >= 6]
        if len(rows) < FEWEST_RUNS:
            log_cv[kind], coefficients[kind] = log_cv[0], coefficients[0]
            continue
        runs = [np.log(series[i] / series[i].mean()) for i in rows]
        spread = np.log(np.maximum([run.std(ddof=1) for run in runs], 0.004))
        design = np.column_stack(
            [np.ones(len(rows)), (age[rows] - 60) / 20, [np.log(series[i].mean()) for i in rows]]
        )
        weights = np.linalg.solve(design.T @ design + np.diag([1e-6, 5.0, 5.0]), design.T @ spread)
        # a short strip's own spread is uncertain by 1 / (2 (n - 1)) in the square of its logarithm: not varied twice
        chance = np.mean([0.5 / (len(run) - 1) for run in runs])
        left = spread - design @ weights
        between = max((1.4826 * np.median(np.abs(left - np.median(left)))) ** 2 - chance, 0.01)
        log_cv[kind] = [*weights, np.sqrt(between)]
        coefficients[kind] = _yule_walker(runs)
    return RhythmModel(log_cv, coefficients, _fit_ectopy(beats, kept, statements))


def _clean_intervals(beats_s: np.ndarray, kept: np.ndarray, kind: str) -> np.ndarray:
    """RR intervals between neighbouring kept beats, outliers left out."""
    intervals = np.diff(beats_s)[kept[1:] & kept[:-1]]
    if not len(intervals):
        return intervals
    low, high = (0.4, 1.9) if kind == "fibrillation" else (0.75, 1.4)
    middle = np.median(intervals)
    return intervals[(intervals > low * middle) & (intervals < high * middle)]


def _yule_walker(runs: Sequence[np.ndarray]) -> np.ndarray:
    """Coefficients of a second-order autoregression common to all runs, each scaled to unit variance."""
    first, second, count = 0.0, 0.0, 0
    for run in runs:
        scaled = (run - run.mean()) / max(run.std(), 1e-6)
        # the mean of a short run is taken from itself, which lowers its autocorrelations by 1/n
        first += np.mean(scaled[1:] * scaled[:-1]) + 1 / len(run)
        second += np.mean(scaled[2:] * scaled[:-2]) + 1 / len(run)
        count += 1
    r1, r2 = first / max(count, 1), second / max(count, 1)
    return np.array([r1 * (1 - r2), r2 - r1**2]) / (1 - r1**2)


def _fit_ectopy(beats: Sequence[np.ndarray], kept: Sequence[np.ndarray], statements: Sequence) -> np.ndarray:
    """Share of premature beats and their coupling, from records that name premature ventricular beats."""
    shares, couplings = [], []
    for beats_s, keep, said in zip(beats, kept, statements, strict=True):
        if said.get("PVC", 0) <= 0.3 or len(beats_s) < 5 or said.get("AFIB", 0) > 0.3:
            continue
        relative = np.diff(beats_s) / np.median(np.diff(beats_s))
        early = ~keep[1:] & (relative < 0.9)
        if early.any():
            shares.append(early.mean())
            couplings.extend(relative[early])
    return np.array([np.mean(shares), np.mean(couplings), np.std(couplings)] if shares else ECTOPY_ELSEWHERE)


def _autoregression(coefficients: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """A second-order autoregression of unit variance driven by the noise."""
    a, b = coefficients
    r1 = a / (1 - b)
    innovation = np.sqrt(max(1 - a * r1 - b * (a * r1 + b), 1e-3))
    values = np.zeros(len(noise))
    values[:2] = noise[:2]
    for index in range(2, len(noise)):
        values[index] = a * values[index - 1] + b * values[index - 2] + innovation * noise[index]
    return values


def _insert_premature(
    relative: np.ndarray, kinds: np.ndarray, kind: int, share: float, coupling: np.ndarray, chance: np.ndarray
) -> None:
    """Make some beats premature in place: shorten the interval before, lengthen the one after."""
    period = max(int(round(1 / np.clip(share * (0.6 + 0.8 * chance[0]), 0.05, 0.5))), 2)
    for beat in range(1 + int(chance[1] * period), len(relative) - 1, period):
        early = np.clip(coupling[0] + 0.5 * coupling[1] * (2 * chance[2] - 1), 0.45, 0.85)
        total = 2.0 if kind == VENTRICULAR else 1.0 + early + 0.1
        relative[beat - 1], relative[beat] = early, total - early
        kinds[beat] = kind


def _scaled_to(mean: float, relative: np.ndarray, kinds: np.ndarray, phase: float, seconds: float) -> Rhythm:
    """The sequence stretched so that the intervals inside the strip have the mean asked for.

    Which intervals lie inside depends on the stretch itself; of the stretches tried the best is taken.
    """
    scale, best, least = mean / relative.mean(), None, np.inf
    for attempt in range(60):
        rr = relative * scale
        beats = np.concatenate([[0.0], np.cumsum(rr)]) - MARGIN_S - phase * rr[0]
        inside = beats[(beats >= 0) & (beats <= seconds)]
        if len(inside) < 2:
            phase, scale = phase + 0.25, mean / relative.mean()
            continue
        error = np.diff(inside).mean() / mean
        if abs(error - 1) < least:
            best, least = beats, abs(error - 1)
        if least < 1e-6:
            break
        if attempt % 6 == 5:  # caught between two counts of beats: begin elsewhere
            phase += 0.17
        scale /= error
    near = best <= seconds + MARGIN_S
    return Rhythm(best[near], kinds[: len(best)][near])
