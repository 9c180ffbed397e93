import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from discovery.estimates import adjusted, judge, mean_estimate, unwrapped
from discovery.hypotheses import (
    Finding,
    Hypothesis,
    adjust,
    compare,
    findings_table,
    freeze,
    read_frozen,
    trend,
)

SEX = {"sex": ("female", "male")}


def swept(
    effect=8.0, seeds=32, person=18.0, noise=2.0, random=0, ages=(30.0, 50.0, 70.0), rates=(60.0, 90.0)
):
    """A sweep by sex, age and rate of the same hearts, with a planted sex effect on qtcf_ms."""
    draw = np.random.default_rng(random)
    design = pd.MultiIndex.from_product(
        [range(100, 100 + seeds), ("female", "male"), ages, rates], names=["seed", "sex", "age", "heart_rate"]
    ).to_frame(index=False)
    hearts = draw.normal(410, person, seeds)
    design["qtcf_ms"] = hearts[design["seed"] - 100] + draw.normal(0, noise, len(design))
    design["qtcf_ms"] += effect * (design["sex"] == "female") + 0.3 * (design["age"] - 50)
    design["rate_bpm"] = design["heart_rate"] + draw.normal(0, 0.5, len(design))
    return design


def sex_claim(**changes):
    return Hypothesis(
        **({"outcome": "qtcf_ms", "contrast": SEX, "smallest": 5.0, "direction": "+"} | changes)
    )


# ---- known answers


def test_paired_difference_is_the_t_interval_over_seeds():
    table = swept(ages=(50.0,), rates=(60.0,), seeds=20)
    finding = compare(table, sex_claim())
    wide = table.pivot(index="seed", columns="sex", values="qtcf_ms")
    known = stats.ttest_rel(wide["female"], wide["male"])
    interval = known.confidence_interval()
    assert (finding.low, finding.high) == pytest.approx((interval.low, interval.high))
    assert finding.p == pytest.approx(known.pvalue)
    assert finding.estimate == pytest.approx((wide["female"] - wide["male"]).mean())
    difference = wide["female"] - wide["male"]
    assert finding.effect_size == pytest.approx(difference.mean() / difference.std())
    assert (finding.n, finding.method.counts, finding.method.effect_name) == (20, "seeds", "d_z")


def test_n_counts_seeds_and_not_rows():
    finding = compare(swept(seeds=12), sex_claim(given=("age", "heart_rate")))
    assert finding.n == 12
    assert finding.verdict == "supported" and finding.as_expected


def test_the_interval_covers_the_truth_as_often_as_it_says():
    trials, covered, widths = 300, 0, []
    for trial in range(trials):
        finding = compare(swept(seeds=10, random=trial, ages=(50.0,), rates=(60.0,)), sex_claim())
        covered += finding.low <= 8.0 <= finding.high
        widths.append((finding.high - finding.low) / 2)
    low, high = stats.binom.interval(0.999, trials, 0.95)
    assert low <= covered <= high
    theory = stats.t.ppf(0.975, 9) * 2.0 * math.sqrt(2) / math.sqrt(10)  # the persons' 18 ms is gone
    assert np.mean(widths) == pytest.approx(theory, rel=0.08)


def test_without_an_effect_p_is_below_0_05_in_one_of_twenty():
    trials = 300
    claim = sex_claim(direction=None, smallest=1e-9)
    null = [compare(swept(0.0, seeds=8, random=t, ages=(50.0,), rates=(60.0,)), claim) for t in range(trials)]
    low, high = stats.binom.interval(0.999, trials, 0.05)
    assert low <= sum(finding.p < 0.05 for finding in null) <= high
    assert low <= sum(finding.verdict == "supported" for finding in null) <= high


def test_pairing_narrows_the_interval_as_the_persons_spread_says():
    table = swept(seeds=200, ages=(50.0,), rates=(60.0,))
    paired = compare(table, sex_claim())
    unpaired = compare(table, sex_claim(), paired=False)
    ratio = (unpaired.high - unpaired.low) / (paired.high - paired.low)
    assert ratio == pytest.approx(math.hypot(18, 2) / 2, rel=0.2)
    assert unpaired.method.name == "Welch, unpaired" and unpaired.n == 400


