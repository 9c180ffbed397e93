import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.designs import AXES, Design, contrast, grid, heart_seed
from models.ecg import Conditions

PATIENT = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
COLUMNS = ["ecg", "cell", "repeat", "seed", "age", "sex", "heart_rate", "text"]


def age_and_sex(repeats=4, seed=7):
    return grid(PATIENT, age=range(20, 91, 10), sex=["female", "male"], repeats=repeats, seed=seed)


def test_a_grid_asks_every_combination_the_last_axis_fastest():
    table = age_and_sex().table
    assert list(table.columns) == COLUMNS
    assert len(table) == len(age_and_sex()) == 8 * 2 * 4
    assert table["ecg"].tolist() == list(range(64))
    assert table.iloc[[0, 4, 8]][["age", "sex"]].to_numpy().tolist() == [
        [20, "female"],
        [20, "male"],
        [30, "female"],
    ]
    assert (table["heart_rate"] == 70).all()
    assert (table["text"] == "sinus rhythm").all()


def test_the_table_the_conditions_and_the_seeds_say_the_same():
    design = age_and_sex() + grid(Conditions(), text=["LBBB", None], repeats=4, seed=7)
    table = design.table
    assert table["seed"].tolist() == design.seeds()
    for row, asked in zip(table.to_dict("records"), design.conditions(), strict=True):
        for axis in AXES:
            assert getattr(asked, axis) == (None if pd.isna(row[axis]) else row[axis])


def test_every_cell_has_the_same_hearts():
    table = age_and_sex(repeats=5).table
    hearts = table.groupby("cell")["seed"].apply(tuple)
    assert hearts.nunique() == 1
    assert len(set(hearts[0])) == 5


def test_more_repeats_keep_the_earlier_hearts():
    assert age_and_sex(repeats=9).seeds()[:4] == age_and_sex(repeats=4).seeds()[:4]


def test_a_heart_is_known_by_study_and_number_alone():
    # Never to change: a released study could not be made again.
    assert heart_seed(7, 0) == 1653442781704951
    assert [heart_seed(seed, 1) for seed in (0, 7)] == [2383740928328724, 1973877946906281]
    many = {heart_seed(seed, repeat) for seed in range(20) for repeat in range(200)}
    assert len(many) == 4000
    assert max(many) < 2**53
    assert heart_seed(2**32 + 5, 1) != heart_seed(5, 1)


def test_a_contrast_is_a_against_b():
    design = contrast(PATIENT, repeats=3, seed=1, sex=("female", "male"), text=("normal", "LBBB"))
    assert design.cells == (PATIENT.replace(text="normal"), PATIENT.replace(sex="male", text="LBBB"))
    assert design.seeds()[:3] == design.seeds()[3:]


def test_designs_multiply_to_the_grid_of_both():
    one = contrast(PATIENT, repeats=3, seed=1, sex=("female", "male"))
    product = one * grid(PATIENT, age=[30, 70], seed=1)
    assert product.cells == grid(PATIENT, sex=["female", "male"], age=[30, 70]).cells
    assert (product.repeats, product.axes) == (3, ("sex", "age"))


def test_designs_add_to_each_cell_once():
    added = grid(PATIENT, age=[30, 50]) + grid(PATIENT, heart_rate=[70, 100])
    assert [(cell.age, cell.heart_rate) for cell in added.cells] == [(30, 70), (50, 70), (50, 100)]
    assert added.factors == {"age": (30.0, 50.0), "heart_rate": (70.0, 100.0)}


def test_a_lone_value_is_an_axis_of_one():
    assert grid(PATIENT, text="LBBB", age=30).cells == (PATIENT.replace(text="LBBB", age=30),)
    assert grid(PATIENT, age=np.array([30, 40])).factors == {"age": (30.0, 40.0)}


