"""CoNLL-U files of Universal Dependencies releases (https://universaldependencies.org/format.html).

Read are the syntactic words with their UPOS tags. Multi-word ranges (``1-2``) and empty nodes
(``1.1``) are no words and are skipped. But a range decides the spacing of its words:
``SpaceAfter`` of the range belongs to its last word. Between the words inside it there is no
space where they spell the surface form when put together (Turkish, English "do" + "n't"), and a
space where they do not (French "du" = "de le", German "zum" = "zu dem").
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from langspec.corpora.lines import numbered_lines
from langspec.corpora.tables import UPOS
from langspec.errors import LangspecError

_KNOWN = frozenset(UPOS)
_COLUMNS = 10
_NAMED = {"upos": 3, "xpos": 4, "deprel": 7}
_KEYED = {"feats": 5, "misc": 9}


@dataclass(frozen=True, slots=True)
class Column:
    """Where a word's label stands, and which labels there are.

    Attributes:
        name: ``upos``, ``xpos``, ``deprel``, or ``feats.KEY`` or ``misc.KEY``.
        labels: the known ones; another is refused.
        missing: the label of words that have none (``_``, or without the key); None refuses them.
    """

    name: str
    labels: Collection[str]
    missing: str | None = None

    def reader(self) -> Callable[[list[str]], str]:
        """From the ten columns of a word to its label."""
        if self is NO_COLUMN:
            return lambda columns: "_"
        kind, _, key = self.name.partition(".")
        if self.name in _NAMED:
            place = _NAMED[self.name]
            if self.missing is None:
                return lambda columns: columns[place]
            missing = self.missing
            return lambda columns: columns[place] if columns[place] != "_" else missing
        if kind not in _KEYED or not key:
            raise ValueError(
                f"column {self.name!r}; expected {', '.join(_NAMED)}, feats.KEY or misc.KEY"
            )
        place, start = _KEYED[kind], f"{key}="
        absent = "_" if self.missing is None else self.missing

        def keyed(columns: list[str]) -> str:
            for part in columns[place].split("|"):
                if part.startswith(start):
                    return part[len(start) :]
            return absent

        return keyed


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of N syntactic words: three lists of length N, and the line it starts at.

    ``document`` is that of the last ``# newdoc``: its id, its line where it has none, and None
    before the first.
    """

    sent_id: str | None
    words: list[str]
    labels: list[str]
    space_after: list[bool]
    line: int
    document: str | None = None


UPOS_COLUMN = Column("upos", _KNOWN)
NO_COLUMN = Column("misc.", ("_",))
"""For text without labels: every word has the label ``_``, whatever stands in its columns."""
_Stripped = Literal["refuse", "yield"]


def read_conllu(
    path: Path, column: Column = UPOS_COLUMN, *, stripped: _Stripped = "refuse"
) -> Iterator[Sentence]:
    """Yield the sentences of a file in order, those with no form but ``_`` too.

    Args:
        path: the file.
        column: where the labels stand.
        stripped: what happens to a file in which every form is ``_`` (a treebank released
            without its text): it is refused by name, or its sentences are yielded.

    Raises:
        LangspecError: with file and line, for anything that is not CoNLL-U as released: columns,
            ids out of order, unknown labels, spacing of lines, encoding, a file cut short; or a
            file in which every form is ``_``.
    """
    parser: _Parser | None = None
    label_of = column.reader()
    document: str | None = None
    seen: set[str] = set()
    number = 0
    with_text = False
    for number, line in numbered_lines(path, open_end=False):
        if not line:
            if parser is None:
                raise LangspecError(
                    "an empty line without a sentence before it; remove it",
                    place=f"{path}:{number}",
                )
            sentence = parser.finish(number)
            if sentence.sent_id is not None:
                if sentence.sent_id in seen:
                    raise LangspecError(
                        f"sent_id {sentence.sent_id!r} occurs twice in this file; expected once",
                        place=f"{path}:{sentence.line}",
                    )
                seen.add(sentence.sent_id)
            with_text = with_text or any(word != "_" for word in sentence.words)
            document = sentence.document
            yield sentence
            parser = None
            continue
        if parser is None:
            parser = _Parser(path, number, column, label_of, document)
        parser.add_line(number, line)
    if parser is not None:
        raise LangspecError(
            "the last sentence is not ended by an empty line, so the file seems cut short; fetch "
            f"it again, or, if it is whole, run: echo >> {shlex.quote(str(path))}",
            place=f"{path}:{number}",
        )
    if not with_text and stripped == "refuse":
        raise LangspecError(
            "every form is '_': this treebank is released without its text for licence reasons; "
            "merge the text in as its README says, remove the file, or leave such files out: "
            "corpora.stripped: skip",
            place=path,
        )


