"""Moves the mean intervals of hearts until generated ECGs are measured as records are, condition by condition.

What a measurement finds in a generated ECG is not quite what its heart was drawn with: limits of statements, T waves
that run into P, noise and texture move it, and more so in some people than in others. Of what is left between the
regression of recorded intervals on the conditions and that of generated ones, the mean of hearts takes the opposite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from models.checkpoints import Checkpoint
from models.ecg import ECG, LEADS
from models.encoding import Encoding, penalties, ridge, with_rhythm
from models.fitting import VALIDATION_FOLD, table_with_means
from models.generator import BundledGenerator, Request
from models.heart import STATEMENT_PENALTY, TIMING_NAMES
from models.parts import choose_device
from models.records import Records
from models.reports import Reader, TextEncoder
from models.spread import ridge_without_misses
from models.strip import FS

INTERVALS = {"log_pr": "pr_ms", "log_qrs": "qrs_ms", "log_qt": "qt_ms", "log_tpte": "tpte_ms"}
"""Numbers of a heart, and the columns of a measured table that they are to agree with."""
FEWEST, MOST = 48, 8_000
"""Records without which there is nothing to agree with, and of how many, drawn at random, no more need be asked."""
CAUTION = 10.0
"""Pseudo-records by which a statement's interval is held: of statements that few records carry, chance tells most."""
SETS, ROUNDS, BATCH = 4, 2, 128
SEEDS = 1 << 40
"""Where the seeds begin that are drawn here: no study and no benchmark is to meet them."""
Measurer = Callable[[ECG], pd.DataFrame]
"""From a batch of ECGs to a table with `rate_bpm` and the columns of `INTERVALS`, NaN where not measured."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """Records that generated ECGs are to be measured like.

    Parameters
    ----------
    table : DataFrame
        Measured, with `age`, `female` and `rr_s` without gaps, and `statements` that name a rhythm.
    rows : ndarray, shape (record, column)
        Encoded conditions.
    report : ndarray, shape (record, column)
        What reports add to them; no column where none are read.
    """

    table: pd.DataFrame
    rows: np.ndarray
    report: np.ndarray

    def requests(self, again: int) -> list[Request]:
        """One request for each record with all that is known of it; `again` chooses the seeds."""
        people = self.table[["age", "female", "rr_s", "statements"]].itertuples(index=False)
        first = SEEDS + again * len(self.table)
        return [
            Request(age, female, 60 / rr_s, said, first + place, tuple(report))
            for place, ((age, female, rr_s, said), report) in enumerate(zip(people, self.report, strict=True))
        ]


def calibrated(  # noqa: PLR0913 (what a calibration consists of)
    checkpoint: Checkpoint,
    records: Records,
    measurer: Measurer,
    sets: int = SETS,
    rounds: int = ROUNDS,
    progress: bool = True,
    text_encoder: TextEncoder | None = None,
) -> Checkpoint:
    """The checkpoint with mean intervals such that its ECGs are measured as these records are.

    `facts["calibration"]` tells of how many records, how many ECGs were generated for each, and by how many percent
    the mean interval of people like a record was off before each round (root mean square over the records).

    Parameters
    ----------
    checkpoint : Checkpoint
    records : Records
        Those the checkpoint was trained on; the validation fold is left out.
    measurer : callable
        Measures recorded and generated ECGs alike.
    sets : int
        ECGs generated for each record, in each round.
    rounds : int
    progress : bool
    text_encoder : TextEncoder, optional
        For a checkpoint that reads reports, as in `load_generator`.

    Raises
    ------
    ValueError
        Where there are too few records, or `sets` or `rounds` are below 1.
    """
    for name, value in (("sets", sets), ("rounds", rounds)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    reader = Reader(checkpoint.reports, text_encoder) if checkpoint.reports else None
    encoding = checkpoint.heart.encoding
    recorded = measured_records(encoding, records, measurer, reader, progress)
    target = _effects(encoding, recorded.rows, recorded.table)
    off: list[dict[str, float]] = []
    for number in range(rounds):
        generator = BundledGenerator(checkpoint, "", choose_device(None), text_encoder=text_encoder)
        found = []
        for again in tqdm(range(sets), f"round {number + 1} of {rounds}", disable=not progress, unit=" set"):
            table = _measured(generator, recorded.requests(number * sets + again), measurer)
            found.append(_effects(encoding, recorded.rows, table))
        left = recorded.rows @ (target - np.mean(found, axis=0))
        left = ridge(recorded.rows, left, penalties(encoding, CAUTION))
        size = 100 * np.sqrt(((recorded.rows @ left) ** 2).mean(axis=0))
        off.append(
            {column: round(float(one), 2) for column, one in zip(INTERVALS.values(), size, strict=True)}
        )
        checkpoint = _moved(checkpoint, left)
    told = {"records": len(recorded.table), "sets": sets, "off_percent": off}
    return replace(checkpoint, facts={**checkpoint.facts, "calibration": told})


def measured_records(
    encoding: Encoding, records: Records, measurer: Measurer, reader: Reader | None, progress: bool = True
) -> Recorded:
    """The records outside the validation fold whose heart rate was measured, as requests need them."""
    chosen = np.flatnonzero(records.table["fold"].to_numpy() != VALIDATION_FOLD)
    if len(chosen) > MOST:
        chosen = np.random.default_rng(4).permutation(chosen)[:MOST]
    records = records.where(np.isin(np.arange(len(records)), chosen))
    batches = tqdm(
        records.batches(BATCH), "records", -(-len(records) // BATCH), disable=not progress, unit=" batch"
    )
    parts = [measurer(ecg)[["rate_bpm", *INTERVALS.values()]] for ecg in batches]
    known = records.table[["age", "sex", "text", "statements"]].reset_index(drop=True)
    table = pd.concat([known, pd.concat(parts, ignore_index=True)], axis=1) if parts else known
    if len(table) and "rate_bpm" in table:
        table = table[table["rate_bpm"].notna()].reset_index(drop=True)
    if len(table) < FEWEST or "rate_bpm" not in table:
        raise ValueError(
            f"data must hold {FEWEST} or more records with a heart rate outside fold {VALIDATION_FOLD}, got "
            f"{len(table)}: give the data that the weights were trained on"
        )
    female = (table["sex"] == "female").astype(float).where(table["sex"].notna())
    table = table_with_means(table.assign(female=female, rr_s=60 / table["rate_bpm"]))
    table["statements"] = [with_rhythm(said) for said in table["statements"]]
    rows = encoding.rows(
        *(table[name].to_numpy(float) for name in ("age", "female", "rr_s")), list(table["statements"])
    )
    report = (
        np.array([reader.columns(text) for text in table["text"]]) if reader else np.zeros((len(table), 0))
    )
    return Recorded(table, rows, report)


def _measured(generator: BundledGenerator, requests: Sequence[Request], measurer: Measurer) -> pd.DataFrame:
    """What is measured in ECGs generated for these requests."""
    parts = []
    for start in range(0, len(requests), BATCH):
        with torch.no_grad():
            strips, _ = generator.strips(requests[start : start + BATCH])
        parts.append(measurer(ECG(strips, FS, LEADS)))
    return pd.concat(parts, ignore_index=True)


def _effects(encoding: Encoding, rows: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Regression of the logarithms of measured intervals on conditions, (column, interval), as hearts have it."""
    penalty, effects = penalties(encoding, STATEMENT_PENALTY), []
    for number, column in INTERVALS.items():
        values = np.log(table[column].to_numpy(float).clip(1.0))
        known = ~np.isnan(values)
        effects.append(ridge_without_misses(rows[known], values[known], penalty, number == "log_pr")[0])
    return np.stack(effects, axis=1)


def _moved(checkpoint: Checkpoint, by: np.ndarray) -> Checkpoint:
    """The checkpoint with the mean of these intervals moved, (column of the encoding, interval)."""
    mean = checkpoint.heart.mean.copy()
    mean[: len(by), [TIMING_NAMES.index(number) for number in INTERVALS]] += by
    return replace(checkpoint, heart=replace(checkpoint.heart, mean=mean))
