"""The power of an equivalence test, against simulation, and the seeds that it needs."""

from __future__ import annotations

import numpy as np
import pytest

from langspec.measurement.difference import (
    Difference,
    JudgeOptions,
    SeedNoise,
    Spread,
    difference_of,
    judge,
    mean_spread,
    seed_noise,
)
from langspec.measurement.power import MOST_SEEDS, equivalence_power, seeds_for_equivalence

pytestmark = pytest.mark.medium

RUNS = 4000
ITEMS = Spread(0.003, 59)
MARGIN = 0.01


def claimed(seeds: int, deviation: float, items: Spread | None, alpha: float) -> float:
    """How often trainings that differ in nothing but noise are called equivalent."""
    rng = np.random.default_rng(seeds)
    found = 0
    for _ in range(RUNS):
        shift = 0.0 if items is None else rng.normal(0, items.error)
        values = shift + rng.normal(0, deviation, seeds)
        one = difference_of(float(values.mean()), mean_spread(values), items)
        found += judge([one], JudgeOptions(MARGIN, alpha=alpha))[0].verdict == "equivalent"
    return found / RUNS


@pytest.mark.parametrize("items", [None, ITEMS])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_power_is_that_of_simulated_trainings(seeds: int, items: Spread | None) -> None:
    for alpha in (0.05, 0.05 / 4):
        power = equivalence_power(SeedNoise(0.0056), items, seeds, MARGIN, alpha)
        assert power == pytest.approx(claimed(seeds, 0.0056, items, alpha), abs=0.025)


def test_three_seeds_alone_and_as_the_first_of_four() -> None:
    alone, first = (
        equivalence_power(SeedNoise(0.0056), None, 3, MARGIN, 0.05 / count) for count in (1, 4)
    )
    assert (round(alone, 2), round(first, 2)) == (0.46, 0.13)


def test_the_seeds_needed_are_the_fewest_with_the_power() -> None:
    options = JudgeOptions(MARGIN)
    for comparisons in (1, 4):
        training = SeedNoise(0.0056)
        needed = seeds_for_equivalence(
            Difference(0.0, (), training=training), options, comparisons
        )
        alpha = options.alpha / comparisons
        assert needed is not None
        enough, fewer = (
            equivalence_power(training, None, seeds, MARGIN, alpha)
            for seeds in (needed, needed - 1)
        )
        assert fewer < options.power <= enough


def test_no_number_of_seeds_helps_against_the_noise_of_items() -> None:
    quiet = Difference(0.0, (), training=SeedNoise(0.001), items=Spread(0.02, 50))
    assert seeds_for_equivalence(quiet, JudgeOptions(MARGIN)) is None
    one_seed = Difference(0.0, (), trained=False)
    assert seeds_for_equivalence(one_seed, JudgeOptions(MARGIN)) is None
    equal = Difference(0.0, (), training=SeedNoise(0.0))
    assert seeds_for_equivalence(equal, JudgeOptions(MARGIN)) == 2
    loud = Difference(0.0, (), training=SeedNoise(0.1))
    found = seeds_for_equivalence(loud, JudgeOptions(MARGIN))
    assert found is not None
    assert 500 < found <= MOST_SEEDS


def test_noise_of_two_samples_is_welchs_at_any_number_of_seeds() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=6), rng.normal(0, 3, size=6)
    noise = seed_noise(a, b).spread(6)
    variances = np.var(a, ddof=1) / 6, np.var(b, ddof=1) / 6
    assert noise.error == pytest.approx(np.sqrt(sum(variances)))
    assert noise.freedom == pytest.approx(
        sum(variances) ** 2 / (variances[0] ** 2 / 5 + variances[1] ** 2 / 5)
    )
    assert seed_noise(a).spread(6) == mean_spread(a)
