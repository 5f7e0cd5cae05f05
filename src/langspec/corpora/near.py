"""Near duplicates: rows that share most of their character 5-grams.

The library rensa computes MinHash signatures and their index. A row is near another if the
Jaccard similarity of their sets of 5-grams, estimated from 128 permutations (standard error at
most 0.045), reaches the threshold. Case, punctuation and spacing do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_GRAM = 5
_PERMUTATIONS = 128
_SEED = 1
_RECALL = 0.99  # of pairs exactly at the threshold, by the index; higher for nearer ones
_BREAK = re.compile(r"[\W_]+")


def shingles(text: str) -> list[str]:
    """The set of character 5-grams of the normalised text; a shorter text is one itself."""
    plain = _BREAK.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return list({plain[i : i + _GRAM] for i in range(max(1, len(plain) - _GRAM + 1))})


def _bands(threshold: float) -> int:
    """The fewest bands of the index that find a pair at the threshold nearly always."""
    for rows in (16, 8, 4, 2):
        bands = _PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= _RECALL:
            return bands
    return _PERMUTATIONS


class NearIndex:
    """Texts by number, and which of them a text is near.

    Args:
        threshold: Jaccard similarity in (0, 1].
    """

    def __init__(self, threshold: float) -> None:
        import rensa

        self._threshold = threshold
        self._hash = rensa.RMinHash
        self._lsh = rensa.RMinHashLSH(threshold, _PERMUTATIONS, _bands(threshold))
        self._signatures: list[Any] = []

    def __len__(self) -> int:
        return len(self._signatures)

    def sign(self, text: str) -> Any:
        """The signature that the other methods take."""
        signature = self._hash(_PERMUTATIONS, _SEED)
        signature.update(shingles(text))
        return signature

    def add(self, signature: Any) -> int:
        """Enter a text; its number."""
        number = len(self._signatures)
        self._lsh.insert(number, signature)
        self._signatures.append(signature)
        return number

    def near(self, signature: Any) -> list[int]:
        """Numbers of the texts that are near this one, sorted."""
        return sorted(
            number
            for number in self._lsh.query(signature)
            if self._signatures[number].jaccard(signature) >= self._threshold
        )


class NearSplits:
    """Near duplicates between the splits of one language, its rows coming dev and test first."""

    def __init__(self, threshold: float) -> None:
        self._index = NearIndex(threshold)
        self._split: list[str] = []
        self._repeated: set[int] = set()
        self._counts: Counter[str] = Counter()

    def repeats(self, split: str, text: str) -> bool:
        """Enter a row: is it one of train, val or adversary that is near one of dev or test?"""
        signature = self._index.sign(text)
        near = self._index.near(signature)
        if split in ("dev", "test"):
            self._counts["test_rows_near_dev"] += split == "test" and any(
                self._split[number] == "dev" for number in near
            )
            self._index.add(signature)
            self._split.append(split)
            return False
        if split != "adversary":
            self._repeated.update(near)
        self._counts[f"{split}_rows_near_dev_or_test"] += bool(near)
        return bool(near)

    def facts(self) -> dict[str, int]:
        """Rows of each split that are near a row of another.

        Rows of val count as rows of train in ``dev_rows_near_train`` and ``test_rows_near_train``.
        Rows of train and adversary are not compared with each other.
        """
        repeated = Counter(self._split[number] for number in self._repeated)
        return {
            "dev_rows_near_train": repeated["dev"],
            "test_rows_near_train": repeated["test"],
            "test_rows_near_dev": self._counts["test_rows_near_dev"],
            **{
                f"{split}_rows_near_dev_or_test": self._counts[f"{split}_rows_near_dev_or_test"]
                for split in ("train", "val", "adversary")
            },
        }


def overlap(
    first: Iterable[str], second: Iterable[tuple[str, ...]], threshold: float
) -> tuple[int, int]:
    """Rows of two corpora that are near a row of the other: of the first, of the second.

    Args:
        first: one text a row; their signatures are held in memory.
        second: the texts of each row (a pair has two), any of which may be near; streamed.
        threshold: Jaccard similarity.
    """
    index = NearIndex(threshold)
    for text in first:
        index.add(index.sign(text))

    @lru_cache(maxsize=64)  # pairs of one premise follow each other
    def near_of(text: str) -> list[int]:
        return index.near(index.sign(text))

    near_first: set[int] = set()
    rows = 0
    for texts in second:
        near = [number for text in texts for number in near_of(text)]
        near_first.update(near)
        rows += bool(near)
    return len(near_first), rows