class _Parser:
    """The lines of one sentence."""

    def __init__(
        self,
        path: Path,
        line: int,
        column: Column,
        label_of: Callable[[list[str]], str],
        document: str | None,
    ) -> None:
        self.path, self.line = path, line
        self.column, self.label_of, self.document = column, label_of, document
        self.sent_id: str | None = None
        self.words: list[str] = []
        self.labels: list[str] = []
        self.space_after: list[bool] = []
        self.ranges: list[tuple[int, int, str, bool, int]] = []
        self.empty = 0  # empty nodes since the last word

    def fail(self, number: int, message: str) -> LangspecError:
        return LangspecError(message, place=f"{self.path}:{number}")

    def add_line(self, number: int, line: str) -> None:
        if line[0] == "#":
            self._comment(number, line)
            return
        columns = line.split("\t")
        if len(columns) != _COLUMNS:
            hint = "; columns are separated by one tab" if "\t" not in line else ""
            raise self.fail(
                number, f"{len(columns)} columns; expected {_COLUMNS} as CoNLL-U has{hint}"
            )
        ident, form, misc = columns[0], columns[1], columns[9]
        if not form.strip():
            raise self.fail(number, "an empty FORM; expected a word ('_' where it is unknown)")
        space = "SpaceAfter=No" not in misc or "SpaceAfter=No" not in misc.split("|")
        if ident.isascii() and ident.isdigit():
            self._word(number, ident, form, self.label_of(columns), space)
        elif "-" in ident:
            self._range(number, ident, form, space)
        elif "." in ident:
            self._empty(number, ident)
        else:
            raise self.fail(number, f"id {ident!r}; expected a number such as 1, 1-2 or 1.1")

    def _comment(self, number: int, line: str) -> None:
        if self.words or self.ranges or self.empty:
            raise self.fail(
                number,
                "a comment inside a sentence; expected comments before the first word (is the "
                "empty line between two sentences missing, or does a word line start with '#'?)",
            )
        name, separator, value = line[1:].partition("=")
        name = name.strip()
        if name == "newdoc" or name.startswith("newdoc "):
            self.document = (value.strip() if separator else "") or f"line-{number}"
        elif separator and name == "sent_id":
            if self.sent_id is not None:
                raise self.fail(number, "a second sent_id for one sentence; expected one")
            self.sent_id = value.strip() or None

    def _word(self, number: int, ident: str, form: str, label: str, space: bool) -> None:
        if ident != str(len(self.words) + 1):
            raise self.fail(number, f"word id {ident}; expected {len(self.words) + 1}")
        if label not in self.column.labels:
            raise self._unknown(number, label)
        self.words.append(form)
        self.labels.append(label)
        self.space_after.append(space)
        self.empty = 0

    def _unknown(self, number: int, label: str) -> LangspecError:
        name = self.column.name
        where = f"UPOS {label!r} in column 4" if name == "upos" else f"{name} {label!r}"
        labels = UPOS if self.column is UPOS_COLUMN else self.column.labels
        expected = " ".join(labels)
        return self.fail(number, f"{where}; expected one of {expected}")

    def _range(self, number: int, ident: str, form: str, space: bool) -> None:
        first, last = self._two_numbers(number, ident, "-")
        expected = len(self.words) + 1
        if first != expected or last <= first:
            raise self.fail(
                number, f"range {ident}; expected {expected}-N with N above {expected}"
            )
        if self.ranges and first <= self.ranges[-1][1]:
            raise self.fail(number, f"range {ident} overlaps the range before it")
        self.ranges.append((first, last, form, space, number))

    def _empty(self, number: int, ident: str) -> None:
        expected = (len(self.words), self.empty + 1)
        if self._two_numbers(number, ident, ".") != expected:
            raise self.fail(number, f"empty node {ident}; expected {expected[0]}.{expected[1]}")
        self.empty += 1

    def _two_numbers(self, number: int, ident: str, separator: str) -> tuple[int, int]:
        parts = ident.split(separator)
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
            raise self.fail(number, f"id {ident!r}; expected a number such as 1, 1-2 or 1.1")
        return int(parts[0]), int(parts[1])

    def finish(self, number: int) -> Sentence:
        if not self.words:
            raise self.fail(self.line, "a sentence without words; expected at least one word line")
        for first, last, form, space, where in self.ranges:
            if last > len(self.words):
                raise self.fail(
                    where, f"range {first}-{last}, but the sentence has {len(self.words)} words"
                )
            space_range(self.words, self.space_after, first, last, form, space)
        return Sentence(
            self.sent_id, self.words, self.labels, self.space_after, self.line, self.document
        )


def space_range(
    words: list[str], space_after: list[bool], first: int, last: int, form: str, space: bool
) -> None:
    """Space words ``first`` to ``last`` (from 1) as the multi-word range ``form`` has them."""
    spelled = "".join(words[first - 1 : last]) == form
    space_after[first - 1 : last] = [not spelled] * (last - first) + [space]


def join_words(words: list[str], space_after: list[bool]) -> str:
    """The sentence as text: words with their spacing, without trailing space."""
    pieces = []
    for word, space in zip(words, space_after, strict=True):
        pieces.append(word)
        if space:
            pieces.append(" ")
    return "".join(pieces).rstrip(" ")
