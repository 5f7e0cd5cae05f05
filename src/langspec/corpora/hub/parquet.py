"""Rows of a parquet file, read through ``datasets``, and the names behind class labels.

``datasets`` streams: 512 rows of the columns asked for are in memory. (pyarrow's own
``iter_batches`` buffers those columns of the whole file, four times the memory on articles.)
``load_dataset`` is not called: it reports every load to a server, of a local file too.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from langspec.errors import LangspecError

_BATCH = 512

Decoder = Callable[[Any, int], str]
"""From a value of a label column, and the number of its row (from 0), to a name."""


def _library() -> Any:
    """``datasets`` without its log and progress bars: a fault is raised, and reported once."""
    import datasets

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    return datasets


class ParquetTable:
    """One parquet file that is read from start to end, some rows in memory at a time.

    Raises:
        LangspecError: not parquet, cut short, or gone.
    """

    def __init__(self, path: Path, place: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

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

    def rows(self, *columns: str) -> Iterator[dict[str, Any]]:
        """Yield each row's values in ``columns``.

        Raises:
            LangspecError: a column is absent, or the data is broken.
        """
        import pyarrow as pa

        self.require(*columns)
        datasets = _library()
        # Numbers of class labels as they are stored: one out of range is refused by its row.
        stored = datasets.Features.from_arrow_schema(self.schema.remove_metadata())
        try:
            # The builder wants a place for a lock; the cache of the user may be read-only.
            with tempfile.TemporaryDirectory() as scratch:
                rows = datasets.IterableDataset.from_parquet(
                    glob.escape(str(self.path)),
                    columns=list(columns),
                    features=datasets.Features({name: stored[name] for name in columns}),
                    batch_size=_BATCH,
                    cache_dir=scratch,
                )
            read = 0
            for row in rows:
                yield row
                read += 1
            if read != self.count:
                raise ValueError(f"{read} of {self.count} rows came out")
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def decoder(
        self,
        column: str,
        known: Sequence[str],
        readme: Sequence[str] | None,
        *,
        none: str | None = None,
    ) -> Decoder:
        """What turns the values of a label column into names, whichever order numbers have.

        Args:
            column: strings, or numbers of a class label.
            known: the labels that may occur; others are refused by name.
            readme: the class names as the README has them, where it does.
            none: what -1 (no label) becomes; None refuses it.

        Raises:
            LangspecError: numbers without names, or names that are not ``known``.
        """
        import pyarrow as pa

        self.require(column)
        kind = self.schema.field(column).type
        while pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return _decoder(column, self.place, known, None, none)
        names = self._class_names(column) or readme
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
        return _decoder(column, self.place, known, names, none)

    def _class_names(self, column: str) -> tuple[str, ...] | None:
        """The class names that ``datasets`` wrote into the file itself."""
        try:
            features = _library().Features.from_arrow_schema(self.schema)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return class_names(features[column])


def class_names(feature: Any) -> tuple[str, ...] | None:
    """The names of a class label, or of a list of them, by number; None for other features."""
    while (inner := getattr(feature, "feature", None)) is not None:
        feature = inner
    names = getattr(feature, "names", None)
    return tuple(map(str, names)) if names else None


def _decoder(
    column: str, place: str, known: Sequence[str], names: Sequence[str] | None, none: str | None
) -> Decoder:
    labels = frozenset(known)

    def decode(value: Any, row: int) -> str:
        if none is not None and (value is None or value == -1):
            return none
        if names is None and value in labels:
            return str(value)
        if names is not None and isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        raise LangspecError(
            f"label {value!r} in column {column!r}; expected one of {', '.join(known)}",
            place=f"{place}, row {row}",
        )

    return decode
