"""Whether a text shows in the ECG: shares of generated ECGs with the sign it names, over records' with that text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from discovery.benchmark import Score, Side, Trial, carries
from discovery.distances import Measured, resampled, share

Sign = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Check:
    """A text and the sign it must show.

    Parameters
    ----------
    words : str
        The text, as in the table.
    code : str
        Its statement.
    sign : str
        In words.
    shows : callable
        From a table of measurements to yes, no or NaN for each row.
    """

    words: str
    code: str
    sign: str
    shows: Sign


def _fibrillates(table: pd.DataFrame) -> pd.Series:
    return (table["p_present"] == 0) & (table["rr_cv"] > 0.10)


CHECKS = (
    Check("LBBB", "CLBBB", "QRS 120 ms or more", lambda t: (t["qrs_ms"] >= 120).where(t["qrs_ms"].notna())),
    Check("RBBB", "CRBBB", "QRS 120 ms or more", lambda t: (t["qrs_ms"] >= 120).where(t["qrs_ms"].notna())),
    Check("first-degree AV block", "1AVB", "PR above 200 ms", lambda t: (t["pr_ms"] > 200).where(t["pr_ms"].notna())),
    Check("AF", "AFIB", "no coherent P and RR variation above 0.10", _fibrillates),
    Check(
        "LAFB", "LAFB", "QRS axis below -30 degrees",
        lambda t: (t["qrs_axis_deg"] < -30).where(t["qrs_axis_deg"].notna()),
    ),
)  # fmt: skip
INFERIOR, ANTERIOR = ("IMI", "ILMI", "IPMI", "IPLMI"), ("ASMI", "AMI", "ALMI")


def matched_scores(trial: Trial, bare: Mapping[str, pd.DataFrame], seed: int = 0) -> list[Score]:
    """Shares over records', twins asked with all that is known of the record, and with the bare text.

    Parameters
    ----------
    bare : mapping of str to DataFrame
        By statement: ECGs of the same age, sex and rate as the records with it, asked with its words alone.
    """
    records, twins = trial.records.table, trial.all_twins.table
    scores = []
    for check in CHECKS:
        rows = carries(records, check.code)
        theirs = check.shows(records[rows]).to_numpy(float)
        floor = share(theirs).value
        ours = check.shows(twins[rows]).to_numpy(float)
        name = f"{check.words} text: {check.sign}"
        scores.append(Score("statements", f"{name}, over records'", _over(ours, theirs, seed), 1.0))
        scores.append(Score("statements", f"{name}, share", share(ours), floor))
        if check.code in bare:
            alone = check.shows(bare[check.code]).to_numpy(float)
            scores.append(Score("statements", f"{name}, share, bare text", share(alone), floor))
    return scores


def sinus_scores(trial: Trial, bare: Mapping[str, pd.DataFrame]) -> list[Score]:
    """Coherent P waves under a sinus text; rates where the text names them and none is asked.

    Parameters
    ----------
    bare : mapping of str to DataFrame
        ``SR``, ``SBRAD``, ``STACH``: ECGs asked with these words alone, the last two without a heart rate.
    """
    records = trial.records.table
    sinus = records[carries(records, "SR")]
    twins = trial.all_twins.table[carries(records, "SR")]
    scores = [
        Score(
            "statements", "sinus text: P coherent", share(bare["SR"]["p_present"]), sinus["p_present"].mean()
        ),
        Score(
            "statements",
            "sinus among all statements: P coherent",
            share(twins["p_present"]),
            sinus["p_present"].mean(),
        ),
    ]
    for code, words, slow in (("SBRAD", "bradycardia", True), ("STACH", "tachycardia", False)):
        theirs, ours = records.loc[carries(records, code), "rate_bpm"], bare[code]["rate_bpm"]
        hit, floor = (ours < 60, theirs < 60) if slow else (ours > 100, theirs > 100)
        limit = "below 60 bpm" if slow else "above 100 bpm"
        name = f"sinus {words} text, no rate asked: {limit}"
        scores.append(Score("statements", name, share(hit), float(floor.mean())))
    return scores


def infarct_scores(
    trial: Trial,
    bare: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    more: Sequence[pd.DataFrame] = (),
    seed: int = 0,
) -> list[Score]:
    """Odds of a pathological Q in the right territory, inferior against anterior infarct, over records' odds ratio.

    With `more` sets of twins the logarithms of their odds ratios are averaged: each set is as large as that of the
    records, so that the half counts weigh alike, and a single ECG decides less.

    Parameters
    ----------
    bare : two DataFrames, optional
        ECGs asked with the words of an inferior and of an anterior infarct alone.
    more : sequence of DataFrame
        Further twins of the records with an infarct, with their `statements`.
    """
    records, scores = trial.records.table, []
    for words, column, right, wrong in (
        ("inferior", "q_inferior", INFERIOR, ANTERIOR),
        ("anterior", "q_anterior", ANTERIOR, INFERIOR),
    ):
        theirs = _by_territory(records, column, right, wrong)
        ours = [_by_territory(table, column, right, wrong) for table in (trial.all_twins.table, *more)]
        made = [part for pair in ours for part in pair]

        def relative(*parts: np.ndarray) -> float:
            return _mean_log_odds(*parts[:-2]) - _mean_log_odds(*parts[-2:])

        name = f"{words} infarct text: {words} Q"
        count = sum(min(map(len, pair)) for pair in ours)
        found = _exponential(resampled(relative, [*made, *theirs], seed), count)
        scores.append(Score("statements", f"{name}, odds ratio over records'", found, 1.0))
        found, floor = _exponential(resampled(_mean_log_odds, made, seed), count), odds_ratio(*theirs)
        scores.append(Score("statements", f"{name}, odds ratio", found, floor))
        if bare is not None:
            order = bare if words == "inferior" else bare[::-1]
            alone = [table[column].dropna().to_numpy() for table in order]
            value = _exponential(resampled(_mean_log_odds, alone, seed))
            scores.append(Score("statements", f"{name}, odds ratio, bare text", value, floor))
    return scores


def _by_territory(
    table: pd.DataFrame, column: str, right: Sequence[str], wrong: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """A sign in ECGs that state an infarct of the right territory alone, and of the wrong one alone."""
    here, there = carries(table, *right), carries(table, *wrong)
    first, second = (table.loc[rows, column].dropna().to_numpy() for rows in (here & ~there, there & ~here))
    return first, second


def _mean_log_odds(*parts: np.ndarray) -> float:
    """Mean logarithm of the odds ratios of pairs of samples."""
    return float(np.mean([np.log(odds_ratio(*pair)) for pair in zip(parts[::2], parts[1::2], strict=True)]))


def odds_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Odds of yes in the first over those in the second, half a count added to each cell.

    Source: Haldane, Ann. Hum. Genet. 1956.
    """
    odds = [(np.sum(part) + 0.5) / (np.sum(1 - np.asarray(part)) + 0.5) for part in (first, second)]
    return float(odds[0] / odds[1])


