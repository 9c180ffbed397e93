"""How well ECGs are measured, beside NeuroKit2's stock routes: `python benchmarks/measurement.py [DATA]`.

DATA is the folder that holds `ludb` and `ptb-xl` (default ../shared/data). `--full` measures 10,000 ECGs for
the time they take, instead of 2,000; `--quick` leaves PTB-XL and the generator out; `--report docs/measurement.md`
writes the page of that name. Offsets are fitted on one half of LUDB and judged on the other, and swapped. LUDB is
not the CSE data base: these figures state no conformity.
"""

import argparse
import ast
import contextlib
import io
import itertools
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import neurokit2 as nk
import numpy as np
import pandas as pd
import wfdb
from known_truth import print_generated, print_simulator
from ludb import FS, INTERVALS, KINDS, Ludb, middle, read_ludb
from scipy import signal
from targets import Verdicts, robust, share, write_report

from discovery.beats import RATE
from discovery.chest_order import CHEST, EXCHANGED, chest_order
from discovery.delineate import OFFSETS_MS, POINTS, Delineation, delineate
from discovery.measure import measure
from discovery.quantities import METHOD_SD_MS
from models.ecg import ECG

STRETCHED = ((24, 31, 4, 3), (17, 22, 7, 4))  # QT, PR: mean seen at least, at most; its SD must, goal
REFERENCES = ("lead median", "third extreme")  # in words, of KINDS
STOCK = {"p_on": "P_Onsets", "qrs_on": "R_Onsets", "qrs_off": "R_Offsets", "t_off": "T_Offsets"}


