"""Tasks with a label for a text or a pair of texts, classified by its pooled vector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from langspec.corpora.tables import NLI, read_table
from langspec.encoders.inputs import Inputs, pair_inputs, text_inputs
from langspec.encoders.load import Encoder
from langspec.tasks.task import TaskData, Unit, label_indices


@dataclass(frozen=True)
class TextTask:
    """Classification of rows. The unit is called ``pair`` also where a row has one text."""

    name: str
    labels: tuple[str, ...]
    single: bool = False
    unit: Unit = "pair"

    def rows(self, corpora: Path, split: str, languages: list[str] | None) -> pa.Table:
        """Prepared rows of a split."""
        return read_table(corpora, self.name, split=split, languages=languages, schema=NLI)

    def data(self, table: pa.Table, encoder: Encoder) -> TaskData:
        """Tokenise; translations of one pair share an item number."""
        inputs = self._inputs(table, encoder)
        _, items = np.unique(np.asarray(table["group"].to_pylist()), return_inverse=True)
        return TaskData(
            inputs=inputs,
            labels=self.gold(table)[0],
            items=items.astype(np.int32),
            languages=np.asarray(table["language"].to_pylist()),
            unit=self.unit,
            pad_id=int(encoder.tokenizer.pad_token_id),
        )

    def gold(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Label of every pair."""
        labels = label_indices(
            table["label"].to_pylist(), self.labels, place=f"{self.name}.parquet"
        )
        return labels, np.arange(len(table))

    def _inputs(self, table: pa.Table, encoder: Encoder) -> Inputs:
        size, prefix = encoder.card.max_tokens, encoder.card.prefix
        tokenizer, premises = encoder.tokenizer, table["premise"].to_pylist()
        if self.single:
            return text_inputs(tokenizer, premises, max_tokens=size, prefix=prefix)
        hypotheses = table["hypothesis"].to_pylist()
        return pair_inputs(
            tokenizer,
            premises,
            hypotheses,
            max_tokens=size,
            prefix=prefix,
            token_types=encoder.card.token_types,
        )
