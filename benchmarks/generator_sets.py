"""Recorded and generated ECGs as the benchmark needs them: measured once, kept under `training/benchmark`."""

import hashlib
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from discovery.alike import alike, narrow
from discovery.benchmark import EIGHT, Side, Trial, carries
from discovery.benchmark_sides import KNOWN, asked_like, side_of, twins_of, with_known
from discovery.benchmark_statements import ANTERIOR, INFERIOR
from models.ecg import Conditions, Generator
from models.generator import load_generator
from models.records import Records, open_ptbxl

VERSION = 3  # another measurer, another preparation: another number, and everything is measured again
KEEP = Path("training/benchmark")
CHUNK = 128
RATES = (45, 60, 75, 110, 150)
TAILS = (32, 38, 42, 145, 160, 175)
WORDS = {
    "CLBBB": "left bundle branch block",
    "CRBBB": "right bundle branch block",
    "1AVB": "first degree AV block",
    "AFIB": "atrial fibrillation",
    "LAFB": "left anterior fascicular block",
    "SR": "sinus rhythm",
    "SBRAD": "sinus bradycardia",
    "STACH": "sinus tachycardia",
    "IMI": "inferior myocardial infarction",
    "ASMI": "anteroseptal myocardial infarction",
}


@dataclass(frozen=True)
class Plan:
    """How large the benchmark is.

    Parameters
    ----------
    fold : int
        Held-out fold that judges.
    count : int
        Generated ECGs with its conditions, at least.
    others : int or None
        Training records, all where None.
    each : int
        ECGs per rate and per bare text.
    infarcts : int
        Twins of each record with an infarct.
    normals : int
        Twins of each normal record, for the effects of age, sex and rate.
    hearts : int
        Hearts of which one condition is changed.
    seeds, epochs : int
        Of the networks trained for the use as training data.
    """

    fold: int = 9
    count: int = 1000
    others: int | None = None
    each: int = 180
    infarcts: int = 24
    normals: int = 4
    hearts: int = 60
    seeds: int = 8
    epochs: int = 15


QUICK = Plan(count=1, others=500, each=20, infarcts=1, normals=1, hearts=12, seeds=1, epochs=6)


def bring(which: str) -> Generator:
    """A generator: bundled weights, a checkpoint file, or `module:callable` that makes one."""
    module, _, name = which.partition(":")
    if name and not Path(which).exists():
        return getattr(importlib.import_module(module), name)()
    return load_generator(which)


def recorded(folder: str | Path) -> Side:
    """All records of PTB-XL whose age, sex and heart rate are known, prepared and measured."""
    records = open_ptbxl(folder)
    key = _digest(["recorded", *records.table["path"], str(records.table["statements"].tolist())])
    side = _kept(KEEP / f"recorded-{key}.npz", lambda: _measure_records(records))
    known = side.table[["age", "sex", "rate_bpm"]].notna().all(axis=1)
    return side.where(known)


