"""Vectors in a parquet file: a column of lists of numbers, beside columns of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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


def _is_vectors(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(one(kind) for one in lists) and pa.types.is_floating(kind.value_type)


class ParquetFile(VectorFile):
    """A table; what is written has its other columns, its schema and its compression."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        try:
            with self._open() as file:
                self._schema, self.count = file.schema_arrow, file.metadata.num_rows
                self._compression = self._codec(file)
        except (pa.ArrowException, OSError) as error:
            raise LangspecError(f"cannot be read ({_short(error)})", place=path) from None
        names = self._schema.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise LangspecError(f"has several columns called {twice[0]}; rename them", place=path)
        tables = [field.name for field in self._schema if _is_vectors(field.type)]
        expected = "one column of lists of fp16, fp32 or fp64"
        self.name = vectors_name(columns.vector, names, tables, expected, path)
        if not _is_vectors(self._schema.field(self.name).type):
            raise LangspecError(
                f"{self.name} holds {self._schema.field(self.name).type}; expected lists of fp16, "
                "fp32 or fp64",
                place=path,
            )
        self.dtype = np.dtype(self._schema.field(self.name).type.value_type.to_pandas_dtype())
        self._language, self._line = text_columns(columns, names, path)
        for name in (self._language, self._line):
            if name is not None and pa.types.is_nested(self._schema.field(name).type):
                raise LangspecError(
                    f"{name} holds {self._schema.field(name).type}; expected a text or a number "
                    "for each vector",
                    place=path,
                )
        self.has_languages, self.has_lines = self._language is not None, self._line is not None
        self.width = self._first_width()

    def _open(self) -> pq.ParquetFile:
        """Open it so that pages are read as they are needed, not a row group at once."""
        return pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False)

    def _codec(self, file: pq.ParquetFile) -> str:
        if not file.metadata.num_row_groups:
            return "snappy"
        codec = file.metadata.row_group(0).column(0).compression.lower()
        return "none" if codec == "uncompressed" else str(codec)

    def _first_width(self) -> int:
        if not self.count:
            raise LangspecError("has no rows", place=self.path)
        with self._open() as file:
            batch = next(file.iter_batches(1, columns=[self.name]))
        first = batch.column(0)[0].as_py()
        if not first:
            raise self.refuse_row(0, "there is none")
        return len(first)

    def _blocks(self, rows: int) -> Iterator[Block]:
        start = 0
        with self._open() as file:
            batches = file.iter_batches(rows, use_threads=False)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    raise LangspecError(f"is damaged ({_short(error)})", place=self.path) from None
                if batch is None:
                    return
                yield Block(
                    start,
                    self._matrix(batch.column(self.name), start),
                    self._codes(batch),
                    self._lines(batch),
                    batch,
                )
                start += batch.num_rows

    def _matrix(self, column: Any, start: int) -> np.ndarray:
        """The vectors of a batch ``[N, H]``."""
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise self.refuse_row(start + row, "there is none")
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != self.width)
        if len(wrong):
            row = int(wrong[0])
            raise self.refuse_row(
                start + row, f"{lengths[row]} dimensions; the first one has {self.width}"
            )
        values = column.flatten()
        if values.null_count:
            at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
            raise self.refuse_row(start + at // self.width, "a number is missing (null)")
        return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(-1, self.width)

    def _codes(self, batch: Any) -> np.ndarray | None:
        if self._language is None:
            return None
        return codes_of(batch.column(self._language).to_pylist())

    def _lines(self, batch: Any) -> np.ndarray | None:
        return None if self._line is None else line_keys(batch.column(self._line).to_pylist())

    @contextmanager
    def writer(self, path: Path) -> Iterator[BlockWriter]:
        """Write batches with the other columns as they are."""
        # Hardly a number of vectors occurs twice: a dictionary of them only costs time.
        others = [name for name in self._schema.names if name != self.name]
        with pq.ParquetWriter(
            path,
            self._schema,
            compression=self._compression,
            use_dictionary=others,
            write_statistics=others,
        ) as writer:
            yield _BatchWriter(writer, self.name)


class _BatchWriter:
    """Writes batches of a table in which one column is another."""

    def __init__(self, writer: pq.ParquetWriter, name: str) -> None:
        self.writer, self.name = writer, name

    def write(self, block: Block, vectors: np.ndarray) -> None:
        """Write the batch of a block."""
        batch = block.rest
        at = batch.schema.get_field_index(self.name)
        kind = batch.schema.field(at).type
        flat = pa.array(vectors.ravel().astype(kind.value_type.to_pandas_dtype()))
        count, width = vectors.shape
        if pa.types.is_fixed_size_list(kind):
            column = pa.FixedSizeListArray.from_arrays(flat, type=kind)
        else:
            large = pa.types.is_large_list(kind)
            offsets = np.arange(count + 1, dtype=np.int64 if large else np.int32) * width
            made = pa.LargeListArray if large else pa.ListArray
            column = made.from_arrays(pa.array(offsets), flat, type=kind)
        columns = [column if i == at else one for i, one in enumerate(batch.columns)]
        self.writer.write_batch(pa.record_batch(columns, schema=batch.schema))


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0][:120]
