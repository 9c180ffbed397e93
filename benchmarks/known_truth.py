"""The measurer against a simulator whose intervals are fixed, and on generated beside recorded ECGs."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from discovery.error_map import plot_error_map
from discovery.measure import measure
from discovery.style import save_figure
from models.ecg import Conditions
from models.generator import load_generator
from models.records import open_ptbxl
from models.synthetic import Simulator

USUAL = {"pr_ms": 160.0, "qrs_ms": 94.0, "qt_ms": 396.0, "t_mv": 0.5, "heart_rate": 70.0, "noise_uv": 15.0}
RANGES = {
    "heart_rate": (40, 55, 70, 85, 100, 115, 130, 150),
    "noise_uv": (0, 10, 20, 40, 60, 80),
    "qrs_ms": (70, 85, 100, 120, 140, 160, 180),
    "pr_ms": (100, 130, 160, 200, 240, 300, 360),
    "qt_ms": (280, 320, 360, 400, 440, 480, 520, 560),
    "t_mv": (0.05, 0.1, 0.2, 0.3, 0.45, 0.6),
}
MAPS = (  # error of, across, up
    ("qt_ms", "heart_rate", "qt_ms"),
    ("pr_ms", "heart_rate", "pr_ms"),
    ("pr_ms", "noise_uv", "pr_ms"),
    ("qrs_ms", "noise_uv", "qrs_ms"),
    ("qt_ms", "noise_uv", "t_mv"),
    ("qt_ms", "t_mv", "qt_ms"),
)
STATEMENTS = ("NORM", "SBRAD", "STACH", "AFIB", "1AVB", "CLBBB", "CRBBB", "LVH")


def simulated(truth: dict[str, float], hearts: int) -> pd.DataFrame:
    """Hearts of exactly these intervals, measured; with `pr_error_ms` and its like. T is the tallest lead's."""
    names = ("pr_ms", "qrs_ms", "qt_ms")
    effects = {name: {"fixed": truth[name]} for name in names}
    effects |= {"t_gain": {"fixed": truth["t_mv"] / t_at_gain_1()}}
    asked = Conditions(age=50, sex="female", heart_rate=truth["heart_rate"], text="sinus rhythm")
    simulator = Simulator(effects, noise_uv=truth["noise_uv"])
    table = measure(simulator.generate([asked] * hearts, list(range(hearts))))
    errors = {f"{name[:-3]}_error_ms": table[name] - table[f"known_{name}"] for name in names}
    return pd.DataFrame(errors).assign(reasons=table["reasons"], **truth)


@functools.cache
def t_at_gain_1() -> float:
    """The tallest T of a heart without noise, mV; the mean over hearts."""
    quiet = Simulator({"t_gain": {"fixed": 1.0}}, noise_uv=0, wander_mv=0)
    asked = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
    table = measure(quiet.generate([asked] * 8, list(range(8))))
    return float(table.filter(regex=r"^t_\w+_mv$").abs().max(axis=1).mean())


def possible(truth: dict[str, float]) -> bool:
    """Whether T ends before the next P begins and QRS leaves room for ST and T."""
    rest = 60_000 / truth["heart_rate"] - truth["qt_ms"] - truth["pr_ms"]
    return rest >= 0 and truth["qt_ms"] >= truth["qrs_ms"] + 150


def print_simulator(hearts: int = 12, folder: Path = Path("runs")) -> None:
    """Bias along each range, the others usual, and the heat maps of every pair."""
    print(f"\nsimulator, {hearts} hearts per value, the others usual: median error, SD, answered")
    for name, values in RANGES.items():
        for value in values:
            truth = _fitting(USUAL | {name: float(value)})
            table = simulated(truth, hearts)
            print(f"  {name:10} {value:6g}", end="")
            for error in ("pr_error_ms", "qrs_error_ms", "qt_error_ms"):
                seen = table[error]
                print(f"  {error[:-9].upper():>3} {seen.median():+6.1f} ({seen.std():4.1f})", end="")
                print(f" {seen.notna().mean():5.0%}", end="")
            print()
    for outcome, across, up in MAPS:
        truths = (USUAL | {across: float(x), up: float(y)} for x in RANGES[across] for y in RANGES[up])
        # QT and T are what is asked; where only the rate is short of time, PR and QT give way
        tables = [
            simulated(truth, hearts // 2) for truth in map(_yielding(across, up), truths) if possible(truth)
        ]
        error = f"{outcome[:-3]}_error_ms"
        figure = plot_error_map(pd.concat(tables, ignore_index=True), error, across, up)
        print(save_figure(figure, folder / f"error_{outcome[:-3]}_{across}_{up}.png"))


def _fitting(truth: dict[str, float]) -> dict[str, float]:
    """PR and then QT shortened where the rate leaves no room for them."""
    rr = 60_000 / truth["heart_rate"]
    pr = min(truth["pr_ms"], max(0.3 * rr, 100.0))
    return truth | {"pr_ms": pr, "qt_ms": min(truth["qt_ms"], rr - pr - 10)}


def _yielding(across: str, up: str) -> Callable[[dict[str, float]], dict[str, float]]:
    """A truth with QT or PR, where it is not on an axis, as short as the rate demands."""

    def made(truth: dict[str, float]) -> dict[str, float]:
        if "pr_ms" in (across, up):
            room = 60_000 / truth["heart_rate"] - truth["pr_ms"]
            return truth | {"qt_ms": min(truth["qt_ms"], max(room - 10, 260.0))}
        if "qt_ms" not in (across, up):
            return _fitting(truth)
        room = 60_000 / truth["heart_rate"] - truth["qt_ms"]
        return truth | {"pr_ms": min(truth["pr_ms"], max(room - 10, 120.0))}

    return made


def print_generated(folder: Path, each: int = 40) -> None:
    """Generated beside recorded strips of the same statements, age, sex and rate; generated less recorded."""
    records = open_ptbxl(folder)
    fold = records.table[records.table["fold"] == records.table["fold"].max()]
    generator = load_generator("ptbxl")
    random = np.random.default_rng(20250105)
    names = ("rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtcf_ms")
    print(f"\ngenerated less recorded, same report, age, sex and rate; up to {each} of the last fold each:")
    print("median difference and its standard error; P seen, recorded and generated")
    for code in STATEMENTS:
        having = np.flatnonzero([code in said for said in fold["statements"]])
        rows = fold.index[np.sort(random.permutation(having)[:each])]
        recorded = records.ecg([records.table.index.get_loc(row) for row in rows])
        generated = generator.generate(recorded.conditions, list(range(len(rows))))
        ours, theirs = measure(generated), measure(recorded)
        print(f"  {code:6} n {len(rows):3}", end="")
        for name in names:
            gap = (ours[name] - theirs[name]).dropna()
            spread = 1.2533 * 1.4826 * (gap - gap.median()).abs().median() / max(len(gap), 1) ** 0.5
            print(f"  {name} {gap.median():+6.1f} ({spread:.1f})", end="")
        print(f"  P {theirs.p_present.mean():.0%} {ours.p_present.mean():.0%}")
