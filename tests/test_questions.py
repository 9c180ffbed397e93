"""Hypotheses written by hand are read whole, or refused with the line to mend."""

import pytest

from discovery.claims import freeze
from discovery.questions import EXAMPLE, read_folder, read_hypotheses


def test_the_example_is_read(tmp_path):
    (tmp_path / "h.yaml").write_text(EXAMPLE)
    (claim,) = read_hypotheses(tmp_path / "h.yaml")
    assert (claim.outcome, claim.smallest, claim.direction) == ("qtcf_ms", 5.0, "+")
    assert claim.contrast == {"sex": ("female", "male")}
    freeze(claim, tmp_path / "frozen")
    assert read_folder(tmp_path / "frozen") == [claim]
    assert read_folder(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outcome: qt_ms", "must hold a list of hypotheses, got dict"),
        ("- [", "must be YAML"),
        (
            "- {outcome: qt_ms, trends: age, smallest: 1}",
            "hypothesis 1 of .*got 'trends': did you mean 'trend'",
        ),
        ("- {trend: age}", "hypothesis 1 of .*must name an outcome, got trend"),
        ("- {outcome: qt_ms, trend: age, smallest: 0}", "hypothesis 1 of .*smallest must be above 0"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path, text, message):
    (tmp_path / "h.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_hypotheses(tmp_path / "h.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"hypotheses must be a YAML file, got .*none\.yaml"):
        read_hypotheses(tmp_path / "none.yaml")