def _measure_records(records: Records) -> Side:
    """Every record on the footing of `alike`, with what is known of it."""
    batches = tqdm(records.batches(CHUNK), desc="measuring records", total=-(-len(records) // CHUNK))
    side = _joined([side_of(ecg) for ecg in batches])
    return with_known(side, records.table[list(KNOWN)])


def twins(generator: Generator, records: Side, again: int) -> Side:
    """One generated ECG per record with all that is known of it, `again` choosing the seeds."""
    seeds = [1_000_000 * (again + 1) + int(number) for number in records.table["record"]]
    return twins_of(generator, records, seeds, generated)


def generated(generator: Generator, asked: Sequence[Conditions], seeds: Sequence[int]) -> Side:
    """Generated ECGs, prepared and measured; what was made before is read."""
    parts = []
    for start in tqdm(range(0, len(asked), CHUNK), desc="generating", leave=False):
        some, numbers = asked[start : start + CHUNK], seeds[start : start + CHUNK]
        key = _digest([generator.digest, json.dumps([one.to_dict() for one in some]), *map(str, numbers)])
        path = KEEP / f"{generator.name}-{generator.digest}" / f"{key}.npz"
        parts.append(
            _kept(path, lambda some=some, numbers=numbers: side_of(generator.generate(some, numbers)))
        )
    return _joined(parts)


def narrow_twins(generator: Generator, records: Side, again: int) -> np.ndarray:
    """As `twins`, only as the judging networks see them, not measured; float16, (n, 8, 896), left on disk."""
    asked = asked_like(records.table)
    seeds = [1_000_000 * (again + 1) + int(number) for number in records.table["record"]]
    key = _digest(["narrow", json.dumps([one.to_dict() for one in asked]), *map(str, seeds)])
    path = KEEP / f"{generator.name}-{generator.digest}" / f"narrow-{key}.npy"
    if not path.is_file():
        parts = [
            narrow(
                alike(generator.generate(asked[at : at + CHUNK], seeds[at : at + CHUNK])).signals[:, EIGHT]
            )
            for at in tqdm(range(0, len(asked), CHUNK), desc="generating", leave=False)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new.npy")
        np.save(new, np.concatenate(parts).astype(np.float16))
        new.replace(path)
    return np.load(path, mmap_mode="r")


def trial_of(generator: Generator, records: Side, plan: Plan) -> Trial:
    """Held-out and training records and their twins."""
    fold = records.table["fold"].to_numpy()
    real = records.where(fold == plan.fold)
    others = records.where((fold <= 8) & (fold != plan.fold))
    if plan.others is not None and plan.others < len(others):
        others = others.where(np.sort(np.random.default_rng(0).permutation(len(others))[: plan.others]))
    repeats = -(-plan.count // len(real))
    judged = tuple(twins(generator, real, again) for again in range(repeats))
    return Trial(real, others, judged, twins(generator, others, 0))


def rate_sets(generator: Generator, plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sinus rhythm at the rates and tails, and atrial fibrillation at 60 to 150 bpm; measured, with the asked rate."""
    people = [(20 + 70 * k / plan.each, ("female", "male")[k % 2]) for k in range(plan.each)]
    sinus = [
        Conditions(age, sex, rate, WORDS["SR"])
        for rate in (*RATES, *TAILS)
        for age, sex in (people if rate in RATES else people[::3])
    ]
    random = np.random.default_rng(0)
    fibrillating = [
        Conditions(max(age, 50), sex, random.uniform(60, 150), WORDS["AFIB"]) for age, sex in people
    ]
    tables = []
    for first, asked in ((10_000, sinus), (20_000, fibrillating)):
        table = generated(generator, asked, [first + k for k in range(len(asked))]).table
        tables.append(table.assign(heart_rate=[one.heart_rate for one in asked]))
    return tables[0], tables[1]


def bare_sets(generator: Generator, records: Side, plan: Plan) -> dict[str, pd.DataFrame]:
    """By statement: ECGs of the age, sex and rate of records that carry it, asked with its words alone."""
    sets = {}
    for place, (code, words) in enumerate(WORDS.items()):
        rows = records.table[carries(records.table, code)]
        if rows.empty:
            rows = records.table
        people = rows.sample(plan.each, replace=len(rows) < plan.each, random_state=0).to_dict("records")
        rate = code not in ("SBRAD", "STACH")
        asked = [
            Conditions(row["age"], row["sex"], round(row["rate_bpm"], 2) if rate else None, words)
            for row in people
        ]
        seeds = [30_000 + 1000 * place + k for k in range(len(asked))]
        sets[code] = generated(generator, asked, seeds).table
    return sets


def infarct_sets(generator: Generator, records: Side, plan: Plan) -> list[pd.DataFrame]:
    """Further twins of the records that state an infarct, beside those of the trial."""
    some = records.where(carries(records.table, *INFERIOR, *ANTERIOR))
    return [twins(generator, some, again).table for again in range(1, plan.infarcts)]


def normal_sets(generator: Generator, records: Side, plan: Plan) -> list[pd.DataFrame]:
    """Further twins of the normal records, beside those of the trial."""
    some = records.where(carries(records.table, "NORM"))
    return [twins(generator, some, again).table for again in range(1, plan.normals)]


def pair_sets(generator: Generator, plan: Plan) -> dict[str, Side]:
    """The same hearts as asked and with one condition changed."""
    base = [
        Conditions(25 + 45 * k / plan.hearts, ("female", "male")[k % 2], 58 + 24 * (k % 5) / 4, WORDS["SR"])
        for k in range(plan.hearts)
    ]
    seeds = [50_000 + k for k in range(plan.hearts)]
    other = {"female": "male", "male": "female"}
    changes = {
        "as asked": lambda one: one,
        "the other sex": lambda one: one.replace(sex=other[one.sex]),
        "20 years older": lambda one: one.replace(age=one.age + 20),
        "20 bpm faster": lambda one: one.replace(heart_rate=one.heart_rate + 20),
        "sinus to first-degree AV block": lambda one: one.replace(text=WORDS["1AVB"]),
    }
    return {
        words: generated(generator, [change(one) for one in base], seeds) for words, change in changes.items()
    }


def _kept(path: Path, make: Callable[[], Side]) -> Side:
    """A side out of its file, or made and written there in one move."""
    if path.is_file():
        with np.load(path) as held:
            table = pd.read_json(StringIO(str(held["table"])), orient="split", precise_float=True)
            strips = held["strips"].astype(np.float32) / np.float32(1000)
            return Side(strips, table, held["beats"].astype(np.float32))
    side = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new.npz")
    whole = np.clip(np.round(side.strips * 1000), -32767, 32767).astype(np.int16)
    words = side.table.to_json(orient="split", double_precision=12)
    np.savez(new, strips=whole, beats=side.beats.astype(np.float32), table=np.array(words))
    new.replace(path)
    return side


def _joined(sides: Sequence[Side]) -> Side:
    """Several sides as one."""
    return Side(
        np.concatenate([side.strips for side in sides]),
        pd.concat([side.table for side in sides], ignore_index=True),
        np.concatenate([side.beats for side in sides]),
    )


def _digest(words: Sequence[str]) -> str:
    """A name for what was asked of the measurer."""
    return hashlib.sha256("\n".join([str(VERSION), *words]).encode()).hexdigest()[:16]
