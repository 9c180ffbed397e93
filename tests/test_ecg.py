import numpy as np
import pytest

from models.ecg import ECG, LEADS, Conditions, Generator, check_request, join, twelve_leads
from models.synthetic import Simulator

PATIENT = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")


def made(batch=3, fs=500.0, samples=40, **annotations):
    signals = np.arange(batch * 12 * samples, dtype=float).reshape(batch, 12, samples)
    return ECG(signals, fs, seeds=range(batch), annotations=annotations)


# --- conditions ---


def test_conditions_are_numbers_and_words_or_unknown():
    assert Conditions() == Conditions(None, None, None, None)
    assert Conditions(age=np.int64(50)).age == 50.0
    assert isinstance(Conditions(heart_rate=np.float32(70)).heart_rate, float)
    assert PATIENT.to_dict() == {"age": 50, "sex": "female", "heart_rate": 70, "text": "sinus rhythm"}
    assert {PATIENT: 1}[PATIENT.replace()] == 1


def test_replace_changes_what_is_named_and_nothing_else():
    older = PATIENT.replace(age=80, text=None)
    assert older == Conditions(80, "female", 70, None)
    assert PATIENT.age == 50


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"age": 430}, ValueError, "age must be between 0 and 120 years, got 430"),
        ({"age": -1}, ValueError, "age must be between 0 and 120 years, got -1"),
        ({"age": float("nan")}, ValueError, "age must be between 0 and 120 years, got nan"),
        ({"age": "50"}, TypeError, "age must be a number of years, got '50': leave it out"),
        ({"age": True}, TypeError, "age must be a number of years, got True"),
        ({"age": [50]}, TypeError, r"age must be a number of years, got \[50\]"),
        ({"heart_rate": 10}, ValueError, "heart_rate must be between 20 and 300 bpm, got 10"),
        ({"heart_rate": 301}, ValueError, "heart_rate must be between 20 and 300 bpm, got 301"),
        ({"sex": "F"}, ValueError, "sex must be 'female' or 'male', got 'F': write the word"),
        ({"sex": 1}, ValueError, "sex must be 'female' or 'male', got 1"),
        ({"text": 7}, TypeError, "text must be a string, got 7: write the report as words"),
        ({"rate": 70}, TypeError, "conditions must be among age, sex, heart_rate, text, got 'rate'"),
    ],
)
def test_bad_conditions_are_refused(change, kind, message):
    with pytest.raises(kind, match=message):
        PATIENT.replace(**change)


# --- ECG ---


def test_an_ecg_fills_in_what_was_left_out():
    ecg = ECG(np.zeros((2, 12, 1000)), 500)
    assert ecg.signals.dtype == np.float32
    assert ecg.leads == LEADS and ecg.conditions == (Conditions(),) * 2 and ecg.seeds == (-1, -1)
    assert len(ecg) == 2 and ecg.seconds == 2.0


@pytest.mark.parametrize("index", [1, -1, slice(1, None), [2, 0], np.array([True, False, True])])
def test_rows_are_taken_everywhere(index):
    ecg = made(known_qt_ms=np.arange(3.0), latent=np.arange(12).reshape(3, 4))
    rows = np.atleast_1d(np.arange(3)[index])
    part = ecg[index]
    assert np.array_equal(part.signals, ecg.signals[rows])
    assert part.seeds == tuple(rows) and len(part.conditions) == len(rows)
    assert np.array_equal(part.annotations["known_qt_ms"], rows)
    assert part.annotations["latent"].shape == (len(rows), 4)


def test_iterating_gives_batches_of_one():
    assert [(len(ecg), ecg.seeds) for ecg in made()] == [(1, (0,)), (1, (1,)), (1, (2,))]


