"""Requests in parts that fit: side by side on a processor, in batches on a GPU, halved where memory ends."""

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Made = TypeVar("Made")


def choose_device(device: str | None = None) -> torch.device:
    """The device of this name; the GPU where there is one, unless said otherwise.

    Raises
    ------
    ValueError
        Where the device is not there.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device must be there, got {device!r}: PyTorch sees no GPU on this machine, write device='cpu'"
        )
    return torch.device(device)


def in_parts(
    work: Callable[[Sequence[Item]], Made], items: Sequence[Item], device: torch.device, most: int
) -> list[Made]:
    """`work` of every part of the items, in their order; a part has at most `most`.

    On a CPU parts of nearly the same size are worked on side by side, one PyTorch thread each: threads inside small
    networks cost more than they give, and ten times more where the cores are busy. On a GPU parts have half as many
    items from where its memory ends.
    """
    if not items:
        return []
    if device.type == "cuda":
        return halving(work, items, most)
    threads = torch.get_num_threads()
    workers = min(len(items), threads)
    parts = shares(items, most, workers)
    with _pools().limit(limits=1, user_api="blas"):  # NumPy's own threads would spin beside ours
        if workers > 1:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return list(pool.map(work, parts))
        torch.set_num_threads(1)
        try:
            return [work(part) for part in parts]
        finally:
            torch.set_num_threads(threads)


def shares(items: Sequence[Item], most: int, workers: int) -> list[Sequence[Item]]:
    """The items in parts of at most `most`, as many parts for each worker, as near to one size as they come."""
    count = min(math.ceil(len(items) / (most * workers)) * workers, len(items))
    ends = [part * len(items) // count for part in range(count + 1)]
    return [items[start:stop] for start, stop in pairwise(ends)]


@functools.cache
def _pools() -> ThreadpoolController:
    """The libraries whose threads are held back; looking for them takes longer than a part of the work."""
    return ThreadpoolController()


def halving(work: Callable[[Sequence[Item]], Made], items: Sequence[Item], most: int) -> list[Made]:
    """`work` of parts of at most `most` items; of half as many where the GPU's memory is too small for a part.

    Raises
    ------
    RuntimeError
        Where it is too small for a single item.
    """
    made, start, size = [], 0, min(most, len(items))
    while start < len(items):
        part = items[start : start + size]
        try:
            made.append(work(part))
            start += len(part)
            continue
        except torch.cuda.OutOfMemoryError as error:
            if len(part) == 1:
                raise RuntimeError(
                    "memory of the GPU must hold one ECG at least, got none: end what else runs there, or write "
                    f"device='cpu' ({error})"
                ) from error
        size = len(part) // 2  # out of the exception, which holds what the work had allocated
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return made
