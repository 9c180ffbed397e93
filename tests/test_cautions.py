"""What lies beyond what a generator has learnt is said before, with and after a sweep of it."""

import pytest
from toys import Cautious

from discovery.cautions import MOST, cautions_of
from discovery.cli import main
from discovery.designs import grid
from discovery.measure import measure
from discovery.study import report_sweep
from discovery.sweep import run_sweep
from discovery.widgets import hypothesis_widget
from models.ecg import Conditions
from models.synthetic import Simulator

PLAN = grid(Conditions(heart_rate=70), age=[30, 60], sex=["female", "male"], repeats=3)
SAID = "age 30 years lies beyond what was learnt (2 of 4 cells)"


def test_each_caution_is_said_once_with_its_cells():
    assert cautions_of(PLAN, Cautious()) == [SAID]
    assert cautions_of(PLAN, Simulator()) == [], "a generator need not have any to give"
    ages = grid(Conditions(), age=range(10, 10 + MOST + 5))
    told = cautions_of(ages, Cautious())
    assert len(told) == MOST + 1 and told[-1] == "and 5 more of this kind"


def test_a_sweep_keeps_them_and_its_report_shows_them(tmp_path):
    store = run_sweep(PLAN, Cautious(), tmp_path / "with", progress=False)
    assert store.cautions == [SAID]
    assert (
        f"The generator warns: {SAID}." in report_sweep(tmp_path / "with", progress=False).report.read_text()
    )
    assert run_sweep(PLAN, Simulator(), tmp_path / "without", progress=False).cautions == []
    assert "warns" not in report_sweep(tmp_path / "without", progress=False).report.read_text()


def test_the_command_line_says_them_before_anything_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("discovery.cli.bring", lambda name: Cautious())
    (tmp_path / "plan.yaml").write_text(PLAN.to_yaml())
    assert main(["sweep", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "s")]) == 0
    shown = capsys.readouterr().out
    assert shown.index(SAID) < shown.index("Forecast") and not (tmp_path / "s").exists()
    run_sweep(PLAN, Cautious(), tmp_path / "s", progress=False)
    assert main(["show", str(tmp_path / "s")]) == 0
    assert f"caution     {SAID}" in capsys.readouterr().out


@pytest.mark.parametrize(("age", "warned"), [(30, True), (60, False)])
def test_the_hypothesis_widget_says_them_with_its_plan_and_keeps_them(tmp_path, age, warned):
    patient = Conditions(age=age, sex="male", heart_rate=75, text="sinus rhythm")
    widget = hypothesis_widget(Cautious(), measure, conditions=patient, folder=tmp_path)
    assert widget.settle(60)
    assert ("age 30 years lies beyond what was learnt (2 of 2 cells)" in widget.plan.value) == warned
    widget.question.hearts.value = 2
    widget.run()
    assert widget.settle(60)
    (plan,) = tmp_path.rglob("sweep.json")
    assert ("lies beyond" in plan.read_text()) == warned
