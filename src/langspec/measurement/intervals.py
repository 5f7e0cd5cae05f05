"""Intervals from a bootstrap standard error: of a share, of a real number, of a gap of two shares.

A score near its ceiling has a skewed distribution whose spread falls with the score: a test set of
few items without a hard one looks both better and surer than it is, and percentiles of resamples,
as well as a symmetric interval, are too narrow (they hold the truth in 90 to 93 % of samples).
Intervals of scores therefore come from the binomial distribution, whose spread is that of the
*truth* they ask about, with as many trials as the clustered items are worth: Korn and Graubard
(1998, "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data"), the interval of official health statistics (Parker et al. 2017).
``benchmarks/probes.py coverage`` measures what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A value measured on all items and its interval."""

    value: float
    low: float
    high: float


def standard_error(resampled: np.ndarray, items: int) -> float:
    """Of a score, from its resamples ``[B]`` over ``items`` items; nan below two items.

    Resamples vary less than samples, by (n - 1) / n in the variance (Efron 1982, section 5.3).
    Resamples without a score (nan) are left out.
    """
    known = resampled[~np.isnan(resampled)]
    if items < 2 or len(known) < 2:
        return float("nan")
    return float(np.std(known, ddof=1) * np.sqrt(items / (items - 1)))


def _reach(level: float, items: int) -> float:
    """Student's t for ``items`` items: the variance was estimated from them."""
    return float(stats.t.ppf((1 + level) / 2, items - 1))


def share_interval(value: float, error: float, items: int, level: float) -> Interval:
    """Of a score within 0..1, or of a mean of such scores (Korn and Graubard 1998).

    Clopper and Pearson's interval for ``value * m`` of ``m`` trials, where ``m`` trials would vary
    as the score did, made smaller by (z / t)^2 for the degrees of freedom of its error. A score of
    exactly 0 or 1 shows no variation; each item is then taken for one trial, whatever the number
    of units in it. Nothing is known from one item: 0 to 1.

    Args:
        value: the score.
        error: its standard error over the items; nan where it is not known.
        items: how many were met.
        level: of the interval.
    """
    if np.isnan(value):
        return Interval(value, np.nan, np.nan)
    if items < 2:
        return Interval(value, 0.0, 1.0)
    if np.isnan(error):
        return Interval(value, np.nan, np.nan)
    extreme = value < 1e-12 or value > 1 - 1e-12
    if not extreme and not error > 1e-12:  # every item tells the same: nothing varies
        return Interval(value, value, value)
    trials = float(items) if extreme else value * (1 - value) / error**2
    trials *= (stats.norm.ppf((1 + level) / 2) / _reach(level, items)) ** 2
    hits, outside = min(max(value, 0.0), 1.0) * trials, (1 - level) / 2
    misses = trials - hits
    low = stats.beta.ppf(outside, hits, misses + 1) if hits > 1e-9 else 0.0
    high = stats.beta.isf(outside, hits + 1, misses) if misses > 1e-9 else 1.0
    return Interval(value, float(low), float(high))


def real_interval(
    value: float, error: float, items: int, level: float, *, positive: bool = False
) -> Interval:
    """Of any other number: Student's t, for ``positive`` ones on the logarithm's scale.

    On that scale a ratio and its inverse have inverse intervals. nan below two items.
    """
    if items < 2 or np.isnan(error):
        return Interval(value, np.nan, np.nan)
    reach = _reach(level, items) * error
    if positive and value > 0:
        return Interval(value, value * np.exp(-reach / value), value * np.exp(reach / value))
    return Interval(value, value - reach, value + reach)


def gap_interval(first: Interval, second: Interval, correlation: float) -> Interval:
    """Of ``first - second`` from the intervals of both (Zou and Donner 2008, "MOVER").

    Each end takes the ends of the two that lie on its side, so the skew of a score near its
    ceiling stays; ``correlation`` is that of the two scores over resamples (nan: none).
    """
    rho = 0.0 if np.isnan(correlation) else float(np.clip(correlation, -1.0, 1.0))
    value = first.value - second.value

    def far(one: float, other: float) -> float:
        return float(np.sqrt(max(0.0, one**2 - 2 * rho * one * other + other**2)))

    low = value - far(first.value - first.low, second.high - second.value)
    high = value + far(first.high - first.value, second.value - second.low)
    return Interval(value, low, high)
