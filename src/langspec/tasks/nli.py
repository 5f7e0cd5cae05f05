"""Natural-language inference: premise and hypothesis to one of three labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from langspec.corpora.tables import read_table
from langspec.encoders.inputs import pair_inputs
from langspec.encoders.load import Encoder
from langspec.tasks.base import TaskData, Unit, label_indices


class NliTask:
    """Three-way NLI on pairs; the pair's pooled vector is classified."""

    name = "nli"
    unit: Unit = "pair"
    labels = ("contradiction", "entailment", "neutral")

    def rows(self, corpora: Path, split: str, languages: list[str] | None) -> pa.Table:
        """Prepared pairs of a split."""
        return read_table(corpora, "nli", split=split, languages=languages)

    def data(self, table: pa.Table, encoder: Encoder) -> TaskData:
        """Tokenise; translations of one pair share an item number."""
        inputs = pair_inputs(
            encoder.tokenizer,
            table["premise"].to_pylist(),
            table["hypothesis"].to_pylist(),
            max_tokens=encoder.card.max_tokens,
            prefix=encoder.card.prefix,
            token_types=encoder.card.token_types,
        )
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
        labels = label_indices(table["label"].to_pylist(), self.labels, place="nli.parquet")
        return labels, np.arange(len(table))
