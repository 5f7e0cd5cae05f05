"""Do 95 % intervals hold the truth in 95 % of samples? By simulation, items drawn whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from langspec.measurement.bootstrap import (
    BootstrapOptions,
    language_intervals,
    ratio_interval,
    score_intervals,
)
from langspec.measurement.intervals import (
    Interval,
    gap_interval,
    real_interval,
    share_interval,
)

BOOTSTRAP = BootstrapOptions(1000, 0)
CLASSES, SHARES = 6, (0.3, 0.25, 0.2, 0.1, 0.1, 0.05)


def sample(
    rng: np.random.Generator, items: int, level: float = 0.6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items of 2 to 14 units, some harder than others: ``level`` right on the whole."""
    # Correlation within an item 0.15.
    ease = rng.beta(level * 17 / 3, (1 - level) * 17 / 3, size=items)
    item = np.repeat(np.arange(items), rng.integers(2, 15, size=items))
    gold = rng.choice(CLASSES, p=SHARES, size=len(item))
    wrong = (gold + rng.integers(1, CLASSES, size=len(item))) % CLASSES
    return item, gold, np.where(rng.random(len(item)) < ease[item], gold, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.6, 0.9])
@pytest.mark.parametrize("items", [10, 20, 50, 180])
def test_intervals_cover_the_truth(items: int, level: float) -> None:
    """In the middle and near the ceiling, with few items and many."""
    _, gold, predicted = sample(np.random.default_rng(0), 300_000, level)
    options = BootstrapOptions(1, 0)
    truth = score_intervals(np.arange(len(gold)), gold, predicted, CLASSES, options)
    hits = dict.fromkeys(truth, 0)
    for seed in range(2000):  # the coverage is then known to half a point
        drawn = sample(np.random.default_rng([items, seed]), items, level)
        found = score_intervals(*drawn, CLASSES, BootstrapOptions(400, seed))
        for metric, interval in found.items():
            hits[metric] += interval.low <= truth[metric].value <= interval.high
    for metric, count in hits.items():
        assert 0.93 <= count / 2000 <= 0.97, metric


@pytest.mark.slow
def test_intervals_of_means_and_gaps_cover_the_truth() -> None:
    """Three languages of 40 items, near the ceiling in the source, translations or not."""
    levels = {"de": 0.85, "en": 0.95, "fr": 0.75}
    truth = {"mean": 0.85, "mean_targets": 0.8, "gap": 0.15}
    for shared in (True, False):
        hits = dict.fromkeys(truth, 0)
        for seed in range(1000):
            rng = np.random.default_rng([seed, shared])
            parts = []
            hard = rng.normal(size=40)
            for place, (code, level) in enumerate(levels.items()):
                own = hard if shared else rng.normal(size=40)
                ease = stats.beta.ppf(stats.norm.cdf(own), level * 6, (1 - level) * 6)
                right = rng.random((40, 8)) < ease[:, None]
                names = np.repeat(np.arange(40) + (0 if shared else 40 * place), 8)
                parts.append((np.full(320, code), names, ~right.ravel()))
            language, item, wrong = (np.concatenate(column) for column in zip(*parts, strict=True))
            gold = np.zeros(len(item), np.int64)
            found = language_intervals(
                language, item, gold, wrong.astype(int), 2, source="en",
                options=BootstrapOptions(300, seed),
            )["accuracy"]  # fmt: skip
            for name, value in truth.items():
                hits[name] += found[name].low <= value <= found[name].high
        for name, count in hits.items():
            assert 0.93 <= count / 1000 <= 0.97, (name, shared)


@pytest.mark.slow
def test_units_drawn_alone_would_not_cover() -> None:
    """The clustering matters: with every unit an item, intervals are far too narrow."""
    hits = 0
    for seed in range(120):
        _, gold, predicted = sample(np.random.default_rng([7, seed]), 60)
        alone = score_intervals(
            np.arange(len(gold)), gold, predicted, CLASSES, BootstrapOptions(150, seed)
        )
        hits += alone["accuracy"].low <= 0.6 <= alone["accuracy"].high
    assert hits / 120 < 0.9


def test_a_perfect_score_is_not_certain() -> None:
    item = np.repeat(np.arange(20), 6)
    ones = np.ones(120, np.int64)
    found = score_intervals(item, ones, ones, 2, BOOTSTRAP)
    for interval in found.values():
        assert (interval.value, interval.high) == (1.0, 1.0)
        assert 0.7 < interval.low < 0.85  # of 20 items, none was wrong: 1 - 0.025^(1/17.5)
    none = score_intervals(item, ones, 0 * ones, 2, BOOTSTRAP)["accuracy"]
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(1 - found["accuracy"].low)
    more = score_intervals(np.arange(120), ones, ones, 2, BOOTSTRAP)["accuracy"]
    assert found["accuracy"].low < more.low < 1


def test_one_item_says_nothing() -> None:
    one = np.zeros(5, np.int64)
    found = score_intervals(one, one, one, 2, BOOTSTRAP)["accuracy"]
    assert (found.low, found.high) == (0.0, 1.0)
    assert np.isnan(ratio_interval(one, one + 1.0, one + 1.0, BOOTSTRAP).low)


def test_intervals_stay_within_bounds_and_hold_their_score() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = sample(rng, 8, rng.uniform(0.03, 0.97))
        for interval in score_intervals(*drawn, CLASSES, BootstrapOptions(100, 0)).values():
            assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_share_intervals_are_clopper_and_pearsons_where_units_stand_alone() -> None:
    error = np.sqrt(0.9 * 0.1 / 1e5)
    found = share_interval(0.9, error, 100_000, 0.95)
    exact = stats.binomtest(90_000, 100_000).proportion_ci(0.95)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-6)


def test_a_ratio_and_its_inverse_have_inverse_intervals() -> None:
    one = real_interval(2.0, 0.3, 30, 0.95, positive=True)
    other = real_interval(0.5, 0.3 / 4, 30, 0.95, positive=True)
    assert (1 / one.high, 1 / one.low) == pytest.approx((other.low, other.high))


def test_gaps_are_combined_by_hand() -> None:
    first, second = Interval(0.9, 0.8, 0.95), Interval(0.7, 0.66, 0.76)
    apart = gap_interval(first, second, np.nan)
    assert apart.value == pytest.approx(0.2)
    assert apart.low == pytest.approx(0.2 - np.hypot(0.1, 0.06))
    assert apart.high == pytest.approx(0.2 + np.hypot(0.05, 0.04))
    together = gap_interval(first, second, 0.8)
    assert apart.low < together.low < together.high < apart.high
