"""Corpora of tasks that ``params.yaml`` describes: CoNLL-U with any column, or json lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from langspec.corpora.conllu import Column, read_conllu
from langspec.corpora.filters import Row
from langspec.corpora.lines import numbered_lines
from langspec.corpora.sources import SourceFile
from langspec.described import CustomCorpus
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
_WILD = {
    "{language}": r"(?P<language>[a-z]{2,3})",
    "{split}": f"(?P<split>{'|'.join(_SPLITS)})",
    "**/": r"(?:[^/]+/)*",
    "*": r"[^/]*",
    "?": r"[^/]",
}
_PART = re.compile(r"\{language\}|\{split\}|\*\*/|\*|\?|[^{*?]+|\{")


@dataclass(frozen=True)
class Part:
    """A file of a custom corpus: its manifest name, and what its name says (else None)."""

    name: str
    language: str | None
    split: str | None


def name_pattern(path: str) -> re.Pattern[str]:
    """The names that a pattern of ``CustomCorpus.path`` means, below any folder."""
    pieces = (_WILD.get(part, re.escape(part)) for part in _PART.findall(path))
    return re.compile(r"(?:.*/)?" + "".join(pieces))


def parts(wanted: CustomCorpus, files: Sequence[SourceFile]) -> list[Part]:
    """The manifest's files that the pattern means, by name, whatever else they are."""
    pattern = name_pattern(wanted.path)
    found = []
    for file in files:
        if match := pattern.fullmatch(file.name):
            named = match.groupdict()
            code, split = named.get("language", wanted.language), named.get("split")
            if code is not None and code not in LANGUAGES:
                continue  # "*" and {language} may have met in the wrong place
            found.append(Part(file.name, code, _SPLITS[split] if split else None))
    return sorted(found, key=lambda part: part.name)


def read_rows(path: Path, part: Part, wanted: CustomCorpus) -> Iterator[Row]:
    """Yield the rows of a file, as the table ``pos`` (unit token) or ``nli`` has them.

    A single text has an empty ``hypothesis``.

    Raises:
        LangspecError: with file and line, whatever is not as ``wanted`` says.
    """
    if wanted.format == "conllu":
        yield from _conllu_rows(path, part, wanted)
    else:
        yield from _json_rows(path, part, wanted)


def _conllu_rows(path: Path, part: Part, wanted: CustomCorpus) -> Iterator[Row]:
    stem = PurePosixPath(part.name).stem
    for sentence in read_conllu(path, Column(wanted.label, wanted.labels, wanted.missing)):
        ident = f"{stem}/{sentence.sent_id or f'line-{sentence.line}'}"
        yield {
            "id": ident,
            "language": part.language,
            "treebank": stem,
            "split": part.split,
            "words": sentence.words,
            "labels": sentence.labels,
            "space_after": sentence.space_after,
            "group": f"{stem}/{sentence.document}" if sentence.document else ident,
            "key": ident.split("/", 1)[1],
        }


def _json_rows(path: Path, part: Part, wanted: CustomCorpus) -> Iterator[Row]:
    known = {*wanted.labels, *wanted.skip_labels}
    for number, line in numbered_lines(path):
        row = _Json(line, f"{path}:{number}")
        code = part.language or row.string(wanted.language_field or "")
        if code not in LANGUAGES:
            raise row.fail(f"language {code!r} is unknown; expected an ISO 639 code")
        split = part.split or _SPLITS.get(row.string(wanted.split_field or ""))
        if split is None:
            found = row.string(wanted.split_field or "")
            raise row.fail(f"split {found!r}; expected one of {', '.join(_SPLITS)}")
        ident = f"{part.name}:{number}"
        group = f"{split}/{row.name(wanted.group_field)}" if wanted.group_field else ident
        out: Row = {"id": ident, "language": code, "split": split, "group": group, "key": group}
        if wanted.unit == "token":
            words, labels = row.words(wanted.text[0]), row.words(wanted.label)
            if len(words) != len(labels) or not words:
                raise row.fail(
                    f"{len(words)} words and {len(labels)} labels; expected one label a word"
                )
            out |= {"treebank": PurePosixPath(part.name).stem, "words": words, "labels": labels}
            out |= {"space_after": [True] * len(words)}
        else:
            labels = [row.name(wanted.label)]
            texts = [row.string(name).strip() for name in wanted.text]
            out |= {"premise": texts[0], "hypothesis": texts[1] if len(texts) > 1 else ""}
            out |= {"label": labels[0]}
        for label in labels:
            if label not in known:
                raise row.fail(
                    f"{wanted.label} {label!r}; expected one of {', '.join(wanted.labels)}"
                )
        yield out


class _Json:
    """One line of json, asked for its fields."""

    def __init__(self, line: str, place: str) -> None:
        self.place = place
        try:
            self.values: dict[str, Any] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.fail(f"broken json ({error}); expected one json object a line") from None
        if not isinstance(self.values, dict):
            raise self.fail(
                f"a json {type(self.values).__name__}; expected one json object a line"
            )

    def fail(self, message: str) -> LangspecError:
        return LangspecError(message, place=self.place)

    def field(self, name: str) -> Any:
        if name not in self.values:
            found = ", ".join(sorted(self.values)) or "none"
            raise self.fail(f"field {name!r} is missing; found {found}")
        return self.values[name]

    def string(self, name: str) -> str:
        value = self.field(name)
        if not isinstance(value, str):
            raise self.fail(f"field {name!r} is a {type(value).__name__}; expected a string")
        return self._whole(value, name)

    def name(self, name: str) -> str:
        """A label or an id: a string or a whole number."""
        return self._named(self.field(name), name)

    def words(self, name: str) -> list[str]:
        value = self.field(name)
        if not isinstance(value, list):
            raise self.fail(f"field {name!r} is a {type(value).__name__}; expected a list")
        return [self._named(one, name) for one in value]

    def _named(self, value: Any, name: str) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.fail(f"field {name!r} holds {value!r}; expected text or a whole number")
        return self._whole(str(value), name)

    def _whole(self, value: str, name: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise self.fail(
                f"field {name!r} holds half a surrogate pair, which is no character"
            ) from None
        return value
