import numpy as np
import pandas as pd
import pytest

from discovery.designs import Design, grid
from discovery.samplings import (
    ladder,
    latin_hypercube,
    nonsense,
    one_at_a_time,
    paraphrases,
    population,
    saltelli,
    sobol,
    terms,
)
from models.ecg import Conditions
from models.statements import recognise
from models.vocabulary import STATEMENTS

PATIENT = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
RANGES = {"age": (20, 90), "heart_rate": (50, 120), "sex": ["female", "male"]}
PEOPLE = pd.DataFrame(
    {"age": [30.0, 80.0, np.nan, 30.0], "sex": ["male", "female", None, "male"], "text": ["a", "b", "c", "a"]}
)
DESIGNS = {
    "one at a time": one_at_a_time(PATIENT, age=[30, 50, 70], sex=["male"], repeats=3, seed=2),
    "latin hypercube": latin_hypercube(PATIENT, points=16, repeats=3, seed=2, **RANGES),
    "sobol": sobol(PATIENT, points=16, repeats=3, seed=2, **RANGES),
    "saltelli": saltelli(PATIENT, points=16, seed=2, **RANGES),
    "ladder": ladder(
        PATIENT, ["borderline first degree av block", "first degree av block"], repeats=3, seed=2
    ),
    "terms": terms(PATIENT, plus=["LBBB"], minus=["Sinus Rhythm"], repeats=3, seed=2),
    "paraphrases": paraphrases(PATIENT, ["LBBB", "left bundle branch block"], repeats=3, seed=2),
    "population": population(PATIENT, PEOPLE, points=3, repeats=3, seed=2),
}
every = pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)


@every
def test_every_design_survives_yaml_and_reads_well(design):
    assert Design.from_yaml(design.to_yaml()) == design
    assert f"= {len(design):,} ECGs" in str(design)
    assert len(design.table) == len(design.conditions()) == len(design)


@every
def test_every_design_names_its_kind(design, request):
    assert design.kind == request.node.callspec.id


@every
def test_hearts_are_those_of_the_study(design):
    study = grid(PATIENT, repeats=40, seed=2).seeds()
    table = design.table
    assert table["seed"].tolist() == [study[repeat] for repeat in table["repeat"]]


def test_one_axis_moves_at_a_time():
    cells = [(cell.age, cell.sex) for cell in DESIGNS["one at a time"].cells]
    assert cells == [(50, "female"), (30, "female"), (70, "female"), (50, "male")]


@pytest.mark.parametrize("make", [latin_hypercube, sobol])
def test_points_fill_the_ranges(make):
    table = make(PATIENT, points=64, seed=1, **RANGES).table
    for axis in ("age", "heart_rate"):
        low, high = RANGES[axis]
        strata = np.floor((table[axis] - low) / (high - low) * 64).clip(0, 63)
        assert strata.nunique() >= 60
    assert (table["sex"] == "male").mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("make", [latin_hypercube, sobol])
def test_points_are_known_by_their_seed(make):
    one, same, other = (make(PATIENT, points=8, seed=seed, **RANGES) for seed in (1, 1, 2))
    assert one == same
    assert one.cells != other.cells


def test_saltelli_takes_one_factor_at_a_time_from_the_other_points():
    design = saltelli(PATIENT, points=4, seed=1, age=(20, 90), sex=["female", "male"])
    blocks = design.table.to_numpy()[:, [2, 4, 5]].reshape(5, 4, 3)
    a, b, with_age, with_sex, with_heart = blocks
    for block, taken in ((with_age, 1), (with_sex, 2), (with_heart, 0)):
        for column in range(3):
            assert (block[:, column] == (b if column == taken else a)[:, column]).all()
    assert not set(a[:, 0]) & set(b[:, 0])