def test_a_lead_is_found_by_its_name():
    ecg = made()
    assert np.array_equal(ecg.lead("V1"), ecg.signals[:, 6])
    with pytest.raises(ValueError, match="lead must be one of I II III .* V6, got 'V7'"):
        ecg.lead("V7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signals": np.zeros((12, 100))}, r"signals must have the shape .*, got \(12, 100\)"),
        ({"signals": np.zeros((1, 8, 100))}, "one row per lead, got 8 rows for the 12 leads I II"),
        ({"fs": 0}, "fs must be above 0 Hz, got 0"),
        ({"conditions": (PATIENT,) * 3}, "conditions must have one row per ECG, got 3 for 2 ECGs"),
        ({"seeds": (1,)}, "seeds must have one row per ECG, got 1 for 2 ECGs"),
        ({"annotations": {"latent": np.zeros(5)}}, "latent must have one row per ECG, got 5 for 2"),
    ],
)
def test_shapes_that_disagree_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ECG(**{"signals": np.zeros((2, 12, 100)), "fs": 500, **arguments})


# --- joining ---


def test_joined_parts_are_the_whole():
    whole = made(4, known_qt_ms=np.arange(4.0))
    again = join([whole[:1], whole[1:3], whole[3]])
    assert np.array_equal(again.signals, whole.signals)
    assert again.seeds == whole.seeds and again.conditions == whole.conditions
    assert np.array_equal(again.annotations["known_qt_ms"], np.arange(4.0))


def test_joining_keeps_the_annotations_that_all_parts_have():
    joined = join(
        [made(known_qt_ms=np.zeros(3), record=np.array(["a", "b", "c"])), made(known_qt_ms=np.ones(3))]
    )
    assert list(joined.annotations) == ["known_qt_ms"]


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="batches must hold at least one ECG batch, got none"):
        join([])
    with pytest.raises(ValueError, match="got 500 Hz x 40 and 250 Hz x 40"):
        join([made(), made(fs=250)])
    with pytest.raises(ValueError, match="got 500 Hz x 40 and 500 Hz x 50"):
        join([made(), made(samples=50)])


# --- leads ---


def test_four_leads_follow_from_eight():
    eight = np.random.default_rng(0).standard_normal((2, 8, 30))
    lead = dict(zip(LEADS, np.moveaxis(twelve_leads(eight), 1, 0), strict=True))
    assert np.allclose(lead["I"] + lead["III"], lead["II"])
    assert np.allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0)
    assert np.allclose(lead["aVL"], (lead["I"] - lead["III"]) / 2)
    assert np.allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2)
    assert np.array_equal(lead["V6"], eight[:, 7])


def test_other_than_eight_leads_are_refused():
    with pytest.raises(ValueError, match=r"eight must have the shape .* got \(2, 12, 30\)"):
        twelve_leads(np.zeros((2, 12, 30)))
    with pytest.raises(ValueError, match=r"eight must have the shape .* got \(8, 30\)"):
        twelve_leads(np.zeros((8, 30)))


# --- requests ---


@pytest.mark.parametrize(
    ("conditions", "seeds", "kind", "message"),
    [
        ([PATIENT], [1, 2], ValueError, "seeds must be one per condition, got 2 for 1"),
        ([PATIENT], [-1], ValueError, "seeds must be whole numbers from 0 upwards, got -1"),
        ([PATIENT], [1.5], ValueError, "seeds must be whole numbers from 0 upwards, got 1.5"),
        ([PATIENT], [True], ValueError, "seeds must be whole numbers from 0 upwards, got True"),
        ([{"age": 50}], [1], TypeError, "conditions must be Conditions, got {'age': 50}: write"),
    ],
)
def test_requests_that_do_not_pair_up_are_refused(conditions, seeds, kind, message):
    with pytest.raises(kind, match=message):
        check_request(conditions, seeds)


def test_a_numpy_integer_is_a_seed():
    check_request([PATIENT], [np.int64(3)])


def test_a_generator_is_known_by_what_it_has():
    assert isinstance(Simulator(), Generator)
    assert not isinstance(PATIENT, Generator)
