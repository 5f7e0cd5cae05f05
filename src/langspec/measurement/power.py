"""How many seeds a comparison needs: the power of its tests with another number of seeds.

**Equivalence.** Two one-sided tests (TOST, Schuirmann 1987) at level ``alpha`` call a difference
smaller than the margin where the interval of level ``1 - 2 alpha`` lies inside it. With few seeds
that interval is wide: Student's t of 2 degrees of freedom has a long tail, and a correction for
several comparisons lengthens it.

The power is calculated exactly but for one thing: the noise of the test items is taken as known.
Given the variance that S seeds show, which is a chi-squared variable, the width of the interval is
fixed, and the probability that the difference lies inside is a normal integral. The mean over the
chi-squared variable is a sum over 64 Gauss-Legendre nodes of its quantiles.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv, ndtr

from langspec.measurement.difference import (
    Difference,
    JudgeOptions,
    SeedNoise,
    Spread,
    add_spreads,
    difference_of,
)

MOST_SEEDS = 1000
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def equivalence_power(
    training: SeedNoise, items: Spread | None, seeds: int, margin: float, alpha: float
) -> float:
    """The probability that two one-sided tests find a difference of 0 to be within the margin.

    Args:
        training: how the difference varies from seed to seed.
        items: the noise of the test items, which further seeds do not lessen; None: left out.
        seeds: number of seeds of each method, at least 2.
        margin: a difference of this size would not matter, in units of the score.
        alpha: level of the test; of the first of M comparisons by Holm, ``alpha / M``.
    """
    true = training.spread(seeds)
    quantiles = (_NODES + 1) / 2
    shown = true.error * np.sqrt(2 / true.freedom * gammaincinv(true.freedom / 2, quantiles))
    halves = np.asarray([_half_width(Spread(float(e), true.freedom), items, alpha) for e in shown])
    error = true.error if items is None else float(np.hypot(true.error, items.error))
    room = margin - halves
    if error == 0:
        return float((_WEIGHTS / 2 * (room >= 0)).sum())
    return float((_WEIGHTS / 2 * np.clip(2 * ndtr(room / error) - 1, 0, None)).sum())


def _half_width(seeds: Spread, items: Spread | None, alpha: float) -> float:
    """Half the width of the interval of level ``1 - 2 alpha``, the wider of the two."""
    both = (seeds,) if items is None else (seeds, add_spreads(seeds, items))
    return max(spread.half_width(2 * alpha) for spread in both)


def detectable_with(
    training: SeedNoise, items: Spread | None, seeds: int, options: JudgeOptions
) -> float:
    """The difference that a comparison by itself would find with ``options.power``."""
    return difference_of(0.0, training.spread(seeds), items).detectable(options)


def seeds_for_equivalence(
    difference: Difference, options: JudgeOptions, comparisons: int = 1
) -> int | None:
    """The number of seeds of each method that an equivalence at the margin needs.

    With so many seeds two one-sided tests find it with probability ``options.power``, if the true
    difference is 0 and the noise is the one estimated.

    Args:
        difference: its noise.
        options: margin, level, power.
        comparisons: how many are read together; the number holds for the one that Holm's method
            takes first, at level ``alpha / comparisons``.

    Returns:
        None where the noise of training is unknown, or :data:`MOST_SEEDS` are too few: then the
        noise of the test items is in the way.
    """
    training = difference.training
    if training is None:
        return None
    alpha = options.alpha / comparisons

    def enough(seeds: int) -> bool:
        power = equivalence_power(training, difference.items, seeds, options.margin, alpha)
        return power >= options.power

    low, high = 1, 2  # low: too few
    while not enough(high):
        if high == MOST_SEEDS:
            return None
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
