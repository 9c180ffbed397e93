"""The feature level: whether the heart rate is obeyed, and measured quantities are those of records."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from discovery.benchmark import Score, Side, Trial, carries
from discovery.distances import Measured, distance_ratio, resampled, share, wasserstein
from discovery.quantities import QUANTITIES

QUANTITIES_COMPARED = (
    "pr_ms", "qrs_ms", "qt_ms", "qtcf_ms", "p_ms", "tpte_ms", "p_axis_deg", "qrs_axis_deg", "t_axis_deg",
    "sokolow_lyon_mv", "cornell_mv", "st_ii_mv", "st_v2_mv", "st_v5_mv", "t_ii_mv", "t_v2_mv", "t_v5_mv", "rr_cv",
    "template_r",
)  # fmt: skip
BANDS = ((18, 45), (45, 65), (65, 120))
BANDED = ("pr_ms", "qrs_ms", "qtcf_ms", "qrs_axis_deg", "sokolow_lyon_mv", "t_v5_mv")
FEWEST = 20  # ECGs of an age band and sex, for a distance worth writing
CLOSE_BPM = 5.0
CLOSEST = 1e-3


def rate_error_scores(words: str, asked: np.ndarray, measured: np.ndarray, seed: int = 0) -> list[Score]:
    """Mean absolute error of the heart rate, and the share within 5 bpm; not measured counts as not within.

    Parameters
    ----------
    words : str
        What was asked, as in "heart rate, sinus rhythm".
    asked, measured : ndarray, shape (n,)
        bpm.
    """
    error = np.abs(np.asarray(measured, float) - np.asarray(asked, float))
    known = error[np.isfinite(error)]
    mean = resampled(np.mean, [known], seed) if len(known) else Measured(np.nan, np.nan, np.nan, 0)
    return [
        Score("feature", f"{words}: mean absolute error", mean, unit="bpm"),
        Score("feature", f"{words}: within 5 bpm", share(np.nan_to_num(error, nan=np.inf) <= CLOSE_BPM)),
    ]


def rate_scores(
    trial: Trial, swept: pd.DataFrame, fibrillating: pd.DataFrame, rates: Sequence[float], seed: int = 0
) -> list[Score]:
    """Heart rates asked for and measured: in the held-out conditions, at fixed rates, at the tails, in AF.

    Parameters
    ----------
    swept, fibrillating : DataFrame
        Measured ECGs of sinus rhythm and of atrial fibrillation, with the asked `heart_rate`.
    rates : sequence of float
        The rates of which the worst is reported, bpm; others in `swept` below 45 and above 140 are the tails.
    """
    twins = pd.concat([side.table for side in trial.twins], ignore_index=True)
    sinus = twins[carries(twins, "SR", "SBRAD", "STACH") & twins["heart_rate"].notna()]
    scores = rate_error_scores("heart rate, sinus rhythm", sinus["heart_rate"], sinus["rate_bpm"], seed)
    each = {rate: swept[swept["heart_rate"] == rate] for rate in rates}
    by_rate = [
        rate_error_scores(str(rate), part["heart_rate"], part["rate_bpm"]) for rate, part in each.items()
    ]
    words = f"heart rate, worst of {', '.join(f'{rate:g}' for rate in rates)} bpm"
    worst = max(by_rate, key=lambda pair: pair[0].measured.value)[0]
    least = min(by_rate, key=lambda pair: pair[1].measured.value)[1]
    scores += [
        Score("feature", f"{words}: mean absolute error", worst.measured, unit="bpm"),
        Score("feature", f"{words}: within 5 bpm", least.measured),
    ]
    tails = (("below 45 bpm", swept["heart_rate"] < 45), ("above 140 bpm", swept["heart_rate"] > 140))
    for name, rows in tails:
        if rows.any():
            part = swept[rows]
            scores += rate_error_scores(
                f"heart rate, sinus, {name}", part["heart_rate"], part["rate_bpm"], seed
            )
    asked, found = fibrillating["heart_rate"], fibrillating["rate_bpm"]
    return [*scores, *rate_error_scores("heart rate, atrial fibrillation", asked, found, seed)]


def distance_scores(trial: Trial, seed: int = 0) -> list[Score]:
    """Wasserstein distance of every quantity to the held-out records, over that of other people's records."""
    scores = []
    for name in QUANTITIES_COMPARED:
        made = [side.table[name].to_numpy(float) for side in trial.twins]
        distance, floor, ratio = distance_ratio(made, *_columns(trial, name), name.endswith("_deg"), seed)
        unit = QUANTITIES[name].unit
        scores += [
            Score("feature", f"{name}: Wasserstein distance", distance, floor.value, unit),
            Score("feature", f"{name}: distance over records' own", ratio, 1.0),
        ]
    return [*scores, *_banded(trial, seed)]


