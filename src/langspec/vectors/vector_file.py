"""What every format of vectors has: blocks of rows to read, and a writer of the same form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from langspec.errors import LangspecError

ROWS = 8192
"""Rows of a block: what is in memory at once."""
LANGUAGE_NAMES = ("language", "lang", "languages")
"""What a column of language codes is called where nothing else is said."""
VECTOR_NAMES = ("vector", "vectors", "embedding", "embeddings")
"""Which of several columns of vectors is meant where nothing else is said."""
FLOATS = (np.float16, np.float32, np.float64)


@dataclass(frozen=True)
class Columns:
    """Where the parts of a row are.

    Attributes:
        vector: name of the column of vectors; None: the only one there is.
        language: name of the column of language codes; None: one of :data:`LANGUAGE_NAMES`.
        line: name of the column with the number or key of a line, which translations share; None:
            there is none.
        languages: a file with a language code a line (and, after a tab, the line number), for
            files that hold nothing but vectors; None: there is none.
    """

    vector: str | None = None
    language: str | None = None
    line: str | None = None
    languages: Path | None = None


@dataclass(frozen=True)
class Block:
    """Some rows of a file, one after the other.

    Attributes:
        start: number of the first row, from 0.
        vectors: ``[N, H]`` of the file's type.
        languages: code of each row ``[N]``, empty where it has none; None: the file has none.
        lines: int64 ``[N]``, the same for translations; None: the file has none.
        rest: what the format's writer needs of these rows besides.
    """

    start: int
    vectors: np.ndarray
    languages: np.ndarray | None
    lines: np.ndarray | None
    rest: Any = None


class BlockWriter(Protocol):
    """Writes the rows of a file of the same form."""

    def write(self, block: Block, vectors: np.ndarray) -> None:
        """Write the rows of a block with other vectors ``[N, H]``."""


class VectorFile(ABC):
    """A file of vectors that is read block by block.

    Args:
        path: of the file.
        columns: where the parts of a row are.

    Attributes:
        width: dimensions of a vector.
        count: number of vectors.
        dtype: of the vectors: fp16, fp32 or fp64.
        has_lines: has it the line numbers of parallel text?
        listed: the file of languages as it can be read several times; None: there is none.
    """

    width: int
    count: int
    dtype: np.dtype[Any]
    has_languages: bool
    has_lines: bool

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path, self.columns = path, columns
        self.listed: Path | None = columns.languages

    def blocks(self, rows: int = ROWS) -> Iterator[Block]:
        """All rows, ``rows`` at a time.

        Raises:
            LangspecError: a row that cannot be read, told by its place.
        """
        if self.columns.languages is None or self.listed is None:
            yield from self._blocks(rows)
            return
        from langspec.vectors.language_list import LanguageList

        with LanguageList(self.listed, self.count, self.columns.languages) as listed:
            for block in self._blocks(rows):
                codes, lines = listed.take(len(block.vectors))
                yield Block(block.start, block.vectors, codes, lines, block.rest)
            listed.end()

    @abstractmethod
    def _blocks(self, rows: int) -> Iterator[Block]:
        """The same without what a list of languages says."""

    @abstractmethod
    def writer(self, path: Path) -> AbstractContextManager[BlockWriter]:
        """Write a file of the same form to ``path``."""

    def refuse_row(self, row: int, reason: str) -> LangspecError:
        """The error of one row, counted from 1 as people count lines."""
        return LangspecError(reason, place=f"{self.path}: vector {row + 1:,}")


def check_floats(dtype: np.dtype[Any], place: object) -> None:
    """Refuse numbers that are no fp16, fp32 or fp64.

    Raises:
        LangspecError: another type; Python objects, which only pickle reads.
    """
    if dtype.hasobject:
        raise LangspecError(
            "holds Python objects, which are read by running what the file says (pickle); save "
            "the vectors as an array of fp32",
            place=place,
        )
    if dtype.newbyteorder("=") not in FLOATS:
        raise LangspecError(f"holds {dtype}; expected vectors of fp16, fp32 or fp64", place=place)


def chosen_name(
    wanted: str | None, there: Sequence[str], usual: Sequence[str], *, option: str, place: object
) -> str | None:
    """The name of a column: as it was asked for, else a usual one, else None.

    Raises:
        LangspecError: it was asked for and is not there.
    """
    if wanted is None:
        return next((name for name in usual if name in there), None)
    if wanted not in there:
        listed = ", ".join(list(there)[:12]) or "none"
        raise LangspecError(f"{option}: no {wanted!r}; there are: {listed}", place=place)
    return wanted


def vectors_name(
    wanted: str | None, names: Sequence[str], tables: Sequence[str], expected: str, place: object
) -> str:
    """The name of the column of vectors.

    Args:
        wanted: as it was asked for; None: not at all.
        names: of all columns.
        tables: of those that can hold vectors.
        expected: what such a column is, for a message.
        place: of the file.

    Raises:
        LangspecError: no such column, or several.
    """
    usual = [name for name in VECTOR_NAMES if name in tables]
    named = chosen_name(wanted, names, usual, option="--vector-column", place=place)
    if named is None and len(tables) != 1:
        which = f"of {', '.join(tables)}" if tables else "there is none"
        raise LangspecError(
            f"expected {expected}, {which}; name it: --vector-column NAME", place=place
        )
    return named or tables[0]


def text_columns(
    columns: Columns, names: Sequence[str], place: object
) -> tuple[str | None, str | None]:
    """The names of the columns of languages and of lines; None: there is none.

    Raises:
        LangspecError: one that was asked for is not there.
    """
    usual = LANGUAGE_NAMES
    language = chosen_name(columns.language, names, usual, option="--language-column", place=place)
    return language, chosen_name(columns.line, names, (), option="--line-column", place=place)