class Copied(io.StringIO):
    """A text that is shown while it is kept."""

    def write(self, text: str) -> int:
        """Show and keep."""
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def main() -> None:
    """Print every table, and write the report where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", type=Path, metavar="FILE.md")
    given = parser.parse_args()
    verdicts, kept = Verdicts(), Copied()
    with contextlib.redirect_stdout(kept):
        pless = print_all(given, verdicts)
    print(f"\n{verdicts.table()}")
    if given.report:
        options = "".join(f" --{name}" for name in ("full", "quick") if getattr(given, name))
        command = f"python benchmarks/measurement.py DATA{options} --report {given.report}"
        write_report(given.report, command, kept.getvalue(), verdicts, pless)


def print_all(given: argparse.Namespace, verdicts: Verdicts) -> int:
    """Every table; how many ECGs of LUDB have no P."""
    data = given.data
    ludb = read_ludb(data / "ludb")
    slow = signal.resample_poly(ludb.signals, 1, 5, axis=2).astype(np.float32)
    fast_found, slow_found = delineate(ludb.signals, FS), delineate(slow, 100.0)
    print(f"LUDB, {int((~ludb.table.paced).sum())} records without pacemaker; error = found - manual, ms")
    for title, found in (("500 Hz", fast_found), ("100 Hz", slow_found)):
        print_accuracy(f"ours, {title}", cross_fitted(ludb, found), ludb, verdicts)
    for title, route in (("dwt, lead II", stock_dwt), ("prominence, median of 12 leads", stock_prominence)):
        print_accuracy(f"NeuroKit2 {title}, 500 Hz", stock_table(ludb.signals, route), ludb)
    print_second_opinion(ludb)
    pless = print_p_gate(ludb, fast_found, verdicts)
    print_both_rates(fast_found, slow_found, verdicts)
    print_stretched(ludb, fast_found, verdicts)
    print_offsets(ludb, fast_found)
    print_speed(ludb.signals, slow, verdicts)
    print_many(slow, 10_000 if given.full else 2_000, verdicts)
    print_simulator()
    if (data / "ptb-xl").exists() and not given.quick:
        print_ptbxl(data / "ptb-xl", verdicts)
        print_generated(data / "ptb-xl")
    return pless


def intervals_of(points: dict[str, np.ndarray]) -> pd.DataFrame:
    """PR, QRS and QT, ms."""
    return pd.DataFrame({name: points[last] - points[first] for name, (first, last) in INTERVALS.items()})


def edge_errors(ludb: Ludb, found: Delineation) -> pd.DataFrame:
    """Manual edge (median over leads, then over beats) less the edge found before offsets, ms."""
    rows = []
    for k, manual in enumerate(ludb.beats):
        row = {}
        peaks = found.r_peaks[k] * 1000
        if len(manual) and len(peaks):
            nearest = peaks[np.argmin(np.abs(peaks - manual["at"].to_numpy()[:, None]), axis=1)]
            same = np.abs(nearest - manual["at"]) < 100
            for edge in OFFSETS_MS:
                if f"{edge}_median" in manual:
                    plain = nearest + found.points[edge][k] - OFFSETS_MS[edge]
                    row[edge] = middle((manual[f"{edge}_median"] - plain)[same])
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(OFFSETS_MS))


def cross_fitted(ludb: Ludb, found: Delineation) -> pd.DataFrame:
    """Intervals with the offsets that the other half of the records (even and odd rows) gives."""
    errors = edge_errors(ludb, found)[~ludb.table["paced"].to_numpy()]
    half = np.arange(len(ludb.table)) % 2
    out = pd.DataFrame(index=ludb.table.index, columns=list(INTERVALS), dtype=float)
    for fold in (0, 1):
        offset = errors[half[errors.index] != fold].median().fillna(0)
        moved = {edge: found.points[edge] - OFFSETS_MS[edge] + offset[edge] for edge in POINTS}
        out[half == fold] = intervals_of(moved)[half == fold]
    return out


def print_accuracy(title: str, got: pd.DataFrame, ludb: Ludb, verdicts: Verdicts | None = None) -> None:
    """Bias, SD, mean absolute error, 95th percentile and share answered, against both references."""
    heads = f"{'n':>5}{'bias':>8}{'SD':>7}{'robust':>8}{'MAE':>7}{'p95':>7}{'answered %':>12}"
    print(f"\n{title}\n{'':20}{heads}   farthest (record: ms)")
    for name, (kind, reference) in itertools.product(INTERVALS, zip(KINDS, REFERENCES, strict=True)):
        known = ~ludb.table["paced"] & ludb.table[f"{name}_{kind}"].notna()
        known &= ludb.table["p_marked"] if name == "pr" else True
        error = (got[name] - ludb.table[f"{name}_{kind}"])[known]
        if kind == "third":  # another definition: its constant difference is fitted on the other half too
            odd = np.arange(len(error)) % 2 == 1
            error = error - np.where(odd, error[~odd].median(), error[odd].median())
        answered = 100 * error.notna().mean()
        error = error.dropna()
        size = error.abs()
        far = ", ".join(f"{ludb.table.record[k]}: {error[k]:+.0f}" for k in size.nlargest(2).index)
        seen = {"bias": error.mean(), "SD": error.std(), "robust": robust(error), "MAE": size.mean()}
        seen |= {"p95": np.percentile(size, 95), "answered": answered}
        print(
            f"{name.upper():4}{reference:16}{len(error):5}{seen['bias']:8.1f}{seen['SD']:7.1f}{seen['robust']:8.1f}"
            f"{seen['MAE']:7.1f}{seen['p95']:7.1f}{answered:12.1f}   {far}"
        )
        if verdicts:
            verdicts.accuracy(title.removeprefix("ours, "), name, reference, seen)


def stock_table(signals: np.ndarray, route: Callable) -> pd.DataFrame:
    """PR, QRS and QT of a stock route; NaN where it raises."""
    return pd.DataFrame([route(strip) for strip in signals], columns=list(INTERVALS))


def _stock(lead: np.ndarray, method: str) -> list[float]:
    """Median PR, QRS and QT of one lead, by clean, peaks and delineate as NeuroKit2's manual has them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cleaned = nk.ecg_clean(lead, sampling_rate=int(FS))
            _, peaks = nk.ecg_peaks(cleaned, sampling_rate=int(FS))
            _, waves = nk.ecg_delineate(cleaned, peaks, sampling_rate=int(FS), method=method)
            edges = {edge: np.array(waves[f"ECG_{column}"], float) for edge, column in STOCK.items()}
            return [middle(edges[b] - edges[a]) * 1000 / FS for a, b in INTERVALS.values()]
    except (ValueError, IndexError, KeyError, ZeroDivisionError):
        return [np.nan] * 3


def stock_dwt(strip: np.ndarray) -> list[float]:
    """The default route: wavelets on lead II."""
    return _stock(strip[1], "dwt")


def stock_prominence(strip: np.ndarray) -> list[float]:
    """The best stock route: prominence on each lead, median over the twelve."""
    return [middle(values) for values in np.array([_stock(lead, "prominence") for lead in strip]).T]


