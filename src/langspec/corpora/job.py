"""What the steps of preparing corpora share: the files, the section, what has been written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from langspec.corpora import filters
from langspec.corpora.corpora_section import Corpora
from langspec.corpora.filters import Filter, Row
from langspec.corpora.manifest import ADD
from langspec.corpora.sources import LocatedFile, SourceFile
from langspec.corpora.tables import SCHEMAS, write_table
from langspec.corpora.tally import Corpus
from langspec.errors import LangspecError

logger = logging.getLogger(__name__)


class Job:
    """The files, the section and what has been written so far."""

    def __init__(
        self,
        files: Sequence[LocatedFile],
        folder: Path,
        section: Corpora,
        tokenizer: Path | None,
    ) -> None:
        self.files, self.folder, self.section = files, folder, section
        self.tokenizer = tokenizer
        self.corpora: list[Corpus] = []
        self.used: list[SourceFile] = []
        self.outs: dict[str, tuple[Path, int]] = {}
        self.warnings: list[str] = []
        self.across: list[dict[str, Any]] = []

    def of_kind(self, *kinds: str) -> list[LocatedFile]:
        """In the order of their names, whatever order they came in."""
        return sorted(
            (file for file in self.files if file.source.kind in kinds),
            key=lambda file: file.source.name,
        )

    def corpus(self, name: str) -> Corpus:
        """A new table's counts, which the card will hold."""
        corpus = Corpus(name, self.section.languages)
        self.corpora.append(corpus)
        return corpus

    def write(
        self,
        name: str,
        rows: Iterable[Row],
        used: Iterable[LocatedFile],
        schema: pa.Schema | None = None,
    ) -> None:
        """Write a table, and note the files it was made from."""
        path = self.folder / f"{name}.parquet"
        counted = tqdm(rows, desc=name, unit=" rows", disable=None)
        count = write_table(path, counted, schema or SCHEMAS[name])
        self.outs[path.name] = (path, count)
        self.used += [file.source for file in used]

    def warn(self, message: str) -> None:
        """Log a warning, and put it on the card."""
        logger.warning(message)
        self.warnings.append(message)

    def known_tokens(self, texts: Callable[[Row], Sequence[str]]) -> tuple[Filter, ...]:
        """The filter of texts that the encoder's tokenizer does not know, if it is asked for."""
        if not self.section.drop_unknown:
            return ()
        if self.tokenizer is None:
            raise ValueError("drop_unknown needs a tokenizer")
        return (filters.known_tokens(self.tokenizer, texts),)

    def missing_train(self, task: str, expected: str) -> LangspecError:
        """The error that a task has no training data; ``expected``: the files that would have."""
        return LangspecError(
            f"no training data in the source language {self.section.source!r} for {task}; "
            f"expected {expected}; enter a folder that holds it: {ADD}",
            place="corpora.source",
        )
