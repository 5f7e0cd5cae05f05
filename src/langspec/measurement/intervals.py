"""Intervals from a bootstrap standard error: of a share, of a real number, of a gap of two shares.

A score near its ceiling has a skewed distribution whose spread falls with the score. A test set
that by chance has few hard items then gives a score that is too high and a standard error that is
too small. Percentiles of resamples and symmetric intervals are too narrow there: they hold the
truth in 90 to 93 % of samples. Intervals of scores therefore come from the binomial distribution,
whose spread belongs to the *true* score, with as many trials as the clustered items are worth
(Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of
positive counts estimated from survey data"; official health statistics use this interval, Parker
et al. 2017). ``benchmarks/probes.py coverage`` measures how often they hold the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainccinv, betaincinv, ndtri, stdtrit

LEVEL = 0.95
"""The level of every interval that results give."""


@dataclass(frozen=True)
class Interval:
    """A value measured on all items, and the ends of its interval; nan where they are unknown."""

    value: float
    low: float
    high: float


def standard_error(resampled: np.ndarray, items: int) -> float:
    """The standard error of a score, given its resamples ``[B]`` over ``items`` items.

    The variance of resamples is smaller than that of samples by the factor (n - 1) / n, which is
    undone here (Efron 1982, section 5.3). Resamples whose score is nan are left out. The error is
    nan for fewer than two items.
    """
    known = resampled[~np.isnan(resampled)]
    if items < 2 or len(known) < 2:
        return float("nan")
    return float(np.std(known, ddof=1) * np.sqrt(items / (items - 1)))


def _reach(level: float, items: int) -> float:
    """How many standard errors an interval reaches to each side, by Student's t.

    The variance was estimated from ``items`` items, so there are ``items - 1`` degrees of freedom.
    """
    return float(stdtrit(items - 1, (1 + level) / 2))


def share_interval(value: float, error: float, items: int, level: float) -> Interval:
    """The interval of a score within 0..1, or of a mean of such scores (Korn and Graubard 1998).

    It is Clopper and Pearson's interval for ``value * m`` hits in ``m`` trials, where ``m`` is the
    number of independent trials that would vary as much as the score did. ``m`` is reduced by
    (z / t)^2 for the degrees of freedom of the error. A score of exactly 0 or 1 shows no
    variation: each item then counts as one trial, whatever the number of units in it. With one
    item the interval is 0 to 1.

    Args:
        value: the score.
        error: its standard error over the items; nan where it is not known.
        items: number of items that were scored.
        level: of the interval.
    """
    if np.isnan(value):
        return Interval(value, np.nan, np.nan)
    if items < 2:
        return Interval(value, 0.0, 1.0)
    if np.isnan(error):
        return Interval(value, np.nan, np.nan)
    extreme = value < 1e-12 or value > 1 - 1e-12
    if not extreme and not error > 1e-12:  # every item has the same score
        return Interval(value, value, value)
    trials = float(items) if extreme else value * (1 - value) / error**2
    trials *= (ndtri((1 + level) / 2) / _reach(level, items)) ** 2
    hits, outside = min(max(value, 0.0), 1.0) * trials, (1 - level) / 2
    misses = trials - hits
    low = betaincinv(hits, misses + 1, outside) if hits > 1e-9 else 0.0
    high = betainccinv(hits + 1, misses, outside) if misses > 1e-9 else 1.0
    return Interval(value, float(low), float(high))


def real_interval(
    value: float, error: float, items: int, level: float, *, positive: bool = False
) -> Interval:
    """The interval of any other number, by Student's t; nan for fewer than two items.

    Args:
        value: the number.
        error: its standard error over the items.
        items: number of items that were measured.
        level: of the interval.
        positive: the number is above 0. The interval is then formed on the scale of the logarithm,
            on which a ratio and its inverse have inverse intervals.
    """
    if items < 2 or np.isnan(error):
        return Interval(value, np.nan, np.nan)
    reach = _reach(level, items) * error
    if positive and value > 0:
        return Interval(value, value * np.exp(-reach / value), value * np.exp(reach / value))
    return Interval(value, value - reach, value + reach)


def gap_interval(first: Interval, second: Interval, correlation: float) -> Interval:
    """The interval of ``first - second``, from the intervals of both (Zou and Donner 2008).

    Its lower end comes from the lower end of ``first`` and the upper end of ``second``, and the
    other way round. So an interval that is skewed, as near the ceiling of a score, gives a skewed
    interval. ``correlation`` is that of the two scores over resamples; nan counts as 0.
    """
    rho = 0.0 if np.isnan(correlation) else float(np.clip(correlation, -1.0, 1.0))
    value = first.value - second.value

    def far(one: float, other: float) -> float:
        return float(np.sqrt(max(0.0, one**2 - 2 * rho * one * other + other**2)))

    low = value - far(first.value - first.low, second.high - second.value)
    high = value + far(first.high - first.value, second.value - second.low)
    return Interval(value, low, high)