def print_second_opinion(ludb: Ludb) -> None:
    """How far NeuroKit2's own route, lead by lead, is from ours as a rule, and how often it disagrees."""
    table = measure(ECG(ludb.signals, FS), second=True)[~ludb.table["paced"].to_numpy()]
    gaps = {name: table[f"nk_{name}"] - table[name] for name in METHOD_SD_MS}
    gaps["qrs_ms"] = gaps["qrs_ms"][table["qrs_ms"] < 120]
    words = ", ".join(
        f"{name[:-3].upper()} {gap.median():+.0f} (SD {gap.std():.0f})" for name, gap in gaps.items()
    )
    disagree = table["reasons"].str.contains("nk_disagrees").sum()
    print(
        f"\nNeuroKit2 lead by lead less ours, LUDB, median ms: {words}; nk_disagrees {share(disagree, len(table))}"
    )


def print_p_gate(ludb: Ludb, found: Delineation, verdicts: Verdicts) -> int:
    """How often a P is seen where one is marked, and where none is; how many are without."""
    seen, there = np.isfinite(found.points["p_on"]), ludb.table["p_marked"].to_numpy()
    real = ~ludb.table["paced"].to_numpy()
    kept, none = seen[real & there], ~seen[real & ~there]
    print(f"\nLUDB P waves: kept {share(kept.sum(), len(kept))} of those with P;", end=" ")
    print(f"none found in {share(none.sum(), len(none))} of those without")
    verdicts.add("true P kept, LUDB", 100 * kept.mean(), 99, 99, "%", True)
    verdicts.add(f"P-less given no PR, LUDB (n {len(none)})", 100 * none.mean(), 75, 85, "%", True)
    return len(none)


def print_both_rates(fast: Delineation, slow: Delineation, verdicts: Verdicts) -> None:
    """The same records at 500 and 100 Hz."""
    gap = intervals_of(fast.points) - intervals_of(slow.points)
    print(f"100 v 500 Hz: SD of QRS {gap.qrs.std():.1f}, QT {gap.qt.std():.1f} ms;", end=" ")
    print(f"PR differs by more than 20 ms in {100 * (gap.pr.abs() > 20).mean():.1f} %")
    for name in ("qrs", "qt"):
        verdicts.add(f"{name.upper()} at 100 against 500 Hz, SD", gap[name].std(), 4, 3)
    verdicts.add("PR at 100 against 500 Hz, over 20 ms", 100 * (gap.pr.abs() > 20).mean(), 3, 1.5, "%")


def print_stretched(ludb: Ludb, found: Delineation, verdicts: Verdicts) -> None:
    """Records whose every beat was stretched by a known time between two edges."""
    before = intervals_of(found.points)
    stretches = (("qt", "qrs_off", "t_off", 30.0), ("pr", "p_off", "qrs_on", 20.0))
    for (name, first, last, amount), (least, most, must, goal) in zip(stretches, STRETCHED, strict=True):
        longer = [_stretched(ludb, found, k, (first, last), amount) for k in range(len(ludb.signals))]
        rows = [k for k, strip in enumerate(longer) if strip is not None and not ludb.table["paced"][k]]
        after = intervals_of(delineate(np.stack([longer[k] for k in rows]), FS).points)
        change = (after[name].to_numpy() - before[name].to_numpy()[rows])[np.isfinite(after[name].to_numpy())]
        spread = 1.4826 * np.nanmedian(np.abs(change - np.nanmedian(change)))
        print(
            f"stretched by {amount:+.0f} ms {name.upper()} (n {len(change)}): seen {np.nanmean(change):.1f},"
            f" SD {np.nanstd(change):.1f}, robust SD {spread:.1f} ms"
        )
        title = f"{name.upper()} stretched by {amount:.0f} ms"
        verdicts.add(f"{title}, mean seen", np.nanmean(change), least, least, least=True)
        verdicts.add(f"{title}, mean seen", np.nanmean(change), most, most)
        verdicts.add(f"{title}, SD", np.nanstd(change), must, goal)


