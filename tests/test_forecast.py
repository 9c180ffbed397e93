"""A forecast says what a plan costs: right for a generator of known pace, readable, and cheap."""

import time

import pytest
from toys import Toy, means, plan

from discovery.forecast import forecast, in_bytes, in_time
from discovery.sweep import run_sweep


class Paced(Toy):
    """Takes five milliseconds for each ECG, and longer the first time."""

    def generate(self, conditions, seeds):
        time.sleep(0.005 * len(seeds) + (0.2 if len(seeds) == 1 else 0))
        return super().generate(conditions, seeds)


def test_time_is_that_of_the_generator_without_its_start():
    found = forecast(plan(repeats=100), Paced(), means)
    assert (found.cells, found.ecgs, found.chunks, found.probe) == (16, 1600, 25, 16)
    assert 8.0 <= found.generate_s < 12.0
    assert 0 < found.measure_s < found.generate_s


def test_disk_is_what_the_sweep_takes(tmp_path):
    design = plan(repeats=100)
    run_sweep(design, Toy(), tmp_path, progress=False)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert forecast(design, Toy()).disk_bytes == pytest.approx(size, rel=0.1)


def test_memory_does_not_grow_with_the_plan():
    short, long = (forecast(plan(repeats=repeats), Toy(), probe=2) for repeats in (10, 1000))
    assert short.memory_bytes == long.memory_bytes


def test_it_reads_as_a_sentence():
    said = str(forecast(plan(), Toy(), means))
    for part in (
        "16 cells, 160 ECGs in 3 chunks",
        "generating  about",
        "measuring   about",
        "disk        about",
    ):
        assert part in said
    assert "measuring" not in str(forecast(plan(), Toy()))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (40, "40 s"), (720, "12 min"), (12600, "3.5 h"), (1_036_800, "12 days")],
)
def test_seconds_in_words(seconds, words):
    assert in_time(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(45_200, "45.2 kB"), (3.1e9, "3.1 GB"), (4.2e13, "42 TB")])
def test_bytes_in_words(count, words):
    assert in_bytes(count) == words


@pytest.mark.parametrize("probe", [1, 2.5])
def test_a_probe_needs_two(probe):
    with pytest.raises(ValueError, match=f"probe must be a whole number of ECGs from 2 upwards, got {probe}"):
        forecast(plan(), Toy(), probe=probe)
