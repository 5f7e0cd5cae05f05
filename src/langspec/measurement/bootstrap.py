"""Bootstrap intervals, clustered by item.

An item is what is drawn as a whole: a sentence with all its tokens, or a line with all its
translations. Units of one item are not independent (Cameron, Gelbach and Miller 2008, section II).
A resample draws as many items as there are, with replacement. Scores are functions of counts, so a
resample is a weighted sum of the counts of the items, and all resamples are one matrix product.

The resamples give a standard error; ``intervals.py`` says which interval is formed of it. The
interval shows how a score varies with the test items. It does not show how the score varies with
the seed of the training: several seeds show that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from langspec.errors import LangspecError
from langspec.measurement.intervals import (
    LEVEL,
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
    """How items are resampled.

    Attributes:
        resamples: number of resamples, B.
        seed: of the random numbers.
    """

    resamples: int
    seed: int


def _weights(
    rng: np.random.Generator, items: int, resamples: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of ``b`` resamples, and how often each draws an item: float64 ``[b, items]``."""
    step = max(1, _CHUNK // max(items, 1))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(items, size=(count, items), dtype=np.int64)
        drawn += np.arange(count)[:, None] * items
        weights = np.bincount(drawn.ravel(), minlength=count * items)
        yield slice(start, start + count), weights.reshape(count, items).astype(np.float64)


def resampled_sums(counts: np.ndarray, options: BootstrapOptions, stream: int = 0) -> np.ndarray:
    """Sums of the counts of the drawn items, for every resample.

    Args:
        counts: ``[items, ...]``, what is summed.
        options: of the bootstrap.
        stream: number of an independent stream of random numbers of the same seed.

    Returns:
        float64 ``[B, ...]``.

    Raises:
        LangspecError: there is no item.
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


def resampled_share(value: float, resampled: np.ndarray, items: int) -> Interval:
    """The interval of a score within 0..1, given its resamples ``[B]`` over ``items`` items."""
    return share_interval(value, standard_error(resampled, items), items, LEVEL)


def count_scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 ``[...]`` of counts ``[..., 3, K]``; nan where nothing is counted.

    The three counts of each of the ``K`` labels: units labelled rightly, units of the gold label,
    units of the predicted label.
    """
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
    """What :func:`count_scores` scores: float64 ``[items, 3, K]``.

    Args:
        item: int ``[N]`` in ``0..items-1``, the item of each unit.
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]``.
        items: number of items.
        classes: number of labels K.
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
    options: BootstrapOptions,
) -> dict[str, Interval]:
    """``accuracy`` and ``macro_f1`` with their intervals.

    Args:
        item: ``[N]``, the name of each unit's item; names of any sortable type.
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]``.
        classes: number of labels K.
        options: of the bootstrap.
    """
    names, index = np.unique(np.asarray(item), return_inverse=True)
    counts = item_counts(index, gold, predicted, len(names), classes)
    whole = count_scores(counts.sum(axis=0))
    drawn = count_scores(resampled_sums(counts, options))
    return {
        metric: resampled_share(float(whole[metric]), drawn[metric], len(names))
        for metric in whole
    }


def ratio_interval(
    item: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray,
    options: BootstrapOptions,
    *,
    positive: bool = False,
) -> Interval:
    """The sum of ``numerator`` divided by the sum of ``denominator``, with its interval.

    Args:
        item: ``[N]``, the name of each row's item; names of any sortable type.
        numerator: float ``[N]``.
        denominator: float ``[N]``.
        options: of the bootstrap.
        positive: both sums are above 0 in every resample, so both ends of the interval shall be.
    """
    names, index = np.unique(np.asarray(item), return_inverse=True)
    parts = [np.bincount(index, weights=w, minlength=len(names)) for w in (numerator, denominator)]
    drawn = resampled_sums(np.stack(parts, axis=1), options)
    value = float(np.sum(numerator) / np.sum(denominator))
    error = standard_error(drawn[:, 0] / drawn[:, 1], len(names))
    return real_interval(value, error, len(names), LEVEL, positive=positive)


def language_intervals(
    language: np.ndarray,
    item: np.ndarray,
    gold: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    *,
    source: str,
    options: BootstrapOptions,
) -> dict[str, dict[str, Interval]]:
    """Intervals of each language and of ``mean``, ``mean_targets`` and ``gap``, by metric.

    Where languages share items (translations of a line), one draw of the items serves all
    languages. What translations have in common then widens the interval of a mean and cancels in
    a gap. Where they share none, the items of each language are drawn by themselves.

    Args:
        language: code ``[N]``.
        item: ``[N]``, the name of each unit's item, which its translations share; names of any
            sortable type.
        gold: int ``[N]`` in ``0..classes-1``.
        predicted: int ``[N]``.
        classes: number of labels K.
        source: code of the source language.
        options: of the bootstrap.

    Returns:
        ``{metric: {language: interval}}``, languages sorted, the means last.
    """
    language = np.asarray(language)
    codes = [str(code) for code in np.unique(language)]
    names, index = np.unique(np.asarray(item), return_inverse=True)
    counts: dict[str, np.ndarray] = {}
    for code in codes:
        rows = language == code
        counts[code] = item_counts(index[rows], gold[rows], predicted[rows], len(names), classes)
    present = {code: of_items[:, 1].sum(axis=-1) > 0 for code, of_items in counts.items()}
    sizes = {code: int(has.sum()) for code, has in present.items()}  # items of each language
    drawn = _drawn_scores(counts, present, options)
    whole = {code: count_scores(of_items.sum(axis=0)) for code, of_items in counts.items()}
    out: dict[str, dict[str, Interval]] = {}
    for metric in ("accuracy", "macro_f1"):
        values = {code: float(whole[code][metric]) for code in codes}
        samples = {code: drawn[code][metric] for code in codes}
        out[metric] = {
            code: resampled_share(values[code], samples[code], sizes[code]) for code in codes
        }
        resampled = means_over_languages(samples, source)
        means = language_means(values, source)
        for name, value in means.items():
            if name == "gap":
                rho = correlation(samples[source], resampled["mean_targets"])
                interval = gap_interval(out[metric][source], out[metric]["mean_targets"], rho)
            else:
                interval = resampled_share(value, resampled[name], len(names))
            out[metric][name] = interval
    return out


def _drawn_scores(
    counts: dict[str, np.ndarray], present: dict[str, np.ndarray], options: BootstrapOptions
) -> dict[str, dict[str, np.ndarray]]:
    """Resampled scores ``[B]`` by language and metric.

    Args:
        counts: of each language, ``[items, 3, K]``.
        present: of each language, bool ``[items]``: has it the item?
        options: of the bootstrap.
    """
    if (np.sum(list(present.values()), axis=0) > 1).any():  # languages share items
        joint = resampled_sums(np.stack(list(counts.values()), axis=1), options)
        return {code: count_scores(joint[:, i]) for i, code in enumerate(counts)}
    return {
        code: count_scores(resampled_sums(counts[code][present[code]], options, stream))
        for stream, code in enumerate(counts)
    }


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of two scores ``[B]`` over the same resamples.

    Resamples in which one of them is nan are left out; nan where one of them does not vary.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    if len(first) < 2 or min(np.std(first), np.std(second)) < 1e-12:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def means_over_languages(samples: dict[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """The means that :func:`language_means` forms, element by element of arrays of scores.

    Args:
        samples: by language, arrays of one shape, such as a score for each resample.
        source: code of the source language.
    """
    targets = [values for code, values in samples.items() if code != source]
    means = {"mean": np.mean(list(samples.values()), axis=0)}
    if targets:
        means["mean_targets"] = np.mean(targets, axis=0)
        if source in samples:
            means["gap"] = samples[source] - means["mean_targets"]
    return means