def _stretched(
    ludb: Ludb, found: Delineation, k: int, edges: tuple[str, str], amount: float
) -> np.ndarray | None:
    """One record with `amount` ms more between two edges of every beat, and as much less in the pause."""
    first, last = (found.points[edge][k] for edge in edges)
    p_on, t_off = found.points["p_on"][k], found.points["t_off"][k]
    if not np.isfinite([first, last, p_on, t_off]).all() or last - first < 20:
        return None
    old, new = [0.0], [0.0]
    total = ludb.signals.shape[2] * 1000 / FS
    for peak in found.r_peaks[k] * 1000:
        if edges[0] == "qrs_off":  # T moves later, the pause shrinks
            knots = [(first, 0.0), (last, amount), (last + 120, 0.0)]
        else:  # P moves earlier, the pause before it shrinks
            knots = [(p_on - 120, 0.0), (p_on - 10, -amount), (first, -amount), (last, 0.0)]
        if peak + knots[0][0] <= old[-1] or peak + knots[-1][0] >= total:
            continue
        old += [peak + at for at, _ in knots]
        new += [peak + at + by for at, by in knots]
    if np.any(np.diff(new) <= 0):
        return None
    time_ms = np.arange(ludb.signals.shape[2]) * 1000 / FS
    source = np.interp(time_ms, [*new, total], [*old, total])
    return np.stack([np.interp(source, time_ms, lead) for lead in ludb.signals[k]]).astype(np.float32)


def print_offsets(ludb: Ludb, found: Delineation) -> None:
    """The offsets all records give, beside those in the code."""
    errors = edge_errors(ludb, found)[~ludb.table["paced"].to_numpy()]
    print("\noffsets, ms, from all records (in the code):", end=" ")
    print(", ".join(f"{edge} {errors[edge].median():+.1f} ({OFFSETS_MS[edge]:+.0f})" for edge in OFFSETS_MS))


def print_speed(signals: np.ndarray, slow: np.ndarray, verdicts: Verdicts) -> None:
    """ECGs per second on one core, and how many times faster than the stock routes."""
    dwt = _per_second(lambda: stock_table(signals[:4], stock_dwt), 4)
    best = _per_second(lambda: stock_table(signals[:10], stock_prominence), 10)
    print(f"\nspeed, one core: NeuroKit2 dwt lead II {dwt:.0f}/s, prominence 12 leads {best:.0f}/s")
    for title, batch, fs, draws in (
        ("100 Hz", slow[:64], 100.0, 0),
        ("500 Hz", signals[:64], FS, 0),
        ("100 Hz, 8 draws", slow[:64], 100.0, 8),
    ):
        rate = _per_second(lambda b=batch, f=fs, d=draws: delineate(b, f, draws=d), len(batch), 3)
        print(f"  ours {title}, batch of 64: {rate:.0f}/s, {rate / best:.0f} times prominence")
        limits = {"100 Hz": (200, 400), "100 Hz, 8 draws": (55, 120)}.get(title)
        if limits:
            verdicts.add(f"ECGs per second and core, {title}", rate, *limits, "", True)
    whole, parts = delineate(slow, 100.0), [delineate(strip[None], 100.0) for strip in slow]
    same = all(
        np.array_equal(whole.points[e], [p.points[e][0] for p in parts], equal_nan=True) for e in POINTS
    )
    print(f"  single and batched the same to the bit: {same}")
    verdicts.add("single and batched the same", float(same), 1, 1, "", True)


def _per_second(work: Callable, count: int, times: int = 1) -> float:
    """How many ECGs per second, the best of several runs."""
    best = np.inf
    for _ in range(times):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return count / best


