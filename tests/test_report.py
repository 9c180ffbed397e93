"""A report is one file that needs no other, gives every effect its interval, runs nothing of the user's."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest

from discovery.claims import Hypothesis
from discovery.evidence import Published, weigh
from discovery.findings import adjust
from discovery.hypotheses import compare
from discovery.plots import plot_effects, plot_trend
from discovery.report import HONESTY, Notes, write_report

NASTY = '<script>alert("x")</script>'


def measured(hearts: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    own = rng.normal(0, 10, hearts)
    rows = [
        {
            "seed": seed,
            "age": age,
            "sex": sex,
            "text": text,
            "rate_bpm": 70.0,
            "p_present": 1.0,
            "qtcf_ms": 400 + own[seed] + 12 * (sex == "female") + rng.normal(0, 2),
            "known_qtcf_ms": 400 + own[seed] + 12 * (sex == "female"),
            "reasons": "",
            "beat_times": [0.5, 1.5],
        }
        for seed in range(hearts)
        for age in (30.0, 70.0)
        for sex in ("female", "male")
        for text in ("normal", NASTY)
    ]
    table = pd.DataFrame(rows)
    table.loc[[0, 5], "qtcf_ms"] = np.nan
    table.loc[[0, 5], "reasons"] = "t_flat,p_absent"
    return table


CLAIM = Hypothesis(
    "qtcf_ms",
    contrast={"sex": ("female", "male")},
    given=("age",),
    smallest=5.0,
    direction="+",
    statement=f"QTc differs {NASTY}",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    table = measured()
    evidence = weigh(CLAIM, table, published=Published(11.0, 8.0, 14.0, "Someone 1999"), simulated=table)
    path = write_report(
        tmp_path_factory.mktemp("report") / "deep" / "report.html",
        title=f"Study {NASTY}",
        findings=[evidence],
        figures=[plot_effects([evidence]), plot_trend(table, "qtcf_ms", "age", "sex")],
        table=table,
        notes=Notes("Does it?", [f"Done {NASTY}"], ["Remember this."]),
        provenance={"Generator": NASTY, "Seeds": [1, 2], "Versions": {"numpy": "2"}},
    )
    return path, path.read_text(encoding="utf-8"), table


def test_nothing_outside_the_file_is_needed(written):
    _, page, _ = written
    addresses = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_what_the_user_wrote_is_shown_and_never_run(written):
    _, page, _ = written
    assert "<script" not in page.lower()
    assert page.count("&lt;script&gt;") >= 5


def test_it_says_the_effect_with_interval_unit_n_and_verdict(written):
    _, page, table = written
    finding = compare(table, CLAIM)
    shown = re.sub(r"<[^>]+>", " ", page)
    assert f"{finding.estimate:.1f} [{finding.low:.1f}, {finding.high:.1f}]" in shown
    for part in (
        "n = 10 seeds",
        "supported",
        "too small to matter: ± 5 ms",
        "11 [8, 14] ms",
        "Someone 1999",
        "exploratory",
        CLAIM.digest[:8],
        "Made by measuring alone",
        HONESTY,
        "Does it?",
        "Remember this.",
    ):
        assert part in shown


def test_what_is_missing_is_counted_with_its_reason(written):
    _, page, _ = written
    assert "t_flat 2" in page
    assert "p_absent 2" in page
    assert re.search(r"<small class=\"missing\">\d+\.\d % missing", page)
    assert "Cells with values missing" in page


def test_the_table_is_inside_and_beside(written):
    path, page, table = written
    inside = re.search(r'href="data:text/csv;base64,([^"]+)"', page).group(1)
    for text in (base64.b64decode(inside).decode(), (path.parent / "table.csv").read_text()):
        read = pd.read_csv(io.StringIO(text))
        assert len(read) == len(table)
        assert "beat_times" not in read, "lists have no place in a CSV"
        np.testing.assert_allclose(read["qtcf_ms"], table["qtcf_ms"], rtol=1e-5)


def test_figures_are_numbered_and_described(written):
    _, page, _ = written
    assert page.count("<figure>") == 2
    assert "Figure 2." in page
    assert len(re.findall(r'<img src="data:image/png;base64,[^"]+" alt="[^"]{20,}"', page)) == 2


def test_p_values_say_whether_they_are_adjusted(tmp_path):
    table = measured()
    finding = compare(table, CLAIM)
    about = {"title": "t", "figures": {}, "table": table, "provenance": {}}
    plain = write_report(tmp_path / "a.html", findings=[finding], **about).read_text()
    together = write_report(tmp_path / "b.html", findings=adjust([finding]), **about).read_text()
    assert "(not adjusted)" in plain
    assert "(not adjusted)" not in together


def test_a_report_without_findings_says_so(tmp_path):
    about = {
        "title": "t",
        "findings": [],
        "figures": [],
        "table": measured(),
        "notes": "Why?",
        "provenance": {},
    }
    assert "No hypothesis was tested." in write_report(tmp_path / "r.html", **about).read_text()


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.html, got 'report.pdf'"):
        write_report(
            tmp_path / "report.pdf", title="", findings=[], figures=[], table=measured(), provenance={}
        )
