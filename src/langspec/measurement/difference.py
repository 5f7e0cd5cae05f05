"""A difference of two means under two noises: which seeds were trained, which items were met.

**Seeds first.** A difference of means over S seeds and N shared test items has the variance
``training/S + items/N``, and no resampling of the items sees the first part. With 3 to 5 seeds a
bootstrap that draws seeds too does not see it well either: it underestimates the spread of S seeds
by (S - 1)/S and takes normal quantiles for it. Two intervals are therefore formed, and the wider
one counts (an intersection-union test: p is the larger of the two):

``seeds``     Student's t over the seeds: differences by seed where both methods have the same
              seeds, else Welch's. Holds whatever one has few of, but not the sampling of items.
``together``  the seeds' variance and the items' (from the paired bootstrap) added, with Welch and
              Satterthwaite's degrees of freedom. What the seeds do with single items is counted
              in both, so it is a little too wide.

``benchmarks/coverage.py`` measures what this covers, beside the alternatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

Verdict = Literal["higher", "lower", "equivalent", "undecided"]
_MOST = 1e4  # degrees of freedom; above it Student's t is the normal distribution


@dataclass(frozen=True)
class JudgeOptions:
    """What counts as a difference.

    Attributes:
        margin: a difference of this size would not matter, in units of the score (0.01: a point).
        alpha: level of every test; intervals are of level ``1 - alpha``.
        power: with which the minimal detectable difference would be seen.
    """

    margin: float
    alpha: float = 0.05
    power: float = 0.8


@dataclass(frozen=True)
class Spread:
    """A standard error and the degrees of freedom it was estimated with."""

    error: float
    freedom: float

    def half_width(self, alpha: float) -> float:
        """Of the two-sided interval of level ``1 - alpha``."""
        return float(stats.t.ppf(1 - alpha / 2, self.freedom) * self.error)

    def tail(self, value: float) -> float:
        """Probability of a Student's t above ``value / error``; 0, 1/2 or 1 without any error."""
        if self.error == 0:
            return 0.5 - 0.5 * float(np.sign(value))
        return float(stats.t.sf(value / self.error, self.freedom))

    def detectable(self, alpha: float, power: float) -> float:
        """The difference that a two-sided test at ``alpha`` finds with probability ``power``."""
        if self.error == 0:
            return 0.0
        freedom = min(self.freedom, _MOST)
        edge = stats.t.ppf(1 - alpha / 2, freedom)

        def lacking(shift: float) -> float:
            return float(stats.nct.cdf(edge, freedom, shift)) - (1 - power)

        # Above this shift a t below the edge is rarer than 1 - power whatever the freedom.
        return float(optimize.brentq(lacking, 0.0, edge * 3 + 10)) * self.error


def add_spreads(one: Spread, other: Spread) -> Spread:
    """Of the sum of two independent parts (Welch 1947, Satterthwaite 1946)."""
    total = one.error**2 + other.error**2
    if total == 0:
        return Spread(0.0, one.freedom)
    parts = one.error**4 / one.freedom + other.error**4 / other.freedom
    return Spread(float(np.sqrt(total)), total**2 / parts)


def mean_spread(values: np.ndarray) -> Spread:
    """Of the mean of at least two values ``[S]``."""
    count = len(values)
    return Spread(float(np.std(values, ddof=1) / np.sqrt(count)), count - 1)


@dataclass(frozen=True)
class Difference:
    """A difference and what is known of its noise.

    Attributes:
        value: the difference.
        spreads: intervals are formed from each, and the widest counts.
        trained: is the noise of training in it? Not with one seed: then nothing is decided.
    """

    value: float
    spreads: tuple[Spread, ...]
    trained: bool = True

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Ends of the interval of level ``1 - alpha``; nan where nothing is known."""
        half = max((spread.half_width(alpha) for spread in self.spreads), default=np.nan)
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided, of no difference; nan where nothing is known."""
        return max((2 * s.tail(abs(self.value)) for s in self.spreads), default=np.nan)

    def p_equivalent(self, margin: float) -> float:
        """Of a difference of ``margin`` or more: two one-sided tests (Schuirmann 1987)."""
        room = margin - abs(self.value)
        return max((spread.tail(room) for spread in self.spreads), default=np.nan)

    def detectable(self, options: JudgeOptions) -> float:
        """The minimal detectable difference, for a comparison that stands alone."""
        found = (spread.detectable(options.alpha, options.power) for spread in self.spreads)
        return max(found, default=np.nan)


def no_training_noise(value: float, items: Spread | None) -> Difference:
    """Of one seed: the items' noise alone, if that is known."""
    return Difference(value, () if items is None else (items,), trained=False)


def difference_of(value: float, seeds: Spread, items: Spread | None) -> Difference:
    """Of several seeds, with the items' noise where that is known."""
    both = (seeds,) if items is None else (seeds, add_spreads(seeds, items))
    return Difference(value, both)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """p-values ``[M]`` adjusted for M comparisons (Holm 1979); nan stays, and is not counted."""
    p = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    out = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return out


@dataclass(frozen=True)
class Judged:
    """A difference beside what may be said of it."""

    difference: Difference
    p_adjusted: float
    p_equivalent_adjusted: float
    verdict: Verdict


def judge(family: Sequence[Difference], options: JudgeOptions) -> list[Judged]:
    """Verdicts on comparisons that are read together, both kinds of p adjusted over them (Holm).

    Equivalence comes first: a difference that is surely smaller than the margin is
    ``equivalent`` even where it is surely not zero. Where the noise of training is unknown all
    is ``undecided``.
    """
    differs = holm([one.p for one in family])
    equals = holm([one.p_equivalent(options.margin) for one in family])
    return [
        Judged(one, float(p), float(q), _verdict(one, float(p), float(q), options.alpha))
        for one, p, q in zip(family, differs, equals, strict=True)
    ]


def _verdict(one: Difference, differs: float, equals: float, alpha: float) -> Verdict:
    if not one.trained:
        return "undecided"
    if equals <= alpha:
        return "equivalent"
    if differs <= alpha:
        return "higher" if one.value > 0 else "lower"
    return "undecided"
