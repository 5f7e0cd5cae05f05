"""When a difference of two leaks is one of the encoders, and not of the size of the probe's text.

Two encoders may differ only in how many vectors a probe needs to read them. Their leaks differ
then at one size of the probe's training text, and the difference goes away with more text. So the
leaks are compared at a quarter, at half and with all of the training vectors, and a difference is
claimed where it **holds along the curve**:

1. With half and with all vectors it has one sign, and each of the two intervals leaves out 0.
2. With a quarter it is not of the other sign beyond its interval. It may be undecided there.
3. Where it shrinks from a quarter to all, beyond the interval of what it loses, the limit to which
   it shrinks has the same sign, and its interval leaves out 0. Error rates that fall by a power of
   the text's size have differences d(n) = limit + c n^-b. Each size is twice the one before, so
   (d(1/2) - limit) / (d(1/4) - limit) = (d(1) - limit) / (d(1/2) - limit), which gives the limit
   (Aitken 1926). A difference that shrinks as fast as before, or faster, has no limit but 0.
4. The higher leak with a *quarter* of the vectors is above the lower one with *all* of them,
   beyond the interval. A curve that reads four times as fast passes 1 to 3 where it is no power
   law; a difference that four times as much text could make is not claimed.

The interval of the limit is that of its linear part: the limit is a sum of the three differences
with weights, and each seed gives one such sum. All intervals are of the noise of the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from langspec.measurement.comparison import Pairing, compare_values
from langspec.measurement.difference import Difference

SHARES = (0.25, 0.5)
"""The points of a leak's curve below all training vectors; each is half of the next one."""

Weights = Sequence[float] | np.ndarray

Points = Mapping[int, Sequence[float]]
"""By seed: the leak with a quarter, with half and with all of the training vectors."""


def holds_along(a: Points, b: Points, pairing: Pairing, alpha: float) -> bool:
    """Does the difference ``a - b`` hold along the curve, by the rule of this module?

    Args:
        a: leaks of method A.
        b: leaks of method B.
        pairing: which seeds are compared, and how.
        alpha: level of each interval: ``1 - alpha``.
    """

    def weighted(of_a: Weights, of_b: Weights | None = None) -> Difference:
        left, right = (
            {seed: float(np.dot(weights, values)) for seed, values in side.items()}
            for side, weights in ((a, of_a), (b, of_a if of_b is None else of_b))
        )
        return compare_values("leak", left, right, pairing).difference

    quarter, half, whole = (weighted(unit) for unit in np.eye(3))
    sign = float(np.sign(whole.value))
    if not (_beyond(half, sign, alpha) and _beyond(whole, sign, alpha)):
        return False
    if _beyond(quarter, -sign, alpha):
        return False
    first, last = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    ahead = weighted(first, last) if sign > 0 else weighted(last, first)
    if not _beyond(ahead, sign, alpha):
        return False
    if not _beyond(weighted((1.0, 0.0, -1.0)), sign, alpha):
        return True  # it does not shrink
    weights = limit_weights(quarter.value, half.value, whole.value)
    return weights is not None and _beyond(weighted(weights), sign, alpha)


def limit_weights(quarter: float, half: float, whole: float) -> tuple[float, float, float] | None:
    """Weights of three differences whose weighted sum is the limit that they tend to.

    They are the limit's derivatives by the three; since the limit of differences twice as large is
    twice as large, their weighted sum is the limit itself. None where the steps between the
    differences do not get smaller, so that there is no limit.
    """
    first, second = half - quarter, whole - half
    if not abs(second) < abs(first):
        return None
    if second == 0 or first * second < 0:  # it has arrived, or turned: no further shrinking
        return (0.0, 0.0, 1.0)
    bend = second - first
    ratio = second / bend
    return (ratio**2, 2 * ratio * (1 - ratio), (1 - ratio) ** 2)


def _beyond(one: Difference, sign: float, alpha: float) -> bool:
    """Is all of the interval on this side of 0?"""
    low, high = one.interval(alpha)
    return bool(low > 0 if sign > 0 else high < 0)
