"""Medians and sorted rows, against NumPy and the zero-one principle."""

import itertools

import numpy as np
import pytest
import torch

from models.medians import median, ordered


@pytest.mark.parametrize("count", [1, 2, 7, 8, 501])
def test_a_median_is_numpys(count):
    rows = torch.randn(3, 4, count)
    assert torch.equal(median(rows), torch.from_numpy(np.median(rows.numpy(), axis=-1)))


def test_the_middle_two_may_be_equal():
    rows = torch.tensor(
        [[1.0, 2.0, 2.0, 3.0], [2.0, 2.0, 2.0, 3.0], [1.0, 2.0, 4.0, 4.0], [5.0, 5.0, 5.0, 5.0]]
    )
    assert median(rows).tolist() == [2.0, 2.0, 3.0, 5.0]


@pytest.mark.parametrize("count", range(1, 13))
def test_whatever_is_zero_or_one_is_sorted_and_so_is_everything(count):
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=count)))  # Knuth 5.3.4, theorem Z
    assert torch.equal(torch.stack(ordered(every.T)), every.T.sort(dim=0).values)


@pytest.mark.parametrize("count", [17, 30, 64])
def test_many_rows_are_sorted(count):
    rows = torch.randn(count, 5, 6)
    assert torch.equal(torch.stack(ordered(rows)), rows.sort(dim=0).values)


def test_sorting_passes_the_gradient_to_where_the_number_came_from():
    rows = torch.randn(7, 40, requires_grad=True)
    ordered(rows.unbind())[3].sum().backward()
    assert torch.equal(rows.grad, (rows.detach() == rows.detach().median(dim=0).values).float())