def test_trend_is_the_slope_within_each_seed():
    table = swept(seeds=16)
    finding = trend(table, Hypothesis("qtcf_ms", trend="age", smallest=0.1, direction="+"))
    slopes = []
    for _, rows in table.groupby("seed"):
        centred = rows[["age", "qtcf_ms"]] - rows.groupby(["sex", "heart_rate"])[
            ["age", "qtcf_ms"]
        ].transform("mean")
        slopes.append((centred["age"] @ centred["qtcf_ms"]) / (centred["age"] @ centred["age"]))
    assert finding.estimate == pytest.approx(np.mean(slopes))
    assert finding.n == 16 and finding.unit == "ms/year"
    assert finding.low <= 0.3 <= finding.high


def test_a_rate_that_is_obeyed_agrees_with_the_target():
    claim = Hypothesis("rate_bpm", trend="heart_rate", target=1.0, smallest=0.05, control="positive")
    obeyed = trend(swept(), claim)
    assert obeyed.verdict == "supported" and obeyed.as_expected and obeyed.p_tests == "equality"
    half = swept().assign(rate_bpm=lambda table: 40 + table["heart_rate"] / 2)
    assert trend(half, claim).verdict == "contradicted"


def test_qt_on_the_measured_rr_does_not_hold_the_rate_that_moves_it():
    table = swept(effect=0.0, rates=(50.0, 70.0, 90.0))
    table["rr_ms"] = 60000 / table["rate_bpm"]
    table["qt_ms"] = table["qtcf_ms"] + 0.155 * (table["rr_ms"] - 1000)
    finding = trend(table, Hypothesis("qt_ms", trend="rr_ms", smallest=0.05, direction="+"))
    assert finding.estimate == pytest.approx(0.155, abs=0.005)
    assert "heart_rate" not in finding.method.name and "sex" in finding.method.name


def test_recorded_ecgs_are_adjusted_for_what_is_given():
    draw = np.random.default_rng(1)
    age = draw.uniform(20, 80, 600)
    female = draw.random(600) < 1 / (1 + np.exp((age - 50) / 10))  # the women are younger
    table = pd.DataFrame({"sex": np.where(female, "female", "male"), "age": age, "seed": -1})
    table["qtcf_ms"] = 400 + 12 * female + 0.5 * age + draw.normal(0, 5, 600)
    raw = compare(table, sex_claim())
    held = compare(table, sex_claim(given=("age",)))
    assert raw.high < 12 < held.high and held.low < 12
    assert held.method.counts == "ECGs" and "HC3" in held.method.name and held.n == 600
    slope = trend(table, Hypothesis("qtcf_ms", trend="age", given=("sex",), smallest=0.1, direction="+"))
    assert slope.low < 0.5 < slope.high and slope.verdict == "supported"


def test_recorded_patients_count_once():
    table = swept(seeds=40, ages=(50.0,), rates=(60.0,)).assign(seed=-1)
    twice = pd.concat([table, table]).assign(patient_id=lambda rows: rows.index)
    finding = compare(twice, sex_claim())
    assert finding.n == 80 and finding.method.name == "Welch, unpaired, one ECG per patient"


def test_a_risk_difference_has_an_interval_where_all_seeds_agree():
    table = swept(ages=(50.0,), rates=(60.0,)).assign(
        p_present=lambda rows: (rows["sex"] == "male").astype(float)
    )
    claim = Hypothesis("p_present", contrast=SEX, smallest=0.3, direction="-")
    for finding in (compare(table, claim), compare(table.assign(seed=-1), claim)):
        assert finding.estimate == -1.0
        assert -1.0 == finding.low < finding.high < -0.8
        assert finding.verdict == "supported"


def test_equal_ecgs_in_both_arms_are_nothing_and_not_an_error():
    table = swept(effect=0.0, noise=0.0, ages=(50.0,), rates=(60.0,))
    finding = compare(table, sex_claim(control="negative", direction=None))
    assert (finding.estimate, finding.low, finding.high) == (0.0, 0.0, 0.0)
    assert finding.verdict == "equivalent to nothing" and finding.as_expected


def test_axes_are_compared_the_short_way_round():
    assert np.ptp(unwrapped(np.array([170.0, -170.0]))) == pytest.approx(20)
    table = swept(effect=20.0, ages=(50.0,), rates=(60.0,))
    table["qrs_axis_deg"] = (table["qtcf_ms"] - 410 + 170 + 180) % 360 - 180
    finding = compare(table, sex_claim(outcome="qrs_axis_deg"))
    assert finding.estimate == pytest.approx(20, abs=1.5) and finding.unit == "deg"


