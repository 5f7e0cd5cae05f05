"""What params.yaml says of a corpus of one's own; read by ``langspec.corpora.custom``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from langspec.languages import LANGUAGES

_COLUMN = re.compile(r"upos|xpos|deprel|(feats|misc)\..+")
_BRACES = re.compile(r"\{[^}]*\}")


def _placeholders(path: str) -> set[str]:
    """``language`` and ``split``, where a pattern has them.

    Raises:
        ValueError: an unknown or repeated placeholder, or a pattern that leaves the folder.
    """
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"path {path!r}; expected a pattern below a source folder")
    found = _BRACES.findall(path)
    for one in found:
        if one not in ("{language}", "{split}") or found.count(one) > 1:
            raise ValueError(f"path {path!r}: {one!r}; expected {{language}} and {{split}} once")
    return {one.strip("{}") for one in found}


@dataclass(frozen=True)
class CustomCorpus:
    """What a task's corpus is and where it stands.

    Attributes:
        name: of the task.
        unit: ``token`` (words with labels), ``text`` or ``pair`` (a label each).
        format: ``conllu`` or ``jsonl``.
        path: pattern of file names below a source folder, with ``*``, ``**/``, ``?``,
            ``{language}`` and ``{split}`` (train, dev or validation, test).
        labels: all that are to be learnt, in the order of their class indices.
        text: json lines: the field of the words or of the text, or both fields of a pair.
        label: json lines: the field of the label (of the list of labels); CoNLL-U: the column,
            see :class:`langspec.corpora.conllu.Column`.
        language: code, where the file name and the rows do not say it.
        language_field: json lines: the field that says it.
        split_field: json lines: the field that says the split.
        group_field: json lines: the field that translations of one item share.
        missing: CoNLL-U: the label of words without one.
        skip_labels: labels of rows that are dropped and counted.
        limit: at most so many rows a language and split; None: all.
    """

    name: str
    unit: Literal["token", "text", "pair"]
    format: Literal["conllu", "jsonl"]
    path: str
    labels: tuple[str, ...]
    text: tuple[str, ...] = ()
    label: str = "upos"
    language: str | None = None
    language_field: str | None = None
    split_field: str | None = None
    group_field: str | None = None
    missing: str | None = None
    skip_labels: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be read, saying which value is at fault."""
        named = _placeholders(self.path)
        if self.format == "conllu":
            if self.unit != "token":
                raise ValueError("format conllu has labels of words; expected unit: token")
            if self.text or self.language_field or self.split_field or self.group_field:
                raise ValueError("format conllu has columns, no fields; remove text and *_field")
            if not _COLUMN.fullmatch(self.label):
                raise ValueError(
                    f"label: column {self.label!r}; expected upos, xpos, deprel, feats.KEY or "
                    "misc.KEY"
                )
        else:
            wanted = 2 if self.unit == "pair" else 1
            if len(self.text) != wanted:
                raise ValueError(
                    f"text: expected {wanted} field name{'s' * (wanted > 1)} for unit "
                    f"{self.unit}, found {len(self.text)}"
                )
            if self.missing is not None:
                raise ValueError("missing is for format conllu; remove it")
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
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
