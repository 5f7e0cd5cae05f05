"""The interface of a task, and tokenised rows with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import torch

from langspec.encoders.inputs import Inputs, collate
from langspec.encoders.load import Encoder
from langspec.errors import LangspecError

IGNORED = -100  # the label of a unit that is neither trained on nor scored

Unit = Literal["token", "pair"]


class Task(Protocol):
    """What training, evaluation and report need of a task."""

    @property
    def name(self) -> str:
        """Its name in params.yaml, in results and on the command line."""
        ...

    @property
    def unit(self) -> Unit:
        """What a label belongs to: a token, or a whole row."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels; the index of a label is its class."""
        ...

    def rows(self, corpora: Path, split: str, languages: list[str] | None) -> pa.Table:
        """Prepared rows of a split, in prepared order."""
        ...

    def data(self, table: pa.Table, encoder: Encoder) -> TaskData:
        """Tokenise rows for an encoder."""
        ...

    def gold(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Class and row number, int64 ``[U]`` each, of every scored unit of a table."""
        ...


@dataclass(frozen=True)
class TaskData:
    """Rows of one split, tokenised.

    ``labels`` int64: one a unit of ``inputs`` (token tasks) or one a row (pair tasks).
    ``items`` int32 ``[R]``: rows of one item (translations of each other) share a number;
    intervals resample items. ``languages`` ``[R]``: codes.
    """

    inputs: Inputs
    labels: np.ndarray
    items: np.ndarray
    languages: np.ndarray
    unit: Unit
    pad_id: int

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def lengths(self) -> np.ndarray:
        """Pieces of each row."""
        return self.inputs.lengths

    def row_labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of some rows, in order."""
        return gather_labels(self.labels, self.inputs.unit_starts, rows, self.unit)

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Padded pieces of ``rows`` and their ``labels``."""
        batch = collate(self.inputs, rows, pad_id=self.pad_id)
        batch["labels"] = torch.from_numpy(self.row_labels(rows))
        return batch


def gather_labels(
    labels: np.ndarray, unit_starts: np.ndarray, rows: np.ndarray, unit: Unit
) -> np.ndarray:
    """Labels of ``rows`` in order: per unit for token tasks, per row for pair tasks."""
    if unit == "pair":
        return labels[rows]
    parts = [labels[unit_starts[r] : unit_starts[r + 1]] for r in rows]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def label_indices(values: Any, labels: tuple[str, ...], *, place: Path | str) -> np.ndarray:
    """Class indices, int64 ``[N]``, of label strings.

    Raises:
        LangspecError: a label that is not among ``labels``.
    """
    index = {label: i for i, label in enumerate(labels)}
    try:
        return np.asarray([index[value] for value in values], dtype=np.int64)
    except KeyError as error:
        raise LangspecError(
            f"unknown label {error.args[0]!r}; expected one of {', '.join(labels)}", place=place
        ) from None
