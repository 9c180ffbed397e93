"""The whole flow on the simulator: conditions to report; and a sweep that was killed gives the same table."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from discovery.claims import Hypothesis, freeze
from discovery.designs import grid
from discovery.hypotheses import compare
from discovery.maps import make_map
from discovery.measure import measure
from discovery.plots import plot_effects, plot_map
from discovery.report import write_report
from discovery.store import SweepStore
from discovery.sweep import measure_sweep, run_sweep
from models.ecg import Conditions
from models.synthetic import Simulator

PLANTED_MS = 14.0
SIMULATOR = Simulator(effects={"qt_ms": {"sex:female": PLANTED_MS}}, rate_exponent=0.0)
DESIGN = grid(
    Conditions(age=50, text="sinus rhythm"), sex=["female", "male"], heart_rate=[60, 80], repeats=12, seed=7
)
QT_SEX = Hypothesis(
    "qt_ms", contrast={"sex": ("female", "male")}, given=("heart_rate",), smallest=5.0, direction="+"
)
CHILD = """
import sys, time
from discovery.designs import Design
from discovery.sweep import run_sweep
from models.synthetic import Simulator

class Slow:
    def __init__(self, inner):
        self.inner, self.name, self.digest, self.fs = inner, inner.name, inner.digest, inner.fs
    def generate(self, conditions, seeds):
        time.sleep(0.3)
        return self.inner.generate(conditions, seeds)

simulator = Simulator(effects={"qt_ms": {"sex:female": 14.0}}, rate_exponent=0.0)
design = Design.from_yaml(open(sys.argv[2]).read())
run_sweep(design, Slow(simulator), sys.argv[1], chunk=8, progress=False)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    store = run_sweep(DESIGN, SIMULATOR, tmp_path_factory.mktemp("flow") / "whole", chunk=8, progress=False)
    return store, measure_sweep(store, measure, progress=False)


def test_from_conditions_to_a_report(undisturbed, tmp_path):
    freeze(QT_SEX, tmp_path / "hypotheses")
    store, table = undisturbed
    finding = compare(table, QT_SEX, frozen=tmp_path / "hypotheses")
    assert finding.verdict == "supported"
    assert not finding.exploratory
    assert finding.n == 12
    assert finding.low - 2 < PLANTED_MS < finding.high + 2, "the planted effect comes out at the other end"
    umap_map = make_map(table)
    report = write_report(
        tmp_path / "report.html",
        title="Flow",
        findings=[finding],
        figures=[plot_effects([finding]), plot_map(umap_map, table, "sex")],
        table=table,
        notes="Does QT differ?",
        provenance={"Generator": store.identity["generator"]},
    )
    assert report.stat().st_size > 50_000
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(DESIGN)


def test_every_ecg_of_the_table_can_be_made_again(undisturbed):
    store, table = undisturbed
    row = table.iloc[17]
    asked = Conditions(age=row["age"], sex=row["sex"], heart_rate=row["heart_rate"], text=row["text"])
    again = SIMULATOR.generate([asked], [int(row["seed"])])
    np.testing.assert_allclose(store.ecg([17]).signals, again.signals, atol=0.0006)


def test_a_killed_sweep_resumes_to_the_same_table(undisturbed, tmp_path):
    folder = tmp_path / "killed"
    (tmp_path / "plan.yaml").write_text(DESIGN.to_yaml())
    root = Path(__file__).resolve().parent.parent
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(folder), str(tmp_path / "plan.yaml")]
    child = subprocess.Popen(command, env=environment, cwd=root)
    try:
        until = time.monotonic() + 60
        while not list(folder.glob("done/*.json")) and time.monotonic() < until:
            assert child.poll() is None, "the sweep ended before it could be killed"
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = SweepStore(folder).done
    assert 0 < len(before) < len(SweepStore(folder).chunks)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("done/*.json")}
    store = run_sweep(DESIGN, SIMULATOR, folder, chunk=8, progress=False)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items()), (
        "finished chunks are not made again"
    )
    table = measure_sweep(store, measure, progress=False)
    pd.testing.assert_frame_equal(table, undisturbed[1])
    np.testing.assert_array_equal(store.ecg(slice(None)).signals, undisturbed[0].ecg(slice(None)).signals)
