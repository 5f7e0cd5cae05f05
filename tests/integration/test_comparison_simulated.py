"""Comparisons over simulated trainings and test sets: how often their intervals are right."""

from __future__ import annotations

import numpy as np
import pytest

from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.comparison import Units, compare_predictions
from langspec.measurement.difference import Difference, JudgeOptions, judge

pytestmark = pytest.mark.slow


class World:
    """Answers of two methods with noise of seeds, of items, and of single answers."""

    def __init__(self, rng: np.random.Generator, *, seeds: int, items: int, shift: float) -> None:
        size, per_item = items * 4, 4
        self.units = Units(
            np.repeat("de", size), np.repeat(np.arange(items), per_item), rng.integers(0, 3, size)
        )
        hard = np.repeat(rng.normal(0, 0.10, items), per_item)
        self.a, self.b = (
            {
                seed: self._answers(rng, 0.6 + half + hard * (1 + way) + rng.normal(0, 0.025))
                for seed in range(seeds)
            }
            for half, way in ((shift / 2, 1.0), (-shift / 2, -1.0))
        )

    def _answers(self, rng: np.random.Generator, right: np.ndarray) -> np.ndarray:
        wrong = (self.units.gold + 1) % 3
        return np.where(rng.random(len(wrong)) < right, self.units.gold, wrong)

    def compare(self, resamples: int = 100) -> Difference:
        options = BootstrapOptions(resamples=resamples, seed=0)
        found = compare_predictions(self.units, self.a, self.b, source="en", options=options)
        return next(c.difference for c in found if (c.metric, c.language) == ("accuracy", "de"))


def worlds(count: int, *, seeds: int, shift: float) -> list[Difference]:
    rng = np.random.default_rng(seeds)
    return [World(rng, seeds=seeds, items=60, shift=shift).compare() for _ in range(count)]


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_under_noise_of_seeds_and_of_items(seeds: int) -> None:
    count, shift = 1000, 0.05
    found = worlds(count, seeds=seeds, shift=shift)
    covered = np.mean([low <= shift <= high for low, high in (one.interval() for one in found)])
    assert 0.93 <= covered <= 0.98
    # Seeds alone miss the items.
    alone = [abs(one.value - shift) <= one.spreads[0].half_width(0.05) for one in found]
    assert np.mean(alone) < min(0.93, covered)


def test_no_difference_is_found_as_rarely_as_alpha() -> None:
    found = worlds(800, seeds=3, shift=0.0)
    assert np.mean([one.p <= 0.05 for one in found]) <= 0.05 + 3 * np.sqrt(0.05 / 800)


def test_at_the_margin_equivalence_is_claimed_as_rarely_as_alpha() -> None:
    margin, count = 0.08, 800
    found = worlds(count, seeds=5, shift=margin)
    claimed = [judge([one], JudgeOptions(margin))[0].verdict == "equivalent" for one in found]
    assert np.mean(claimed) <= 0.05 + 3 * np.sqrt(0.05 / count)
    # And it can be claimed: the test is not merely empty.
    same = worlds(200, seeds=5, shift=0.0)
    assert np.mean([one.p_equivalent(margin) <= 0.05 for one in same]) > 0.1
