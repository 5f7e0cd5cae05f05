"""Which units go into a bank: a seeded sample that depends only on what a unit is.

Every unit gets a pseudo-random rank from (seed, language, line, word); within a language the
lowest ranks are kept. So the sample is the same for every checkpoint of one corpus (comparisons
are paired), does not depend on the order of the rows or on which other languages are there, and
a larger sample contains the smaller one.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from langspec.features.bank import Units

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(value: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014): a bijective scrambling of 64 bits."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def unit_ranks(
    seed: int, languages: Sequence[str], language: np.ndarray, line: np.ndarray, word: np.ndarray
) -> np.ndarray:
    """uint64 ``[N]``: the pseudo-random rank of each unit.

    ``language`` int ``[N]`` indexes ``languages``; ``line`` and ``word`` are int ``[N]``.
    """
    codes = np.asarray([zlib.crc32(code.encode()) for code in languages], dtype=np.uint64)
    rank = np.full(len(language), seed, dtype=np.uint64)
    for part in (codes[language] if len(codes) else np.zeros(0), line, word):
        rank = _mix((rank + _GOLDEN) ^ np.asarray(part).astype(np.int64).view(np.uint64))
    return rank


def lowest_per_group(ranks: np.ndarray, groups: np.ndarray, most: int | None) -> np.ndarray:
    """int64 ``[M]``: positions of the ``most`` lowest ranks of each group, in ascending order.

    ``None`` keeps all; equal ranks keep the earlier position.
    """
    if most is None:
        return np.arange(len(ranks), dtype=np.int64)
    order = np.lexsort((ranks, groups))
    sorted_groups = groups[order]
    begin = np.searchsorted(sorted_groups, sorted_groups, side="left")
    return np.sort(order[np.arange(len(order)) - begin < most]).astype(np.int64)


def fewer_rows(
    units: Units, rows: np.ndarray, languages: Sequence[str], most: int | None, seed: int
) -> np.ndarray:
    """Positions of at most ``most`` vectors of each language, whatever the order of the rows.

    Args:
        units: what each vector of a bank stands for.
        rows: int ``[N]``, positions in ``units`` to draw from, ascending.
        languages: codes that ``units.language`` indexes.
        most: of each language; None: all.
        seed: of the draw.
    """
    language = units.language[rows]
    ranks = unit_ranks(seed, languages, language, units.line[rows], units.unit[rows])
    return rows[lowest_per_group(ranks, language.astype(np.int64), most)]


def fewest_rows(
    ranks: np.ndarray, groups: np.ndarray, sizes: np.ndarray, enough: int
) -> np.ndarray:
    """bool ``[R]``: in each group, the rows of lowest rank that together have ``enough`` units.

    ``sizes`` int ``[R]`` counts the units of each row. A group with fewer units keeps all rows.
    """
    order = np.lexsort((ranks, groups))
    before = np.cumsum(sizes[order]) - sizes[order]
    begin = np.searchsorted(groups[order], groups[order], side="left")
    chosen = np.zeros(len(ranks), dtype=bool)
    chosen[order] = before - before[begin] < enough
    return chosen