def test_failures_in_one_arm_cannot_pass_for_an_effect():
    table = swept(effect=0.0, noise=0.5)
    lost = (table["sex"] == "female") & (table["age"] == 70) & (table["heart_rate"] == 90)
    table.loc[lost, "qtcf_ms"] = np.nan
    finding = compare(table, sex_claim(direction="0"))
    assert finding.verdict == "equivalent to nothing"  # rows averaged over ages would differ by 2 ms
    assert abs(finding.estimate) < 0.3
    assert finding.missing == pytest.approx({"female": 1 / 6, "male": 0.0})
    assert "17% of female, 0% of male" in finding.reason


def test_a_heart_far_from_the_others_is_pointed_out():
    table = swept(ages=(50.0,), rates=(60.0,))
    assert "far from the others" not in compare(table, sex_claim()).reason
    table.loc[(table["seed"] == 103) & (table["sex"] == "female"), "qtcf_ms"] += 110  # a failed measurement
    finding = compare(table, sex_claim())
    assert "1 of 32 seeds lie far from the others" in finding.reason and ";" in finding.reason


def test_four_verdicts_by_one_rule():
    def verdict(low, high, direction="+", target=0.0):
        return judge((low + high) / 2, (low, high), 5.0, direction, target)[0]

    assert verdict(2, 10) == "supported"
    assert verdict(-10, -2, "-") == "supported"
    assert verdict(-10, -2, None) == "supported"
    assert verdict(-10, -2) == "contradicted"
    assert verdict(-6, -1) == "contradicted"
    assert verdict(4, 10, "0") == "contradicted"
    assert verdict(1, 4) == "equivalent to nothing"  # surely not 0, and too small to matter
    assert verdict(-2, 3, "0") == "equivalent to nothing"
    assert verdict(1, 7) == "inconclusive"
    assert verdict(-3, 9) == "inconclusive"
    assert verdict(97, 103, None, target=100) == "supported"
    assert verdict(107, 113, None, target=100) == "contradicted"
    assert verdict(math.nan, math.nan) == "inconclusive"


def test_holm_and_benjamini_hochberg_against_worked_figures():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert adjusted(p, "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted(p, "bh") == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert adjusted(np.array([0.01, np.nan]), "holm") == pytest.approx([0.02, np.nan], nan_ok=True)


def test_a_family_withdraws_support_that_chance_could_give():
    finding = compare(
        swept(effect=8.0, seeds=6, noise=4.0, ages=(50.0,), rates=(60.0,)), sex_claim(smallest=2)
    )
    assert finding.verdict == "supported" and 0.001 < finding.p < 0.05
    nothing = compare(swept(effect=0.0, seeds=6, noise=6.0), sex_claim(smallest=2))
    family = adjust([finding] + [nothing] * 60)
    assert family[0].verdict == "inconclusive" and "61 tests" in family[0].reason
    assert family[0].p_adjusted == pytest.approx(min(1.0, 61 * finding.p))
    control = compare(swept(effect=0.0), sex_claim(control="negative", direction=None))
    assert adjust([]) == [] and math.isnan(adjust([control])[0].p_adjusted)
    assert adjust([finding, control])[0].p_adjusted == pytest.approx(finding.p)  # controls are no part of it


# ---- laws


def test_swapping_the_arms_turns_the_sign():
    table = swept()
    one, other = compare(table, sex_claim()), compare(table, sex_claim(contrast={"sex": ("male", "female")}))
    assert (one.estimate, one.low, one.high) == pytest.approx((-other.estimate, -other.high, -other.low))
    assert (one.verdict, other.verdict) == ("supported", "contradicted")


@pytest.mark.parametrize("paired", ["auto", False])
def test_shifts_and_the_order_of_rows_do_not_matter(paired):
    table = swept()
    for claim in (sex_claim(given=("age",)), Hypothesis("qtcf_ms", trend="age", smallest=0.1)):
        known = compare(table, claim, paired=paired)
        for changed in (table.sample(frac=1, random_state=3), table.assign(qtcf_ms=table["qtcf_ms"] + 1000)):
            finding = compare(changed, claim, paired=paired)
            assert (finding.estimate, finding.low, finding.high) == pytest.approx(
                (known.estimate, known.low, known.high), rel=1e-6
            )


def test_units_scale_everything():
    table = swept()
    seconds = compare(table.assign(qtcf_ms=table["qtcf_ms"] / 1000), sex_claim(smallest=0.005))
    known = compare(table, sex_claim())
    assert (1000 * seconds.estimate, seconds.p, seconds.verdict) == pytest.approx(
        (known.estimate, known.p, known.verdict)
    )


# ---- degenerate tables become findings without a number


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table[table["seed"] == 100], "2 seeds or more, got 1"),
        (lambda table: table.assign(qtcf_ms=400.0), "qtcf_ms is 400 in every measured ECG"),
        (
            lambda table: table.assign(qtcf_ms=table["qtcf_ms"].where(table["sex"] == "male")),
            "was measured for sex",
        ),
        (lambda table: table.assign(qtcf_ms=np.nan), "was measured for sex female and male"),
        (
            lambda table: table.assign(seed=-1).groupby("sex").head(1),
            "2 ECGs or more in each arm, got 1 and 1",
        ),
        (lambda table: table.assign(qtcf_ms=np.inf), "no qtcf_ms was measured"),
    ],
)
def test_no_number_is_a_finding_with_its_reason(change, reason):
    finding = compare(change(swept()), sex_claim())
    assert math.isnan(finding.estimate) and math.isnan(finding.low) and math.isnan(finding.p)
    assert finding.verdict == "inconclusive" and reason in finding.reason
    assert "inconclusive" in str(finding) and "nan" not in str(finding)
    assert json.loads(json.dumps(finding.to_dict(), allow_nan=False))["estimate"] is None


