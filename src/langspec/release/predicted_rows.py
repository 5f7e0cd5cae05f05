"""Reading the rows to predict from a file, and writing predictions as text."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langspec.corpora.conllu import NO_COLUMN, read_conllu
from langspec.errors import LangspecError

FORMATS = ("txt", "jsonl", "tsv", "conllu")
OUTPUTS = ("jsonl", "tsv")
_STANDARD_INPUT = Path("/dev/stdin")
_SUFFIXES = {".txt": "txt", ".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv",
             ".conllu": "conllu"}  # fmt: skip


def check_formats(kind: str | None, output: str) -> None:
    """Refuse a format that is not known.

    Args:
        kind: of the rows to predict; None: the file's name says it.
        output: of the predictions.

    Raises:
        LangspecError: one of the two is none of :data:`FORMATS`, :data:`OUTPUTS`.
    """
    for option, value, known in (("--format", kind, FORMATS), ("--output", output, OUTPUTS)):
        if value is not None and value not in known:
            raise LangspecError(
                f"found {value!r}, expected one of {', '.join(known)}", place=option
            )


def rows_of_file(
    file: Path | None, kind: str | None, columns: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Rows to predict.

    Args:
        file: None: standard input.
        kind: one of :data:`FORMATS`; None: as the file's name says.
        columns: that the model reads.

    Raises:
        LangspecError: what :func:`format_of`, :func:`read_rows` and :func:`conllu_rows` refuse; a
            file that cannot be read, or is not UTF-8.
    """
    kind = kind or format_of(file, columns)
    if kind == "conllu":
        return conllu_rows(file or _STANDARD_INPUT, columns)
    return read_rows(_read(file), kind, columns, place=file or "standard input")


def _read(file: Path | None) -> str:
    try:
        raw = sys.stdin.buffer.read() if file is None else file.read_bytes()
    except OSError as error:
        raise LangspecError(f"cannot be read ({error.strerror or error})", place=file) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LangspecError(
            f"not UTF-8 at byte {error.start}; save it as UTF-8", place=file or "standard input"
        ) from None


def format_of(path: Path | None, columns: tuple[str, ...]) -> str:
    """The format of a file, by its name. Standard input holds lines of text, or JSON for pairs.

    Raises:
        LangspecError: a name without a known ending.
    """
    if path is None:
        return "jsonl" if "premise" in columns else "txt"
    if path.suffix not in _SUFFIXES:
        raise LangspecError(
            f"its name tells no format; expected --format {' or '.join(FORMATS)}", place=path
        )
    return _SUFFIXES[path.suffix]


def read_rows(
    text: str, kind: str, columns: tuple[str, ...], *, place: str | Path
) -> list[dict[str, Any]]:
    """Rows of a text, one a line (one a sentence of CoNLL-U is read by :func:`conllu_rows`).

    A NUL character is refused, as it is in corpora.

    Args:
        text: content of a file.
        kind: ``txt`` (a text a line), ``jsonl`` (an object a line) or ``tsv`` (a header, then a
            row a line).
        columns: that the model reads.
        place: what errors name.

    Raises:
        LangspecError: nothing in it, an empty line, a NUL character, no JSON, columns that the
            model does not read, a line with another number of columns.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    if not any(line.strip() for line in lines):
        raise LangspecError("empty text; expected rows to predict", place=place)
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise LangspecError("a NUL character; remove it", place=f"{place}:{number}")
    if kind == "txt":
        return list(_plain(lines, columns, place))
    return list((_json if kind == "jsonl" else _tabbed)(lines, columns, place))


def conllu_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Sentences of a CoNLL-U file as rows of words; its tags are not looked at."""
    if "words" not in columns:
        raise LangspecError(
            f"CoNLL-U holds words; expected {' and '.join(columns)}: jsonl or tsv", place=path
        )
    return [
        {"words": sentence.words, "space_after": sentence.space_after}
        for sentence in read_conllu(path, NO_COLUMN)
    ]


def _plain(
    lines: list[str], columns: tuple[str, ...], place: str | Path
) -> Iterator[dict[str, Any]]:
    if "text" not in columns:
        raise LangspecError(
            f"lines of text cannot tell {' from '.join(columns)}; expected jsonl or tsv",
            place=place,
        )
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise LangspecError("empty text; remove the line", place=f"{place}:{number}")
        yield {"text": line}


def _json(
    lines: list[str], columns: tuple[str, ...], place: str | Path
) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        where = f"{place}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LangspecError(
                f"not JSON ({error}); expected an object a line", place=where
            ) from None
        if not isinstance(value, dict):
            raise LangspecError(
                "expected an object, such as " + json.dumps(dict.fromkeys(columns[-2:], "...")),
                place=where,
            )
        _known(value, columns, where)
        yield value


def _tabbed(
    lines: list[str], columns: tuple[str, ...], place: str | Path
) -> Iterator[dict[str, Any]]:
    names = lines[0].split("\t")
    _known(names, columns, f"{place}:1")
    if len(set(names)) < len(names):
        raise LangspecError("names a column twice; expected it once", place=f"{place}:1")
    if len(lines) == 1:
        raise LangspecError("a header alone; expected rows to predict", place=place)
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(names):
            raise LangspecError(
                f"found {len(cells)} columns, expected {len(names)}: {', '.join(names)}",
                place=f"{place}:{number}",
            )
        row: dict[str, Any] = dict(zip(names, cells, strict=True))
        if "words" in row:  # the words of a sentence, separated by spaces
            row["words"] = row["words"].split()
        yield row


def _known(names: Iterable[str], columns: tuple[str, ...], place: str) -> None:
    """Refuse what the model does not read, rather than ignore it."""
    optional = ("space_after",) if "words" in columns else ()
    unknown = [name for name in names if name not in (*columns, *optional)]
    wanted = " or ".join(columns) if "words" in columns else " and ".join(columns)
    if unknown:
        raise LangspecError(
            f"unknown columns {', '.join(map(repr, unknown))}; expected {wanted}", place=place
        )


def as_jsonl(predictions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object a row."""
    for record in predictions:
        yield json.dumps(_rounded(record), ensure_ascii=False)


def as_tsv(predictions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A header, then a line a word (token tasks) or a row; ``row`` counts from 1."""
    header: list[str] = []
    for number, record in enumerate(predictions, 1):
        if "words" in record:
            rows = zip(record["words"], record["labels"], record["probabilities"], strict=True)
            names = ["row", "word", "label", "probability"]
            lines = [[number, word, label or "", _cell(p)] for word, label, p in rows]
        else:
            values = record["probabilities"]
            names = ["row", "label", "probability", *values]
            cells = [record["probability"], *values.values()]
            lines = [[number, record["label"], *map(_cell, cells)]]
        if not header:
            header = names
            yield _line(header)
        yield from map(_line, lines)


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="").writerow(cells)
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _rounded(value: Any) -> Any:
    """Six significant digits, as everywhere in this project's files."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
