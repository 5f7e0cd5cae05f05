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
    """The confusion table int64 ``[K, K]``: a row a gold label, a column a predicted one.

    Args:
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]`` in ``0..classes-1``.
        classes: number of labels K.

    Raises:
        LangspecError: different numbers of labels, or labels out of range.
    """
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
    """The share of right predictions ``[N]``; nan for no rows."""
    return float(np.mean(np.asarray(gold) == np.asarray(predicted))) if len(gold) else np.nan


def recalls(table: np.ndarray) -> np.ndarray:
    """The recall of each label, float64 ``[K]``, from a confusion table; nan without gold rows."""
    total = table.sum(axis=1)
    return np.where(total > 0, np.diagonal(table) / np.maximum(total, 1), np.nan)


def macro_f1_of_counts(hits: np.ndarray, gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Macro-F1 ``[...]`` over the labels that occur in gold; nan where there are none.

    Args:
        hits: ``[..., K]``, right predictions of each label.
        gold: ``[..., K]``, rows of each gold label.
        predicted: ``[..., K]``, rows of each predicted label.
    """
    present = gold > 0
    f1 = np.where(present, 2 * hits / np.maximum(gold + predicted, 1), 0.0)
    labels = present.sum(axis=-1)
    return np.where(labels > 0, f1.sum(axis=-1) / np.maximum(labels, 1), np.nan)


def macro_f1(gold: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """The mean F1 over the labels that occur in ``gold`` ``[N]``; nan for no rows."""
    table = confusion(gold, predicted, classes)
    return float(macro_f1_of_counts(np.diagonal(table), table.sum(axis=1), table.sum(axis=0)))


def language_means(values: Mapping[str, float], source: str) -> dict[str, float]:
    """``mean`` of all languages, ``mean_targets`` of all but the source, and their ``gap``.

    ``gap`` is the value of the source minus ``mean_targets``. A mean without any language is left
    out, and so is a gap without the source.
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
