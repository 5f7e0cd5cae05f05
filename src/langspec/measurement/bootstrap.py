"""Percentile bootstrap intervals, clustered by item.

Tokens of a sentence, and translations of an item, are not independent: whole items are drawn with
replacement (Cameron, Gelbach and Miller 2008, section II). Scores are functions of counts, so a
resample is a weighted sum of each item's counts and all resamples are one matrix product. Such an
interval holds the sampling of test items only, not the noise of training: seeds show that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from langspec.errors import LangspecError
from langspec.measurement.scores import language_means, macro_f1_of_counts

_CHUNK = 4_000_000  # weights (resamples x items) held at once


@dataclass(frozen=True)
class BootstrapOptions:
    """Resamples, their seed, and the level of the interval."""

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95


@dataclass(frozen=True)
class Interval:
    """A value measured on all items and its percentile interval."""

    value: float
    low: float
    high: float


def _weights(
    rng: np.random.Generator, items: int, resamples: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """How often each item is drawn: float64 ``[b, items]`` for consecutive slices of resamples."""
    step = max(1, _CHUNK // max(items, 1))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(items, size=(count, items), dtype=np.int64)
        drawn += np.arange(count)[:, None] * items
        weights = np.bincount(drawn.ravel(), minlength=count * items)
        yield slice(start, start + count), weights.reshape(count, items).astype(np.float64)


def resampled_sums(counts: np.ndarray, options: BootstrapOptions, stream: int = 0) -> np.ndarray:
    """float64 ``[B, ...]``: sums of ``counts`` ``[items, ...]`` over resamples of the items.

    ``stream`` names an independent stream of random numbers of the same seed.
    """
    items = len(counts)
    if not items:
        raise LangspecError("a bootstrap needs at least one item")
    flat = counts.reshape(items, -1).astype(np.float64)
    out = np.empty((options.resamples, flat.shape[1]))
    rng = np.random.default_rng([options.seed, stream])
    for part, weights in _weights(rng, items, options.resamples):
        out[part] = weights @ flat
    return out.reshape(options.resamples, *counts.shape[1:])


def _interval(value: float, resampled: np.ndarray, level: float) -> Interval:
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def _scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 ``[...]`` of counts ``[..., 3, K]`` (hits, gold, predicted)."""
    hits, gold, predicted = (sums[..., i, :] for i in range(3))
    total = gold.sum(axis=-1)
    right = hits.sum(axis=-1)
    return {
        "accuracy": np.where(total > 0, right / np.maximum(total, 1), np.nan),
        "macro_f1": macro_f1_of_counts(hits, gold, predicted),
    }


def item_counts(
    item: np.ndarray, gold: np.ndarray, predicted: np.ndarray, items: int, classes: int
) -> np.ndarray:
    """float64 ``[items, 3, K]``: hits, gold and predicted labels of each item.

    ``item`` int ``[N]`` in ``0..items-1``; ``gold`` and ``predicted`` int ``[N]``.
    """
    right = gold == predicted
    parts = ((item[right], gold[right]), (item, gold), (item, predicted))
    tables = [
        np.bincount(rows * classes + labels, minlength=items * classes) for rows, labels in parts
    ]
    return np.stack([t.reshape(items, classes) for t in tables], axis=1).astype(np.float64)


def score_intervals(
    item: np.ndarray,
    gold: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    options: BootstrapOptions | None = None,
) -> dict[str, Interval]:
    """``accuracy`` and ``macro_f1`` with intervals, items drawn whole.

    Args:
        item: ``[N]``, any sortable names: rows with equal names are drawn together.
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]``.
        classes: number of labels K.
        options: of the bootstrap.
    """
    options = options or BootstrapOptions()
    names, index = np.unique(np.asarray(item), return_inverse=True)
    counts = item_counts(index, gold, predicted, len(names), classes)
    whole = _scores(counts.sum(axis=0))
    drawn = _scores(resampled_sums(counts, options))
    return {
        metric: _interval(float(whole[metric]), drawn[metric], options.level) for metric in whole
    }


def ratio_interval(
    item: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray,
    options: BootstrapOptions | None = None,
) -> Interval:
    """Sum of ``numerator`` ``[N]`` over sum of ``denominator`` ``[N]``, items drawn whole."""
    options = options or BootstrapOptions()
    names, index = np.unique(np.asarray(item), return_inverse=True)
    parts = [np.bincount(index, weights=w, minlength=len(names)) for w in (numerator, denominator)]
    drawn = resampled_sums(np.stack(parts, axis=1), options)
    value = float(np.sum(numerator) / np.sum(denominator))
    return _interval(value, drawn[:, 0] / drawn[:, 1], options.level)


def language_intervals(
    language: np.ndarray,
    item: np.ndarray,
    gold: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    *,
    source: str,
    options: BootstrapOptions | None = None,
) -> dict[str, dict[str, Interval]]:
    """Intervals of each language and of ``mean``, ``mean_targets`` and ``gap``, by metric.

    Where languages share items (translations), one draw of the items serves all of them, so that
    what translations have in common stays in the interval of a mean and cancels in a gap.
    Otherwise each language draws its own.

    Args:
        language: code ``[N]``.
        item: ``[N]``, any sortable names, shared by the translations of an item.
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]``.
        classes: number of labels K.
        source: code of the source language.
        options: of the bootstrap.

    Returns:
        ``{metric: {language: interval}}``, languages sorted, the means last.
    """
    options = options or BootstrapOptions()
    language, item = np.asarray(language), np.asarray(item)
    codes = [str(code) for code in np.unique(language)]
    names, index = np.unique(item, return_inverse=True)
    counts: dict[str, np.ndarray] = {}
    taken = np.zeros(len(names), dtype=np.int64)
    for code in codes:
        rows = language == code
        counts[code] = item_counts(index[rows], gold[rows], predicted[rows], len(names), classes)
        taken += counts[code][:, 1].sum(axis=-1) > 0
    if (taken > 1).any():
        joint = resampled_sums(np.stack(list(counts.values()), axis=1), options)
        drawn = {code: _scores(joint[:, i]) for i, code in enumerate(codes)}
    else:
        drawn = {}
        for stream, code in enumerate(codes):
            own = counts[code][counts[code][:, 1].sum(axis=-1) > 0]
            drawn[code] = _scores(resampled_sums(own, options, stream))
    whole = {code: _scores(counts[code].sum(axis=0)) for code in codes}
    out: dict[str, dict[str, Interval]] = {}
    for metric in ("accuracy", "macro_f1"):
        values = {code: float(whole[code][metric]) for code in codes}
        samples = {code: drawn[code][metric] for code in codes}
        out[metric] = {
            code: _interval(values[code], samples[code], options.level) for code in codes
        }
        resampled = _resampled_means(samples, source)
        for name, value in language_means(values, source).items():
            out[metric][name] = _interval(value, resampled[name], options.level)
    return out


def _resampled_means(samples: dict[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """What :func:`language_means` forms, for every resample ``[B]``."""
    targets = [values for code, values in samples.items() if code != source]
    means = {"mean": np.mean(list(samples.values()), axis=0)}
    if targets:
        means["mean_targets"] = np.mean(targets, axis=0)
        if source in samples:
            means["gap"] = samples[source] - means["mean_targets"]
    return means
