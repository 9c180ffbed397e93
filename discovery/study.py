"""The first study of a generator: age, sex, rate and five texts against rate, PR, QRS and QT, in one call."""

import platform
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.claims import freeze
from discovery.designs import Design, grid
from discovery.evidence import Evidence, weigh
from discovery.export import draw_measured
from discovery.filing import folder_at
from discovery.findings import adjust
from discovery.hypotheses import compare
from discovery.maps import make_map, warm_up
from discovery.measure import measure
from discovery.plots import plot_effects, plot_map, plot_pair, plot_trend
from discovery.questions import read_folder
from discovery.recorded import load_findings
from discovery.report import Notes, write_report
from discovery.store import SweepStore
from discovery.study_claims import DENIAL, HYPOTHESES, NORMAL, PUBLISHED, TEXTS
from discovery.style import Picture
from discovery.sweep import measure_sweep, run_sweep
from models.ecg import Conditions, Generator

SHOWN = ("rate_bpm", "pr_ms", "qrs_ms", "qtcf_ms")
EXAMPLES = 6
VERSIONS = ("numpy", "scipy", "pandas", "neurokit2", "umap-learn", "torch")


@dataclass(frozen=True, eq=False)
class Study:
    """What a study left behind: the report's path, the evidence for each hypothesis, the table, the sweep."""

    report: Path
    evidence: tuple[Evidence, ...]
    table: pd.DataFrame
    store: SweepStore

    @property
    def findings(self) -> list[Any]:
        """The findings about the generator, adjusted as one family."""
        return [item.generator for item in self.evidence]


def first_study(
    generator: Generator,
    folder: str | Path,
    *,
    quick: bool = False,
    progress: bool = True,
    simulator: Generator | None = None,
    overwrite: bool = False,
) -> Study:
    """The first study of a generator, from the plan to ``report.html`` in the folder; the same call resumes.

    Parameters
    ----------
    generator : Generator
    folder : str or Path
        Made if need be: hypotheses (frozen before anything is generated), sweep, report, table.
    quick : bool
        A tenth of the ECGs: enough to see that everything works, too few to conclude.
    progress : bool
        Show progress bars.
    simulator : Generator, optional
        Makes ECGs of known truth, on which the same hypotheses check the instrument; none, no such check.
    overwrite : bool
        Remove the sweeps of another generator, or of another version, that lie in the folder.
    """
    folder = Path(folder)
    frozen = folder / "hypotheses"
    for hypothesis in HYPOTHESES:
        freeze(hypothesis, frozen)
    warming = threading.Thread(target=warm_up, daemon=True)
    warming.start()
    design = study_design(quick)
    store = run_sweep(design, generator, folder / "sweep", progress=progress, overwrite=overwrite)
    table = measure_sweep(store, measure, progress=progress)
    simulated = None
    if simulator is not None:
        known = run_sweep(design, simulator, folder / "instrument", progress=progress, overwrite=overwrite)
        simulated = with_known_qtc(measure_sweep(known, measure, progress=progress))
    evidence = put_to_test(table, frozen, simulated)
    warming.join()
    figures = study_figures(store, table, evidence)
    report = write_report(
        folder / "report.html",
        title=f"First study of the generator {generator.name}",
        findings=evidence,
        figures=figures,
        table=table,
        notes=_notes(store, table, simulator),
        provenance=provenance_of(store, f"{generator.name}, digest {generator.digest}"),
    )
    return Study(report, tuple(evidence), table, store)


def study_design(quick: bool = False) -> Design:
    """The plan: age x sex x heart rate x five texts on the same hearts, and a denied statement as control."""
    base = Conditions(age=50)
    ages, rates, repeats = ((30, 50, 70), (60, 80, 100), 16) if not quick else ((30, 50), (60, 90), 3)
    sexes = ("female", "male")
    whole = grid(base, repeats=repeats, seed=2025, age=ages, sex=sexes, heart_rate=rates, text=TEXTS)
    control = grid(base, repeats=repeats, seed=2025, sex=sexes, heart_rate=rates, text=[DENIAL])
    return whole + control


