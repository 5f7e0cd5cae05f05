"""The data card: what a prepared corpus holds, what was left out, where it came from.

No sentence, no absolute path, no time: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from langspec.corpora.filters import Ledger
from langspec.corpora.sources import SourceFile
from langspec.files import sha256_file, write_json, write_text

SCHEMA = 1
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
        """Count one kept row. ``text`` is hashed for the count of duplicates, not kept."""
        tally = self._tallies.setdefault((language, split), _Tally())
        tally.words.append(words)
        tally.characters.append(len(text))
        digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
        tally.hashes.append(int.from_bytes(digest, "big"))
        tally.labels.update(labels)

    def having(self, split: str) -> list[str]:
        """Languages with rows in a split."""
        return sorted(code for (code, part), n in self.ledger.kept.items() if part == split and n)

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
                    "kept": self.ledger.kept[key],
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


def make_card(
    corpora: Sequence[Corpus],
    sources: Sequence[SourceFile],
    outs: dict[str, tuple[Path, int]],
    options: dict[str, Any],
    warnings: Sequence[str],
    across: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The card as JSON-able values.

    ``outs``: file name to its place now and its rows. ``across``: what the language text has in
    common with the tasks' corpora (:func:`langspec.corpora.across.compare`).
    """
    return {
        "schema": SCHEMA,
        "options": options,
        "warnings": list(warnings),
        "corpora": {corpus.name: corpus.facts() for corpus in corpora},
        "across": list(across),
        "outs": {
            name: {"rows": rows, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for name, (path, rows) in sorted(outs.items())
        },
        "sources": [asdict(file) for file in sorted(sources, key=lambda file: file.name)],
    }


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write ``card.json`` and ``card.md``."""
    write_json(folder / "card.json", card)
    write_text(folder / "card.md", _markdown(card))


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    def line(cells: Sequence[Any]) -> str:
        return "| " + " | ".join(str(cell) for cell in cells) + " |"

    return [line(header), line(["---"] * len(header)), *(line(row) for row in rows), ""]


def _markdown(card: dict[str, Any]) -> str:
    lines = ["# Data card", ""]
    if card["warnings"]:
        lines += ["## Warnings", "", *(f"- {one}" for one in card["warnings"]), ""]
    for name, facts in card["corpora"].items():
        lines += [f"## {name}", ""]
        lines += _rows_table(facts["rows"])
        for split in ("dev", "test"):
            if missing := facts[f"without_{split}"]:
                lines += [f"Languages without {split}: {', '.join(missing)}.", ""]
        for key, value in facts["notes"].items():
            lines += [f"{key.replace('_', ' ')}: {_plain(value)}.", ""]
        lines += _labels_table(facts["rows"])
        lines += _duplicates_table(facts["duplicates"])
        lines += _near_table(
            facts["near_duplicates"], "Near duplicates", card["options"].get("near_duplicates")
        )
    lines += _near_table(
        card["across"],
        "Near duplicates of the language text in the tasks' corpora",
        card["options"].get("near_duplicates"),
    )
    lines += ["## Files written", ""]
    lines += _table(
        ["file", "rows", "bytes", "SHA-256"],
        ([name, out["rows"], out["bytes"], out["sha256"]] for name, out in card["outs"].items()),
    )
    lines += ["## Sources", ""]
    lines += _table(
        ["file", "licence", "bytes", "SHA-256"],
        (
            [
                file["name"],
                _licence(file),
                file["bytes"],
                file["sha256"],
            ]
            for file in card["sources"]
        ),
    )
    return "\n".join(lines)


def _licence(file: dict[str, Any]) -> str:
    if file["licence"] is None:
        return "no licence file found"
    return f"{file['licence_name'] or 'see'} ({file['licence']})"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


def _rows_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = sorted({name for row in rows for name in row["dropped"]})
    header = ["language", "split", "read", *(f"dropped: {name}" for name in names)]
    header += ["over the limit", "kept", "words mean/median/max", "characters mean/median/max"]
    return _table(
        header,
        (
            [
                row["language"],
                row["split"],
                row["read"],
                *(row["dropped"].get(name, 0) for name in names),
                row["over_limit"],
                row["kept"],
                *(
                    f"{row[unit]['mean']:.1f} / {row[unit]['median']:g} / {row[unit]['max']}"
                    for unit in ("words", "characters")
                ),
            ]
            for row in rows
        ),
    )


def _labels_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = sorted({name for row in rows for name in row["labels"]})
    if not names:
        return []
    labelled = [row for row in rows if row["labels"]]
    shares = (
        [
            row["language"],
            row["split"],
            *(f"{100 * row['labels'].get(n, 0) / sum(row['labels'].values()):.1f}" for n in names),
        ]
        for row in labelled
    )
    return ["Labels, per cent:", "", *_table(["language", "split", *names], shares)]


def _near_table(
    entries: Sequence[dict[str, Any]], title: str, threshold: float | None
) -> list[str]:
    if not entries:
        return []
    names = list(entries[0])
    rows = [[entry[name] for name in names] for entry in entries]
    header = [name.replace("_", " ") for name in names]
    return [f"{title} (similarity of at least {threshold}):", "", *_table(header, rows)]


def _duplicates_table(duplicates: Sequence[dict[str, Any]]) -> list[str]:
    if not duplicates:
        return []
    header = list(duplicates[0])
    lead = "Exact duplicates: repeated rows within a split, and rows that an earlier split has:"
    return [
        lead,
        "",
        *_table(
            [name.replace("_", " ") for name in header],
            ([entry[name] for name in header] for entry in duplicates),
        ),
    ]
