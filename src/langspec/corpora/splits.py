"""Seeded samples and splits that depend on a row's key alone, not on its neighbours."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_GOLDEN = 0.6180339887498949


def rank(seed: int, key: str) -> int:
    """A 64-bit number for a key: the order by it is a shuffle, the same on every machine."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def sample(
    rows: Iterable[T], limit: int | None, *, seed: int, key: Callable[[T], str]
) -> Iterator[T]:
    """Yield at most ``limit`` rows, chosen by the rank of their keys, in the order they came.

    A higher limit keeps every row of a lower one. Rows with equal keys (translations, pairs of
    one premise) are taken together, but for the last key. At most ``limit`` rows are in memory.
    """
    if limit is None:
        yield from rows
        return
    # Largest rank on top: it is the first to go. The index decides ties and bars comparing rows.
    heap: list[tuple[int, int, T]] = []
    for index, row in enumerate(rows):
        entry = (-rank(seed, key(row)), -index, row)
        if len(heap) < limit:
            heapq.heappush(heap, entry)
        elif heap and entry > heap[0]:
            heapq.heapreplace(heap, entry)
    for _, _, row in sorted(heap, key=lambda entry: -entry[1]):
        yield row


def line_splits(lines: int, fractions: tuple[float, float, float], *, seed: int) -> Sequence[str]:
    """The split of each line number 0..lines-1: ``train``, ``dev`` or ``test``.

    Lines are shuffled by rank and dealt out by a low-discrepancy sequence (multiples of the
    golden ratio), so that not only the whole but every sample by the same seed
    (:func:`sample` with the line number as key) has these fractions within a few lines, and a
    higher limit never moves a line to another split.

    Args:
        lines: how many there are in the longest file.
        fractions: train, dev, test; they sum to 1.
        seed: of the shuffle.
    """
    train, dev, _ = fractions
    splits = ["test"] * lines
    order = sorted(range(lines), key=lambda line: rank(seed, str(line)))
    for position, line in enumerate(order):
        share = position * _GOLDEN % 1.0
        if share < train:
            splits[line] = "train"
        elif share < train + dev:
            splits[line] = "dev"
    return splits


def share_split(key: str, fractions: tuple[float, float, float], seed: int) -> str:
    """The split of a key by itself (a document): ``train``, ``dev`` or ``test``.

    The shares hold on average; no other key and no limit moves it.
    """
    share = rank(seed, f"split/{key}") / 2**64
    train, dev, _ = fractions
    return "train" if share < train else "dev" if share < train + dev else "test"