def put_to_test(table: pd.DataFrame, frozen: Path, simulated: pd.DataFrame | None = None) -> list[Evidence]:
    """The evidence for the six hypotheses; p-values are adjusted as one family (Holm).

    The column of recorded ECGs comes from the package (`discovery.recorded`): the claims do not change.
    """
    evidence = [
        weigh(claim, table, published=PUBLISHED.get(claim.digest), simulated=simulated, frozen=frozen)
        for claim in HYPOTHESES
    ]
    findings = adjust([item.generator for item in evidence])
    recorded, _ = load_findings()
    return [
        replace(item, generator=finding, recorded=recorded.get(item.generator.hypothesis.digest))
        for item, finding in zip(evidence, findings, strict=True)
    ]


def with_known_qtc(table: pd.DataFrame) -> pd.DataFrame:
    """The table of a simulator with the true QTc beside the true QT.

    Source: Fridericia 1920, QT / RR^(1/3), RR in s.
    """
    return table.assign(known_qtcf_ms=table["known_qt_ms"] / (60.0 / table["known_rate_bpm"]) ** (1 / 3))


def study_figures(store: SweepStore, table: pd.DataFrame, evidence: list[Evidence]) -> list[Picture]:
    """The pictures of the report: effects, trends, map, one ECG of each text, and one heart in two states."""
    normal = table[table["text"] == NORMAL]
    five = [_row_of(table, text=text, age=50, sex="female", heart_rate=60) for text in TEXTS]
    older = _row_of(table, text=NORMAL, age=table["age"].max(), sex="female", heart_rate=60)
    younger = _row_of(table, text=NORMAL, age=table["age"].min(), sex="female", heart_rate=60)
    hearts = table.assign(heart="heart " + (table["repeat"] + 1).astype(str))
    umap_map = make_map(table)
    return [
        plot_effects(evidence),
        plot_trend(normal, "rate_bpm", "heart_rate", "sex"),
        plot_trend(normal, "qt_ms", "rr_ms", "sex"),
        plot_trend(normal, "qtcf_ms", "age", "sex"),
        plot_trend(normal, "pr_ms", "age", "sex"),
        plot_trend(table, "qrs_ms", "text", "sex"),
        plot_map(umap_map, hearts, color=["text", "heart", "heart_rate", "qtcf_ms"]),
        plot_pair(store.ecg([five[0]]), store.ecg([five[1]]), boundaries=_two(table, five[0], five[1])),
        plot_pair(store.ecg([younger]), store.ecg([older]), boundaries=_two(table, younger, older)),
        *(draw_measured(store.ecg([row]), table.loc[row]) for row in five),
    ]


def report_sweep(folder: str | Path, path: str | Path | None = None, *, progress: bool = True) -> Study:
    """The report of any sweep: its hypotheses put to the test, one trend for each thing swept, a few ECGs.

    Parameters
    ----------
    folder : str or Path
        Of the sweep; hypotheses frozen in its ``hypotheses`` folder are tested. Measured here if need be.
    path : str or Path, optional
        Of the report; ``report.html`` in the folder where not said.
    progress : bool
        Show progress bars.
    """
    store = open_sweep(folder)
    table = measure_sweep(store, measure, progress=progress)
    frozen = Path(folder) / "hypotheses"
    findings = adjust([compare(table, claim, frozen=frozen) for claim in read_folder(frozen)])
    swept = [axis for axis, values in store.design.factors.items() if len(values) > 1]
    hue = "sex" if "sex" in swept else None
    figures = [plot_effects(findings)] if findings else []
    for axis in swept:
        figures += [plot_trend(table, outcome, axis, hue if axis != "sex" else None) for outcome in SHOWN]
    first = table.groupby("cell", sort=True)["ecg"].min().to_list()[:EXAMPLES]
    rows = table[table["ecg"].isin(first)]
    figures += [draw_measured(store.ecg([int(row["ecg"])]), row) for _, row in rows.iterrows()]
    made = store.identity
    report = write_report(
        Path(path) if path else Path(folder) / "report.html",
        title=f"Sweep of {made['generator']} over {', '.join(swept) or 'one set of conditions'}",
        findings=findings,
        figures=figures,
        table=table,
        notes=Notes(done=[f"{store}."], remarks=cautioned(store)),
        provenance=provenance_of(store, f"{made['generator']}, digest {made['digest']}"),
    )
    return Study(report, tuple(Evidence(finding) for finding in findings), table, store)


