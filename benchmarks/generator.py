"""How well a generator obeys and resembles: `python benchmarks/generator.py PTB-XL-FOLDER [--card FILE]`.

Every figure stands beside the same figure of recorded ECGs, measured by the same code. Conditions come from
fold 9, which served to choose when to stop training: these are development figures. Distances are Wasserstein
distances of generated ECGs to fold 9, over the distance of equally many training records (folds 1-8) to fold 9:
1 is as near as other people's records are.
"""

import argparse
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance
from tqdm.auto import tqdm

from discovery.measure import measure
from discovery.quantities import QUANTITIES
from models.acceleration import peak_memory
from models.ecg import Conditions, Generator
from models.generator import load_generator
from models.records import Records, open_ptbxl

RATES = (45, 60, 75, 110, 150)
TEXTS = {
    "normal ECG": "NORM",
    "left bundle branch block": "CLBBB",
    "right bundle branch block": "CRBBB",
    "first degree AV block": "1AVB",
    "atrial fibrillation": "AFIB",
    "left anterior fascicular block": "LAFB",
    "left ventricular hypertrophy": "LVH",
}
CHECKS = {
    "P wave found": lambda t: t["p_present"],
    "PR above 200 ms": lambda t: (t["pr_ms"] > 200).where(t["pr_ms"].notna()),
    "QRS 120 ms or more": lambda t: t["qrs_ms"] >= 120,
    "axis below -30 degrees": lambda t: t["qrs_axis_deg"] < -30,
    "RR variation above 0.10": lambda t: t["rr_cv"] > 0.1,
    "Sokolow-Lyon 3.5 mV or more": lambda t: t["sokolow_lyon_mv"] >= 3.5,
}
COMPARED = (
    "pr_ms qrs_ms qt_ms qtcf_ms p_ms tpte_ms qrs_axis_deg t_axis_deg sokolow_lyon_mv cornell_mv st_v2_mv t_v2_mv "
    "t_v5_mv rr_cv template_r"
).split()
NO_SHAPES = ("rr_ms", "rr_sd_ms", "rmssd_ms", "einthoven_mv")
HEDGES = ((0.9, ""), (0.65, "probable "), (0.4, "possible "), (0.0, "cannot rule out "))
CARD_MARK = "## Measured"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder of PTB-XL")
    parser.add_argument("--generator", default="ptbxl")
    parser.add_argument("--steps", type=int, default=None, help="steps of the sampler")
    parser.add_argument("--count", type=int, default=60, help="ECGs per rate and per text")
    parser.add_argument("--card", help="model card whose measured part is to be replaced")
    chosen = parser.parse_args()
    steps = {} if chosen.steps is None else {"steps": chosen.steps}
    generator = load_generator(chosen.generator, **steps)
    records = open_ptbxl(chosen.folder)
    recorded = measure_records(records)
    parts = [
        f"Generator {generator.name}, digest {generator.digest}; command: `python benchmarks/generator.py FOLDER`.",
        rate_table(generator, chosen.count),
        text_table(generator, recorded, chosen.count),
        likeness_table(generator, recorded),
        speed_line(generator),
        gpu_line(generator),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    print(text)
    if chosen.card:
        card = Path(chosen.card)
        card.write_text(f"{card.read_text().split(CARD_MARK)[0]}{CARD_MARK}\n\n{text}")


def measure_records(records: Records) -> pd.DataFrame:
    """Every record's measurements beside what is known of it."""
    batches = tqdm(records.batches(64), desc="measuring records", total=-(-len(records) // 64))
    measured = pd.concat([measure(ecg) for ecg in batches], ignore_index=True)
    known = records.table.reset_index(drop=True)
    table = pd.concat([known, measured.drop(columns=[name for name in measured if name in known])], axis=1)
    return table.dropna(subset=["age", "sex"]).reset_index(drop=True)


def generated(generator: Generator, conditions: list[Conditions], first_seed: int) -> pd.DataFrame:
    """Measured ECGs, one per condition."""
    batches = [range(start, min(start + 32, len(conditions))) for start in range(0, len(conditions), 32)]
    parts = [
        measure(generator.generate([conditions[i] for i in rows], [first_seed + i for i in rows]))
        for rows in tqdm(batches, desc="generating", leave=False)
    ]
    return pd.concat(parts, ignore_index=True)


def rate_table(generator: Generator, count: int) -> str:
    """Asked against measured heart rate in sinus rhythm."""
    rows = [
        "| asked, bpm | n | mean absolute error, bpm | within 5 bpm | P wave found |",
        "|---|---|---|---|---|",
    ]
    for rate in RATES:
        asked = [
            Conditions(20 + 70 * i / count, ("female", "male")[i % 2], rate, "sinus rhythm")
            for i in range(count)
        ]
        table = generated(generator, asked, 10_000)
        error = (table["rate_bpm"] - rate).abs()
        within, p_wave = (error <= 5).mean(), table["p_present"].mean()
        rows.append(f"| {rate} | {len(table)} | {error.mean():.2f} | {within:.1%} | {p_wave:.0%} |")
    return "\n".join(rows)


def text_table(generator: Generator, recorded: pd.DataFrame, count: int) -> str:
    """Share of ECGs that show what the text says, generated / recorded with that statement."""
    rows = [
        "Share of generated / of recorded ECGs (records often carry further statements, the texts here none; age, "
        "sex and rate as in the records):\n",
        f"| text | n | {' | '.join(CHECKS)} |",
        "|---" * (len(CHECKS) + 2) + "|",
    ]
    for text, code in TEXTS.items():
        real = recorded[recorded["statements"].map(lambda said, code=code: said.get(code, 0) >= 0.5)]
        patients = real.sample(count, replace=True, random_state=0)
        table = generated(generator, [asked_as(row, text) for row in patients.to_dict("records")], 20_000)
        shares = [f"{check(table).mean():.0%} / {check(real).mean():.0%}" for check in CHECKS.values()]
        rows.append(f"| {text} | {len(table)} / {len(real)} | {' | '.join(shares)} |")
    return "\n".join(rows)


def likeness_table(generator: Generator, recorded: pd.DataFrame) -> str:
    """Distances of measured quantities to fold 9, with fold 9's own conditions."""
    fold_9, training = recorded[recorded["fold"] == 9], recorded[recorded["fold"] < 9]
    asked = [asked_as(row, said_in(row["statements"])) for row in fold_9.to_dict("records")]
    table = generated(generator, asked, 30_000)
    few = training.sample(len(fold_9), random_state=0)
    rows = [
        f"Conditions of fold 9, n = {len(table)} generated, {len(fold_9)} and {len(few)} recorded:\n",
        "| quantity | generated, median (IQR) | fold 9, median (IQR) | distance | training records' distance | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for name in COMPARED:
        ours, theirs, others = (part[name].dropna() for part in (table, fold_9, few))
        distance, floor = wasserstein_distance(ours, theirs), wasserstein_distance(others, theirs)
        unit = QUANTITIES[name].unit
        rows.append(
            f"| {name} | {spread(ours)} | {spread(theirs)} | {distance:.3g} {unit} | {floor:.3g} {unit} "
            f"| {distance / floor:.2f} |"
        )
    slopes = [
        np.polyfit(*part[["rr_ms", "qt_ms"]].dropna().to_numpy().T, 1)[0]
        for part in (table, fold_9, training)
    ]
    shown = " / ".join(f"{1000 * slope:.0f}" for slope in slopes)
    rows.append(f"\nSlope of QT on RR, ms/s, generated / fold 9 / folds 1-8: {shown}.")
    rows.append(f"\n{copy_line(table, fold_9, training)}")
    return "\n".join(rows)


def copy_line(table: pd.DataFrame, fold_9: pd.DataFrame, training: pd.DataFrame) -> str:
    """Whether generated ECGs lie suspiciously near to single training records, in measured amplitudes and intervals.

    Source of the ratio test: Yoon et al. 2023, a copy is nearer than a third of the distance to the second nearest.
    """
    columns = [name for name in training if name.endswith(("_mv", "_ms")) and name not in NO_SHAPES]
    columns = [name for name in columns if training[name].notna().mean() > 0.99]
    middle, low, high = (training[columns].quantile(share) for share in (0.5, 0.25, 0.75))
    spaces = [
        ((part[columns] - middle) / (high - low)).dropna().to_numpy() for part in (training, table, fold_9)
    ]
    tree = cKDTree(spaces[0])
    ours, theirs = (tree.query(space, k=2)[0] for space in spaces[1:])
    copies = int((ours[:, 0] < ours[:, 1] / 3).sum())
    relative = np.median(ours[:, 0]) / np.median(theirs[:, 0])
    return (
        f"Copies (nearest training record nearer than a third of the second nearest, {len(columns)} measured "
        f"quantities): {copies} of {len(ours)}; median distance to the nearest training record over that of "
        f"fold 9: {relative:.2f}."
    )


def speed_line(generator: Generator) -> str:
    """Seconds per ECG on this machine."""
    asked = [Conditions(50, "male", 70, "sinus rhythm")]
    generator.generate(asked, [1])
    start = time.perf_counter()
    for seed in range(8):
        generator.generate(asked, [seed])
    took = (time.perf_counter() - start) / 8
    return f"One ECG at a time: {took:.2f} s each on one {platform.machine()} processor, whatever else it was doing."


def gpu_line(generator: Generator, count: int = 2048) -> str:
    """ECG per second and most memory held on a GPU; nothing on a CPU."""
    device = getattr(generator, "device", None)
    if device is None or device.type != "cuda":
        return ""
    asked = [Conditions(50, "male", 70, "sinus rhythm")] * count
    generator.generate(asked[:256], range(256))  # compiles
    start = time.perf_counter()
    generator.generate(asked, range(count))
    speed = count / (time.perf_counter() - start)
    return f"{speed:.0f} ECG per second on the GPU, {peak_memory(device):.1f} GiB of its memory at most."


def asked_as(row: Mapping, text: str) -> Conditions:
    """The record's age, sex and measured rate with another text."""
    return Conditions(row["age"], row["sex"], row["rate_bpm"], text)


def said_in(statements: Mapping[str, float]) -> str:
    """Statements as a report: the less likely, the more hedged."""
    return " | ".join(
        next(hedge for least, hedge in HEDGES if sure >= least) + code for code, sure in statements.items()
    )


def spread(values: pd.Series) -> str:
    """Median and quartiles."""
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()
