"""Scores of predictions over a fixed label set.

Macro-F1 is the mean of F1 over the labels of the fixed set that *occur in the gold labels scored*:
a label without gold rows has no recall to speak of, and counting it as 0 or 1 would move the mean
of a language by what its test set happens to lack. A prediction of such a label still counts as a
miss of the gold label. Equals ``f1_score(..., labels=<labels in gold>, average="macro",
zero_division=0)`` of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from langspec.errors import LangspecError


def confusion(gold: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 ``[K, K]``: rows are gold, columns predicted; both int ``[N]`` in ``0..classes-1``."""
    gold, predicted = np.asarray(gold, np.int64), np.asarray(predicted, np.int64)
    if gold.shape != predicted.shape:
        raise LangspecError(f"{len(gold)} gold labels but {len(predicted)} predictions")
    for name, values in (("gold", gold), ("predicted", predicted)):
        if len(values) and (values.min() < 0 or values.max() >= classes):
            raise LangspecError(f"{name} labels must be within 0..{classes - 1}")
    return np.bincount(gold * classes + predicted, minlength=classes * classes).reshape(
        classes, classes
    )


def accuracy(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Share of equal labels; nan for none."""
    return float(np.mean(np.asarray(gold) == np.asarray(predicted))) if len(gold) else np.nan


def recalls(table: np.ndarray) -> np.ndarray:
    """float64 ``[K]`` from a confusion table; nan for labels without gold rows."""
    total = table.sum(axis=1)
    return np.where(total > 0, np.diagonal(table) / np.maximum(total, 1), np.nan)


def macro_f1_of_counts(hits: np.ndarray, gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Macro-F1 ``[...]`` over the labels in gold from counts ``[..., K]``; nan without gold."""
    present = gold > 0
    f1 = np.where(present, 2 * hits / np.maximum(gold + predicted, 1), 0.0)
    labels = present.sum(axis=-1)
    return np.where(labels > 0, f1.sum(axis=-1) / np.maximum(labels, 1), np.nan)


def macro_f1(gold: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Mean F1 over the labels that occur in ``gold``; nan for no rows."""
    table = confusion(gold, predicted, classes)
    return float(macro_f1_of_counts(np.diagonal(table), table.sum(axis=1), table.sum(axis=0)))


def language_means(values: Mapping[str, float], source: str) -> dict[str, float]:
    """``mean`` over the languages, ``mean_targets`` without the source, ``gap`` = source - that.

    What cannot be formed (no targets, no source among the languages) is left out.
    """
    means = {}
    targets = [value for code, value in values.items() if code != source]
    if values:
        means["mean"] = float(np.mean(list(values.values())))
    if targets:
        means["mean_targets"] = float(np.mean(targets))
    if targets and source in values:
        means["gap"] = values[source] - means["mean_targets"]
    return means
