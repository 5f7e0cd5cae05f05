"""The demo's own unlabelled text for pre-training: sentences, pairs, dictionary (raw/pretrain)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langspec.corpora.filters import Row
from langspec.corpora.lines import numbered_lines
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

_HEADER = ["concept", "language", "form", "rank"]


def read_sentences(path: Path) -> Iterator[Row]:
    """Yield rows of ``pretrain.parquet``: line, language, words, concepts, space_after.

    Raises:
        LangspecError: with file and line; the three lists must have one length.
    """
    for place, row in _json_rows(path):
        lists = {
            "words": _list(row, "words", (str,), place),
            "concepts": _list(row, "concepts", (str, type(None)), place),
            "space_after": _list(row, "space_after", (bool,), place),
        }
        lengths = {name: len(value) for name, value in lists.items()}
        if len(set(lengths.values())) != 1 or not lists["words"]:
            raise LangspecError(
                f"lists of lengths {lengths}; expected one length > 0", place=place
            )
        yield {**_line_and_language(row, place), **lists}


def read_unlabelled_pairs(path: Path) -> Iterator[Row]:
    """Yield rows of ``pretrain_pairs.parquet``: line, language, premise, hypothesis.

    Raises:
        LangspecError: with file and line.
    """
    for place, row in _json_rows(path):
        texts = {name: _typed(row, name, str, place) for name in ("premise", "hypothesis")}
        yield {**_line_and_language(row, place), **texts}


def read_dictionary(path: Path) -> Iterator[Row]:
    """Yield rows of ``dictionary.parquet`` from tab-separated concept, language, form, rank.

    Raises:
        LangspecError: with file and line.
    """
    for number, text in numbered_lines(path, open_end=False):
        place = f"{path}:{number}"
        columns = text.split("\t")
        if number == 1:
            if columns != _HEADER:
                raise LangspecError(f"header {columns}; expected {_HEADER}", place=place)
            continue
        if len(columns) != len(_HEADER) or not all(columns):
            raise LangspecError(
                f"{len(columns)} columns; expected {len(_HEADER)}, none empty", place=place
            )
        concept, code, form, rank = columns
        if not (rank.isascii() and rank.isdigit() and int(rank) < 1 << 15):
            raise LangspecError(f"rank {rank!r}; expected 0, 1, 2, ...", place=place)
        yield {
            "concept": concept,
            "language": _known(code, place),
            "form": form,
            "rank": int(rank),
        }


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, text in numbered_lines(path, open_end=False):
        place = f"{path}:{number}"
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LangspecError(f"broken json ({error})", place=place) from None
        if not isinstance(row, dict):
            raise LangspecError("expected one json object a line", place=place)
        yield place, row


def _line_and_language(row: dict[str, Any], place: str) -> Row:
    line = _typed(row, "line", int, place)
    if not 0 <= line < 1 << 31:
        raise LangspecError(f"line {line}; expected a line number from 0", place=place)
    return {"line": line, "language": _known(_typed(row, "language", str, place), place)}


def _typed(row: dict[str, Any], name: str, kind: type, place: str) -> Any:
    value = row.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LangspecError(f"field {name!r}: expected a {kind.__name__}", place=place)
    return value


def _list(row: dict[str, Any], name: str, kinds: tuple[type, ...], place: str) -> list[Any]:
    value = _typed(row, name, list, place)
    if not all(isinstance(item, kinds) for item in value):
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise LangspecError(f"field {name!r}: expected a list of {names}", place=place)
    return value


def _known(code: str, place: str) -> str:
    if code not in LANGUAGES:
        raise LangspecError(f"language {code!r} is unknown; expected an ISO 639 code", place=place)
    return code
