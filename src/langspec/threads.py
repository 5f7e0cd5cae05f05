"""Several pieces of numerical work side by side in one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from langspec.interrupts import WORKER

MOST = 16
"""Pieces of work at once; each holds a batch's vectors of all layers in memory."""

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """``work`` of each item, in order, as many at once as PyTorch has threads, 16 at most.

    Each piece of work computes in one thread (below 32): small matrices gain little from being
    shared out, and results do not depend on the number of threads. At most one result more than
    there are workers is waiting to be taken, so memory is bounded.
    """
    threads = torch.get_num_threads()
    workers = min(threads, MOST)
    own = threads // workers
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, WORKER, torch.set_num_threads, (own,))
    finished = False
    try:
        with threadpool_limits(own):
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finished = True
    finally:
        # Nobody takes what still runs after a fault or an interrupt: it may take a minute more.
        pool.shutdown(wait=finished, cancel_futures=True)
        torch.set_num_threads(threads)
