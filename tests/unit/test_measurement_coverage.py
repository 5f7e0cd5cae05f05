"""Do 95 % intervals hold the truth in 95 % of samples? By simulation, items drawn whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from langspec.measurement.bootstrap import BootstrapOptions, score_intervals, tail

CLASSES, SHARES = 6, (0.3, 0.25, 0.2, 0.1, 0.1, 0.05)


def sample(rng: np.random.Generator, items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items of 2 to 14 units, some harder than others: 60 % right on the whole."""
    ease = rng.beta(0.6 * 17 / 3, 0.4 * 17 / 3, size=items)  # correlation within an item 0.15
    item = np.repeat(np.arange(items), rng.integers(2, 15, size=items))
    gold = rng.choice(CLASSES, p=SHARES, size=len(item))
    wrong = (gold + rng.integers(1, CLASSES, size=len(item))) % CLASSES
    return item, gold, np.where(rng.random(len(item)) < ease[item], gold, wrong)


def coverage(items: int, simulations: int, truth: float) -> float:
    hits = 0
    for seed in range(simulations):
        rng = np.random.default_rng([items, seed])
        found = score_intervals(
            *sample(rng, items), CLASSES, BootstrapOptions(resamples=500, seed=seed)
        )["accuracy"]
        hits += found.low <= truth <= found.high
    return hits / simulations


@pytest.mark.slow
@pytest.mark.parametrize("items", [20, 50, 150])
def test_the_clustered_bootstrap_covers_the_truth(items: int) -> None:
    # 2,000 simulations: the coverage is known to half a point.
    assert 0.93 <= coverage(items, 2000, 0.6) <= 0.97


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


def test_tails_are_students_for_few_items_and_plain_for_many() -> None:
    assert tail(0.95, 10**7) == pytest.approx(0.025, abs=1e-6)
    reach = -stats.norm.ppf(tail(0.95, 10)) * np.sqrt(9 / 10)
    assert reach == pytest.approx(stats.t.ppf(0.975, 9))
    assert [tail(0.95, n) for n in (5, 20, 100)] == sorted(tail(0.95, n) for n in (5, 20, 100))
