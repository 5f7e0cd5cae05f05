"""What the removal of as much of anything costs: random subspaces beside an eraser.

A score after an eraser says what the removal of language *and* of so many directions cost. Only
the difference to random subspaces of the same size is due to language (amnesic probing: Elazar,
Ravfogel, Jacovi and Goldberg 2021, section 3.2; counterfactuals: Ravfogel, Prasad, Linzen and
Goldberg 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from langspec.measurement.bootstrap import BootstrapOptions, resampled_sums
from langspec.measurement.intervals import LEVEL, Interval, real_interval, standard_error

Kind = Literal["equal_rank", "equal_variance"]
KINDS: tuple[Kind, ...] = ("equal_rank", "equal_variance")
Verdict = Literal["more", "as much", "less", "undecided"]
MARGIN = 0.01
"""A difference of this size would not matter: one point of accuracy or of retrieval."""


@dataclass(frozen=True)
class RandomRemoval:
    """The removal of a random subspace: ``x - (x - anchor) @ basis * amounts @ basis.T``.

    Attributes:
        basis: orthonormal directions, float64 ``[H, R]``.
        amounts: share of each component that goes, ``[R]``: 1, but for the last one where a
            share of the variance was asked for.
        anchor: the point that stays, ``[H]``.
    """

    basis: np.ndarray
    amounts: np.ndarray
    anchor: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors float32 ``[N, H]`` without the subspace."""
        basis = self.basis.astype(np.float32)
        left = (self.basis * self.amounts).T.astype(np.float32)
        centred = np.asarray(vectors, dtype=np.float32) - self.anchor.astype(np.float32)
        return np.asarray(vectors - (centred @ basis) @ left)


def random_axes(width: int, seed: Sequence[int]) -> np.ndarray:
    """Orthonormal directions ``[H, H]`` in an order and rotation that ``seed`` draws.

    The first R of them span a uniformly distributed subspace (Stewart 1980).
    """
    drawn = np.random.default_rng(seed).normal(size=(width, width))
    axes, upper = np.linalg.qr(drawn)
    return np.asarray(axes * np.sign(np.diagonal(upper)))


def of_equal_rank(axes: np.ndarray, rank: int, anchor: np.ndarray) -> RandomRemoval:
    """The removal of the first ``rank`` directions of ``axes [H, H]``."""
    return RandomRemoval(axes[:, :rank], np.ones(rank), anchor)


def of_equal_variance(
    axes: np.ndarray, covariance: np.ndarray, share: float, anchor: np.ndarray
) -> RandomRemoval:
    """The removal of as many directions of ``axes`` as take a share of the variance away.

    The last direction is removed in part, so that the share is met exactly.

    Args:
        axes: ``[H, H]``.
        covariance: of the vectors, ``[H, H]``.
        share: of the variance; values below 0 count as 0, those above 1 as 1.
        anchor: the point that stays, ``[H]``.
    """
    variances = np.maximum(((covariance @ axes) * axes).sum(axis=0), 0.0)
    wanted = float(np.clip(share, 0.0, 1.0)) * variances.sum()
    before = np.cumsum(variances) - variances
    open_part = np.clip(wanted - before, 0.0, variances)  # of each direction's variance
    shares = np.divide(open_part, variances, out=np.zeros_like(variances), where=variances > 0)
    count = int(np.count_nonzero(shares))
    # A component scaled by (1 - amount) keeps (1 - amount)^2 of its variance.
    amounts = 1.0 - np.sqrt(1.0 - shares[:count])
    return RandomRemoval(axes[:, :count], amounts, anchor)


