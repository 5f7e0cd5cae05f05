"""Vectors in NumPy's files: npy, and npz with arrays of languages and lines beside them."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from langspec.errors import LangspecError
from langspec.vectors.language_codes import codes_of
from langspec.vectors.line_numbers import line_keys
from langspec.vectors.vector_file import (
    Block,
    BlockWriter,
    Columns,
    VectorFile,
    check_floats,
    text_columns,
    vectors_name,
)

# RuntimeError: an encrypted member, or one packed as this Python cannot unpack.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


class _Header:
    """What an npy's header says.

    Attributes:
        shape: of the array.
        by_columns: is it stored column after column (Fortran)?
        dtype: of its numbers.
    """

    def __init__(self, handle: IO[bytes], place: object) -> None:
        try:
            version = npy.read_magic(handle)
            if version == (1, 0):
                said = npy.read_array_header_1_0(handle)
            else:
                said = npy.read_array_header_2_0(handle)
        except (ValueError, *_DAMAGED) as error:
            raise LangspecError(f"not NumPy's format ({error})", place=place) from None
        self.shape, self.by_columns, self.dtype = said

    @property
    def bytes(self) -> int:
        """How many the numbers take."""
        return math.prod(self.shape) * self.dtype.itemsize

    def check(self, place: object) -> None:
        """Refuse what is no table of vectors."""
        check_floats(self.dtype, place)
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise LangspecError(
                f"has the shape {list(self.shape)}; expected vectors [N, H]", place=place
            )


class NpyFile(VectorFile):
    """One array ``[N, H]``; read as a stream where it is stored by rows, memory-mapped else."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        if columns.language or columns.line or columns.vector:
            raise LangspecError(
                "an npy has no columns; name a file with a language a line: --languages FILE",
                place=path,
            )
        with path.open("rb") as handle:
            header = _Header(handle, path)
            header.check(path)
            self._begin = handle.tell()
        there = path.stat().st_size - self._begin
        if there < header.bytes:
            raise LangspecError(
                f"is cut off: {there:,} bytes of vectors, its header says {header.bytes:,}; copy "
                "it again",
                place=path,
            )
        self._header, self.dtype = header, header.dtype
        self.count, self.width = header.shape
        self.has_languages = self.has_lines = False

    def _blocks(self, rows: int) -> Iterator[Block]:
        if self._header.by_columns:
            mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
            for start in range(0, self.count, rows):
                yield Block(start, np.array(mapped[start : start + rows]), None, None)
            return
        with self.path.open("rb") as handle:
            handle.seek(self._begin)
            for start, vectors in _stream(handle, self._header, rows, self.path):
                yield Block(start, vectors, None, None)

    @contextmanager
    def writer(self, path: Path) -> Iterator[BlockWriter]:
        """Write the array by rows."""
        with path.open("wb") as handle:
            _write_header(handle, (self.count, self.width), self.dtype)
            yield _RowWriter(handle, self.dtype)


