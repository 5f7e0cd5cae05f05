"""A file with the language of each vector, for formats that hold nothing but vectors."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from langspec.errors import LangspecError
from langspec.vectors.language_codes import codes_of
from langspec.vectors.line_numbers import line_keys


class LanguageList:
    """Reads codes along with the vectors: a line a vector, ``CODE`` or ``CODE<tab>LINE``.

    Args:
        path: of the file, UTF-8; a byte order mark is no part of the first code.
        count: number of vectors.
        name: of the file in messages; None: its path.

    Raises:
        LangspecError: no such file; later, from its methods: another number of lines, a line
            number here and none there, no UTF-8.
    """

    def __init__(self, path: Path, count: int, name: Path | None = None) -> None:
        self.path, self.count, self.taken = name or path, count, 0
        try:
            self._handle = path.open(encoding="utf-8-sig")
        except OSError as error:
            raise LangspecError(f"{path}: {error.strerror}", place="--languages") from None
        self._numbered: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()

    def take(self, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The codes of the next vectors ``[N]``, and their lines int64 ``[N]`` if there are."""
        rows = [line.rstrip("\r\n").split("\t") for line in self._next(count)]
        if len(rows) < count:
            raise self._unequal(self.taken + len(rows))
        for number, row in enumerate(rows, self.taken + 1):
            if self._numbered is None:
                self._numbered = len(row) == 2
            if len(row) != 1 + self._numbered:
                expected = "a code, a tab and a line number" if self._numbered else "a code alone"
                raise LangspecError(
                    f"{len(row)} columns; expected {expected}, as in line 1",
                    place=f"{self.path}:{number}",
                )
        self.taken += count
        codes = codes_of([row[0] for row in rows])
        return codes, line_keys([row[1] for row in rows]) if self._numbered else None

    def end(self) -> None:
        """Refuse more lines than there are vectors."""
        rest = sum(1 for line in self._next(None) if line.strip())
        if rest:
            raise self._unequal(self.taken + rest)

    def _next(self, count: int | None) -> list[str]:
        try:
            return list(islice(self._handle, count))
        except UnicodeDecodeError as error:
            raise LangspecError(f"not UTF-8 ({error.reason})", place=self.path) from None

    def _unequal(self, lines: int) -> LangspecError:
        return LangspecError(
            f"{lines:,} languages for {self.count:,} vectors; expected a code a line, in the "
            "order of the vectors",
            place=self.path,
        )