@pytest.mark.parametrize("seed", [100, -1])
def test_a_trend_without_a_slope_says_why(seed):
    table = swept(ages=(50.0,)).assign(seed=seed)
    finding = trend(table, Hypothesis("qtcf_ms", trend="age", smallest=0.1))
    assert math.isnan(finding.estimate) and finding.verdict == "inconclusive" and finding.reason


def test_levels_held_by_one_recorded_ecg_do_not_break_the_regression():
    table = swept(seeds=30, ages=(50.0,), rates=(60.0,)).assign(seed=-1, site="a")
    table.loc[0, "site"] = "b"
    finding = compare(table, sex_claim(given=("site",)))
    assert finding.n == 59 and math.isfinite(finding.low)
    table["site"] = table["sex"]  # the same thing twice
    assert "cannot tell it from what is given" in compare(table, sex_claim(given=("site",))).reason


# ---- what is written down


def test_freezing_writes_the_claim_before_the_data_are_read(tmp_path):
    claim, table = sex_claim(source="a guess"), swept(seeds=6)
    assert compare(table, claim).exploratory
    assert compare(table, claim, frozen=tmp_path).exploratory
    path = freeze(claim, tmp_path)
    before = path.read_bytes()
    assert read_frozen(path) == claim and freeze(claim, tmp_path) == path and path.read_bytes() == before
    assert not compare(table, claim, frozen=tmp_path).exploratory
    assert not compare(table, claim, frozen=path).exploratory
    assert compare(table, sex_claim(smallest=1.0), frozen=tmp_path).exploratory
    assert {"hypothesis", "digest", "frozen_at"} == set(json.loads(before))


def test_a_frozen_claim_that_was_changed_is_refused(tmp_path):
    path = freeze(sex_claim(), tmp_path)
    content = json.loads(path.read_text())
    content["hypothesis"]["smallest"] = 0.5
    path.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"must hold the hypothesis it was frozen with, got digest \w+: it was"
    ):
        freeze(sex_claim(), tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match="must hold a frozen hypothesis, got Expecting"):
        read_frozen(path)


def test_digest_follows_every_field_and_nothing_else():
    claim = sex_claim()
    assert claim.digest == sex_claim(smallest=5).digest == Hypothesis(**claim.to_dict()).digest
    assert (
        len({claim, sex_claim(), sex_claim(smallest=6), sex_claim(where="age > 40"), sex_claim(source="x")})
        == 4
    )
    rates = [
        Hypothesis("qt_ms", contrast={"heart_rate": arms}, smallest=5) for arms in ((60, 90), (60.0, 90.0))
    ]
    assert rates[0].digest == rates[1].digest


def test_statements_are_english():
    assert "is higher for female than for male" in sex_claim().statement
    assert "is the same for" in sex_claim(direction="0").statement
    assert sex_claim(statement="My words.").statement == "My words."
    follows = Hypothesis("rate_bpm", trend="heart_rate", target=1, smallest=0.05)
    quoted = Hypothesis("qt_ms", contrast={"text": ("complete LBBB", "normal")}, smallest=5)
    assert "differs between 'complete LBBB' and normal" in quoted.statement
    assert "with a slope of 1" in follows.statement and follows.unit == "bpm/bpm"


