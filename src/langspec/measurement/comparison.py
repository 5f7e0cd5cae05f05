"""Two methods on the same test items: differences by language and of means over languages."""

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
)
from langspec.measurement.intervals import standard_error

Seeds = Literal["paired", "apart", "fixed", "single"]


@dataclass(frozen=True)
class Units:
    """What both methods were scored on.

    Attributes:
        language: code ``[N]``.
        item: ``[N]``, any sortable names, shared by the translations of an item.
        gold: int ``[N]``.
    """

    language: np.ndarray
    item: np.ndarray
    gold: np.ndarray


@dataclass(frozen=True)
class Pairing:
    """Which seeds of two methods are compared, and how.

    ``paired``: the seeds that both have, differences by seed. ``apart``: they share at most one,
    so all, as two samples. ``fixed``: one side has no noise of training. ``single``: one seed,
    whose noise is unknown.
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
        a: of one method, by seed.
        b: of the other.
        a_fixed: no training changed it, so that its one value stands for every seed.
        b_fixed: the same of the other.

    Raises:
        LangspecError: one of them has no seeds.
    """
    mine, theirs = tuple(sorted(a)), tuple(sorted(b))
    if not mine or not theirs:
        raise LangspecError("a comparison needs at least one seed of each method")
    if a_fixed or b_fixed:
        trained = [seeds for seeds, fixed in ((mine, a_fixed), (theirs, b_fixed)) if not fixed]
        several = all(len(seeds) > 1 for seeds in trained)
        return Pairing("fixed" if several else "single", mine, theirs)
    common = tuple(seed for seed in mine if seed in b)
    if len(common) > 1:
        return Pairing("paired", common, common)
    if min(len(mine), len(theirs)) > 1:
        return Pairing("apart", mine, theirs)
    return Pairing("single", common or mine, common or theirs)


@dataclass(frozen=True)
class Compared:
    """One comparison.

    Attributes:
        metric: ``accuracy`` or ``macro_f1`` (of the task), or the name of a leak.
        language: a code, or ``mean``, ``mean_targets``, ``gap``; ``all`` for a leak.
        a: mean over the compared seeds of one method.
        b: of the other.
        difference: ``a - b``, and its noise.
        items: how many were drawn; 0 where the items' noise is not in it.
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
    """Of values by seed ``[Sa]`` and ``[Sb]``, in the order of the pairing's seeds."""
    value = float(np.mean(a) - np.mean(b))
    if pairing.kind == "single":
        return no_training_noise(value, items)
    if pairing.kind == "paired":
        return difference_of(value, mean_spread(a - b), items)
    spreads = [mean_spread(side) for side in (a, b) if len(side) > 1]
    if not spreads:  # both fixed: what was measured is all there is
        return Difference(value, (Spread(0.0, 1.0),))
    seeds = spreads[0] if len(spreads) == 1 else add_spreads(*spreads)
    return difference_of(value, seeds, items)


def compare_values(
    metric: str, a: Mapping[int, float], b: Mapping[int, float], pairing: Pairing
) -> Compared:
    """Of one value a seed, without the items' noise: seeds alone."""
    left = np.asarray([a[seed] for seed in pairing.a], dtype=np.float64)
    right = np.asarray([b[seed] for seed in pairing.b], dtype=np.float64)
    difference = seed_difference(left, right, pairing)
    return Compared(metric, "all", float(left.mean()), float(right.mean()), difference, pairing, 0)


@dataclass
class _Scores:
    """Of every run, by metric and language: on all items ``[R]``, and resampled ``[B, R]``."""

    whole: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    drawn: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)


def _score(
    units: Units, runs: list[np.ndarray], classes: int, options: BootstrapOptions
) -> _Scores:
    """One draw of the items serves all runs, and all languages where they share items."""
    found = _Scores()
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
            found.whole.setdefault(metric, {})[code] = whole[metric]
            found.drawn.setdefault(metric, {})[code] = drawn[metric]
        found.items[code] = len(names[code])
    return found


def compare_predictions(
    units: Units,
    a: Mapping[int, np.ndarray],
    b: Mapping[int, np.ndarray],
    *,
    source: str,
    options: BootstrapOptions | None = None,
) -> list[Compared]:
    """Accuracy and macro-F1 of each language, their means and the gap, of A minus B.

    The bootstrap draws whole items, the same for both methods and all seeds, and for all languages
    where they share items.

    Args:
        units: what was scored.
        a: predicted classes int ``[N]`` of one method, by seed.
        b: of the other.
        source: code of the source language.
        options: of the bootstrap.

    Returns:
        Sorted by metric, then language, the means last.

    Raises:
        LangspecError: no units, or predictions that are not of these units.
    """
    options = options or BootstrapOptions()
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
            met = items[code] if items[code] > 1 else 0  # one item says nothing of how they vary
            spread = Spread(standard_error(resampled, met), met - 1) if met else None
            difference = seed_difference(left, right, pairing, spread)
            means = float(left.mean()), float(right.mean())
            out.append(Compared(metric, code, *means, difference, pairing, met))
    return out
