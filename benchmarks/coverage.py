"""How often the interval of a comparison holds the truth, beside what it might have been.

Simulates differences of S trainings on N items with planted noise of three kinds (of the seed, of
the item, of single answers) and counts how often each interval of level 95 % covers. Writes
``docs/comparing-coverage.csv``; some minutes on one core:

    python benchmarks/coverage.py

``t over seeds``: Student's. ``items alone``: the bootstrap over items alone. ``both drawn``: the
percentile bootstrap that draws seeds and items. ``langspec``: the wider of t over seeds and the
sum of both variances (``measurement/difference.py``).
"""

from __future__ import annotations

from itertools import product

import numpy as np
from shared import ROOT, write_csv

from langspec.measurement.difference import Spread, difference_of, mean_spread
from langspec.measurement.intervals import standard_error

ITEMS = 60
TRIALS = 2000
RESAMPLES = 400
SEEDS = (2, 3, 5, 10)
# Standard deviations of a mean over the items: of the seed, of the item, of the single answer.
NOISES = ((0.0, 1.0, 0.5), (0.5, 1.0, 0.5), (1.0, 1.0, 0.5), (2.0, 1.0, 0.5), (5.0, 1.0, 0.5))


def intervals(scores: np.ndarray, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """95 % intervals of the mean of differences ``[S, N]``."""
    seeds, items = scores.shape
    drawn = rng.integers(items, size=(RESAMPLES, items))
    weights = np.stack([np.bincount(row, minlength=items) for row in drawn]) / items
    of_seed = weights @ scores.T  # [B, S]
    again = np.take_along_axis(of_seed, rng.integers(seeds, size=(RESAMPLES, seeds)), axis=1)
    by_items = of_seed.mean(axis=1)
    own = mean_spread(scores.mean(axis=1))
    value = float(scores.mean())
    noise = Spread(standard_error(by_items, items), items - 1)
    half = own.half_width(0.05)
    ends = {
        "t over seeds": (value - half, value + half),
        "items alone": np.quantile(by_items, [0.025, 0.975]),
        "both drawn": np.quantile(again.mean(axis=1), [0.025, 0.975]),
        "langspec": difference_of(value, own, noise).interval(0.05),
    }
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def main() -> None:
    """Simulate, and write the table."""
    rng = np.random.default_rng(0)
    rows = []
    for count, (seed, item, answer) in product(SEEDS, NOISES):
        covered: dict[str, list[bool]] = {}
        for _ in range(TRIALS):
            scores = (
                rng.normal(0, seed, (count, 1))
                + rng.normal(0, item * np.sqrt(ITEMS), (1, ITEMS))
                + rng.normal(0, answer * np.sqrt(ITEMS), (count, ITEMS))
            )
            for name, (low, high) in intervals(scores, rng).items():
                covered.setdefault(name, []).append(low <= 0 <= high)
        rows.append(
            {
                "seeds": count,
                "noise_of_seed": seed,
                "noise_of_items": item,
                "noise_of_answers": answer,
                **{name.replace(" ", "_"): float(np.mean(hits)) for name, hits in covered.items()},
            }
        )
    write_csv(ROOT / "docs" / "comparing-coverage.csv", rows)


if __name__ == "__main__":
    main()
