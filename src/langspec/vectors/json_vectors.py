"""Vectors in lines of JSON: an object a line, with a list of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from langspec.errors import LangspecError
from langspec.vectors.language_codes import codes_of
from langspec.vectors.line_numbers import line_keys
from langspec.vectors.vector_file import (
    Block,
    BlockWriter,
    Columns,
    VectorFile,
    text_columns,
    vectors_name,
)


class JsonLinesFile(VectorFile):
    """Objects a line; their numbers are read as fp64 and written with nine digits, as fp32 has."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self.dtype, self.count = np.dtype(np.float64), 0
        first: dict[str, Any] | None = None
        with path.open("rb") as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    self.count += 1
                    first = self._object(line, number) if first is None else first
        if first is None:
            raise LangspecError("has no line", place=path)
        names = list(first)
        tables = [key for key, value in first.items() if _is_vector(value)]
        self.name = vectors_name(columns.vector, names, tables, "one list of numbers", f"{path}:1")
        if not _is_vector(first[self.name]):
            raise LangspecError(f"{self.name!r} is no list of numbers", place=f"{path}:1")
        self.width = len(first[self.name])
        self._language, self._line = text_columns(columns, names, path)
        self.has_languages, self.has_lines = self._language is not None, self._line is not None

    def _object(self, line: bytes, number: int) -> dict[str, Any]:
        place = f"{self.path}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LangspecError(f"not JSON ({error})", place=place) from None
        if not isinstance(value, dict):
            raise LangspecError(f"a JSON {type(value).__name__}; expected an object", place=place)
        return value

    def _blocks(self, rows: int) -> Iterator[Block]:
        start, objects, vectors = 0, list[dict[str, Any]](), list[np.ndarray]()
        with self.path.open("rb") as handle:
            for number, line in enumerate(handle, 1):
                if not line.strip():
                    continue
                objects.append(self._object(line, number))
                vectors.append(self._vector(objects[-1], number))
                if len(objects) == rows:
                    yield self._block(start, objects, vectors)
                    start, objects, vectors = start + rows, [], []
        if objects:
            yield self._block(start, objects, vectors)

    def _vector(self, of: dict[str, Any], number: int) -> np.ndarray:
        place, value = f"{self.path}:{number}", of.get(self.name)
        if not isinstance(value, list):
            raise LangspecError(f"{self.name!r} is no list of numbers", place=place)
        if len(value) != self.width:
            raise LangspecError(
                f"{len(value)} dimensions; the first vector has {self.width}", place=place
            )
        try:
            if not {*map(type, value)} <= {int, float}:  # NumPy would read the text "1.0" too
                raise TypeError
            return np.asarray(value, np.float64)
        except (TypeError, OverflowError):
            raise LangspecError(f"{self.name!r} is no list of numbers", place=place) from None

    def _block(
        self, start: int, objects: list[dict[str, Any]], vectors: list[np.ndarray]
    ) -> Block:
        codes, lines = None, None
        if self._language is not None:
            codes = codes_of([one.get(self._language) for one in objects])
        if self._line is not None:
            lines = line_keys([one.get(self._line) for one in objects])
        return Block(start, np.stack(vectors), codes, lines, objects)

    @contextmanager
    def writer(self, path: Path) -> Iterator[BlockWriter]:
        """Write the objects with their other keys as they are."""
        with path.open("w", encoding="utf-8", newline="\n") as handle:
            yield _LineWriter(handle, self.name)


class _LineWriter:
    """Writes objects in which one list is another."""

    def __init__(self, handle: IO[str], name: str) -> None:
        self.handle, self.name = handle, name

    def write(self, block: Block, vectors: np.ndarray) -> None:
        """Write the objects of a block."""
        for of, vector in zip(block.rest, vectors.tolist(), strict=True):
            parts = []
            for key, value in of.items():
                if key == self.name:
                    text = f"[{', '.join([f'{one:.9g}' for one in vector])}]"
                else:
                    text = _written(value)
                parts.append(f"{_written(key)}: {text}")
            self.handle.write("{" + ", ".join(parts) + "}\n")


def _written(value: Any) -> str:
    """JSON of a value; in ASCII where it holds half a pair of code units, which UTF-8 has not."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    )
