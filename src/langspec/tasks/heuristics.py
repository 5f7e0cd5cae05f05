"""Heuristics that use no meaning: the baselines that a task's scores are compared with.

Apart from the tasks themselves, so that training does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from langspec.measurement import baselines
from langspec.tasks.task import Task, label_indices
from langspec.tasks.text_task import TextTask


def heuristic_predictions(task: Task, train: pa.Table, test: pa.Table) -> dict[str, np.ndarray]:
    """Predictions of each heuristic by its name, trained on the rows of the source language.

    Class indices int64, aligned with ``task.gold(test)``: one a word or one a pair.
    """
    single = isinstance(task, TextTask) and task.single
    by_name = _HEURISTICS["text" if single else task.unit](train, test)
    if unknown := set(by_name) - baselines.NAMES:
        raise ValueError(f"heuristics without an entry in baselines.NAMES: {sorted(unknown)}")
    return {
        name: label_indices(labels, task.labels, place=name) for name, labels in by_name.items()
    }


def _token(train: pa.Table, test: pa.Table) -> dict[str, list[str]]:
    """Most frequent tag, and a look-up of the source's lexicon."""
    words, labels, unseen = (
        [value for values in column.to_pylist() for value in values]
        for column in (train["words"], train["labels"], test["words"])
    )
    return {
        "majority": baselines.majority(labels, len(unseen)),
        "lexicon": baselines.lexicon(words, labels, unseen),
    }


def _pair(train: pa.Table, test: pa.Table) -> dict[str, list[str]]:
    """Majority; the hypothesis alone; lengths and overlap of the two texts."""
    labels, pairs, unseen = train["label"].to_pylist(), _pairs(train), _pairs(test)
    return {
        "majority": baselines.majority(labels, len(unseen)),
        "hypothesis_only": baselines.hypothesis_only(
            [hypothesis for _, hypothesis in pairs],
            labels,
            [hypothesis for _, hypothesis in unseen],
        ),
        "length_overlap": baselines.length_overlap(pairs, labels, unseen),
    }


def _text(train: pa.Table, test: pa.Table) -> dict[str, list[str]]:
    """Majority; words and pairs of words."""
    labels = train["label"].to_pylist()
    texts, unseen = train["premise"].to_pylist(), test["premise"].to_pylist()
    return {
        "majority": baselines.majority(labels, len(unseen)),
        "words": baselines.hypothesis_only(texts, labels, unseen),
    }


def _pairs(table: pa.Table) -> list[tuple[str, str]]:
    columns = (table[name].to_pylist() for name in ("premise", "hypothesis"))
    return list(zip(*columns, strict=True))


_HEURISTICS: dict[str, Callable[[pa.Table, pa.Table], dict[str, list[str]]]] = {
    "token": _token,
    "text": _text,
    "pair": _pair,
}
