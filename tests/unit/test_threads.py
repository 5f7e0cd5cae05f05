"""Work side by side: in order, bounded, and the same numbers whatever the number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from langspec.threads import MOST, side_by_side


@pytest.fixture(params=[1, 3, 40])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_their_items(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (number % 3))
        return number * number

    assert list(side_by_side(work, range(12))) == [n * n for n in range(12)]
    assert torch.get_num_threads() == threads


def test_no_more_is_begun_than_is_taken(threads: int) -> None:
    begun = []
    results = side_by_side(begun.append, range(100))
    for _ in range(5):
        next(results)
    time.sleep(0.05)
    assert len(begun) <= 5 + min(threads, MOST) + 1
    results.close()
    assert torch.get_num_threads() == threads


def test_a_fault_of_the_work_is_raised_and_ends_it(threads: int) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = side_by_side(work, range(100))
    with pytest.raises(ValueError, match="three"):
        list(results)
    assert torch.get_num_threads() == threads
    assert threading.active_count() < 10


def test_work_computes_in_one_thread_and_gives_the_same_bits() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 400, 300)).astype(np.float32))

    def work(matrix: torch.Tensor) -> tuple[int, torch.Tensor]:
        return torch.get_num_threads(), matrix.T @ matrix

    found = {}
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found[threads] = list(side_by_side(work, x))
    torch.set_num_threads(before)
    for (alone, one), (beside, other) in zip(found[1], found[3], strict=True):
        assert alone == beside == 1
        assert torch.equal(one, other)
