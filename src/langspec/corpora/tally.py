"""Counting the rows of a corpus while they are written."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from langspec.corpora.filters import Ledger

_PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


@dataclass
class _Tally:
    """Of the rows of one language and split: lengths, labels, hashes of the texts."""

    words: array[int] = field(default_factory=lambda: array("q"))
    characters: array[int] = field(default_factory=lambda: array("q"))
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    labels: Counter[str] = field(default_factory=Counter)


class Corpus:
    """Collects the facts of one table while its rows pass by.

    Args:
        name: of the table.
        languages: of the run, in which the corpus ought to have rows.
    """

    def __init__(self, name: str, languages: Sequence[str]) -> None:
        self.name = name
        self.languages = sorted(languages)
        self.ledger = Ledger()
        self.notes: dict[str, Any] = {}
        self.near: dict[str, dict[str, int]] = {}
        """Near duplicates between the splits, by language: see ``near.NearSplits.facts``."""
        self._tallies: dict[tuple[str, str], _Tally] = {}

    def record(
        self, language: str, split: str, text: str, words: int, labels: Iterable[str] = ()
    ) -> None:
        """Count one row. Of ``text`` only a hash stays, by which duplicates are counted."""
        tally = self._tallies.setdefault((language, split), _Tally())
        tally.words.append(words)
        tally.characters.append(len(text))
        digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
        tally.hashes.append(int.from_bytes(digest, "big"))
        tally.labels.update(labels)

    def having(self, split: str) -> list[str]:
        """Languages with rows in a split."""
        return sorted(
            code for (code, part), n in self.ledger.written.items() if part == split and n
        )

    def without(self, split: str) -> list[str]:
        """Languages of the run without rows in a split."""
        return sorted(set(self.languages) - set(self.having(split)))

    def facts(self) -> dict[str, Any]:
        """Everything as JSON-able values, sorted."""
        rows = []
        for key in sorted(self.ledger.read):
            tally = self._tallies.get(key, _Tally())
            rows.append(
                {
                    "language": key[0],
                    "split": key[1],
                    "read": self.ledger.read[key],
                    "dropped": {
                        name: counts[key]
                        for name, counts in sorted(self.ledger.dropped.items())
                        if counts[key]
                    },
                    "over_limit": self.ledger.over_limit(key),
                    "kept": self.ledger.written[key],
                    "words": _lengths(tally.words),
                    "characters": _lengths(tally.characters),
                    "labels": dict(sorted(tally.labels.items())),
                }
            )
        return {
            "rows": rows,
            "duplicates": list(self._duplicates()),
            "near_duplicates": [
                {"language": code} | facts for code, facts in sorted(self.near.items())
            ],
            "without_dev": self.without("dev"),
            "without_test": self.without("test"),
            "notes": dict(sorted(self.notes.items())),
        }

    def _duplicates(self) -> Iterator[dict[str, Any]]:
        """Exact repetitions by language: rows within a split, rows of the later split across."""
        for code in sorted({language for language, _ in self._tallies}):
            hashes = {
                split: np.frombuffer(tally.hashes, dtype=np.uint64)
                for (language, split), tally in self._tallies.items()
                if language == code
            }
            entry: dict[str, Any] = {"language": code}
            for split in ("train", "dev", "test"):
                values = hashes.get(split, np.empty(0, np.uint64))
                entry[f"within_{split}"] = int(len(values) - len(np.unique(values)))
            for first, second in _PAIRS:
                both = first in hashes and second in hashes
                entry[f"{second}_rows_in_{first}"] = (
                    int(np.isin(hashes[second], hashes[first]).sum()) if both else 0
                )
            yield entry


def _lengths(values: array[int]) -> dict[str, float]:
    if not values:
        return {"mean": 0.0, "median": 0.0, "max": 0, "total": 0}
    numbers = np.frombuffer(values, dtype=np.int64)
    return {
        "mean": round(float(numbers.mean()), 2),
        "median": float(np.median(numbers)),
        "max": int(numbers.max()),
        "total": int(numbers.sum()),
    }