def test_a_ladder_adds_words_to_the_text():
    texts = DESIGNS["ladder"].factors["text"]
    assert texts[0] == "sinus rhythm"
    assert texts[2] == "sinus rhythm | first degree av block"
    assert ladder(Conditions(), ["LBBB"]).factors["text"] == (None, "LBBB")


def test_a_population_keeps_what_goes_together():
    cells = {(cell.age, cell.sex, cell.text, cell.heart_rate) for cell in DESIGNS["population"].cells}
    assert cells == {(30, "male", "a", 70), (80, "female", "b", 70), (None, None, "c", 70)}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (lambda: sobol(PATIENT, points=100, age=(20, 90)), "points must be a power of 2, got 100: take 128"),
        (lambda: saltelli(PATIENT, points=0, age=(20, 90)), "points must be a power of 2, got 0: take 2"),
        (lambda: latin_hypercube(PATIENT, points=0, age=(20, 90)), "points must be at least 1, got 0"),
        (lambda: latin_hypercube(PATIENT, points=4), "axes must name at least one range, got none"),
        (
            lambda: latin_hypercube(PATIENT, points=4, age=(90, 20)),
            r"age must be a range \(low, high\), got \(90, 20\)",
        ),
        (
            lambda: latin_hypercube(PATIENT, points=4, sex="male"),
            "sex must be a range .* or a list of words, got 'male'",
        ),
        (lambda: latin_hypercube(PATIENT, points=4, hr=(1, 2)), "got 'hr': did you mean 'heart_rate'"),
        (lambda: ladder(PATIENT, "LBBB"), "rungs must be a list of words to add to the text, got 'LBBB'"),
        (
            lambda: population(PATIENT, PEOPLE, points=9),
            "points must be between 1 and the 3 different rows, got 9",
        ),
        (
            lambda: population(PATIENT, PEOPLE[[]], points=1),
            "people must have a column of age, sex, heart_rate, text",
        ),
    ],
)
def test_what_cannot_be_sampled_is_refused(plan, said):
    with pytest.raises(ValueError, match=said):
        plan()


def test_terms_are_added_and_left_out_one_at_a_time():
    report = PATIENT.replace(text="sinus rhythm|LBBB | first degree av block")
    texts = [
        cell.text for cell in terms(report, plus=["PVC", "blorxx"], minus=["lbbb", "sinus rhythm"]).cells
    ]
    assert texts == [
        "sinus rhythm|LBBB | first degree av block",
        "sinus rhythm | LBBB | first degree av block | PVC",
        "sinus rhythm | LBBB | first degree av block | blorxx",
        "sinus rhythm | first degree av block",
        "LBBB | first degree av block",
    ]
    assert [cell.text for cell in DESIGNS["terms"].cells] == ["sinus rhythm", "sinus rhythm | LBBB", None]


def test_paraphrases_replace_the_text():
    assert [cell.text for cell in DESIGNS["paraphrases"].cells] == ["LBBB", "left bundle branch block"]


def test_nonsense_means_nothing_and_is_the_same_again():
    words = nonsense(100, seed=4)
    assert (len(set(words)), words[:7]) == (100, nonsense(7, seed=4))
    assert words != nonsense(100, seed=5)
    for word in words:
        assert recognise(f"sinus rhythm | {word}", STATEMENTS).statements == {"SR": 1.0}, word


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: terms(PATIENT), r"plus and minus must be lists of terms, got \(\) and \(\)"),
        (lambda: terms(PATIENT, plus="LBBB"), "must be lists of terms, got 'LBBB'"),
        (
            lambda: terms(PATIENT, minus=["LBBB"]),
            "minus must hold terms of the text 'sinus rhythm', got 'LBBB'",
        ),
        (lambda: paraphrases(PATIENT, ["LBBB"]), "texts must be a list of at least 2 wordings, got .'LBBB'."),
        (lambda: nonsense(0), "count must be a whole number of words from 1 upwards, got 0"),
    ],
)
def test_what_cannot_be_worded_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
