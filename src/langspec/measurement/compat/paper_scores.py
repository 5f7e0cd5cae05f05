"""Scores as published, and how errors sit in sentences."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score


def union_macro_f1(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Macro-F1 over the union of gold and predicted labels, both int ``[N]``.

    A class that is only ever predicted counts as 0, so that a few stray predictions of many
    classes cost more than many mistakes among few. scikit-learn's default, as published for NLI.
    """
    return float(f1_score(gold, predicted, average="macro", zero_division=0))


def whole_texts(right: np.ndarray, lengths: np.ndarray) -> float:
    """Share of the texts of which every unit is right.

    ``right`` bool ``[N]``, ``lengths`` int ``[S]`` the units of each text, none empty.
    """
    starts = np.cumsum(lengths) - lengths
    return float(np.logical_and.reduceat(right, starts).mean())


def error_correlation(right: np.ndarray, lengths: np.ndarray) -> float:
    """Intraclass correlation of being right within texts (one-way ANOVA estimate), at least 0.

    0: errors fall anywhere; 1: a text is all right or all wrong. nan where nothing varies.

    Args:
        right: bool ``[N]``, texts laid end to end.
        lengths: int ``[S]``, units of each text, none empty.

    Source: Ridout, Demetrio, Firth (1999), "Estimating intraclass correlation for binary data",
    Biometrics 55, the estimator "AOV".
    """
    values, sizes = np.asarray(right, np.float64), np.asarray(lengths, np.float64)
    texts, units = len(sizes), len(values)
    if texts < 2 or units <= texts or values.min() == values.max():
        return float("nan")
    starts = (np.cumsum(sizes) - sizes).astype(np.int64)
    sums = np.add.reduceat(values, starts)
    between_sum = (sums**2 / sizes).sum()
    between = (between_sum - values.sum() ** 2 / units) / (texts - 1)
    within = (values.sum() - between_sum) / (units - texts)
    size = (units - (sizes**2).sum() / units) / (texts - 1)
    spread = between + (size - 1) * within
    return float(max(0.0, (between - within) / spread)) if spread else float("nan")
