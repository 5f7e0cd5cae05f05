"""Small conditions on rows, applied in order, and the ledger of what each of them drops."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langspec.errors import LangspecError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps the rows for which ``keep`` is true. ``name`` is what the card calls it."""

    name: str
    keep: Callable[[Row], bool]


def not_empty(*columns: str) -> Filter:
    """Keep rows whose strings in ``columns`` are all non-empty."""
    return Filter("not_empty", lambda row: all(row[column] for column in columns))


def has_forms() -> Filter:
    """Keep sentences that have text, not only ``_`` (left where a licence forbids the text).

    The single word ``_`` may be real.
    """
    return Filter(
        "has_forms", lambda row: len(row["words"]) == 1 or any(w != "_" for w in row["words"])
    )


def gold_label(no_gold: str) -> Filter:
    """Keep pairs with a gold label."""
    return Filter("gold_label", lambda row: row["label"] != no_gold)


def min_characters(least: int, column: str = "text") -> Filter:
    """Keep rows whose ``column`` has at least ``least`` characters (code points)."""
    return Filter("min_characters", lambda row: len(row[column]) >= least)


def max_words(most: int | None, column: str = "words") -> Filter:
    """Keep rows whose list ``column`` has at most ``most`` words; None keeps all."""
    return Filter("max_words", lambda row: most is None or len(row[column]) <= most)


def label_in(labels: Collection[str]) -> Filter:
    """Keep rows whose label is one to learn, not one to skip."""
    known = frozenset(labels)
    return Filter("skipped_label", lambda row: row["label"] in known)


def known_tokens(tokenizer: Path, texts: Callable[[Row], Sequence[str]]) -> Filter:
    """Keep rows in whose texts an encoder's tokenizer knows every piece.

    Args:
        tokenizer: a ``tokenizer.json``.
        texts: of a row; each is looked at by itself, whole.

    Raises:
        LangspecError: the file is no tokenizer, or has no unknown token.
    """
    from tokenizers import Tokenizer

    try:
        pieces = Tokenizer.from_file(str(tokenizer))
        model = json.loads(pieces.to_str())["model"]
    except Exception as error:  # what the library raises is no narrower
        raise LangspecError(
            f"cannot be read as a tokenizer ({error}); expected tokenizer.json of the encoder",
            place=tokenizer,
        ) from None
    # WordPiece and BPE name it, Unigram gives its number.
    unknown = model.get("unk_token")
    number = pieces.token_to_id(unknown) if unknown else model.get("unk_id")
    if number is None:
        raise LangspecError(
            "has no unknown token, so that nothing could be dropped; set corpora.drop_unknown: "
            "false",
            place=tokenizer,
        )
    pieces.no_truncation()
    pieces.no_padding()

    def keep(row: Row) -> bool:
        return all(number not in pieces.encode(text).ids for text in texts(row))

    return Filter("unknown_pieces", keep)


@dataclass
class Ledger:
    """Rows by (language, split): read, dropped by each filter, left out by the limit, written."""

    read: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    written: Counter[tuple[str, str]] = field(default_factory=Counter)

    def apply(self, rows: Iterable[Row], filters: Iterable[Filter]) -> Iterator[Row]:
        """Yield the rows that pass all filters; count the others under the first that fails."""
        filters = tuple(filters)
        for one in filters:
            self.dropped.setdefault(one.name, Counter())
        for row in rows:
            key = (row["language"], row["split"])
            self.read[key] += 1
            for one in filters:
                if not one.keep(row):
                    self.dropped[one.name][key] += 1
                    break
            else:
                yield row

    def move(self, row: Row, split: str) -> None:
        """Count a row as read in another split than the one it came with."""
        self.read[row["language"], row["split"]] -= 1
        self.read[row["language"], split] += 1

    def drop(self, name: str, row: Row) -> None:
        """Count a row that something other than a filter of :meth:`apply` left out."""
        self.dropped.setdefault(name, Counter())[row["language"], row["split"]] += 1

    def count_written(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Count rows that reach the table."""
        for row in rows:
            self.written[row["language"], row["split"]] += 1
            yield row

    def over_limit(self, key: tuple[str, str]) -> int:
        """Rows that passed every filter but not the limit."""
        return self.read[key] - self.written[key] - sum(n[key] for n in self.dropped.values())

    def mostly_dropped(self, share: float = 0.5) -> list[tuple[str, str, int, int, int]]:
        """Where a filter drops over ``share`` of the rows of a language.

        Each entry is (filter, language, dropped, read, left by all filters).
        """
        languages = sorted({language for language, _ in self.read})
        mostly = []
        for language in languages:

            def total(counts: Counter[tuple[str, str]], code: str = language) -> int:
                return sum(n for (one, _), n in counts.items() if one == code)

            read = total(self.read)
            left = read - sum(total(counts) for counts in self.dropped.values())
            for name, counts in sorted(self.dropped.items()):
                if total(counts) > share * read:
                    mostly.append((name, language, total(counts), read, left))
        return mostly
