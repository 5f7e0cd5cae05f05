"""Columns of a parquet file as rows, and the names behind class labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from langspec.errors import LangspecError

_BATCH = 512
"""Rows in memory at once: articles may be long."""


class ParquetTable:
    """One parquet file that is read from start to end, some rows in memory at a time.

    Raises:
        LangspecError: not parquet, cut short, or gone.
    """

    def __init__(self, path: Path, place: str) -> None:
        self.path, self.place = path, place
        try:
            with pq.ParquetFile(path) as file:
                self.schema, self.count = file.schema_arrow, file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> LangspecError:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return LangspecError(
            f"cannot be read as parquet ({reason}); fetch it again (a git-lfs pointer has to be "
            "pulled first)",
            place=self.place,
        )

    def require(self, *columns: str) -> None:
        """Raise where a column is absent."""
        for column in columns:
            if column not in self.schema.names:
                raise LangspecError(
                    f"no column {column!r}; it has {', '.join(self.schema.names)}",
                    place=self.place,
                )

    def has(self, column: str) -> bool:
        """Is there such a column?"""
        return column in self.schema.names

    def rows(self, *columns: str) -> Iterator[dict[str, Any]]:
        """Yield each row's values in ``columns``.

        Raises:
            LangspecError: a column is absent, or the data is broken.
        """
        self.require(*columns)
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def decoder(
        self,
        column: str,
        known: Sequence[str],
        readme: Sequence[str] | None,
        *,
        none: str | None = None,
    ) -> Labels:
        """What turns the values of a label column into names, whichever order numbers have.

        Args:
            column: strings, or numbers of a class label.
            known: the labels that may occur; others are refused by name.
            readme: the class names as the README has them, where it does.
            none: what -1 (no label) becomes; None refuses it.

        Raises:
            LangspecError: numbers without names, or names that are not ``known``.
        """
        self.require(column)
        kind = self.schema.field(column).type
        while pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return Labels(column, self.place, known, None, none)
        names = _class_names(self.schema, column) or readme
        if not pa.types.is_integer(kind):
            raise LangspecError(
                f"column {column!r} holds {kind}; expected names or a class label",
                place=self.place,
            )
        if not names:
            raise LangspecError(
                f"column {column!r} holds numbers and neither the file nor README.md "
                f"(dataset_info) says which labels they are; expected names for them among "
                f"{', '.join(known)}",
                place=self.place,
            )
        strange = [name for name in names if name not in known]
        if strange:
            raise LangspecError(
                f"column {column!r} has the class names {', '.join(names)}; expected "
                f"{', '.join(known)}, in any order",
                place=self.place,
            )
        return Labels(column, self.place, known, tuple(names), none)


class Labels:
    """Values of a label column to names."""

    def __init__(
        self,
        column: str,
        place: str,
        known: Sequence[str],
        names: tuple[str, ...] | None,
        none: str | None,
    ) -> None:
        self.column, self.place, self.names = column, place, names
        self.known, self.none = frozenset(known), none
        self.expected = ", ".join(known)

    def __call__(self, value: Any, row: int) -> str:
        """The name of a value found in row number ``row`` (from 0)."""
        if self.none is not None and (value is None or value == -1):
            return self.none
        if self.names is not None and isinstance(value, int) and 0 <= value < len(self.names):
            return self.names[value]
        if self.names is None and value in self.known:
            return str(value)
        raise LangspecError(
            f"label {value!r} in column {self.column!r}; expected one of {self.expected}",
            place=f"{self.place}, row {row}",
        )


def _class_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """The class names that the ``datasets`` library keeps in a file's own metadata."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        return _find_names(features.get(column))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _find_names(feature: Any) -> tuple[str, ...] | None:
    if isinstance(feature, dict):
        if feature.get("_type") == "ClassLabel" and feature.get("names"):
            return tuple(map(str, feature["names"]))
        feature = list(feature.values())
    if isinstance(feature, list):
        for value in feature:
            if found := _find_names(value):
                return found
    return None
