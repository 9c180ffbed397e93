"""The first study on the simulator finds what was planted, checks its instrument, and writes its report."""

import pandas as pd
import pytest

from discovery.claims import freeze, read_frozen
from discovery.designs import grid
from discovery.study import first_study, open_sweep, report_sweep, study_design
from discovery.study_claims import DENIAL, HYPOTHESES, PUBLISHED, TEXTS
from discovery.sweep import run_sweep
from models.ecg import Conditions
from models.synthetic import Simulator


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    alike = Simulator(spread=0.3)  # hearts near the typical one: three of them are enough to conclude
    return first_study(alike, folder, quick=True, progress=False, simulator=alike)


def test_the_design_crosses_everything_and_pairs_by_seed():
    design = study_design()
    assert set(design.factors["text"]) == {*TEXTS, DENIAL}
    seeds = design.table.groupby("cell")["seed"].apply(tuple)
    assert seeds.nunique() == 1
    assert 1000 <= len(design) <= 2000
    assert len(study_design(quick=True)) < len(design) / 4


def test_six_hypotheses_were_written_down_before_measuring(study):
    frozen = sorted((study.report.parent / "hypotheses").glob("*.json"))
    assert {read_frozen(path) for path in frozen} == set(HYPOTHESES)
    assert len(study.findings) == 6
    assert not any(finding.exploratory for finding in study.findings)
    assert set(PUBLISHED) <= {claim.digest for claim in HYPOTHESES}


def test_the_planted_truth_is_found(study):
    found = {finding.hypothesis.outcome: finding for finding in study.findings}
    assert found["rate_bpm"].estimate == pytest.approx(1, abs=0.03)
    assert found["qt_ms"].as_expected
    assert study.findings[-1].verdict == "equivalent to nothing", "the denied statement changes nothing"
    assert all(item.instrument is not None for item in study.evidence)


def test_the_report_and_the_table_are_there(study):
    page = study.report.read_text(encoding="utf-8")
    assert page.count("<figure>") == 14
    for finding in study.findings:
        assert finding.hypothesis.digest[:8] in page
    assert study.store.identity["digest"] in page
    assert len(pd.read_csv(study.report.with_name("table.csv"))) == len(study_design(quick=True))


def test_any_sweep_can_be_reported(tmp_path):
    design = grid(Conditions(heart_rate=70), age=[30, 60], sex=["female", "male"], repeats=3)
    run_sweep(design, Simulator(), tmp_path / "sweep", progress=False)
    freeze(HYPOTHESES[2], tmp_path / "elsewhere")
    made = report_sweep(tmp_path, tmp_path / "out" / "r.html", progress=False)
    assert "No hypothesis was tested." in made.report.read_text()
    assert open_sweep(tmp_path).folder == tmp_path / "sweep"
    assert len(made.table) == 12
