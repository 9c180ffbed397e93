"""Findings about recorded ECGs: kept, read back, and bundled ones that belong to the study's claims."""

import pandas as pd
import pytest

from discovery.hypotheses import compare
from discovery.measure import measure
from discovery.recorded import label_texts, load_findings, save_findings
from discovery.study_claims import HYPOTHESES, QTC_SEX
from models.records import open_ptbxl


def test_findings_come_back_as_they_were(tmp_path):
    table = pd.DataFrame(
        {
            "text": "sinus rhythm, normal ECG",
            "sex": ["female", "male"] * 40,
            "age": [30.0 + row for row in range(80)],
            "heart_rate": [60.0 + row % 7 for row in range(80)],
            "qtcf_ms": [400.0 + (row % 5) + 9 * (row % 2 == 0) for row in range(80)],
        }
    )
    finding = compare(table, QTC_SEX, paired=False)
    found, source = load_findings(save_findings(tmp_path / "found.json", [finding], "a made table"))
    again = found[QTC_SEX.digest]
    assert source == "a made table"
    assert str(again) == str(finding) and again.hypothesis.digest == QTC_SEX.digest
    assert again.missing == finding.missing and again.method == finding.method


def test_bundled_findings_are_about_claims_of_the_study():
    found, source = load_findings()
    claims = {claim.digest: claim for claim in HYPOTHESES}
    assert found and set(found) <= set(claims)
    assert "PTB-XL" in source
    for finding in found.values():
        assert finding.low < finding.estimate < finding.high and finding.n > 100


def test_bundled_findings_can_be_made_again(shared_data):
    """The sign and size of one bundled finding, from a part of the recorded ECGs."""
    records = open_ptbxl(shared_data / "ptb-xl")
    normal = [row for row, said in enumerate(records.table["statements"]) if said.get("NORM", 0) >= 0.5][:240]
    table = measure(records.ecg(normal)).assign(text="sinus rhythm, normal ECG")
    table = table.assign(heart_rate=table["rate_bpm"]).dropna(subset=["age", "sex"])
    bundled = load_findings()[0][QTC_SEX.digest]
    part = compare(table, QTC_SEX, paired=False)
    assert part.low < bundled.high and part.high > bundled.low


def test_records_of_one_text_only_are_labelled():
    table = pd.DataFrame(
        {"statements": [{"NORM": 1.0}, {"CLBBB": 1.0}, {"NORM": 1.0, "CLBBB": 1.0}, {"NORM": 0.2}]}
    )
    labelled = label_texts(table, {"normal": ("NORM",), "block": ("CLBBB",)})
    assert labelled["text"].to_list() == ["normal", "block"]


def test_missing_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file of findings, got .*nowhere"):
        load_findings(tmp_path / "nowhere.json")
