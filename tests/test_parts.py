"""Requests in parts: order, shares of a processor's threads, halved where a GPU's memory ends."""

import pytest
import torch

from models.parts import choose_device, halving, in_parts, shares


def small_memory(holds, seen):
    """Work that has room for `holds` items, and notes what it was given."""

    def work(items):
        seen.append(len(items))
        if len(items) > holds:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return [2 * item for item in items]

    return work


def test_a_batch_too_large_is_halved_and_nothing_is_lost():
    seen = []
    made = halving(small_memory(3, seen), list(range(10)), 8)
    assert [value for part in made for value in part] == [2 * item for item in range(10)]
    assert seen == [8, 4, 2, 2, 2, 2, 2]


def test_no_room_for_one_ecg_is_said():
    with pytest.raises(
        RuntimeError, match="memory of the GPU must hold one ECG at least.*CUDA out of memory"
    ):
        halving(small_memory(0, []), [1, 2], 2)


def test_other_failures_pass():
    def work(items):
        raise ValueError("no heart")

    with pytest.raises(ValueError, match="no heart"):
        halving(work, [1, 2], 2)


def test_on_a_processor_threads_share_in_order():
    seen = []
    made = in_parts(small_memory(4, seen), list(range(11)), torch.device("cpu"), 4)
    assert [value for part in made for value in part] == [2 * item for item in range(11)]
    assert max(seen) <= 4 and max(seen) - min(seen) <= 1
    assert in_parts(small_memory(1, seen), [], torch.device("cpu"), 4) == []


@pytest.mark.parametrize(
    ("count", "workers", "sizes"), [(1, 1, [1]), (3, 2, [1, 2]), (8, 1, [8]), (17, 2, [4, 4, 4, 5])]
)
def test_shares_are_as_many_for_each_worker(count, workers, sizes):
    parts = shares(list(range(count)), 8, workers)
    assert [item for part in parts for item in part] == list(range(count))
    assert [len(part) for part in parts] == sizes


def test_a_gpu_is_given_batches(monkeypatch):
    seen = []
    in_parts(small_memory(9, seen), list(range(5)), torch.device("cuda"), 4)
    assert seen == [4, 1]


def test_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device().type == "cpu"
    with pytest.raises(ValueError, match="device must be there, got 'cuda:1': .* write device='cpu'"):
        choose_device("cuda:1")
