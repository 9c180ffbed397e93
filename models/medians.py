"""Medians of many short rows: PyTorch sorts each row by itself, which is slow where there are thousands."""

import functools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def median(rows: Tensor) -> Tensor:
    """Median along the last axis, (..., n) -> (...); of an even number the mean of the middle two."""
    count = rows.shape[-1]
    low = rows.kthvalue((count + 1) // 2, dim=-1, keepdim=True).values
    if count % 2:
        return low.squeeze(-1)
    above = rows > low
    alone = above.sum(dim=-1) == count // 2
    next_one = torch.where(above, rows, torch.inf).amin(dim=-1)
    low = low.squeeze(-1)
    return (low + torch.where(alone, next_one, low)) / 2


def ordered(rows: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of one shape, in ascending order at every place of it.

    Source: merge exchange (Batcher 1968), which compares the same pairs whatever the numbers are.
    """
    rows = list(rows)
    for first, second in _pairs(len(rows)):
        low, high = rows[first], rows[second]
        rows[first], rows[second] = torch.minimum(low, high), torch.maximum(low, high)
    return rows


@functools.cache
def _pairs(count: int) -> tuple[tuple[int, int], ...]:
    """What is compared with what, in this order, to sort so many."""
    return tuple(_merge_exchange(count))


def _merge_exchange(count: int) -> Iterator[tuple[int, int]]:
    """Algorithm M of Knuth, The Art of Computer Programming 3, 5.2.2."""
    half = 1 << max((count - 1).bit_length() - 1, 0)
    part = half
    while part:
        apart, until, rest = part, half, 0
        while True:
            yield from ((k, k + apart) for k in range(count - apart) if k & part == rest)
            if until == part:
                break
            apart, until, rest = until - part, until // 2, part
        part //= 2
