"""Seeded samples and splits that depend on a row's key alone, not on its neighbours."""

from __future__ import annotations

import hashlib
import heapq
import random
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


Fractions = tuple[float, float, float] | tuple[float, float, float, float]
"""Of train, dev and test, and of adversary where there is one; they sum to 1."""


def _place(share: float, fractions: Fractions) -> str:
    """Which part of the unit interval a number lies in; ``test`` takes what is left over."""
    train, dev, _, *adversary = fractions
    if share < train:
        return "train"
    if share < train + dev:
        return "dev"
    return "adversary" if adversary and share < train + dev + adversary[0] else "test"


def key_split(key: str, fractions: Fractions, *, seed: int) -> str:
    """The split of everything with this key (an article), whatever else there is."""
    return _place(rank(seed, f"split\0{key}") / 2**64, fractions)


def held_out(key: str, share: float, *, seed: int) -> bool:
    """Whether everything with this key (a document, a prompt) is in the share set apart."""
    return rank(seed, f"val\0{key}") < share * 2**64


def stratified_splits(
    sizes: Sequence[int], parts: Sequence[tuple[str, float]], *, seed: int
) -> list[list[str]]:
    """The rule of Tanti et al. 2021: shuffle all rows, then deal out each stratum in order.

    Of a stratum of n rows each part takes ``floor(n * fraction)``; what is left over in all
    strata is pooled, shuffled and dealt out by the same floors, and what is left then goes one
    each to the first parts. The rows of a document may go to different parts.

    Args:
        sizes: rows of each stratum (language).
        parts: name and fraction of each part; the fractions sum to 1.
        seed: of ``random.Random``.

    Returns:
        For each stratum the part of each of its rows.
    """
    generator = random.Random(seed)  # noqa: S311 - a sample that can be drawn again, no secret
    owner = [stratum for stratum, size in enumerate(sizes) for _ in range(size)]
    starts = [sum(sizes[:stratum]) for stratum in range(len(sizes))]
    order = list(range(len(owner)))
    generator.shuffle(order)
    splits = [[""] * size for size in sizes]

    def deal(rows: list[int], extras: bool) -> list[int]:
        """Give rows to the parts in order; those that are left over."""
        # 0.1 * 500 is a little under 50 in some fractions' sums: no row must hang on that.
        counts = [int(len(rows) * fraction + 1e-9) for _, fraction in parts]
        for extra in range(len(rows) - sum(counts) if extras else 0):
            counts[extra % len(counts)] += 1
        position = 0
        for (name, _), count in zip(parts, counts, strict=True):
            for row in rows[position : position + count]:
                splits[owner[row]][row - starts[owner[row]]] = name
            position += count
        return rows[position:]

    strata: list[list[int]] = [[] for _ in sizes]
    for row in order:
        strata[owner[row]].append(row)
    left = [row for rows in strata for row in deal(rows, extras=False)]
    generator.shuffle(left)
    deal(left, extras=True)
    return splits


def line_splits(lines: int, fractions: Fractions, *, seed: int) -> Sequence[str]:
    """The split of each line number 0..lines-1: ``train``, ``dev``, ``test`` or
    ``adversary``.

    Lines are shuffled by rank and dealt out by a low-discrepancy sequence (multiples of the
    golden ratio), so that not only the whole but every sample by the same seed
    (:func:`sample` with the line number as key) has these fractions within a few lines, and a
    higher limit never moves a line to another split.

    Args:
        lines: how many there are in the longest file.
        fractions: train, dev, test and, if there is a fourth, adversary; they sum to 1.
        seed: of the shuffle.
    """
    splits = [""] * lines
    order = sorted(range(lines), key=lambda line: rank(seed, str(line)))
    for position, line in enumerate(order):
        splits[line] = _place(position * _GOLDEN % 1.0, fractions)
    return splits
