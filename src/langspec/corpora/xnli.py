"""Json lines of XNLI 1.0 (Conneau et al. 2018) and MultiNLI 1.0 (Williams et al. 2018)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langspec.corpora.lines import numbered_lines
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

LABELS = ("contradiction", "entailment", "neutral")
NO_GOLD = "-"
"""The label of pairs on which the annotators did not agree."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Pair:
    """A premise and a hypothesis. ``prompt_id`` is shared by the pairs of one premise and by
    their translations. ``label`` may be ``-``: the caller drops and counts those.
    """

    pair_id: str
    prompt_id: str
    language: str
    premise: str
    hypothesis: str
    label: str
    line: int


def read_pairs(path: Path, *, language: str | None = None) -> Iterator[Pair]:
    """Yield the pairs of a file in order.

    Args:
        path: json lines with gold_label, sentence1, sentence2, pairID, promptID and, where
            ``language`` is None (XNLI), language.
        language: the language of a file without that field (MultiNLI).

    Raises:
        LangspecError: with file and line: broken json, a missing or ill-typed field, an unknown
            label or language, a pair id that occurs twice in one language.
    """
    seen: set[tuple[str, str]] = set()
    for number, text in numbered_lines(path):
        place = f"{path}:{number}"
        row = _parse(text, place)
        code = language if language is not None else _string(row, "language", place)
        if code not in LANGUAGES:
            raise LangspecError(
                f"language {code!r} is unknown; expected an ISO 639 code", place=place
            )
        label = _string(row, "gold_label", place)
        if label != NO_GOLD and label not in LABELS:
            raise LangspecError(
                f"gold_label {label!r}; expected one of {', '.join(LABELS)} or {NO_GOLD!r}",
                place=place,
            )
        pair_id = _identity(row, "pairID", place)
        if (code, pair_id) in seen:
            raise LangspecError(
                f"pairID {pair_id!r} occurs twice for language {code}; expected it once",
                place=place,
            )
        seen.add((code, pair_id))
        yield Pair(
            pair_id,
            _identity(row, "promptID", place),
            code,
            _string(row, "sentence1", place).strip(),
            _string(row, "sentence2", place).strip(),
            label,
            number,
        )


def _parse(text: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        cause = (
            f"{error.msg} at column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else str(error)
        )
        raise LangspecError(
            f"broken json ({cause}); expected one json object a line", place=place
        ) from None
    if not isinstance(row, dict):
        raise LangspecError(
            f"a json {type(row).__name__}; expected one json object a line", place=place
        )
    return row


def _field(row: dict[str, Any], name: str, place: str) -> Any:
    if name not in row:
        raise LangspecError(
            f"field {name!r} is missing; found {', '.join(sorted(row)) or 'none'}", place=place
        )
    return row[name]


def _string(row: dict[str, Any], name: str, place: str) -> str:
    value = _field(row, name, place)
    if not isinstance(value, str):
        raise LangspecError(
            f"field {name!r} is a {type(value).__name__}; expected a string", place=place
        )
    if _SURROGATE.search(value):
        raise LangspecError(
            f"field {name!r} holds half a surrogate pair, which is no character", place=place
        )
    return value


def _identity(row: dict[str, Any], name: str, place: str) -> str:
    value = _field(row, name, place)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise LangspecError(f"field {name!r} is {value!r}; expected an id", place=place)
    return str(value)
