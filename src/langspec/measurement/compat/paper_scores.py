"""The published score of pairs, and how errors are distributed over texts."""

from __future__ import annotations

import numpy as np


def union_macro_f1(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Macro-F1 over the union of gold and predicted labels, both int ``[N]``.

    A class that is predicted but never gold counts as 0. So a few predictions of many such classes
    cost more than many mistakes among few classes. This is scikit-learn's default, which the
    published scores of NLI used.
    """
    from sklearn.metrics import f1_score  # here: figures import this file, and fit nothing

    return float(f1_score(gold, predicted, average="macro", zero_division=0))


def whole_texts(right: np.ndarray, lengths: np.ndarray) -> float:
    """The share of texts whose units are all right.

    Args:
        right: bool ``[N]``, one text after the other.
        lengths: int ``[S]``, number of units of each text, at least 1.
    """
    starts = np.cumsum(lengths) - lengths
    return float(np.logical_and.reduceat(right, starts).mean())


def error_correlation(right: np.ndarray, lengths: np.ndarray) -> float:
    """The intraclass correlation of being right within texts, at least 0.

    0: errors are spread evenly; 1: a text is all right or all wrong; nan where nothing varies. It
    is the estimator "AOV" of Ridout, Demetrio and Firth (1999), "Estimating intraclass correlation
    for binary data", Biometrics 55.

    Args:
        right: bool ``[N]``, one text after the other.
        lengths: int ``[S]``, number of units of each text, at least 1.
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
