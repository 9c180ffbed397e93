"""The command line: the verbs of the toolkit without a notebook."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from discovery.cli_options import parser_of


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 the work failed or was stopped, 2 the command asks for what cannot be.

    `show` has two more: 3 the sweep is not finished, 4 it is damaged.
    """
    works = {"generate": generate, "sweep": sweep, "show": show, "export": export, "measure": measure_ecgs}
    works |= {
        "map": map_table,
        "test": put_hypotheses,
        "report": report,
        "study": study,
        "calibrate": calibrate,
    }
    try:
        given = parser_of(works).parse_args(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    try:
        return given.verb(given)
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        if given.debug:
            raise
        said = str(error).replace("pass overwrite=True", "say --overwrite")
        print(f"discovery: {said}", file=sys.stderr)
        return 2 if isinstance(error, ValueError | TypeError) else 1
    except KeyboardInterrupt:
        print("discovery: stopped; what is finished is kept, the same command goes on", file=sys.stderr)
        return 1


def generate(given: argparse.Namespace) -> int:
    """Write ECGs of one set of conditions."""
    from discovery.export import kind_of, save_ecg
    from discovery.measure import measure
    from models.ecg import Conditions

    asked = Conditions(age=given.age, sex=given.sex, heart_rate=given.hr, text=given.text)
    if given.n < 1:
        raise ValueError(f"--n must be at least 1, got {given.n}")
    pictured = kind_of(given.out) not in ("npz", "csv")
    generator = bring(given.generator)
    if asked.text and hasattr(generator, "understand"):
        print(generator.understand(asked.text))
    for sentence in generator.cautions(asked) if hasattr(generator, "cautions") else ():
        print(sentence)
    ecg = generator.generate([asked] * given.n, list(range(given.seed, given.seed + given.n)))
    measured = measure(ecg) if pictured and not given.plain else None
    for path in save_ecg(ecg, given.out, measured=measured, layout=given.layout):
        print(path)
    return 0


def sweep(given: argparse.Namespace) -> int:
    """Make the ECGs of a plan."""
    from discovery.cautions import cautions_of
    from discovery.chunks import open_sweep
    from discovery.claims import freeze
    from discovery.designs import Design
    from discovery.forecast import forecast
    from discovery.measure import measure
    from discovery.overlap import sweep_and_measure
    from discovery.questions import read_hypotheses
    from discovery.store import SweepStore
    from discovery.sweep import run_sweep

    design = Design.from_yaml(given.plan.read_text(encoding="utf-8"))
    claims = read_hypotheses(given.hypotheses) if given.hypotheses else []
    if claims and "://" in str(given.out):
        raise ValueError(f"--hypotheses must be frozen in a folder on a disk, got --out {given.out}")
    print(design)
    for claim in claims:
        print(f"  hypothesis  {claim.statement}")
    generator = bring(given.generator)
    for sentence in cautions_of(design, generator):
        print(f"  caution     {sentence}")
    if not given.yes:
        print(forecast(design, generator, measure))
        if not _agreed(f"Make {len(design):,} ECGs in {given.out}? [y/N] "):
            print(f"Nothing was made. To make {len(design):,} ECGs in {given.out}, say it again with --yes.")
            return 0
    with open_sweep(design, generator, given.out, overwrite=given.overwrite):
        for claim in claims:
            freeze(claim, given.out / "hypotheses")
    if given.measure:
        how = {"workers": given.workers, "progress": not given.quiet}
        sweep_and_measure(design, generator, given.out, measure, **how)
    else:
        run_sweep(design, generator, given.out, progress=not given.quiet)
    print(SweepStore(given.out))
    return 0


def show(given: argparse.Namespace) -> int:
    """Say what a folder holds: the plan, what is made, what failed and why."""
    from discovery.study import open_sweep

    store = open_sweep(given.folder)
    print(store.design)
    print(store)
    for sentence in store.cautions:
        print(f"  caution     {sentence}")
    for cell, cause in list(store.failures().items())[:10]:
        print(f"  cell {cell} ({store.design.cells[cell]}) could not be made: {cause}")
    for key, rows in store.measured_by().items():
        print(f"  measured    {rows:,} ECGs by {key}")
    damaged = store.damaged() if given.verify else []
    for fault in damaged:
        print(f"  damaged     {fault}")
    return 4 if damaged else 0 if store.complete else 3


def export(given: argparse.Namespace) -> int:
    """Write the ECGs of a sweep as files that other programs read."""
    from discovery.export import save_sweep
    from discovery.study import open_sweep

    store = open_sweep(given.folder)
    if given.out.suffix:
        paths = save_sweep(store, given.out, given.query)
        print(f"{len(paths):,} files, {paths[0]} to {paths[-1].name}")
        return 0
    from models.records_written import write_ptbxl
    from models.statements import recognise
    from models.vocabulary import STATEMENTS

    texts = {cell.text or "" for cell in store.design.cells}
    stated = {text: recognise(text, STATEMENTS).statements for text in texts}
    print(write_ptbxl(given.out, (ecg for _, ecg in store.batches(given.query)), stated.__getitem__))
    return 0


def measure_ecgs(given: argparse.Namespace) -> int:
    """Measure a sweep, or files of ECGs."""
    import functools

    from discovery.measure import measure
    from discovery.study import open_sweep
    from discovery.sweep import measure_sweep
    from discovery.tables import known_table, write_table

    path = given.out or Path("table.csv")
    known_table(path)
    first = given.paths[0]
    more = {"draws": given.draws} if given.draws else {}
    more |= {"second": True} if given.second_opinion else {}
    measurer = functools.partial(measure, **more) if more else measure
    if len(given.paths) == 1 and any((first / name).is_file() for name in ("sweep.json", "sweep/sweep.json")):
        table = measure_sweep(open_sweep(first), measurer, progress=not given.quiet, workers=given.workers)
    else:
        peaks = path.suffix == ".parquet"
        table = measured_files(given.paths, measurer, not given.quiet, peaks=peaks, workers=given.workers)
    write_table(table, path)
    lost = int(table["rate_bpm"].isna().sum())
    print(f"{path}: {len(table):,} ECGs, {table.shape[1]} columns; {lost:,} without a heart rate")
    for sentence, rows in table.groupby("refusal") if "refusal" in table else ():
        print(
            f"discovery: {len(rows):,} refused, {rows['record'].iloc[0]} first: {sentence}", file=sys.stderr
        )
    return 0


def map_table(given: argparse.Namespace) -> int:
    """Draw a table as a map."""
    from discovery.maps import make_map
    from discovery.plots import plot_map
    from discovery.style import save_figure
    from discovery.tables import read_table, write_table

    table = read_table(given.table)
    wanted = given.color or [name for name in ("text", "heart_rate", "sex", "age") if name in table][:4]
    made = make_map(table, given.columns, seed=given.seed)
    print(save_figure(plot_map(made, table, color=wanted), given.out))
    places = table.loc[made.rows].assign(umap_1=made.coordinates[:, 0], umap_2=made.coordinates[:, 1])
    beside = given.out.with_suffix(".csv")
    write_table(places, beside)
    print(f"{beside}\n{made}")
    return 0


def put_hypotheses(given: argparse.Namespace) -> int:
    """Put hypotheses to a measured sweep."""
    from discovery.findings import adjust, findings_table
    from discovery.hypotheses import compare
    from discovery.measure import measure
    from discovery.questions import read_folder, read_hypotheses
    from discovery.study import open_sweep
    from discovery.sweep import measure_sweep
    from discovery.tables import write_table

    folder, file = given.folder, given.hypotheses
    if folder.is_file():
        folder, file = folder.parent, folder
    frozen = folder / "hypotheses"
    claims = read_hypotheses(file) if file else read_folder(frozen)
    if not claims:
        raise ValueError(f"hypotheses must be given, got none frozen in {frozen}: pass --hypotheses FILE")
    table = measure_sweep(open_sweep(folder), measure, progress=not given.quiet)
    findings = adjust([compare(table, claim, frozen=frozen) for claim in claims], given.adjust)
    for finding in findings:
        print(finding)
    if given.out:
        write_table(findings_table(findings), given.out)
        print(given.out)
    return 0


def report(given: argparse.Namespace) -> int:
    """Write the report of a sweep."""
    from discovery.study import report_sweep

    print(report_sweep(given.folder, given.out, progress=not given.quiet).report)
    return 0


def study(given: argparse.Namespace) -> int:
    """Make the first study of a generator."""
    from discovery.study import first_study

    simulator = None if given.no_instrument else bring("simulator")
    made = first_study(
        bring(given.generator),
        given.out,
        quick=given.quick,
        progress=not given.quiet,
        simulator=simulator,
        overwrite=given.overwrite,
    )
    print()
    for line in findings_in_lines(made.findings):
        print(line)
    print(f"\nReport: {made.report.resolve()}\nTable:  {made.report.with_name('table.csv').resolve()}")
    return 0


def calibrate(given: argparse.Namespace) -> int:
    """Make generated ECGs measure as records do, on average under every condition."""
    from discovery.alike import alike
    from discovery.measure import measure
    from models.calibration import calibrated
    from models.checkpoints import load_checkpoint, save_checkpoint
    from models.generator import WEIGHTS
    from models.training import open_records

    bundled = WEIGHTS / f"{given.weights}.safetensors"
    checkpoint, _ = load_checkpoint(bundled if bundled.is_file() else given.weights)
    records = open_records(given.data, given.layout, given.patients, given.test_fold)

    def measurer(ecg: Any) -> Any:
        return measure(alike(ecg), workers=given.workers)

    made = calibrated(checkpoint, records, measurer, given.sets, given.rounds, not given.quiet)
    print(save_checkpoint(given.out, made))
    for place, off in enumerate(made.facts["calibration"]["off_percent"], 1):
        said = ", ".join(f"{name} {size:.2f} %" for name, size in off.items())
        print(f"  round {place}: mean intervals were off by {said}")
    return 0


def bring(name: str) -> Any:
    """The generator of a name: ``simulator``, bundled weights, or the path of a checkpoint."""
    if name == "simulator":
        from models.synthetic import Simulator

        return Simulator()
    from models.generator import load_generator

    return load_generator(name)


def measured_files(
    paths: Sequence[Path], measure: Callable, progress: bool, peaks: bool = False, workers: int = 1
) -> Any:
    """One row per record of files and folders, its name first; with `peaks` the times of its beats, too."""
    import joblib
    import pandas as pd
    from tqdm.auto import tqdm

    from models.records import read_files

    if workers < 1:
        raise ValueError(f"--workers must be at least 1, got {workers}")
    unreadable: dict[str, str] = {}
    batches = in_batches(read_files(paths, unreadable))
    jobs = (joblib.delayed(measured_batch)(names, ecg, measure, peaks) for names, ecg in batches)
    rows = []
    with tqdm(desc="measure", unit=" ECG", disable=not progress) as bar:
        for part in joblib.Parallel(workers, return_as="generator", max_nbytes=None)(jobs):
            rows.append(part)
            bar.update(len(part))
    if unreadable:
        names, why = unreadable.keys(), unreadable.values()
        rows.append(pd.DataFrame({"record": names, "reasons": "refused", "refusal": why}))
    if not rows:
        raise ValueError(f"paths must hold ECGs, got none in {', '.join(map(str, paths))}")
    measured = [part for part in rows if "refusal" not in part]
    if not measured:
        raise ValueError(rows[0]["refusal"].iloc[0])
    table = pd.concat(rows, ignore_index=True)
    return table[[*measured[0], *(name for name in table if name not in measured[0])]]


def measured_batch(names: list[str], ecg: Any, measure: Callable, peaks: bool) -> Any:
    """The rows of one batch; rows that only say why where no ECG of its leads and length can be measured."""
    import pandas as pd

    try:
        part = measure(ecg, beats=peaks).drop(columns="record", errors="ignore")
    except ValueError as error:  # the other records are measured all the same, and the sentence is shown
        return pd.DataFrame({"record": names, "reasons": "refused", "refusal": str(error)})
    part.insert(0, "record", names)
    return part


def in_batches(named: Iterable[tuple[str, Any]], most: int = 32) -> Iterator[tuple[list[str], Any]]:
    """Neighbouring ECGs of the same sampling frequency, leads and length together, with their names."""
    from models.ecg import join

    names: list[str] = []
    ecgs: list[Any] = []
    for name, ecg in named:
        if ecgs and (len(ecgs) == most or _kind(ecg) != _kind(ecgs[0])):
            yield names, join(ecgs)
            names, ecgs = [], []
        names.append(name)
        ecgs.append(ecg)
    if ecgs:
        yield names, join(ecgs)


def findings_in_lines(findings: Sequence[Any]) -> list[str]:
    """The findings as a table of text: verdict, estimate with interval and unit, n, hypothesis."""
    from discovery.forest import interval_in_words

    rows = [("verdict", "effect [95 % interval]", "n", "hypothesis")]
    for finding in findings:
        effect = f"{interval_in_words(finding)} {finding.unit}"
        rows.append((str(finding.verdict), effect, str(finding.n), finding.hypothesis.statement))
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, wide, strict=False)), row[3]])
        for row in rows
    ]


def _agreed(question: str) -> bool:
    """Whether the person at the terminal says yes; nobody there says no."""
    return sys.stdin.isatty() and input(question).strip().lower() in ("y", "yes")


def _kind(ecg: Any) -> tuple:
    """What ECGs must share to stand in one batch."""
    return ecg.fs, ecg.leads, ecg.signals.shape[2]


if __name__ == "__main__":
    sys.exit(main())
