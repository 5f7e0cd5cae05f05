"""The predictions of heuristics on a task: the baselines that its scores are compared with.

This file stands apart from the tasks themselves, so that training does not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from langspec.measurement.baselines import HEURISTICS
from langspec.tasks.task import Task, label_indices
from langspec.tasks.text_task import TextTask


def heuristic_predictions(task: Task, train: pa.Table, test: pa.Table) -> dict[str, np.ndarray]:
    """Predictions of each heuristic by its name, fitted on the rows of the source language.

    Class indices int64, aligned with ``task.gold(test)``: one a word, a pair or a text.
    """
    kind = "text" if isinstance(task, TextTask) and task.single else task.unit
    labels = _flat(train["labels"]) if kind == "token" else train["label"].to_pylist()
    seen, unseen = _inputs(kind, train), _inputs(kind, test)
    return {
        name: label_indices(heuristic(seen, labels, unseen), task.labels, place=name)
        for name, heuristic in HEURISTICS[kind].items()
    }


def _inputs(kind: str, table: pa.Table) -> list[Any]:
    """What is labelled: the words, the texts, or (premise, hypothesis) of each pair."""
    if kind == "token":
        return _flat(table["words"])
    if kind == "text":
        return table["premise"].to_pylist()
    columns = (table[name].to_pylist() for name in ("premise", "hypothesis"))
    return list(zip(*columns, strict=True))


def _flat(column: pa.ChunkedArray) -> list[str]:
    return [value for values in column.to_pylist() for value in values]
