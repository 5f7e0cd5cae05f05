"""One pass over a file: every row is checked and counted, and a bounded sample stays in memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from langspec.audit.options import SPLITS as SHARES
from langspec.errors import LangspecError
from langspec.features.sample import lowest_per_group, unit_ranks
from langspec.languages import LANGUAGES
from langspec.progress_bar import Progress
from langspec.repair.fit_methods import Labelled
from langspec.vectors.vector_checks import check_rows
from langspec.vectors.vector_file import Block, VectorFile

logger = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")
MOST = {"train": 2000, "dev": 300, "test": 600}
"""Vectors of a language at most that methods are compared on; lines are the same in all."""
MEMORY = 1 << 28
"""Bytes at most of the vectors in memory; with very many languages each has fewer."""
FEWEST = 30
"""A language with fewer vectors is left out of the fit."""


def splits_of(ranks: np.ndarray) -> np.ndarray:
    """The split int ``[N]`` of lines by their ranks uint64 ``[N]``, an index into SPLITS.

    The lowest ranks are test lines, so a sample of low ranks has the same lines in all languages.
    """
    share = ranks / 2.0**64
    _, dev_share, test_share = SHARES  # of the lines that fit, choose and report
    test, dev = test_share, test_share + dev_share
    return np.where(share < test, 2, np.where(share < dev, 1, 0))


def line_ranks(block: Block, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The line int64 ``[N]`` and the pseudo-random rank uint64 ``[N]`` of each row of a block.

    A row without a line is a line of its own, with a number below 0.
    """
    rows = block.start + np.arange(len(block.vectors), dtype=np.int64)
    lines = -1 - rows if block.lines is None else np.where(block.lines < 0, -1 - rows, block.lines)
    zeros = np.zeros(len(rows), dtype=np.int64)
    return lines, unit_ranks(seed, ("",), zeros, lines, zeros)


@dataclass(frozen=True)
class Sample:
    """What one pass gathered.

    Attributes:
        parts: the vectors in memory by split.
        counts: rows of each language in the whole file.
        left_out: languages with too few rows, and how many they have.
        nameless: rows without a language.
        train_rows: training rows in the whole file, of the languages that are in the fit.
        lengths: the shortest and the longest vector.
    """

    parts: dict[str, Labelled]
    counts: dict[str, int]
    left_out: dict[str, int]
    nameless: int
    train_rows: int
    lengths: tuple[float, float]

    @property
    def complete(self) -> bool:
        """Are all training rows in memory?"""
        return len(self.parts["train"].vectors) == self.train_rows