def missing_scores(trial: Trial) -> list[Score]:
    """Share of ECGs in which PR, QRS and QT could not be measured."""
    twins = pd.concat([side.table for side in trial.twins], ignore_index=True)
    return [
        Score(
            "feature",
            f"{name}: not measured",
            share(twins[name].isna()),
            trial.real.table[name].isna().mean(),
        )
        for name in ("pr_ms", "qrs_ms", "qt_ms")
    ]


def slope(table: pd.DataFrame, outcome: str, of: str, given: Sequence[str] = ()) -> Measured:
    """Regression coefficient of `of`, other columns held, with its interval (robust to unequal spread).

    `female` (0, 1) and `decades` (age / 10) may be named as columns; an axis is read about its mean direction.

    Source: White, Econometrica 1980 (HC1).
    """
    table = table.assign(female=(table["sex"] == "female").astype(float), decades=table["age"] / 10)
    rows = table[[outcome, of, *given]].apply(pd.to_numeric, errors="coerce").dropna()
    if len(rows) < 3 + len(given) or rows[of].nunique() < 2:
        return Measured(np.nan, np.nan, np.nan, len(rows))
    x = np.column_stack([rows[of], *(rows[name] for name in given), np.ones(len(rows))]).astype(float)
    y = rows[outcome].to_numpy(float)
    if outcome.endswith("_deg"):
        towards = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(y)).mean()))
        y = (y - towards + 180) % 360 - 180
    inverse = np.linalg.pinv(x.T @ x)
    weights = inverse @ x.T @ y
    left = y - x @ weights
    spread = inverse @ (x.T * left**2 @ x) @ inverse * len(y) / (len(y) - x.shape[1])
    half = 1.96 * np.sqrt(spread[0, 0])
    return Measured(float(weights[0]), float(weights[0] - half), float(weights[0] + half), len(rows))


def slope_scores(trial: Trial) -> list[Score]:
    """Slopes over all records and over one twin of each, in sinus rhythm."""
    wanted = (
        ("QT on RR", "qt_ms", "rr_ms", (), 1000.0, "ms/s"),
        ("PR on heart rate", "pr_ms", "rate_bpm", (), 10.0, "ms per 10 bpm"),
        ("QTcF, women less men", "qtcf_ms", "female", ("decades",), 1.0, "ms"),
        ("QRS axis by age", "qrs_axis_deg", "decades", (), 1.0, "degrees per 10 years"),
    )
    tables = [side.table[carries(side.table, "SR")] for side in (trial.all_twins, trial.records)]
    scores = []
    for words, outcome, of, given, times, unit in wanted:
        ours, theirs = (_times(slope(table, outcome, of, given), times) for table in tables)
        scores.append(
            Score(
                "feature",
                f"slope, {words} (records {theirs.low:.3g} to {theirs.high:.3g})",
                ours,
                theirs.value,
                unit,
            )
        )
    return scores


EFFECTS = (
    *(
        (f"{label} {words}", outcome, of, given)
        for label, outcome in (
            ("QTcF", "qtcf_ms"),
            ("QRS", "qrs_ms"),
            ("QRS axis", "qrs_axis_deg"),
            ("T in V5", "t_v5_mv"),
            ("T in V2", "t_v2_mv"),
        )
        for words, of, given in (
            ("women less men", "female", ("decades", "rate_bpm")),
            ("per 10 years", "decades", ("female", "rate_bpm")),
        )
    ),
    ("QT on RR", "qt_ms", "rr_ms", ("female", "decades")),
)
"""Words, outcome, the column whose effect it is, and what is held; all in normal ECGs."""


