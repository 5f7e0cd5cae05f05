"""Corpora of tasks that ``params.yaml`` describes: the section, its files, their rows.

The format of a file reads its rows: one file a format in :mod:`langspec.corpora.formats`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from langspec.corpora.lines import without_compression
from langspec.languages import LANGUAGES
from langspec.section import Limit, Section, Text

if TYPE_CHECKING:
    from langspec.corpora.filters import Row
    from langspec.corpora.sources import SourceFile

logger = logging.getLogger(__name__)

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
"""What names of files and fields call a split, and its name here."""

_WILD = {
    # The shortest code: of de-news.jsonl {language}-*.jsonl and {language}*.jsonl take de.
    "{language}": r"(?P<language>[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}?)",
    "{split}": f"(?P<split>{'|'.join(SPLIT_ALIASES)})",
    "**/": r"(?:[^/]+/)*",
    "*": r"[^/]*",
    "?": r"[^/]",
}
_PART = re.compile(r"\{language\}|\{split\}|\*\*/|\*|\?|[^{*?]+|\{")
_BRACES = re.compile(r"\{[^}]*\}")


def _known_format(name: str) -> str:
    from langspec.corpora.formats import formats

    if name not in formats():
        expected = " or ".join(map(repr, formats()))
        raise ValueError(f"found {name!r}, expected one of {expected}")
    return name


class CustomTask(Section):
    """A section of ``tasks``: the corpus of a task, and which fields or columns it is read from.

    A key that does not apply is null. ``text`` and ``*_field`` are names of fields (of json lines,
    for example).
    """

    unit: Literal["token", "text", "pair"]  # words with labels; texts or pairs, a label each
    format: Annotated[str, AfterValidator(_known_format)]
    # pattern of file names below a source folder, with *, **/, ?, {language} and {split}
    path: Text
    # all that are to be learnt, in the order of their class indices
    labels: Annotated[list[Text], Field(min_length=2)]
    text: Text | list[Text] = Field(default_factory=list)  # both fields of a pair
    label: Text  # the field (of a label or a list of labels), or the column of CoNLL-U
    language: Text | None = None  # where neither the file name nor the rows say it
    language_field: Text | None = None
    split_field: Text | None = None
    group_field: Text | None = None  # what translations of one item share
    missing: Text | None = None  # CoNLL-U: the label of words without one
    skip_labels: list[Text] = Field(default_factory=list)  # of rows that are dropped and counted
    limit: Limit = None  # at most so many rows a language and split

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the words, of the text, or of both texts of a pair."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        """Labels that YAML takes for whole numbers are their digits, as in the files."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for key in ("labels", "skip_labels"):
            if isinstance(values.get(key), list):
                values[key] = [
                    str(one) if isinstance(one, int) and not isinstance(one, bool) else one
                    for one in values[key]
                ]
        return values

    @model_validator(mode="after")
    def _goes_together(self) -> CustomTask:
        from langspec.corpora.formats import formats

        named = _placeholders(self.path)
        formats()[self.format].check(self)
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: expected at least two, each once")
        if set(self.labels) & set(self.skip_labels):
            raise ValueError("skip_labels names one of labels")
        if self.skip_labels and self.unit == "token":
            raise ValueError("skip_labels is for labels of whole rows; a token task has none")
        ways = [self.language is not None, self.language_field is not None, "language" in named]
        if sum(ways) != 1:
            raise ValueError(
                "the language has to stand in one place: {language} in path, language, or "
                "language_field"
            )
        if ("split" in named) == (self.split_field is not None):
            raise ValueError("the split has to stand in one place: {split} in path or split_field")
        if self.language is not None and self.language not in LANGUAGES:
            raise ValueError(f"language {self.language!r} is unknown; expected an ISO 639 code")
        return self


def _placeholders(path: str) -> set[str]:
    """``language`` and ``split``, where a pattern has them.

    Raises:
        ValueError: an unknown or repeated placeholder, or a pattern that leaves the folder.
    """
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"path {path!r}; expected a pattern below a source folder")
    braces = _BRACES.findall(path)
    for one in braces:
        if one not in ("{language}", "{split}") or braces.count(one) > 1:
            raise ValueError(f"path {path!r}: {one!r}; expected {{language}} and {{split}} once")
    return {one.strip("{}") for one in braces}


@dataclass(frozen=True)
class Part:
    """A file of a custom corpus: its manifest name, and what its name says (else None)."""

    name: str
    language: str | None
    split: str | None

    @property
    def stem(self) -> str:
        """The file's name without folder and ending."""
        return PurePosixPath(without_compression(self.name)).stem


def name_pattern(path: str) -> re.Pattern[str]:
    """The names that a pattern of ``CustomTask.path`` means, below any folder."""
    pieces = (_WILD.get(part, re.escape(part)) for part in _PART.findall(path))
    return re.compile(r"(?:.*/)?" + "".join(pieces))


def parts(task: CustomTask, files: Sequence[SourceFile]) -> list[Part]:
    """The manifest's files that the pattern means, by name, whatever else they are."""
    pattern = name_pattern(task.path)
    chosen, unknown = [], []
    for file in files:
        if match := pattern.fullmatch(file.name):
            named = match.groupdict()
            code, split = named.get("language", task.language), named.get("split")
            if code is not None and code not in LANGUAGES:
                unknown.append(file.name)  # "*" and {language} may match in the wrong place
                continue
            chosen.append(Part(file.name, code, SPLIT_ALIASES[split] if split else None))
    if unknown:
        logger.warning(
            "%s: left out, as {language} is no code there: %s",
            task.path,
            ", ".join(unknown[:8]) + (f" and {len(unknown) - 8} more" if unknown[8:] else ""),
        )
    return sorted(chosen, key=lambda part: part.name)


def read_rows(path: Path, part: Part, task: CustomTask) -> Iterator[Row]:
    """Yield the rows of a file, as the table ``pos`` (unit token) or ``nli`` has them.

    A single text has an empty ``hypothesis``.

    Raises:
        LangspecError: with file and line, whatever is not as ``task`` says.
    """
    from langspec.corpora.formats import formats

    yield from formats()[task.format].rows(path, part, task)
