"""From ECGs to what the benchmark compares: prepared, measured, with their median beats and what is known of them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from discovery.alike import alike
from discovery.benchmark import EIGHT, Side
from discovery.defects import limb_residual
from discovery.delineate import Delineation, delineate
from discovery.measure import measure
from models.ecg import ECG, Conditions, Generator

BEAT_MS, BEAT_STEP = (-260, 460), 4  # of the median beat at 500 Hz: from, to, every so many samples
HEDGES = ((0.9, ""), (0.65, "probable "), (0.4, "possible "), (0.0, "cannot rule out "))
KNOWN = ("record", "patient_id", "fold", "age", "sex", "statements")


def side_of(ecg: ECG, known: pd.DataFrame | None = None) -> Side:
    """A batch on the footing of `alike`, measured, with median beats.

    Parameters
    ----------
    ecg : ECG
        Of 10 s.
    known : DataFrame, optional
        One row per ECG: `statements`, `patient_id`, `age`, `sex` and the like; they stand before measured columns.
        Without it each ECG is a patient of its own without statements.
    """
    same = alike(ecg)
    table = measure(same)
    plain = [name for name in table if table[name].dtype != object or name in ("sex", "text", "reasons")]
    table = table[plain].assign(residual_mv=limb_residual(ecg.signals, ecg.leads))
    found = delineate(same.signals, same.fs, same.leads)
    start, stop = (Delineation.r_index + round(at / 2) for at in BEAT_MS)
    beats = found.median_beat[:, EIGHT, max(start, 0) : stop : BEAT_STEP].astype(np.float32)
    if known is None:
        known = pd.DataFrame({"patient_id": np.arange(len(ecg)), "statements": [{}] * len(ecg)})
    return with_known(Side(same.signals[:, EIGHT], table, beats), known)


def with_known(side: Side, known: pd.DataFrame) -> Side:
    """A side with columns of another table before its own, row by row."""
    rest = side.table.drop(columns=[name for name in side.table if name in known])
    return Side(side.strips, pd.concat([known.reset_index(drop=True), rest], axis=1), side.beats)


def asked_like(table: pd.DataFrame) -> list[Conditions]:
    """Conditions with all that is known of records: age, sex, measured rate, and their statements as a report."""
    return [
        Conditions(row["age"], row["sex"], round(row["rate_bpm"], 2), said_in(row["statements"]))
        for row in table.to_dict("records")
    ]


def twins_of(
    generator: Generator,
    records: Side,
    seeds: Sequence[int],
    make: Callable[[Generator, Sequence[Conditions], Sequence[int]], Side] | None = None,
) -> Side:
    """One generated ECG per record, asked with all that is known of it.

    Parameters
    ----------
    generator : Generator
    records : Side
    seeds : sequence of int
        One per record.
    make : callable, optional
        From generator, conditions and seeds to a side, where they are made in parts and kept.
    """
    asked = asked_like(records.table)
    side = make(generator, asked, seeds) if make else side_of(generator.generate(asked, seeds))
    return with_known(side, records.table[[name for name in KNOWN if name in records.table]])


def said_in(statements: Mapping[str, float]) -> str:
    """Statements as a report: the less likely, the more hedged."""
    return " | ".join(
        next(hedge for least, hedge in HEDGES if sure >= least) + code for code, sure in statements.items()
    )
