"""The parquet tables of prepared corpora: schemas, writing in batches, reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from langspec.errors import DamagedFile, LangspecError
from langspec.files import atomic_file, file_checksum, read_json

SPLITS = ("dev", "test", "train", "val")
"""In the order of rows in a table: alphabetical. ``val``: held out of the source's train."""
TEXT_SPLITS = ("dev", "test", "train", "adversary")
"""Of the language text, in the order of its rows."""

# fmt: off
UPOS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
    "PUNCT", "SCONJ", "SYM", "VERB", "X",
)
# fmt: on
"""The labels of table ``pos``: the universal part-of-speech tags."""


def _schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def _list_of(kind: pa.DataType, *, nullable: bool = False) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=nullable))


_WORDS = _list_of(pa.string())

POS = _schema(
    id=pa.string(),
    language=pa.string(),
    treebank=pa.string(),
    split=pa.string(),
    words=_WORDS,
    labels=_list_of(pa.string()),
    space_after=_list_of(pa.bool_()),
)
NLI = _schema(
    id=pa.string(),
    language=pa.string(),
    split=pa.string(),
    premise=pa.string(),
    hypothesis=pa.string(),
    label=pa.string(),
    group=pa.string(),
)
TEXT = _schema(language=pa.string(), line=pa.int32(), split=pa.string(), text=pa.string())
SCHEMAS: dict[str, pa.Schema] = {"pos": POS, "nli": NLI, "text": TEXT}

_GROUP = 8192
"""Rows a row group: fixed, so that the bytes do not depend on how the rows arrive."""


_KEY = b"langspec"


def described(schema: pa.Schema, **facts: Any) -> pa.Schema:
    """The schema with JSON-able facts, which travel in the file (:func:`facts_of`)."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return schema.with_metadata({_KEY: text.encode("utf-8")})


def facts_of(path: Path) -> dict[str, Any]:
    """The facts that :func:`described` put into a table; empty where there are none.

    Raises:
        LangspecError: no such file, or no parquet.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise LangspecError(
            f"cannot be read as parquet ({error}); run: dvc repro -f corpora", place=path
        ) from None
    facts: dict[str, Any] = json.loads(metadata.get(_KEY, b"{}"))
    return facts


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Write rows to a parquet file, one row group in memory at a time; the number of rows.

    The same rows give the same bytes (with the same pyarrow). Nothing is left behind if ``rows``
    raises.
    """
    count = 0
    iterator = iter(rows)
    with (
        atomic_file(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", compression_level=3) as writer,
    ):
        while batch := list(islice(iterator, _GROUP)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=_GROUP)
            count += len(batch)
    return count


def _check_bytes(path: Path) -> None:
    """Refuse a table whose bytes are not those that the card beside it names.

    Raises:
        DamagedFile: other bytes, or a card that is none.
    """
    place, cure = path.parent / "card.json", "run: dvc repro -f corpora"
    if not place.is_file():
        return
    card = read_json(place, cure=cure)
    outs = card.get("outs") if isinstance(card, dict) else None
    if not isinstance(outs, dict):
        raise DamagedFile(f"no card of prepared corpora; {cure}", place=place)
    named = outs.get(path.name)
    if isinstance(named, dict) and named.get("sha256") not in (None, file_checksum(path)):
        raise DamagedFile(
            f"damaged: its bytes are not those that card.json names; {cure}", place=path
        )


def read_table(
    folder: Path,
    name: str,
    *,
    split: str | None = None,
    languages: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
) -> pa.Table:
    """Read table ``name`` of a prepared corpus, rows in file order.

    Args:
        folder: the folder that :func:`langspec.corpora.prepare.prepare` wrote.
        name: ``pos``, ``nli``, ``text``, ...
        split: only rows of this split.
        languages: only rows of these languages; those without rows are no error.
        columns: only these columns.
        schema: what the table must have; None: ``SCHEMAS[name]``.

    Raises:
        LangspecError: no such file, or not the table it should be.
    """
    path = Path(folder) / f"{name}.parquet"
    schema = SCHEMAS[name] if schema is None else schema
    known = TEXT_SPLITS if name == "text" else SPLITS
    if split is not None and split not in known:
        raise ValueError(f"split {split!r}; expected one of {known}")
    if not path.is_file():
        raise LangspecError(
            f"no such table; expected the prepared corpus here, which stage corpora writes "
            f"(dvc repro corpora) where its sources hold data for {name!r}",
            place=path,
        )
    conditions: list[tuple[str, str, Any]] = []
    if split is not None:
        conditions.append(("split", "=", split))
    if languages is not None:
        conditions.append(("language", "in", list(languages)))
    _check_bytes(path)
    try:
        stored = pq.read_schema(path)
        if not stored.equals(schema):
            raise LangspecError(
                f"has other columns ({', '.join(stored.names)}) than this version writes "
                f"({', '.join(schema.names)}); run: dvc repro -f corpora",
                place=path,
            )
        return pq.read_table(
            path,
            columns=list(columns) if columns is not None else None,
            filters=conditions or None,
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise LangspecError(
            f"cannot be read as parquet ({error}); run: dvc repro -f corpora", place=path
        ) from None