def group_sums(values: np.ndarray, item: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sums of ``values [N]`` by item and group: float64 ``[items, groups]``.

    Args:
        values: such as 1 for every unit that was labelled rightly.
        item: int ``[N]``, position of each unit's item.
        group: int ``[N]``, position of each unit's group, such as its language.
    """
    items, groups = int(item.max()) + 1, int(group.max()) + 1
    flat = np.bincount(item * groups + group, weights=values, minlength=items * groups)
    return flat.reshape(items, groups)


def mean_share(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean over groups of their shares; sums and counts ``[..., groups]``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nanmean(sums / counts, axis=-1))


@dataclass(frozen=True)
class Scored:
    """Vectors, and how many of their units are right after they were changed.

    Attributes:
        vectors: not yet erased, ``[N, H]``.
        languages: code of each vector ``[N]``.
        right: gives the right units by item and group, ``[items, groups]``, of changed vectors.
        counts: units by item and group.
    """

    vectors: np.ndarray
    languages: np.ndarray
    right: Callable[[np.ndarray], np.ndarray]
    counts: np.ndarray


class RandomRemovals:
    """Random subspaces of any size, removed from one set of vectors; equal sizes once.

    Args:
        scored: the vectors.
        anchor: code of the language whose mean stays where it is; None: the mean of all stays.
        draws: number of random subspaces of each size, at least 2.
        seed: of the random numbers.
    """

    def __init__(self, scored: Scored, *, anchor: str | None, draws: int, seed: int) -> None:
        self.scored = scored
        vectors = scored.vectors
        stays = slice(None) if anchor is None else scored.languages == anchor
        self._anchor = vectors[stays].mean(axis=0, dtype=np.float64)
        self._covariance = np.cov(vectors, rowvar=False, bias=True, dtype=np.float64)
        self._axes = [random_axes(vectors.shape[1], (seed, i)) for i in range(draws)]
        self._known: dict[tuple[Kind, float], np.ndarray] = {}

    def variance_removed(self, erased: np.ndarray) -> float:
        """The share of the variance that other vectors ``[N, H]`` of the same units lack."""
        return 1.0 - float(erased.var(axis=0, dtype=np.float64).sum() / np.trace(self._covariance))

    def of_size(self, kind: Kind, size: float) -> list[RandomRemoval]:
        """One for each draw. ``size``: number of directions, or share of the variance."""
        if kind == "equal_rank":
            return [of_equal_rank(axes, int(size), self._anchor) for axes in self._axes]
        return [
            of_equal_variance(axes, self._covariance, size, self._anchor) for axes in self._axes
        ]

    def right(self, kind: Kind, size: float) -> np.ndarray:
        """The right units after each, ``[draws, items, groups]``."""
        if (kind, size) not in self._known:
            self._known[kind, size] = np.stack(
                [
                    self.scored.right(removal.apply(self.scored.vectors))
                    for removal in self.of_size(kind, size)
                ]
            )
        return self._known[kind, size]


@dataclass(frozen=True)
class AgainstRandom:
    """A score after an eraser beside the same score after random removals.

    Attributes:
        score: after the eraser.
        control: mean over the random removals; within its ends lie 95 % of such removals.
        difference: score less control, with the ends of its 95 % interval. It holds what another
            random subspace, and other test items, would have changed.
    """

    score: float
    control: Interval
    difference: Interval


def mean_score(right: np.ndarray, counts: np.ndarray) -> float:
    """The mean over groups of the share of right units; both ``[items, groups]``."""
    return float(mean_share(right.sum(axis=0), counts.sum(axis=0)))


def against_random(
    erased: np.ndarray, random: np.ndarray, counts: np.ndarray, options: BootstrapOptions
) -> AgainstRandom:
    """Compare a score after an eraser with the same score after random removals.

    The score is the mean over groups of the share of units that were right. The variance of the
    difference is that of one further random removal, estimated from D of them, and that over test
    items (bootstrap); Student's t has D - 1 degrees of freedom.

    Args:
        erased: right units by item and group after the eraser, ``[items, groups]``.
        random: the same after each random removal, ``[D, items, groups]``, D at least 2.
        counts: units by item and group, ``[items, groups]``.
        options: of the bootstrap.
    """
    draws = len(random)
    scores = mean_share(random.sum(axis=1), counts.sum(axis=0))
    spread = float(scores.std(ddof=1)) * np.sqrt(1 + 1 / draws)
    differences = erased - random.mean(axis=0)
    resampled = resampled_sums(np.stack([differences, counts], axis=1), options)
    noise = standard_error(mean_share(resampled[:, 0], resampled[:, 1]), len(counts))
    score = mean_score(erased, counts)
    error = float(np.hypot(spread, 0.0 if np.isnan(noise) else noise))
    mean = float(scores.mean())
    return AgainstRandom(
        score,
        real_interval(mean, spread, draws, LEVEL),
        real_interval(score - mean, error, draws, LEVEL),
    )


def verdict(low: float, high: float) -> Verdict:
    """What an eraser costs beside random removals of equal size: the one rule of all tables.

    Args:
        low: lower end of the interval of the difference of scores, eraser less random.
        high: upper end.

    Returns:
        ``as much`` where the interval lies within ``MARGIN`` of 0, ``undecided`` where it holds 0
        and reaches further.
    """
    if high < 0 or low > 0:
        return "more" if high < 0 else "less"
    return "as much" if low >= -MARGIN and high <= MARGIN else "undecided"
