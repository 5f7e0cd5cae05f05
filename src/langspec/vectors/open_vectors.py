"""The format of a file of vectors, by its name."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from langspec.errors import LangspecError
from langspec.vectors.vector_file import Columns, VectorFile


def _npy(path: Path, columns: Columns) -> VectorFile:
    from langspec.vectors.npy_vectors import NpyFile

    return NpyFile(path, columns)


def _npz(path: Path, columns: Columns) -> VectorFile:
    from langspec.vectors.npy_vectors import NpzFile

    return NpzFile(path, columns)


def _parquet(path: Path, columns: Columns) -> VectorFile:
    from langspec.vectors.parquet_vectors import ParquetFile

    return ParquetFile(path, columns)


def _jsonl(path: Path, columns: Columns) -> VectorFile:
    from langspec.vectors.json_vectors import JsonLinesFile

    return JsonLinesFile(path, columns)


FORMATS: dict[str, Callable[[Path, Columns], VectorFile]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": _parquet,
    ".jsonl": _jsonl,
}
"""How a file is opened, by the end of its name."""


def _store_pipe(file: VectorFile, path: Path) -> None:
    """Copy a list of languages that can be read once, such as a pipe, to a temporary file.

    The copy goes when the file of vectors is no longer used.
    """
    if not path.exists() or path.is_file() or path.is_dir():
        return
    copy = tempfile.NamedTemporaryFile(prefix="langspec-")  # noqa: SIM115
    weakref.finalize(file, copy.close)
    with path.open("rb") as source:
        shutil.copyfileobj(source, copy)
    copy.flush()
    file.listed = Path(copy.name)


def open_vectors(path: Path, columns: Columns) -> VectorFile:
    """Open a file of vectors; its beginning is read, and lines of JSON are counted.

    Raises:
        LangspecError: no such file, another format, no vectors in it.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise LangspecError(
            f"expected a file of vectors that ends in {', '.join(FORMATS)}", place=path
        )
    try:
        file = FORMATS[path.suffix](path, columns)
    except OSError as error:
        raise LangspecError(error.strerror or str(error), place=path) from None
    if columns.languages is not None:
        if file.has_languages:
            raise LangspecError(
                f"{path} has languages of its own; leave the option out", place="--languages"
            )
        from langspec.vectors.language_list import LanguageList

        _store_pipe(file, columns.languages)
        with LanguageList(
            file.listed or columns.languages, file.count, columns.languages
        ) as listed:
            _, lines = listed.take(1)
        file.has_languages, file.has_lines = True, lines is not None
    return file
