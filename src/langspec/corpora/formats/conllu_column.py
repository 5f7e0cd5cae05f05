"""CoNLL-U with a label of each word in any column (https://universaldependencies.org/format.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from langspec.corpora.conllu import Column, read_conllu
from langspec.corpora.formats import Format

if TYPE_CHECKING:
    from langspec.corpora.custom import CustomTask, Part
    from langspec.corpora.filters import Row

_COLUMN = re.compile(r"upos|xpos|deprel|(feats|misc)\..+")


class ConlluColumn(Format):
    """``conllu``: ``label`` names a column, see :class:`langspec.corpora.conllu.Column`."""

    name = "conllu"

    def check(self, task: CustomTask) -> None:
        """Refuse units other than tokens, fields, and unknown columns."""
        if task.unit != "token":
            raise ValueError("format conllu has labels of words; expected unit: token")
        if task.fields or task.language_field or task.split_field or task.group_field:
            raise ValueError("format conllu has columns, no fields; remove text and *_field")
        if not _COLUMN.fullmatch(task.label):
            raise ValueError(
                f"label: column {task.label!r}; expected upos, xpos, deprel, feats.KEY or misc.KEY"
            )

    def rows(self, path: Path, part: Part, task: CustomTask) -> Iterator[Row]:
        """Yield a row a sentence."""
        for sentence in read_conllu(path, Column(task.label, task.labels, task.missing)):
            ident = f"{part.stem}/{sentence.sent_id or f'line-{sentence.line}'}"
            yield {
                "id": ident,
                "language": part.language,
                "treebank": part.stem,
                "split": part.split,
                "words": sentence.words,
                "labels": sentence.labels,
                "space_after": sentence.space_after,
                "group": f"{part.stem}/{sentence.document}" if sentence.document else ident,
                "key": ident.split("/", 1)[1],
            }