def test_findings_read_as_a_line_and_as_a_table():
    findings = adjust(
        [compare(swept(), sex_claim()), compare(swept(), sex_claim(outcome="rate_bpm", smallest=1))]
    )
    line = str(findings[0])
    for word in ("95% interval", "n = 32 seeds", " ms ", "adjusted p of difference < 0.001", "[exploratory]"):
        assert word in line
    table = findings_table(findings)
    assert list(table["verdict"]) == ["supported", "equivalent to nothing"]
    assert table.loc[0, "varies"] == "female - male" and table.loc[0, "unit"] == "ms"
    assert findings_table([]).columns.equals(table.columns)
    assert json.loads(json.dumps(findings[0].to_dict()))["missing"] == {"female": 0.0, "male": 0.0}
    assert Finding(sex_claim(), 6.0, 5.0, 7.0, 10, 0.01, 1.0, "supported").exploratory


def test_where_and_unknown_conditions_choose_the_rows():
    table = swept()
    young = compare(table, sex_claim(where="age < 40"))
    assert young.estimate == pytest.approx(compare(table[table["age"] < 40], sex_claim()).estimate)
    table["text"] = np.where(table["sex"] == "male", None, "sinus rhythm")
    unknown = compare(table, sex_claim(contrast={"text": ("sinus rhythm", None)}))
    assert unknown.missing.keys() == {"sinus rhythm", "not asked for"}


# ---- messages


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome": ""}, "outcome must be the name of a measured column, got ''"),
        ({"outcome": "QTcF"}, "outcome must be a measured column, got 'QTcF': did you mean 'qtcf_ms'"),
        ({"smallest": None}, "smallest must be above 0 ms, got None: say before"),
        ({"smallest": 0}, "smallest must be above 0 ms, got 0"),
        ({"smallest": math.inf}, "smallest must be above 0 ms, got inf"),
        ({"target": math.nan}, "target must be a number, got nan"),
        ({"smallest": math.nan}, "smallest must be above 0 ms, got nan"),
        ({"direction": "up"}, "direction must be '\\+', '-', '0' or None, got 'up'"),
        ({"control": "maybe"}, "control must be 'positive', 'negative' or None, got 'maybe'"),
        ({"control": "negative"}, "direction must be '0' for a negative control, got '\\+'"),
        ({"contrast": None}, "contrast or trend must be given, and only one of them"),
        ({"trend": "age"}, "contrast or trend must be given, and only one of them"),
        ({"contrast": {"sex": ("female",)}}, "contrast must name one factor and its two arms, got {'sex'"),
        ({"contrast": {"sex": "fm"}}, "contrast must name one factor and its two arms"),
        ({"contrast": {"sex": ("male", "male")}}, "contrast must name one factor and its two arms"),
        ({"given": ("sex",)}, "given must name other columns than the outcome and what varies"),
    ],
)
def test_a_bad_claim_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        sex_claim(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"outcome": "qtcfms"},
            "outcome must be a column of the table, got 'qtcfms': did you mean 'qtcf_ms'",
        ),
        ({"given": ("ages",)}, "given must be a column of the table, got 'ages': did you mean 'age'"),
        (
            {"contrast": {"sexx": ("f", "m")}},
            "contrast must be a column of the table, got 'sexx': did you mean 'sex'",
        ),
        (
            {"contrast": {"sex": ("femal", "male")}},
            "values of the column 'sex', got 'femal': did you mean 'female'",
        ),
        ({"contrast": {"age": (30, 35)}}, "values of the column 'age', got 35.0: the nearest is 30"),
        ({"where": "age >"}, "where must be a query that pandas understands, got 'age >'"),
        ({"where": "height > 3"}, "where must be a query that pandas understands, got 'height > 3'"),
        ({"where": "age > 200"}, "where age > 200, got 'female': there are none"),
    ],
)
def test_a_claim_the_table_cannot_answer_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        compare(swept(seeds=3), sex_claim(**changes))


def test_wrong_arguments_are_refused():
    table = swept(seeds=3)
    with pytest.raises(ValueError, match="hypothesis must have a trend, got a contrast: call compare"):
        trend(table, sex_claim())
    with pytest.raises(ValueError, match="paired must be True, False or 'auto', got 'yes'"):
        compare(table, sex_claim(), paired="yes")
    with pytest.raises(ValueError, match="paired must be False where no seed is shared, got True"):
        compare(table.assign(seed=-1), sex_claim(), paired=True)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        compare(table, sex_claim(), level=95)
    with pytest.raises(ValueError, match="method must be 'holm' or 'bh', got 'none'"):
        adjust([compare(table, sex_claim())], "none")


def test_a_mean_needs_two_seeds():
    assert "got 0" in mean_estimate(np.array([])).reason
