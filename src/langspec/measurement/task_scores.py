"""From predictions to the rows of a task's results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from langspec.errors import LangspecError
from langspec.measurement.bootstrap import BootstrapOptions, language_intervals
from langspec.measurement.rows import Origin
from langspec.results import Result


def task_scores(
    origin: Origin,
    language: Sequence[str] | np.ndarray,
    item: Sequence[str] | np.ndarray,
    gold: np.ndarray,
    predicted: np.ndarray,
    *,
    classes: int,
    unit: str,
    source: str,
    options: BootstrapOptions,
    layer: int = -1,
) -> list[Result]:
    """Accuracy and macro-F1 of each language, their means and their gap, with 95 % intervals.

    Args:
        origin: task, method, seed, corpus and split of the rows.
        language: code ``[N]`` of each unit.
        item: ``[N]``, what the bootstrap draws as a whole: the sentence of a token, or the line
            of a pair, which its translations share.
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]``.
        classes: number of labels of the task.
        unit: ``token`` or ``pair``.
        source: code of the source language.
        options: of the bootstrap.
        layer: the layer that the task's head reads; -1: there is no head.

    Returns:
        Rows sorted by metric, then language, the means last; ``n`` counts the units that a number
        rests on (of a ``gap``: all).

    Raises:
        LangspecError: no units, arrays of different lengths, or labels out of range.
    """
    language, item = np.asarray(language), np.asarray(item)
    gold, predicted = np.asarray(gold, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if not len({len(language), len(item), len(gold), len(predicted)}) == 1:
        raise LangspecError("languages, items, gold labels and predictions differ in length")
    if not len(gold):
        raise LangspecError(f"no predictions to score for {origin.task}, split {origin.split}")
    for name, values in (("gold", gold), ("predicted", predicted)):
        if values.min() < 0 or values.max() >= classes:
            raise LangspecError(f"{name} labels must be within 0..{classes - 1}")
    by_metric = language_intervals(
        language, item, gold, predicted, classes, source=source, options=options
    )
    codes, counts = np.unique(language, return_counts=True)
    sizes = {str(code): int(n) for code, n in zip(codes, counts, strict=True)}
    sizes["mean"] = sizes["gap"] = len(gold)
    sizes["mean_targets"] = len(gold) - sizes.get(source, 0)
    return [
        origin.interval(metric, interval, language=code, unit=unit, n=sizes[code], layer=layer)
        for metric, intervals in by_metric.items()
        for code, interval in intervals.items()
    ]
