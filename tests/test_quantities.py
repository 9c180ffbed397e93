import math
from pathlib import Path

import pytest
from known_beats import known_ecg

from discovery.measure import measure
from discovery.quantities import ASKED, MEASURED, QUANTITIES, REASONS, quantity
from models.ecg import LEADS


@pytest.fixture(scope="module")
def table():
    return measure(known_ecg(2), draws=2, second=True)


def test_every_measured_column_is_described(table):
    assert set(table.columns) == set(QUANTITIES)
    assert set(MEASURED) <= set(table.columns)
    assert set(ASKED) <= set(table.columns)


@pytest.mark.parametrize("item", QUANTITIES.values(), ids=QUANTITIES)
def test_a_description_is_complete(item):
    assert item.label and item.source
    assert item.definition.endswith(".")
    assert math.isnan(item.low) or item.low < item.high or math.isnan(item.high)


@pytest.mark.parametrize(("ending", "unit"), [("_ms", "ms"), ("_mv", "mV"), ("_deg", "deg"), ("_bpm", "bpm")])
def test_a_column_ends_in_its_unit(ending, unit):
    named = {name for name in MEASURED if name.endswith(ending)}
    assert named == {name for name in MEASURED if QUANTITIES[name].unit == unit}


def test_a_normal_ecg_lies_within_the_plausible_ranges(table):
    for name in MEASURED:
        value, item = table[name].iloc[0], QUANTITIES[name]
        assert math.isnan(value) or item.low <= value <= item.high, name


def test_a_title_names_the_unit():
    assert quantity("qtcf_ms").title == "QTc (Fridericia) (ms)"
    assert quantity("p_present").title == "P wave present"


def test_the_reasons_are_sentences():
    assert all(code == code.lower() and " " not in code for code in REASONS)
    assert all(" " in sentence and not sentence.endswith(".") for sentence in REASONS.values())


def test_a_misspelt_quantity_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="name must be a known quantity, got 'PR': did you mean 'pr_ms'"):
        quantity("PR")
    with pytest.raises(ValueError, match="got 'zzz': see QUANTITIES"):
        quantity("zzz")


def test_the_page_on_measuring_lists_every_column_and_code():
    page = (Path(__file__).parents[1] / "docs" / "measurement.md").read_text(encoding="utf-8")
    of_one_lead = tuple(f"_{lead.lower()}_mv" for lead in LEADS if lead != "II")
    columns = [name for name in MEASURED if not name.endswith(of_one_lead)]
    missing = [name for name in [*columns, *REASONS] if f"| `{name}` |" not in page]
    assert not missing, "write it again: python benchmarks/measurement.py --report docs/measurement.md"
