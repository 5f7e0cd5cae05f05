"""Two methods, A and B, on the same test items: the differences of their scores, A minus B."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from langspec.errors import LangspecError
from langspec.measurement.bootstrap import (
    BootstrapOptions,
    count_scores,
    item_counts,
    means_over_languages,
    resampled_sums,
)
from langspec.measurement.difference import (
    Difference,
    Spread,
    add_spreads,
    difference_of,
    mean_spread,
    no_training_noise,
    seed_noise,
)
from langspec.measurement.intervals import standard_error

Seeds = Literal["paired", "apart", "fixed", "single"]


@dataclass(frozen=True)
class Units:
    """The test units that both methods were scored on.

    Attributes:
        language: code ``[N]``.
        item: ``[N]``, the name of each unit's item, which its translations share; names of any
            sortable type.
        gold: int ``[N]``.
    """

    language: np.ndarray
    item: np.ndarray
    gold: np.ndarray


@dataclass(frozen=True)
class Pairing:
    """Which seeds of two methods are compared, and how.

    Attributes:
        kind: ``paired``: the seeds that both have, by their differences. ``apart``: all seeds of
            both, as two independent samples, because they share at most one. ``fixed``: one method
            gives the same numbers whatever the seed. ``single``: one seed, so the noise of
            training is unknown.
        a: seeds of method A, ascending.
        b: seeds of method B, ascending.
    """

    kind: Seeds
    a: tuple[int, ...]
    b: tuple[int, ...]


def pair_seeds(
    a: Mapping[int, object],
    b: Mapping[int, object],
    *,
    a_fixed: bool = False,
    b_fixed: bool = False,
) -> Pairing:
    """How to compare the seeds of two methods.

    Args:
        a: what is compared of method A, by seed.
        b: the same of method B.
        a_fixed: training did not change A, so its one value stands for every seed.
        b_fixed: the same for B.

    Raises:
        LangspecError: one of them has no seeds.
    """
    first, second = tuple(sorted(a)), tuple(sorted(b))
    if not first or not second:
        raise LangspecError("a comparison needs at least one seed of each method")
    if a_fixed or b_fixed:
        trained = [seeds for seeds, fixed in ((first, a_fixed), (second, b_fixed)) if not fixed]
        several = all(len(seeds) > 1 for seeds in trained)
        return Pairing("fixed" if several else "single", first, second)
    common = tuple(seed for seed in first if seed in b)
    if len(common) > 1:
        return Pairing("paired", common, common)
    if min(len(first), len(second)) > 1:
        return Pairing("apart", first, second)
    return Pairing("single", common or first, common or second)


@dataclass(frozen=True)
class Compared:
    """One comparison.

    Attributes:
        metric: ``accuracy`` or ``macro_f1`` (of the task), or the name of a leak.
        language: a code, or ``mean``, ``mean_targets``, ``gap``; ``all`` for a leak.
        a: mean over the compared seeds of method A.
        b: mean over the compared seeds of method B.
        difference: ``a - b``, and its noise.
        pairing: which seeds were compared.
        items: number of test items whose noise is in the difference; 0: it is left out.
    """

    metric: str
    language: str
    a: float
    b: float
    difference: Difference
    pairing: Pairing
    items: int


def seed_difference(
    a: np.ndarray, b: np.ndarray, pairing: Pairing, items: Spread | None = None
) -> Difference:
    """The difference of two means over seeds, with its noise.

    Args:
        a: a value a seed of method A, ``[Sa]``, in the order of the pairing.
        b: the same of method B, ``[Sb]``.
        pairing: how the seeds are compared.
        items: the noise of the test items, where it is known.
    """
    value = float(np.mean(a) - np.mean(b))
    if pairing.kind == "single":
        return no_training_noise(value, items)
    if pairing.kind == "paired":
        return difference_of(value, mean_spread(a - b), items, seed_noise(a - b))
    sides = [side for side in (a, b) if len(side) > 1]
    if not sides:  # both fixed: what was measured is all there is
        return Difference(value, (Spread(0.0, 1.0),))
    spreads = [mean_spread(side) for side in sides]
    seeds = spreads[0] if len(spreads) == 1 else add_spreads(*spreads)
    return difference_of(value, seeds, items, seed_noise(*sides))


def compare_values(
    metric: str, a: Mapping[int, float], b: Mapping[int, float], pairing: Pairing
) -> Compared:
    """Compare two methods by one value a seed; the noise of test items is left out."""
    left = np.asarray([a[seed] for seed in pairing.a], dtype=np.float64)
    right = np.asarray([b[seed] for seed in pairing.b], dtype=np.float64)
    difference = seed_difference(left, right, pairing)
    return Compared(metric, "all", float(left.mean()), float(right.mean()), difference, pairing, 0)


@dataclass
class _Scores:
    """Scores of ``R`` runs by metric and language: on all items ``[R]``, resampled ``[B, R]``."""

    whole: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    drawn: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)


def _score(
    units: Units, runs: list[np.ndarray], classes: int, options: BootstrapOptions
) -> _Scores:
    """Score all runs; one draw of the items serves all of them.

    It serves all languages too, where they share items.
    """
    scores = _Scores()
    codes = [str(code) for code in np.unique(units.language)]
    names = {code: np.unique(units.item[units.language == code]) for code in codes}
    union = np.unique(units.item)
    shared = sum(map(len, names.values())) > len(union)
    for stream, code in enumerate(codes):
        rows = units.language == code
        drawn_from = union if shared else names[code]
        index = np.searchsorted(drawn_from, units.item[rows])
        counts = np.stack(
            [
                item_counts(index, units.gold[rows], run[rows], len(drawn_from), classes)
                for run in runs
            ],
            axis=1,
        )
        # Equal streams draw equal items.
        sums = resampled_sums(counts, options, 0 if shared else stream)
        whole, drawn = count_scores(counts.sum(axis=0)), count_scores(sums)
        for metric in whole:
            scores.whole.setdefault(metric, {})[code] = whole[metric]
            scores.drawn.setdefault(metric, {})[code] = drawn[metric]
        scores.items[code] = len(names[code])
    return scores


def compare_predictions(
    units: Units,
    a: Mapping[int, np.ndarray],
    b: Mapping[int, np.ndarray],
    *,
    source: str,
    options: BootstrapOptions,
) -> list[Compared]:
    """Compare accuracy and macro-F1 of each language, their means over languages, and the gap.

    The bootstrap draws the same items for both methods and all seeds, and for all languages where
    they share items.

    Args:
        units: what was scored.
        a: predicted classes int ``[N]`` of method A, by seed.
        b: the same of method B.
        source: code of the source language.
        options: of the bootstrap.

    Returns:
        Sorted by metric, then language, the means last.

    Raises:
        LangspecError: no units, or predictions that are not of these units.
    """
    count = len(units.gold)
    if not count:
        raise LangspecError("no units to compare on")
    for predicted in (*a.values(), *b.values()):
        if len(predicted) != count:
            raise LangspecError(f"{len(predicted)} predictions for {count} units")
    pairing = pair_seeds(a, b)
    runs = [a[seed] for seed in pairing.a] + [b[seed] for seed in pairing.b]
    classes = 1 + int(max(units.gold.max(), *(run.max() for run in runs)))
    scores = _score(units, runs, classes, options)
    items, first = scores.items, len(pairing.a)
    items["mean"] = items["gap"] = len(np.unique(units.item))
    items["mean_targets"] = len(np.unique(units.item[units.language != source]))
    out = []
    for metric, by_language in scores.whole.items():
        whole = by_language | means_over_languages(by_language, source)
        drawn = scores.drawn[metric] | means_over_languages(scores.drawn[metric], source)
        for code, values in whole.items():
            left, right = values[:first], values[first:]
            resampled = drawn[code][:, :first].mean(axis=1) - drawn[code][:, first:].mean(axis=1)
            drawn_items = items[code] if items[code] > 1 else 0  # one item does not vary
            spread = (
                Spread(standard_error(resampled, drawn_items), drawn_items - 1)
                if drawn_items
                else None
            )
            difference = seed_difference(left, right, pairing, spread)
            means = float(left.mean()), float(right.mean())
            out.append(Compared(metric, code, *means, difference, pairing, drawn_items))
    return out