class NpzFile(VectorFile):
    """Several arrays; those beside the vectors have a row for each vector, or are left alone."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        try:
            with zipfile.ZipFile(path) as archive:
                headers = {
                    name.removesuffix(".npy"): self._read_header(archive, name)
                    for name in archive.namelist()
                    if name.endswith(".npy")
                }
        except (*_DAMAGED, OSError) as error:
            raise LangspecError(f"cannot be read ({error})", place=path) from None
        names = list(headers)
        tables = [name for name, one in headers.items() if len(one.shape) == 2]
        self.name = vectors_name(columns.vector, names, tables, "one array [N, H]", path)
        self._header = headers[self.name]
        self._header.check(path)
        self.count, self.width, self.dtype = *self._header.shape, self._header.dtype
        self._language, self._line = text_columns(columns, names, path)
        for name in (self._language, self._line):
            if name is not None and headers[name].shape != (self.count,):
                raise LangspecError(
                    f"{name} has the shape {list(headers[name].shape)}; expected "
                    f"[{self.count}], an entry for each vector",
                    place=path,
                )
        self.has_languages, self.has_lines = self._language is not None, self._line is not None

    def _read_header(self, archive: zipfile.ZipFile, name: str) -> _Header:
        with archive.open(name) as member:
            return _Header(member, f"{self.path}: {name}")

    def _array(self, name: str | None) -> np.ndarray | None:
        """A whole array beside the vectors."""
        if name is None:
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                values: np.ndarray = arrays[name]
        except _DAMAGED as error:
            raise LangspecError(f"{name} is damaged ({error})", place=self.path) from None
        except ValueError:
            raise LangspecError(
                f"{name} holds Python objects, which are read by running what the file says "
                "(pickle); save it as an array of strings or of whole numbers",
                place=self.path,
            ) from None
        return values

    def _blocks(self, rows: int) -> Iterator[Block]:
        codes, lines = self._array(self._language), self._array(self._line)
        codes = None if codes is None else self._text(codes)
        lines = None if lines is None else line_keys(lines)
        for start, vectors in self._vectors(rows):
            part = slice(start, start + len(vectors))
            yield Block(
                start,
                vectors,
                None if codes is None else codes[part],
                None if lines is None else lines[part],
            )

    def _text(self, codes: np.ndarray) -> np.ndarray:
        """Codes as str; bytes are UTF-8."""
        if codes.dtype.kind != "S":
            return codes_of(codes)
        try:
            return codes_of(np.char.decode(codes, "utf-8"))
        except UnicodeDecodeError as error:
            raise LangspecError(
                f"{self._language} is not UTF-8 ({error.reason})", place=self.path
            ) from None

    def _vectors(self, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        if self._header.by_columns:
            whole = self._array(self.name)
            assert whole is not None
            for start in range(0, self.count, rows):
                yield start, whole[start : start + rows]
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.name}.npy") as member:
            _Header(member, self.path)
            try:
                yield from _stream(member, self._header, rows, self.path)
            except _DAMAGED as error:
                raise LangspecError(f"is damaged ({error})", place=self.path) from None

    @contextmanager
    def writer(self, path: Path) -> Iterator[BlockWriter]:
        """Write the other arrays as they are, then the vectors."""
        with ExitStack() as stack:
            source = stack.enter_context(zipfile.ZipFile(self.path))
            vectors = source.getinfo(f"{self.name}.npy")
            archive = stack.enter_context(
                zipfile.ZipFile(path, "w", compression=vectors.compress_type)
            )
            for info in source.infolist():
                if info is not vectors:
                    self._copy(source, info, archive)
            handle = stack.enter_context(archive.open(vectors.filename, "w", force_zip64=True))
            _write_header(handle, (self.count, self.width), self.dtype)
            yield _RowWriter(handle, self.dtype)

    def _copy(
        self, source: zipfile.ZipFile, info: zipfile.ZipInfo, archive: zipfile.ZipFile
    ) -> None:
        """Copy one array as it is."""
        try:
            with source.open(info) as old, archive.open(info.filename, "w") as new:
                while part := old.read(1 << 20):
                    new.write(part)
        except _DAMAGED as error:
            name = info.filename.removesuffix(".npy")
            raise LangspecError(f"{name} is damaged ({error})", place=self.path) from None


class _RowWriter:
    """Writes rows behind a header."""

    def __init__(self, handle: IO[bytes], dtype: np.dtype[Any]) -> None:
        self.handle, self.dtype = handle, dtype

    def write(self, block: Block, vectors: np.ndarray) -> None:
        """Write the vectors in the file's type."""
        self.handle.write(np.ascontiguousarray(vectors.astype(self.dtype, copy=False)).data)


def _write_header(handle: IO[bytes], shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    said = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(handle, said)


def _stream(
    handle: IO[bytes], header: _Header, rows: int, place: object
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of an array that is stored by rows, from an open file behind its header."""
    count, width = header.shape
    for start in range(0, count, rows):
        size = min(rows, count - start) * width * header.dtype.itemsize
        part = handle.read(size)
        if len(part) < size:
            raise LangspecError("is cut off; copy it again", place=place)
        yield start, np.frombuffer(part, header.dtype).reshape(-1, width)
