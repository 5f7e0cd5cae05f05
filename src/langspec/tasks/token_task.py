"""Tasks with a label for every word, read from its first piece with content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from langspec.corpora.tables import POS, read_table
from langspec.encoders.inputs import word_inputs
from langspec.encoders.load import Encoder
from langspec.tasks.task import TaskData, Unit, label_indices


@dataclass(frozen=True)
class TokenTask:
    """Tagging of UD words: Chinese, too, is scored by word and not by character."""

    name: str
    labels: tuple[str, ...]
    unit: Unit = "token"

    def rows(self, corpora: Path, split: str, languages: list[str] | None) -> pa.Table:
        """Prepared sentences of a split."""
        return read_table(corpora, self.name, split=split, languages=languages, schema=POS)

    def data(self, table: pa.Table, encoder: Encoder) -> TaskData:
        """Tokenise; words that truncation cut off have no unit and are counted in ``inputs``."""
        inputs = word_inputs(
            encoder.tokenizer,
            table["words"].to_pylist(),
            table["space_after"].to_pylist(),
            max_tokens=encoder.card.max_tokens,
            prefix=encoder.card.prefix,
        )
        labels, rows = self.gold(table)
        first_word = np.searchsorted(rows, np.arange(len(table)))
        unit_rows = np.repeat(np.arange(len(table)), np.diff(inputs.unit_starts))
        return TaskData(
            inputs=inputs,
            labels=labels[first_word[unit_rows] + inputs.unit_words],
            items=np.arange(len(table), dtype=np.int32),
            languages=np.asarray(table["language"].to_pylist()),
            unit=self.unit,
            pad_id=int(encoder.tokenizer.pad_token_id),
        )

    def gold(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Label and row of every word."""
        counts = [len(words) for words in table["words"].to_pylist()]
        flat = (label for labels in table["labels"].to_pylist() for label in labels)
        return (
            label_indices(flat, self.labels, place=f"{self.name}.parquet"),
            np.repeat(np.arange(len(table)), counts),
        )