def pair_scores(arms: Mapping[str, Side], seed: int = 0) -> list[Score]:
    """The same hearts with one condition changed: how alike the beats stay, and which intervals move.

    Parameters
    ----------
    arms : mapping of str to Side
        ``as asked`` and the changes in words, each with the same hearts in the same order.
    """
    first = arms["as asked"]
    scores = []
    random = np.random.default_rng(seed)
    shift = random.permutation(len(first)) if len(first) < 3 else np.roll(np.arange(len(first)), 1)
    strange = float(np.nanmedian(_correlations(first.beats, first.beats[shift])))
    for words, arm in arms.items():
        if arm is first:
            continue
        alike = _correlations(first.beats, arm.beats)
        alike = alike[np.isfinite(alike)]
        name = f"same heart, {words}: correlation of beats (column records: of other hearts)"
        scores.append(Score("pairs", name, resampled(np.median, [alike], seed), strange))
        for label, column in (("PR", "pr_ms"), ("QRS", "qrs_ms"), ("QT", "qt_ms"), ("rate", "rate_bpm")):
            moved = (arm.table[column] - first.table[column]).dropna().to_numpy(float)
            if len(moved) < 3:
                continue
            unit = "bpm" if label == "rate" else "ms"
            for kind, size in (("mean change", np.mean), ("median absolute change", _median_size)):
                found = resampled(size, [moved], seed)
                scores.append(Score("pairs", f"same heart, {words}: {label}, {kind}", found, unit=unit))
    return scores


def _median_size(changes: np.ndarray) -> float:
    """How far a quantity typically moves, up or down."""
    return float(np.median(np.abs(changes)))


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of each pair of median beats, all leads together."""
    a, b = (part.reshape(len(part), -1) for part in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def _over(ours: np.ndarray, theirs: np.ndarray, seed: int) -> Measured:
    """Share over share, with its bootstrap interval."""
    ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    if not len(ours) or not theirs.any():
        return Measured(np.nan, np.nan, np.nan, len(ours))
    return resampled(lambda a, b: np.mean(a) / max(np.mean(b), 1e-9), [ours, theirs], seed)


def _exponential(found: Measured, count: int | None = None) -> Measured:
    """Out of logarithms; `count` is the n where it is not the smallest sample."""
    return Measured(*(float(np.exp(v)) for v in (found.value, found.low, found.high)), count or found.n)