DESIGNS = {
    "grid": age_and_sex(),
    "nothing swept": grid(PATIENT, repeats=3),
    "unknown base": grid(Conditions(), sex=[None, "male"]),
    "contrast": contrast(PATIENT, repeats=2, sex=("female", "male"), text=("normal", "yes: no # 'ä'")),
    "sum": age_and_sex() + grid(PATIENT, heart_rate=[50, 120], repeats=4, seed=7),
    "product": age_and_sex() * grid(PATIENT, text=["LBBB", None], seed=7),
    "hearts": Design(PATIENT, (PATIENT, PATIENT), ("age",), hearts=(0, 5)),
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_a_design_survives_json_and_yaml(design):
    for back in (
        Design.from_dict(json.loads(json.dumps(design.to_dict()))),
        Design.from_yaml(design.to_yaml()),
    ):
        assert back == design
        assert back.fingerprint == design.fingerprint
        pd.testing.assert_frame_equal(back.table, design.table)


def test_a_fingerprint_differs_for_every_other_plan():
    plans = [
        *DESIGNS.values(),
        age_and_sex(repeats=5),
        age_and_sex(seed=8),
        grid(PATIENT, repeats=3, age=[50]),
    ]
    assert len({plan.fingerprint for plan in plans}) == len(plans)
    assert len(age_and_sex().fingerprint) == 64


def test_a_plan_written_by_hand_is_read():
    text = "base: {age: 50, sex: female}\nfactors: {heart_rate: [50, 70], text: LBBB}\nrepeats: 2\nseed: 3\n"
    expected = grid(Conditions(age=50, sex="female"), heart_rate=[50, 70], text="LBBB", repeats=2, seed=3)
    assert Design.from_yaml(text) == expected


def test_a_design_reads_as_a_plan():
    words = str(age_and_sex(repeats=32))
    assert "1 cell x 1 repeat = 1 ECG\n" in str(grid(PATIENT))
    assert "16 cells x 32 repeats = 512 ECGs" in words
    assert "age         20 to 90 years (8 values)" in words
    assert "sex         female, male" in words
    assert "heart_rate  70 bpm, held" in words
    assert "32 hearts, the same in every cell" in words


@pytest.mark.parametrize("text", ["\x85", "Vorhofflimmern, é\x85", "Überleitungsstörung"])
def test_any_text_survives_yaml(text):
    design = grid(PATIENT, text=[text])
    assert Design.from_yaml(design.to_yaml()) == design
    assert ("Ü" in design.to_yaml()) == ("Ü" in text), "readable where it can be"


axes = st.fixed_dictionaries(
    {},
    optional={
        "age": st.lists(st.one_of(st.none(), st.floats(0, 120)), min_size=1, max_size=3, unique=True),
        "sex": st.lists(st.sampled_from(["female", "male", None]), min_size=1, max_size=3, unique=True),
        "heart_rate": st.lists(st.integers(20, 300), min_size=1, max_size=3, unique=True),
        "text": st.lists(st.text(max_size=9), min_size=1, max_size=3, unique=True),
    },
)


@settings(max_examples=60, deadline=None)
@given(axes, st.integers(1, 5), st.integers(0, 2**40))
def test_any_grid_survives_json_and_yaml(values, repeats, seed):
    design = grid(PATIENT, repeats=repeats, seed=seed, **values)
    assert len(design) == repeats * int(np.prod([len(each) for each in values.values()]))
    assert Design.from_dict(json.loads(json.dumps(design.to_dict()))) == design
    assert Design.from_yaml(design.to_yaml()) == design


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        (lambda: grid(PATIENT, hr=[50]), ValueError, "got 'hr': did you mean 'heart_rate'?"),
        (lambda: grid(PATIENT, agee=[50]), ValueError, "got 'agee': did you mean 'age'?"),
        (lambda: grid(PATIENT, gender=["male"]), ValueError, "got 'gender': did you mean 'sex'?"),
        (
            lambda: grid(PATIENT, wxyz=[1]),
            ValueError,
            "axis must be one of age, sex, heart_rate, text, got 'wxyz'$",
        ),
        (lambda: grid(PATIENT, age=[20, 430]), ValueError, "age must be between 0 and 120 years, got 430"),
        (lambda: grid(PATIENT, sex=["F"]), ValueError, "sex must be 'female' or 'male', got 'F'"),
        (lambda: grid(PATIENT, age=[]), ValueError, "age must hold at least one value, got none"),
        (lambda: grid(PATIENT, age=[20, 20.0]), ValueError, "age must hold different values, got 20.0 twice"),
        (lambda: grid(PATIENT, repeats=0), ValueError, "repeats must be at least 1, got 0"),
        (lambda: grid(PATIENT, repeats=2.0), TypeError, "repeats must be a whole number, got 2.0"),
        (lambda: grid(PATIENT, seed=-1), ValueError, "seed must be at least 0, got -1"),
        (lambda: grid({"age": 5}), TypeError, "base must be Conditions, got {'age': 5}"),
        (lambda: contrast(PATIENT, repeats=1), ValueError, "contrast must name an axis, got none"),
        (
            lambda: contrast(PATIENT, repeats=1, age=(1, 2, 3)),
            ValueError,
            "age must be a pair .* got 3 values",
        ),
        (lambda: Design(PATIENT, ()), ValueError, "cells must hold at least one set of conditions, got none"),
        (lambda: Design(PATIENT, ("x",)), TypeError, "base and cells must be Conditions, got 'x'"),
        (
            lambda: Design(PATIENT, (PATIENT, PATIENT)),
            ValueError,
            "cells must differ, got age 50 years, sex female",
        ),
        (
            lambda: Design(PATIENT, (PATIENT,), hearts=(1, 2)),
            ValueError,
            "hearts must be one per cell, got 2 for 1",
        ),
        (
            lambda: age_and_sex(4) + age_and_sex(5),
            ValueError,
            "repeats must be the same in added designs, got 4 and 5",
        ),
        (lambda: age_and_sex() + age_and_sex(seed=8), ValueError, "seed must be the same .* got 7 and 8"),
        (lambda: age_and_sex() * age_and_sex(), ValueError, "axes must differ .* got age in both"),
        (
            lambda: grid(PATIENT, age=[1], repeats=2) * grid(PATIENT, sex=["male"], repeats=3),
            ValueError,
            "repeats must be the same, or 1 in one of the designs, got 2 and 3",
        ),
        (
            lambda: DESIGNS["hearts"] + grid(PATIENT, age=[1]),
            ValueError,
            "designs must share one list of hearts to be composed, got a sensitivity design",
        ),
        (
            lambda: Design.from_dict([1]),
            TypeError,
            r"plan must be a mapping with base and factors, got \[1\]",
        ),
        (lambda: Design.from_dict({"factor": {}}), ValueError, "got 'factor': did you mean 'factors'?"),
        (lambda: Design.from_dict({"base": {"hr": 3}}), ValueError, "got 'hr': did you mean 'heart_rate'?"),
        (
            lambda: Design.from_dict({"factors": ["age"]}),
            TypeError,
            r"factors must map each axis .* got \['age'\]",
        ),
        (lambda: Design.from_yaml("a: [1"), ValueError, "plan must be YAML, got"),
    ],
)
def test_a_bad_plan_is_refused_with_its_mend(plan, error, said):
    with pytest.raises(error, match=said):
        plan()
