"""A difference of two means and its two noises: that of the seeds and that of the test items.

**Seeds first.** A difference of means over S seeds and N shared test items has the variance
``training/S + items/N``. Resampling the items does not show the first part. A bootstrap that also
draws seeds does not show it well with 3 to 5 seeds: it underestimates the variance of S seeds by
the factor (S - 1)/S and uses normal quantiles. So two intervals are formed, and the wider one
counts (an intersection-union test: p is the larger of the two):

``seeds``     Student's t over the seeds: of the differences by seed where both methods have the
              same seeds, else Welch's. It holds for few seeds, but leaves out the test items.
``together``  the variance of the seeds and that of the items (from the paired bootstrap) added,
              with Welch and Satterthwaite's degrees of freedom. How seeds differ on single items
              is in both parts, so this interval is a little too wide.

``benchmarks/coverage.py`` measures how often these intervals hold the truth, beside others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import nctdtr, stdtr, stdtrit

Verdict = Literal["higher", "lower", "equivalent", "undecided"]
_MOST = 1e4  # degrees of freedom; above it Student's t is the normal distribution


@dataclass(frozen=True)
class JudgeOptions:
    """What counts as a difference.

    Attributes:
        margin: a difference of this size would not matter, in units of the score (0.01: a point).
        alpha: level of every test; intervals are of level ``1 - alpha``.
        power: probability with which the smallest detectable difference would be seen.
    """

    margin: float
    alpha: float = 0.05
    power: float = 0.8


@dataclass(frozen=True)
class Spread:
    """One noise of a difference.

    Attributes:
        error: the standard error.
        freedom: the degrees of freedom that it was estimated with.
    """

    error: float
    freedom: float

    def half_width(self, alpha: float) -> float:
        """Half the width of the two-sided interval of level ``1 - alpha``."""
        return float(stdtrit(self.freedom, 1 - alpha / 2) * self.error)

    def tail(self, value: float) -> float:
        """The probability of a Student's t above ``value / error``.

        With an error of 0 it is 0, 1/2 or 1, for a value above, at or below 0.
        """
        if self.error == 0:
            return 0.5 - 0.5 * float(np.sign(value))
        return float(stdtr(self.freedom, -value / self.error))

    def detectable(self, alpha: float, power: float) -> float:
        """The difference that a two-sided test at ``alpha`` finds with probability ``power``."""
        from scipy.optimize import brentq

        if self.error == 0:
            return 0.0
        freedom = min(self.freedom, _MOST)
        edge = stdtrit(freedom, 1 - alpha / 2)

        def excess(shift: float) -> float:
            return float(nctdtr(freedom, shift, edge)) - (1 - power)

        # The upper end of the search: there a t below the edge is rarer than 1 - power, whatever
        # the degrees of freedom.
        return float(brentq(excess, 0.0, edge * 3 + 10)) * self.error


def add_spreads(one: Spread, other: Spread) -> Spread:
    """The noise of the sum of two independent parts (Welch 1947, Satterthwaite 1946)."""
    total = one.error**2 + other.error**2
    if total == 0:
        return Spread(0.0, one.freedom)
    parts = one.error**4 / one.freedom + other.error**4 / other.freedom
    return Spread(float(np.sqrt(total)), total**2 / parts)


def mean_spread(values: np.ndarray) -> Spread:
    """The noise of the mean of at least two values ``[S]``."""
    return seed_noise(values).spread(len(values))


@dataclass(frozen=True)
class SeedNoise:
    """How a difference varies from seed to seed, whatever the number of seeds.

    Attributes:
        deviation: the standard deviation of the difference of one seed.
        samples: how many variances it was estimated from, between 1 and 2: the number of
            samples of equal variance to which Welch and Satterthwaite's formula comes.
    """

    deviation: float
    samples: float = 1.0

    def spread(self, seeds: int) -> Spread:
        """The noise of the mean over so many seeds of each method."""
        return Spread(self.deviation / float(np.sqrt(seeds)), self.samples * (seeds - 1))


def seed_noise(*sides: np.ndarray) -> SeedNoise:
    """The noise of differences by seed ``[S]``, or of two samples ``[Sa]`` and ``[Sb]``."""
    variances = [float(np.var(values, ddof=1)) for values in sides]
    squares = sum(variance**2 for variance in variances)
    samples = sum(variances) ** 2 / squares if squares else 1.0
    return SeedNoise(float(np.sqrt(sum(variances))), samples)


@dataclass(frozen=True)
class Difference:
    """A difference and what is known of its noise.

    Attributes:
        value: the difference.
        spreads: its noises; an interval is formed from each, and the widest counts.
        trained: is the noise of training known? It is not with one seed: then nothing is decided.
        training: how the difference varies from seed to seed, where that is known.
        items: the noise of the test items, where it is known.
    """

    value: float
    spreads: tuple[Spread, ...]
    trained: bool = True
    training: SeedNoise | None = None
    items: Spread | None = None

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The ends of the interval of level ``1 - alpha``; nan where no noise is known."""
        half = max((spread.half_width(alpha) for spread in self.spreads), default=np.nan)
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """The two-sided p-value of no difference; nan where no noise is known."""
        return max((2 * s.tail(abs(self.value)) for s in self.spreads), default=np.nan)

    def p_equivalent(self, margin: float) -> float:
        """The p-value of a difference of ``margin`` or more; nan where no noise is known.

        It comes from two one-sided tests (Schuirmann 1987).
        """
        room = margin - abs(self.value)
        return max((spread.tail(room) for spread in self.spreads), default=np.nan)

    def detectable(self, options: JudgeOptions) -> float:
        """The smallest difference that would be seen, if this were the only comparison."""
        sizes = (spread.detectable(options.alpha, options.power) for spread in self.spreads)
        return max(sizes, default=np.nan)


def no_training_noise(value: float, items: Spread | None) -> Difference:
    """The difference of one seed, with the noise of the test items where it is known."""
    return Difference(value, () if items is None else (items,), trained=False)


def difference_of(
    value: float, seeds: Spread, items: Spread | None, training: SeedNoise | None = None
) -> Difference:
    """The difference of several seeds, with the noise of the test items where it is known."""
    both = (seeds,) if items is None else (seeds, add_spreads(seeds, items))
    return Difference(value, both, training=training, items=items)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """p-values ``[M]`` adjusted for M comparisons (Holm 1979); nan stays and does not count."""
    p = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    out = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return out


@dataclass(frozen=True)
class Judged:
    """A difference and its verdict.

    Attributes:
        difference: the difference.
        p_adjusted: p-value of no difference, adjusted (Holm).
        p_equivalent_adjusted: p-value of a difference of the margin or more, adjusted (Holm).
        verdict: ``higher``, ``lower``, ``equivalent`` or ``undecided``.
        comparisons: how many were adjusted together.
    """

    difference: Difference
    p_adjusted: float
    p_equivalent_adjusted: float
    verdict: Verdict
    comparisons: int = 1


def judge(family: Sequence[Difference], options: JudgeOptions) -> list[Judged]:
    """Verdicts on comparisons that are read together.

    Both kinds of p-values are adjusted over the family (Holm). Equivalence comes first: a
    difference that is significantly smaller than the margin is ``equivalent``, even where it is
    significantly not zero. Where the noise of training is unknown the verdict is ``undecided``.
    """
    differs = holm([one.p for one in family])
    equals = holm([one.p_equivalent(options.margin) for one in family])
    count = max(1, int((~np.isnan(equals)).sum()))
    return [
        Judged(one, float(p), float(q), _verdict(one, float(p), float(q), options.alpha), count)
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
