"""Bootstrap intervals, clustered by item.

Tokens of a sentence, and translations of an item, are not independent: whole items are drawn with
replacement (Cameron, Gelbach and Miller 2008, section II). Scores are functions of counts, so a
resample is a weighted sum of each item's counts and all resamples are one matrix product. Such an
interval holds the sampling of test items only, not the noise of training: seeds show that.

The resamples give the standard error; ``intervals.py`` says which interval is formed of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from langspec.errors import LangspecError
from langspec.measurement.intervals import (
    Interval,
    gap_interval,
    real_interval,
    share_interval,
    standard_error,
)
from langspec.measurement.scores import language_means, macro_f1_of_counts

_CHUNK = 4_000_000  # weights (resamples x items) held at once


@dataclass(frozen=True)
class BootstrapOptions:
    """Resamples, their seed, and the level of the interval."""

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95


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


def resampled_share(value: float, resampled: np.ndarray, level: float, items: int) -> Interval:
    """Of a score within 0..1 from its resamples ``[B]`` over ``items`` items."""
    return share_interval(value, standard_error(resampled, items), items, level)


def count_scores(sums: np.ndarray) -> dict[str, np.ndarray]:
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
    whole = count_scores(counts.sum(axis=0))
    drawn = count_scores(resampled_sums(counts, options))
    return {
        metric: resampled_share(float(whole[metric]), drawn[metric], options.level, len(names))
        for metric in whole
    }


def ratio_interval(
    item: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray,
    options: BootstrapOptions | None = None,
    *,
    positive: bool = False,
) -> Interval:
    """Sum of ``numerator`` ``[N]`` over sum of ``denominator`` ``[N]``, items drawn whole.

    ``positive``: both sums are above 0 whatever is drawn, and so are the ends of the interval.
    """
    options = options or BootstrapOptions()
    names, index = np.unique(np.asarray(item), return_inverse=True)
    parts = [np.bincount(index, weights=w, minlength=len(names)) for w in (numerator, denominator)]
    drawn = resampled_sums(np.stack(parts, axis=1), options)
    value = float(np.sum(numerator) / np.sum(denominator))
    error = standard_error(drawn[:, 0] / drawn[:, 1], len(names))
    return real_interval(value, error, len(names), options.level, positive=positive)


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
    sizes: dict[str, int] = {}  # items of each language
    taken = np.zeros(len(names), dtype=np.int64)
    for code in codes:
        rows = language == code
        counts[code] = item_counts(index[rows], gold[rows], predicted[rows], len(names), classes)
        has = counts[code][:, 1].sum(axis=-1) > 0
        sizes[code] = int(has.sum())
        taken += has
    if (taken > 1).any():
        joint = resampled_sums(np.stack(list(counts.values()), axis=1), options)
        drawn = {code: count_scores(joint[:, i]) for i, code in enumerate(codes)}
    else:
        drawn = {}
        for stream, code in enumerate(codes):
            own = counts[code][counts[code][:, 1].sum(axis=-1) > 0]
            drawn[code] = count_scores(resampled_sums(own, options, stream))
    whole = {code: count_scores(counts[code].sum(axis=0)) for code in codes}
    out: dict[str, dict[str, Interval]] = {}
    for metric in ("accuracy", "macro_f1"):
        values = {code: float(whole[code][metric]) for code in codes}
        samples = {code: drawn[code][metric] for code in codes}
        out[metric] = {
            code: resampled_share(values[code], samples[code], options.level, sizes[code])
            for code in codes
        }
        resampled = means_over_languages(samples, source)
        means = language_means(values, source)
        for name, value in means.items():
            if name == "gap":
                rho = correlation(samples[source], resampled["mean_targets"])
                found = gap_interval(out[metric][source], out[metric]["mean_targets"], rho)
            else:
                found = resampled_share(value, resampled[name], options.level, len(names))
            out[metric][name] = found
    return out


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Of two scores over the same resamples ``[B]``; nan where one of them does not vary."""
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    if len(first) < 2 or min(np.std(first), np.std(second)) < 1e-12:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def means_over_languages(samples: dict[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """What :func:`language_means` forms, for arrays of scores (one a resample, a run)."""
    targets = [values for code, values in samples.items() if code != source]
    means = {"mean": np.mean(list(samples.values()), axis=0)}
    if targets:
        means["mean_targets"] = np.mean(targets, axis=0)
        if source in samples:
            means["gap"] = samples[source] - means["mean_targets"]
    return means