def open_sweep(folder: str | Path) -> SweepStore:
    """The sweep in a folder or behind a URL, or in the folder ``sweep`` of a study's folder."""
    folder = folder_at(folder)
    inner = folder / "sweep"
    return SweepStore(inner if not (folder / "sweep.json").is_file() and inner.is_dir() else folder)


def cautioned(store: SweepStore) -> list[str]:
    """The generator's cautions about a sweep, as a report's remark; none where it had none."""
    return [f"The generator warns: {'; '.join(store.cautions)}."] if store.cautions else []


def provenance_of(store: SweepStore, generator: str) -> dict[str, Any]:
    """All that is needed to make the study again."""
    versions = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "Generator": generator,
        "Design": f"{store.design}",
        "Design fingerprint": store.design.fingerprint,
        "Seeds": sorted(set(store.design.seeds())),
        "Versions": versions,
        "Written": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def _row_of(table: pd.DataFrame, **asked: Any) -> int:
    """The first ECG of the cell nearest to what is asked."""
    rows = table
    for name, value in asked.items():
        if name in ("age", "heart_rate"):
            value = rows.loc[(rows[name] - value).abs().idxmin(), name]
        rows = rows[rows[name] == value]
    return int(rows.index[0])


def _two(table: pd.DataFrame, first: int, second: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The measurements of two ECGs."""
    return table.loc[first].to_dict(), table.loc[second].to_dict()


def _notes(store: SweepStore, table: pd.DataFrame, simulator: Generator | None) -> Notes:
    """What the report says in words."""
    design = store.design
    hearts = table["seed"].nunique()
    measured = int(table["rate_bpm"].notna().sum())
    factors = design.factors
    done = [
        f"{len(design):,} ECGs were generated: every combination of {len(factors['age'])} ages, both sexes, "
        f"{len(factors['heart_rate'])} heart rates and {len(TEXTS)} texts, and a sixth text as a negative "
        f"control, each for the same {hearts} hearts. A heart is a seed: two ECGs of one seed differ only in "
        "what was asked.",
        f"All were measured by the same code ({measured:,} had beats that could be measured) and are in the "
        "table below, measured or not. Effects are averages of differences, or of slopes, within one heart.",
        "The hypotheses, with the smallest effect worth finding, were written to the folder before the first "
        "ECG was generated. Holm's method adjusts the p-values of those that are no controls.",
    ]
    if simulator is not None:
        done.append(
            "Instrument check: the same plan was put to a simulator whose intervals are known exactly. The "
            "column 'made by measuring alone' is the effect found there in measured minus true values."
        )
    done.append(f"Recorded ECGs, measured by the same code: {load_findings()[1]}.")
    remarks = [
        f"n counts hearts ({hearts}), not ECGs. The intervals say how far another set of hearts might "
        "differ; they say nothing of another training, another generator, or people.",
        "A text stands for the patients in whose records it was written: what comes with it (age, other "
        "diseases, heart rate) may come with it here too.",
        "An effect of exactly zero with no width means that both arms are the very same ECGs: the generator "
        "understood that the two texts say the same.",
        *cautioned(store),
    ]
    return Notes("What does the generator do with age, sex, heart rate and five findings?", done, remarks)