def effect_scores(trial: Trial, more: Sequence[pd.DataFrame] = ()) -> list[Score]:
    """Effects of sex, age and RR in normal ECGs: of generated ones, of records, and how many agree.

    A sign counts where the records' interval says what it is; a size is right within that interval.

    Parameters
    ----------
    more : sequence of DataFrame
        Further twins of the normal records: with one each, the effects of generated ECGs are as uncertain as those of
        records, and chance decides whether they agree.
    """
    ours = pd.concat([trial.all_twins.table, *more], ignore_index=True)
    ours, theirs = (table[carries(table, "NORM")] for table in (ours, trial.records.table))
    scores, signs, sizes = [], [], []
    for words, *what in EFFECTS:
        made, real = slope(ours, *what), slope(theirs, *what)
        if real.low > 0 or real.high < 0:
            signs.append(np.sign(made.value) == np.sign(real.value))
        sizes.append(real.low <= made.value <= real.high)
        name = f"normal ECGs, {words} (records {real.low:.3g} to {real.high:.3g})"
        unit = QUANTITIES[what[0]].unit + ("/ms" if what[1] == "rr_ms" else "")
        scores.append(Score("feature", name, made, real.value, unit))
    counted = (("sign as in records", signs), ("size within the records' interval", sizes))
    for words, hits in counted:
        scores.append(Score("feature", f"effects in normal ECGs: {words}", share(np.array(hits))))
    return scores


def strip_scores(trial: Trial, residual_mv: np.ndarray, seed: int = 0) -> list[Score]:
    """Beat similarity within a strip, and by how much the limb leads miss their identities at most."""
    twins = pd.concat([side.table for side in trial.twins], ignore_index=True)
    alike = twins["template_r"].dropna().to_numpy(float)
    largest = float(np.max(residual_mv))
    return [
        Score(
            "feature",
            "beat similarity within a strip",
            resampled(np.median, [alike], seed),
            float(trial.real.table["template_r"].median()),
        ),
        Score(
            "signal",
            "limb-lead identities: largest residual",
            Measured(largest, largest, largest, len(residual_mv)),
            unit="mV",
        ),
    ]


def _banded(trial: Trial, seed: int) -> list[Score]:
    """Mean ratio of distances over quantities, in each age band and sex; its interval is over the quantities."""
    scores = []
    random = np.random.default_rng(seed)
    for low, high in BANDS:
        for sex in ("female", "male"):
            real, others, *twins = (
                _of(side, low, high, sex).table for side in (trial.real, trial.others, *trial.twins)
            )
            if min(len(real), len(others)) < FEWEST:
                continue
            ratios = []
            for name in BANDED:
                angle, target, pool = name.endswith("_deg"), real[name], others[name].dropna().to_numpy()
                ours = np.mean([wasserstein(table[name], target, angle) for table in twins])
                size = min(int(target.notna().sum()), len(pool))
                floor = np.mean(
                    [
                        wasserstein(pool[random.permutation(len(pool))[:size]], target, angle)
                        for _ in range(20)
                    ]
                )
                ratios.append(np.log(ours / floor))
            found = resampled(np.mean, [np.array(ratios)], seed)
            mean = Measured(*(float(np.exp(v)) for v in (found.value, found.low, found.high)), len(real))
            years = f"{low} to {high - 1} years" if high < 120 else f"{low} years and more"
            words = f"distance over records' own, {sex}, {years}: geometric mean of {len(BANDED)} quantities"
            scores.append(Score("feature", words, mean, 1.0))
    return scores


def _of(side: Side, low: float, high: float, sex: str) -> Side:
    """The ECGs of an age band and sex."""
    return side.where((side.table["sex"] == sex) & (side.table["age"] >= low) & (side.table["age"] < high))


def _columns(trial: Trial, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A quantity of the held-out and of the other records."""
    return trial.real.table[name].to_numpy(float), trial.others.table[name].to_numpy(float)


def _times(found: Measured, factor: float) -> Measured:
    """The same in another unit."""
    return Measured(found.value * factor, found.low * factor, found.high * factor, found.n)