class _Lowest:
    """The rows of the lowest ranks of each language and split, within a budget of memory."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.limits = dict(MOST)
        self._rows: list[dict[str, np.ndarray]] = []
        self._bounds: dict[int, int] = {}  # the highest rank of a group that is full
        self._bytes = 0

    def add(self, vectors: np.ndarray, codes: np.ndarray, lines: np.ndarray, ranks: Any) -> None:
        """Add rows ``[N, H]`` with code, line and rank of each."""
        names, inverse = np.unique(codes, return_inverse=True)
        numbers = np.asarray([self.codes.setdefault(str(one), len(self.codes)) for one in names])
        group = numbers[inverse] * len(SPLITS) + splits_of(ranks)
        most = np.iinfo(np.uint64).max
        bounds = np.asarray([self._bounds.get(int(one), most) for one in group], dtype=np.uint64)
        low = ranks <= bounds
        rows = {"group": group[low], "line": lines[low], "rank": ranks[low]}
        rows["vector"] = vectors[low].astype(np.float32)
        self._rows.append(rows)
        self._bytes += rows["vector"].nbytes
        if self._bytes > MEMORY:
            self._prune()
            while self._bytes > 3 * MEMORY / 4 and max(self.limits.values()) > 1:
                self.limits = {name: max(1, most // 2) for name, most in self.limits.items()}
                self._prune()

    def _prune(self) -> None:
        """Keep the lowest ranks of each group."""
        rows = self.joined()
        keep = []
        for split, name in enumerate(SPLITS):
            here = np.flatnonzero(rows["group"] % len(SPLITS) == split)
            lowest = lowest_per_group(rows["rank"][here], rows["group"][here], self.limits[name])
            keep.append(here[lowest])
        chosen = np.sort(np.concatenate(keep))
        rows = {name: values[chosen] for name, values in rows.items()}
        self._rows, self._bytes = [rows], rows["vector"].nbytes
        for one in np.unique(rows["group"]):
            of = rows["rank"][rows["group"] == one]
            if len(of) == self.limits[SPLITS[int(one) % len(SPLITS)]]:
                self._bounds[int(one)] = int(of.max())

    def joined(self) -> dict[str, np.ndarray]:
        """All rows in memory, by what is known of each."""
        return {
            name: np.concatenate([rows[name] for rows in self._rows]) for name in self._rows[0]
        }

    def parts(self, codes: list[str], *, parallel: bool) -> dict[str, Labelled]:
        """The rows of some languages, by split."""
        self._prune()
        rows = self.joined()
        names = np.asarray(list(self.codes))[rows["group"] // len(SPLITS)]
        known = np.isin(names, codes)
        parts = {}
        for split, name in enumerate(SPLITS):
            here = known & (rows["group"] % len(SPLITS) == split)
            parts[name] = Labelled(rows["vector"][here], names[here], rows["line"][here], parallel)
        return parts


def read_sample(file: VectorFile, seed: int) -> Sample:
    """Read a file once.

    Raises:
        LangspecError: a row that no encoder writes, no languages, fewer than two with enough rows.
    """
    place = file.path
    if not file.has_languages:
        raise LangspecError(
            "the vectors have no languages; name them: --languages FILE with a code a line, or "
            "--language-column NAME",
            place=place,
        )
    lowest, counts, train = _Lowest(), Counter[str](), Counter[str]()
    low, high, nameless = np.inf, 0.0, 0
    with Progress(file.count, "reading", "vector") as progress:
        for block in file.blocks():
            lengths = check_rows(file, block)
            low, high = min(low, float(lengths.min())), max(high, float(lengths.max()))
            named, lines, ranks = _named(block, seed)
            codes = block.languages[named]  # type: ignore[index]
            nameless += len(named) - int(named.sum())
            counts.update(codes.tolist())
            train.update(codes[splits_of(ranks) == 0].tolist())
            lowest.add(block.vectors[named], codes, lines, ranks)
            progress.update(len(block.vectors))
    few = {code: count for code, count in counts.items() if count < FEWEST}
    codes = sorted(set(counts) - set(few))
    _say(codes, few, nameless, place)
    parts = lowest.parts(codes, parallel=file.has_lines)
    return Sample(
        parts, dict(counts), few, nameless, sum(train[code] for code in codes), (low, high)
    )


def _named(block: Block, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows have a language, bool ``[N]``; their lines and ranks."""
    assert block.languages is not None
    named = block.languages != ""
    lines, ranks = line_ranks(block, seed)
    return named, lines[named], ranks[named]


def train_blocks(
    file: VectorFile, seed: int, codes: tuple[str, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The training rows of a file: vectors ``[N, H]`` and codes ``[N]``, block by block.

    Args:
        file: to read.
        seed: of the splits.
        codes: of the languages to read.
    """
    with Progress(file.count, "fitting", "vector") as progress:
        for block in file.blocks():
            assert block.languages is not None
            _, ranks = line_ranks(block, seed)
            rows = (splits_of(ranks) == 0) & np.isin(block.languages, codes)
            yield block.vectors[rows], block.languages[rows]
            progress.update(len(block.vectors))


def _say(codes: list[str], few: dict[str, int], nameless: int, place: object) -> None:
    """Warn of what is left out; refuse what leaves fewer than two languages.

    Raises:
        LangspecError: fewer than two languages with enough rows.
    """
    listed = ", ".join(f"{code} ({count})" for code, count in sorted(few.items())[:12])
    if len(codes) < 2:
        has = ", ".join(codes) or "none"
        rest = f"; too few vectors of {listed}" if few else ""
        raise LangspecError(
            f"expected two languages with {FEWEST} vectors or more, found {has}{rest}", place=place
        )
    if few:
        logger.warning(
            "%s: left out, with fewer than %d vectors: %s%s",
            place, FEWEST, listed, " ..." if len(few) > 12 else "",
        )  # fmt: skip
    if nameless:
        logger.warning("%s: %s vectors have no language and are left out", place, f"{nameless:,}")
    if unknown := [code for code in codes if code not in LANGUAGES]:
        logger.warning(
            "%s: no codes of ISO 639, treated like the others: %s", place, ", ".join(unknown[:12])
        )
