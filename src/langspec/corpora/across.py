"""What two prepared corpora have in common, language by language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from langspec.corpora.conllu import join_words
from langspec.corpora.filters import Row
from langspec.corpora.near import overlap

_TEXTS = ("text", "premise", "hypothesis", "words", "space_after")


def compare(
    text: Path, table: Path, name: str, languages: Sequence[str], threshold: float
) -> list[dict[str, Any]]:
    """Near duplicates between the language text and a task's corpus, an entry a language.

    The tables are read row group by row group; the signatures of one language's text are held.

    Args:
        text: ``text.parquet``.
        table: the task's table.
        name: of the task.
        languages: that are compared, each with itself.
        threshold: Jaccard similarity from which rows are near, in (0, 1].
    """
    entries = []
    for code in languages:
        first = (row["text"] for row in _rows(text, code))
        second = (_texts(row) for row in _rows(table, code))
        in_text, in_task = overlap(first, second, threshold)
        entries.append(
            {
                "language": code,
                "corpus": name,
                "text_rows_near_it": in_text,
                "its_rows_near_text": in_task,
            }
        )
    return entries


def _rows(path: Path, code: str) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        place = names.index("language")
        columns = ["language", *(name for name in _TEXTS if name in names)]
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            column = next(
                meta.column(i)
                for i in range(meta.num_columns)
                if meta.column(i).path_in_schema == names[place]
            )
            bounds = column.statistics
            if bounds is not None and bounds.has_min_max and not bounds.min <= code <= bounds.max:
                continue
            rows = file.read_row_group(group, columns=columns)
            yield from rows.filter(pc.equal(rows["language"], code)).to_pylist()


def _texts(row: Row) -> tuple[str, ...]:
    if "words" in row:
        return (join_words(row["words"], row["space_after"]),)
    return tuple(text for text in (row["premise"], row["hypothesis"]) if text)
