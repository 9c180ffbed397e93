import math

import numpy as np
import pandas as pd
import pytest

from discovery.evidence import Evidence, Published, evidence_table, instrument_bias, weigh
from discovery.hypotheses import Hypothesis, compare

SEX = {"sex": ("female", "male")}
CLAIM = Hypothesis("qtcf_ms", contrast=SEX, smallest=5.0, direction="+")


def table(effect, seeds=40, recorded=False, random=0):
    """The same hearts in both sexes, or as many recorded ones, with a planted difference."""
    draw = np.random.default_rng(random)
    rows = pd.MultiIndex.from_product([range(seeds), ("female", "male")], names=["seed", "sex"])
    rows = rows.to_frame(index=False).assign(age=draw.uniform(20, 80, 2 * seeds))
    rows["qtcf_ms"] = 410 + effect * (rows["sex"] == "female") + draw.normal(0, 3, len(rows))
    return rows.assign(seed=-1) if recorded else rows


def test_three_columns_of_evidence_side_by_side():
    published = Published(14.0, 11.0, 17.0, source="V14")
    evidence = weigh(CLAIM, table(12), recorded=table(12, 400, True, 1), published=published)
    assert evidence.generator.verdict == evidence.recorded.verdict == "supported"
    assert evidence.recorded.method.counts == "ECGs" and evidence.generator.method.counts == "seeds"
    assert evidence.with_recorded == "agrees"
    assert evidence.with_published == "compatible, not precise enough to agree"
    row = evidence_table([evidence]).iloc[0]
    assert row["published"] == "14 (11 to 17)" and row["source"] == "V14"
    assert row["generator_n"] == 40 and row["recorded_n"] == 800 and row["unit"] == "ms"
    assert "supported in the generator, supported in recorded ECGs" in row["conclusion"]


@pytest.mark.parametrize(
    ("effect", "said"),
    [(30, "larger in the generator"), (-12, "opposite"), (2, "smaller in the generator"), (12, "agrees")],
)
def test_disagreement_is_named(effect, said):
    evidence = weigh(CLAIM, table(effect, 100), recorded=table(12, 400, True, 1))
    assert evidence.with_recorded == said and said in evidence.conclusion


def test_nothing_is_said_of_patients_without_recorded_ecgs():
    evidence = Evidence(compare(table(12), CLAIM))
    assert evidence.with_recorded == evidence.with_published == "not compared"
    assert evidence.instrument_sound is None
    assert "nothing is said of patients" in evidence.conclusion
    assert evidence_table([evidence]).loc[0, "recorded"] == ""
    lost = Evidence(compare(table(12).assign(qtcf_ms=math.nan), CLAIM), published=Published(14, source="V14"))
    assert lost.with_published == "not compared" and lost.to_dict()["generator"] == "not estimated"


@pytest.mark.parametrize(
    ("value", "said"),
    [(12.0, "agrees"), (17.0, "compatible, not precise enough to agree"), (25.0, "smaller in the generator")],
)
def test_a_bare_published_number_is_not_held_for_exact(value, said):
    evidence = weigh(CLAIM, table(12, 200), published=Published(value, source="a paper"))
    assert evidence.with_published == said


@pytest.mark.parametrize(("slope", "sound"), [(0.0, True), (0.5, False)])
def test_an_error_that_follows_the_rate_is_found_on_known_truth(slope, sound):
    draw = np.random.default_rng(2)
    rows = pd.MultiIndex.from_product([range(30), (60.0, 80.0, 100.0)], names=["seed", "heart_rate"])
    rows = rows.to_frame(index=False)
    rows["known_qt_ms"] = 480 - 1.5 * rows["heart_rate"]
    rows["qt_ms"] = rows["known_qt_ms"] + slope * (rows["heart_rate"] - 60) + draw.normal(0, 3, len(rows))
    claim = Hypothesis("qt_ms", trend="heart_rate", smallest=0.2, direction="-")
    bias = instrument_bias(rows, claim)
    assert bias.estimate == pytest.approx(slope, abs=0.1) and bias.unit == "ms/bpm"
    evidence = weigh(claim, rows, simulated=rows)
    assert evidence.instrument_sound is sound
    assert ("not to be relied on" in evidence.conclusion) is not sound
    same = instrument_bias(rows.rename(columns={"known_qt_ms": "truth"}), claim, "truth")
    assert same.estimate == bias.estimate


def test_messages():
    with pytest.raises(ValueError, match="source must say where the value was read, got ' '"):
        Published(14.0, source=" ")
    with pytest.raises(ValueError, match="low and high must enclose the value 14, got 1 to 2"):
        Published(14.0, 1.0, 2.0, source="V14")
    with pytest.raises(
        ValueError, match="known must be a column of the table, got 'known_qtcf_ms': did you mean"
    ):
        instrument_bias(table(12), CLAIM)
    other = compare(table(12), Hypothesis("qtcf_ms", trend="age", smallest=1.0))
    with pytest.raises(ValueError, match="recorded must be about qtcf_ms by sex, got qtcf_ms by age"):
        Evidence(compare(table(12), CLAIM), other)