def print_many(slow: np.ndarray, count: int, verdicts: Verdicts) -> None:
    """Wall time of `measure` over many ECGs on one and two processes, and whether both give the same."""
    many = ECG(np.resize(slow, (count, *slow.shape[1:])), 100.0)  # LUDB again and again
    measure(many[:256], workers=2)  # the processes start once
    tables, own = [], 0.0
    for workers in (1, 2):
        start, busy = time.perf_counter(), time.process_time()
        tables.append(measure(many, workers=workers))
        wall, busy = time.perf_counter() - start, time.process_time() - busy
        print(f"  measure, {count:,} ECGs, {workers} processes: {wall:.1f} s, {count / wall:.0f}/s", end="")
        print(f"; 10,000 in {1e4 / count * wall:.0f} s (load {os.getloadavg()[0]:.1f})", end="")
        print(f"; {count / busy:.0f}/s of its core's own time" if workers == 1 else "")
        own = busy if workers == 1 else own
    some = many[: len(slow)]
    start = time.process_time()
    drawn = measure(some, draws=8)
    print(f"  measure with 8 draws: {len(some) / (time.process_time() - start):.0f}/s of one core's own time")
    same = tables[0].equals(tables[1]) and drawn.equals(measure(some, draws=8, workers=2))
    order = np.random.default_rng(1).permutation(len(some))
    shuffled = measure(some[order]).set_index(order).sort_index()
    print(f"  one and two processes the same to the bit: {same};", end=" ")
    unmoved = shuffled.equals(tables[0][: len(some)])
    print(f"permuted: {unmoved}")
    verdicts.add("10,000 ECGs, the processors' own time over two cores", 1e4 / count * own / 2, 60, 25, "s")
    others = os.getloadavg()[0]
    verdicts.add(f"10,000 ECGs on two cores by the clock, load {others:.0f}", 1e4 / count * wall, 60, 25, "s")
    verdicts.add("permuted, and one or two processes, the same", float(same and unmoved), 1, 1, "", True)


def print_ptbxl(folder: Path, verdicts: Verdicts) -> None:
    """P in atrial fibrillation and in normal ECGs, and QT answered by rate."""
    listed = pd.read_csv(folder / "ptbxl_database.csv")
    codes = listed["scp_codes"].map(ast.literal_eval)
    rows, founds = [], []
    for start in range(0, len(listed), 64):
        names = listed["filename_hr"][start : start + 64]
        strips = [wfdb.rdrecord(str(folder / name)).p_signal.T for name in names]
        found = delineate(np.array(strips, np.float32), FS)
        table = intervals_of(found.points)
        table["rate"] = [60 / np.diff(r).mean() if len(r) > 1 else np.nan for r in found.r_peaks]
        rows.append(table)
        founds.append(found)
    table = pd.concat(rows, ignore_index=True)
    normal = codes.map(lambda code: "NORM" in code and not {"AFIB", "AFLT"} & set(code))
    fibrillation = codes.map(lambda code: "AFIB" in code)
    none, kept = table.pr[fibrillation].isna(), table.pr[normal].notna()
    print(f"\nPTB-XL ({len(table)}): no P in {share(none.sum(), len(none))} of AFIB;", end=" ")
    print(f"P in {share(kept.sum(), len(kept))} of NORM")
    verdicts.add("AFIB given no PR, PTB-XL", 100 * none.mean(), 90, 95, "%", True)
    verdicts.add("true P kept, PTB-XL NORM", 100 * kept.mean(), 99, 99, "%", True)
    for low, high in ((0, 60), (60, 80), (80, 100), (100, 120), (120, 300)):
        some = table[(table.rate >= low) & (table.rate < high)]
        print(f"  {low:3}-{high:3} bpm: QT answered in {share(some.qt.notna().sum(), len(some))}")
        limits = {100: (95, 99), 120: (85, 95)}.get(low)
        if limits:
            answered = 100 * some.qt.notna().mean()
            verdicts.add(
                f"QT answered, PTB-XL, {low} to {high} bpm (n {len(some)})", answered, *limits, "%", True
            )
    print_exchanged(founds)


def print_exchanged(founds: list[Delineation]) -> None:
    """How often two chest leads are called exchanged: as recorded, and after two were."""
    n = sum(len(found.median_beat) for found in founds)
    held = [np.sum(_order(found, found.median_beat) > EXCHANGED) for found in founds]
    print(f"  chest leads called exchanged as recorded: {share(sum(held), n)}; after an exchange of")
    some = founds[:: max(len(founds) // 6, 1)]
    for one, other in itertools.combinations(range(6), 2):
        hits = n = 0
        for found in some:
            beats = found.median_beat.copy()
            beats[:, [CHEST[one], CHEST[other]]] = beats[:, [CHEST[other], CHEST[one]]]
            hits, n = hits + np.sum(_order(found, beats) > EXCHANGED), n + len(beats)
        print(f"    V{one + 1} V{other + 1} {100 * hits / n:3.0f} %", end="\n" if other == 5 else "")


def _order(found: Delineation, beats: np.ndarray) -> np.ndarray:
    """The disorder of the chest leads in these beats."""
    return chest_order(beats, found.points, found.r_index, RATE)


if __name__ == "__main__":
    main()
