"""Numerical work in parallel threads of one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from langspec.interrupts import WORKER

MOST = 16
"""Most threads: each holds a batch's vectors of all layers in memory."""

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Call ``work`` with each item, in as many threads as PyTorch has, at most :data:`MOST`.

    Each call computes in one thread (with fewer than 32 threads): small matrices gain little from
    several, and so no result depends on the number of threads. Memory is bounded: at most one
    result more than there are workers waits for the caller.

    Yields:
        The results, in the order of the items.
    """
    threads = torch.get_num_threads()
    workers = min(threads, MOST)
    threads_each = threads // workers
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, WORKER, torch.set_num_threads, (threads_each,))
    finished = False
    try:
        with threadpool_limits(threads_each):
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finished = True
    finally:
        # After an error or an interrupt, calls that still run are not waited for.
        pool.shutdown(wait=finished, cancel_futures=True)
        torch.set_num_threads(threads)
