"""A generator that is calibrated against ECGs of planted intervals finds them again."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from discovery.measure import measure
from models.calibration import INTERVALS, calibrated
from models.checkpoints import load_checkpoint
from models.ecg import ECG, LEADS
from models.encoding import MAIN_EFFECTS
from models.generator import WEIGHTS, BundledGenerator, Request
from models.heart import TIMING_NAMES
from models.strip import FS

COUNT = 160
FEMALE, ONE = MAIN_EFFECTS.index("female"), MAIN_EFFECTS.index("one")
LONGER = np.log(1.15)


@dataclass(frozen=True)
class Shelf:
    """ECGs in memory, as `models.records.Records` gives them."""

    table: pd.DataFrame
    signals: np.ndarray

    def __len__(self):
        return len(self.table)

    def where(self, rows):
        return Shelf(self.table[rows].reset_index(drop=True), self.signals[rows])

    def batches(self, size):
        for start in range(0, len(self), size):
            yield ECG(self.signals[start : start + size], FS, LEADS)


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(WEIGHTS / "ptbxl.safetensors")[0]


@pytest.fixture(scope="module")
def shelf(checkpoint):
    """Normal ECGs of a generator whose women have a QT 15 % longer than those of the bundled one."""
    mean = checkpoint.heart.mean.copy()
    mean[FEMALE, TIMING_NAMES.index("log_qt")] += LONGER
    mean[ONE, TIMING_NAMES.index("log_qt")] += LONGER / 2
    moved = BundledGenerator(replace(checkpoint, heart=replace(checkpoint.heart, mean=mean)), "", "cpu")
    draw = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "age": draw.uniform(25, 80, COUNT),
            "sex": np.where(draw.random(COUNT) < 0.5, "female", "male"),
            "text": None,
            "statements": [{"NORM": 1.0, "SR": 1.0}] * COUNT,
            "fold": np.where(np.arange(COUNT) < 10, 9, 1),
        }
    )
    requests = [
        Request(row["age"], float(row["sex"] == "female"), draw.uniform(55, 75), row["statements"], place)
        for place, row in enumerate(table.to_dict("records"))
    ]
    return Shelf(table, moved.strips(requests)[0])


def test_planted_intervals_are_found_again(checkpoint, shelf):
    made = calibrated(checkpoint, shelf, measure, sets=1, rounds=2, progress=False)
    by = made.heart.mean - checkpoint.heart.mean
    qt, qrs = TIMING_NAMES.index("log_qt"), TIMING_NAMES.index("log_qrs")
    assert by[FEMALE, qt] == pytest.approx(LONGER, abs=0.05), "women's QT, with sampling error of 150 ECGs"
    assert by[ONE, qt] + by[made.heart.encoding.names.index("NORM"), qt] == pytest.approx(
        LONGER / 2, abs=0.06
    )
    assert abs(by[FEMALE, qrs]) < 0.05 and not by[len(made.heart.encoding.names) :].any(), "traits stay"
    told = made.facts["calibration"]
    assert told["records"] == COUNT - 10 and told["sets"] == 1, "the validation fold is left out"
    first, last = told["off_percent"]
    assert first["qt_ms"] > 5 and last["qt_ms"] < first["qt_ms"] / 2 and set(first) == set(INTERVALS.values())


def test_what_is_no_interval_stays(checkpoint, shelf):
    made = calibrated(checkpoint, shelf, lambda ecg: measure(ecg), sets=1, rounds=1, progress=False)
    moved = {TIMING_NAMES.index(number) for number in INTERVALS}
    still = [column for column in range(made.heart.mean.shape[1]) if column not in moved]
    assert np.array_equal(made.heart.mean[:, still], checkpoint.heart.mean[:, still])
    assert made.heart_net is checkpoint.heart_net and made.texture is checkpoint.texture


@pytest.mark.parametrize("name", ["sets", "rounds"])
def test_none_is_too_few(checkpoint, shelf, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        calibrated(checkpoint, shelf, measure, **{name: 0})


def test_too_few_records_say_so(checkpoint, shelf):
    few = shelf.where(np.arange(COUNT) < 20)
    with pytest.raises(ValueError, match="48 or more records.*got 10"):
        calibrated(checkpoint, few, measure, progress=False)
