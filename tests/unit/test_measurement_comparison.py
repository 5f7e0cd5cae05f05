"""Comparisons of methods: their errors are as often wrong as they say, on planted noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from langspec.errors import LangspecError
from langspec.measurement.bootstrap import BootstrapOptions, language_intervals
from langspec.measurement.comparison import (
    Units,
    compare_predictions,
    compare_values,
    pair_seeds,
    seed_difference,
)
from langspec.measurement.difference import (
    Difference,
    JudgeOptions,
    Spread,
    holm,
    judge,
    mean_spread,
)

OPTIONS = JudgeOptions(margin=0.01)
BOOTSTRAP = BootstrapOptions(1000, 0)
RUNS = 1000


def closed_testing(p: list[float]) -> list[float]:
    """Holm by its definition: of all families that hold a hypothesis the largest p."""
    every = range(len(p))
    return [
        max(
            min(1.0, size * min(p[j] for j in family))
            for size in range(1, len(p) + 1)
            for family in combinations(every, size)
            if i in family
        )
        for i in every
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_closed_testing(p: list[float]) -> None:
    assert holm(p) == pytest.approx(closed_testing(p))


def test_holm_leaves_out_what_is_unknown() -> None:
    found = holm([0.01, np.nan, 0.04])
    assert np.isnan(found[1])
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])


def test_one_spread_is_students_t() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 7)
    found = Difference(float(values.mean()), (mean_spread(values),))
    reference = stats.ttest_1samp(values, 0)
    assert found.p == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval(0.95)
    assert found.interval(0.05) == pytest.approx((low, high))
    above = stats.ttest_1samp(values, -2, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 2, alternative="less").pvalue
    assert found.p_equivalent(2.0) == pytest.approx(max(above, below))


def test_unequal_seeds_are_welchs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=4), rng.normal(0.5, 2, size=6)
    pairing = pair_seeds(dict.fromkeys(range(4)), dict.fromkeys(range(10, 16)))
    assert pairing.kind == "apart"
    found = seed_difference(a, b, pairing)
    assert found.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shift", [0.0, 0.01])
def test_errors_are_as_rare_as_alpha(seeds: int, shift: float) -> None:
    """At no difference better or worse, at the margin equivalent, at most as often as alpha."""
    rng = np.random.default_rng(seeds)
    wrong = 0
    for _ in range(RUNS):
        values = shift + rng.normal(0, 0.002, seeds)
        one = Difference(float(values.mean()), (mean_spread(values),))
        verdict = judge([one], OPTIONS)[0].verdict
        wrong += verdict == "equivalent" if shift else verdict in ("higher", "lower")
    assert wrong / RUNS < OPTIONS.alpha + 3 * np.sqrt(OPTIONS.alpha / RUNS)


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_the_detectable_difference_is_detected_with_its_power(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    shift = Spread(1 / np.sqrt(seeds), seeds - 1).detectable(0.05, 0.8)
    values = rng.normal(shift, 1, (3000, seeds))
    found = stats.ttest_1samp(values, 0, axis=1).pvalue <= 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def two_languages(shared: bool) -> tuple[Units, dict[int, np.ndarray], dict[int, np.ndarray]]:
    rng = np.random.default_rng(4)
    items = np.tile(np.arange(40), 2) if shared else np.arange(80)
    gold = rng.integers(0, 3, 80)
    units = Units(np.repeat(["de", "en"], 40), items, gold)
    runs = [np.where(rng.random(80) < 0.7, gold, (gold + 1) % 3) for _ in range(4)]
    return units, {1: runs[0], 2: runs[1]}, {1: runs[2], 2: runs[3]}


@pytest.mark.parametrize("shared", [True, False])
def test_values_are_those_of_the_scores(shared: bool) -> None:
    units, a, b = two_languages(shared)
    found = {
        (c.metric, c.language): c
        for c in compare_predictions(units, a, b, source="en", options=BOOTSTRAP)
    }
    for metric in ("accuracy", "macro_f1"):
        for code in ("de", "en", "mean", "mean_targets", "gap"):
            one = found[metric, code]
            means = [
                np.mean(
                    [
                        language_intervals(
                            units.language, units.item, units.gold, run, 3, source="en",
                            options=BootstrapOptions(resamples=100, seed=0),
                        )[metric][code].value
                        for run in side.values()
                    ]
                )
                for side in (a, b)
            ]  # fmt: skip
            assert [one.a, one.b] == pytest.approx(means)
            assert one.difference.value == pytest.approx(means[0] - means[1])
    assert found["accuracy", "de"].items == 40
    assert found["accuracy", "mean"].items == (40 if shared else 80)


def test_items_noise_is_paired_over_methods_and_languages() -> None:
    units, a, _ = two_languages(shared=True)
    same = compare_predictions(units, a, a, source="en", options=BOOTSTRAP)
    assert all(one.difference.spreads[1].error == 0 for one in same)
    assert {one.verdict for one in judge([c.difference for c in same], OPTIONS)} == {"equivalent"}
    # The same answers in both languages: what translations share cancels in the gap.
    half = Units(units.language, units.item, np.tile(units.gold[:40], 2))
    twice = {seed: np.tile(run[:40], 2) for seed, run in a.items()}
    gold = dict.fromkeys(a, half.gold)
    found = {
        c.language: c
        for c in compare_predictions(half, twice, gold, source="en", options=BOOTSTRAP)
    }
    assert found["gap"].difference.spreads[-1].error == pytest.approx(0, abs=1e-12)
    assert found["mean"].difference.spreads[-1].error > 0.01


def test_with_one_seed_nothing_is_decided() -> None:
    units, _, b = two_languages(shared=False)
    found = compare_predictions(units, {1: units.gold}, {1: b[1]}, source="en", options=BOOTSTRAP)
    one = next(c for c in found if c.language == "de")
    assert one.pairing.kind == "single"
    assert one.difference.p < 1e-3
    assert judge([one.difference], OPTIONS)[0].verdict == "undecided"
    leak = compare_values("leak", {1: 0.9}, {1: 0.1}, pair_seeds({1: 0.9}, {1: 0.1}))
    assert np.isnan(leak.difference.p)
    assert judge([leak.difference], OPTIONS)[0].verdict == "undecided"


def test_what_was_not_trained_stands_for_every_seed() -> None:
    frozen, tuned = {0: 0.9}, {1: 0.70, 2: 0.72, 3: 0.71}
    pairing = pair_seeds(frozen, tuned, a_fixed=True)
    assert pairing.kind == "fixed"
    found = compare_values("leak", frozen, tuned, pairing)
    reference = stats.ttest_1samp(list(tuned.values()), 0.9)
    assert found.difference.p == pytest.approx(reference.pvalue)
    assert pair_seeds(frozen, {1: 0.7}, a_fixed=True).kind == "single"


def test_seeds_are_paired_where_both_have_them() -> None:
    pairing = pair_seeds(dict.fromkeys([1, 2, 3]), dict.fromkeys([2, 3, 9]))
    assert (pairing.kind, pairing.a, pairing.b) == ("paired", (2, 3), (2, 3))
    # Noise that is common to a seed cancels.
    noise = np.array([0.1, -0.2, 0.15])
    both = pair_seeds(dict.fromkeys(range(3)), dict.fromkeys(range(3)))
    found = seed_difference(0.5 + noise, 0.4 + noise, both)
    assert found.p < 1e-10


def test_a_surely_small_difference_is_equivalent_even_if_it_is_surely_there() -> None:
    small = Difference(0.004, (Spread(0.0005, 30),))
    large = Difference(-0.04, (Spread(0.0005, 30),))
    unsure = Difference(0.004, (Spread(0.02, 3),))
    verdicts = [found.verdict for found in judge([small, large, unsure], OPTIONS)]
    assert verdicts == ["equivalent", "lower", "undecided"]


@pytest.mark.parametrize("lengths", [(3, 4), (0, 0)])
def test_what_cannot_be_compared_is_refused(lengths: tuple[int, int]) -> None:
    count, predicted = lengths
    units = Units(np.repeat("de", count), np.arange(count), np.zeros(count, int))
    run = {1: np.zeros(predicted, int)}
    with pytest.raises(LangspecError, match=r"predictions for|no units"):
        compare_predictions(units, run, run, source="en", options=BOOTSTRAP)
