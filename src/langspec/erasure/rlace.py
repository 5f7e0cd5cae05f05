"""R-LACE: the subspace of a given rank without which a linear classifier does worst."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from langspec.erasure.base import ErasureMap
from langspec.erasure.iterative import IterativeEraser, Vectors
from langspec.erasure.removal_path import PathPoint
from langspec.section import Count, Limit, Section

# Of the first change of the relaxed projection, in units of the gradient's spectral norm. Later
# ones fall as 1 / sqrt(step).
_RATE = 0.3
_CLASSIFIER_STEPS = 3  # after each change of the projection, from the classifier before


class RlaceEraser(Section):
    """Section ``rlace``.

    Attributes:
        rank: number of directions that are removed; null: one less than the languages.
        steps: changes of the projection.
        decay: weight of the classifier's L2 penalty, on features of mean variance 1. An adversary
            without a penalty undoes everything short of a projection.
        batch: training vectors that a step reads, drawn anew for each; where there are no more,
            every step reads all.
    """

    rank: Limit
    steps: Count
    decay: Annotated[float, Field(gt=0)]
    batch: Count


class RLACE(IterativeEraser):
    """Relaxed linear adversarial concept erasure (Ravfogel, Twiton, Goldberg and Cotterell 2022).

    A linear classifier and a projection of a given rank play against each other: the classifier
    lowers its log-loss on the projected vectors, the projection raises it. As in their section 3,
    the projection is relaxed to the convex hull of the projections of that rank (the Fantope), and
    every step upwards is projected back onto it; with several languages the log-loss is that of
    multinomial logistic regression. A step reads a batch, drawn without replacement by a fixed
    seed, or all vectors where these are no more; the classifier takes Newton-like steps with
    Böhning's (1992) bound of the curvature, of all vectors, so it has no learning rate. The
    result is the nearest projection to the mean of the second half of the relaxed ones. The map is
    orthogonal and leaves the anchor where it is.

    Of one direction less than there are languages the best choice is the span of the differences
    of their means. Fewer directions are what R-LACE is for.
    """

    name: ClassVar[str] = "rlace"

    section: ClassVar[type[Section] | None] = RlaceEraser

    def __init__(
        self,
        *,
        rank: int | None,
        steps: int,
        decay: float,
        batch: int,
        anchor: str | None = None,
    ) -> None:
        super().__init__(anchor=anchor)
        self.rank, self.steps, self.decay, self.batch = rank, steps, decay, batch

    @classmethod
    def make(cls, name: str, values: RlaceEraser, anchor: str | None) -> Self:
        """Make an unfitted eraser."""
        return cls(anchor=anchor, **values.model_dump())

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        values = {"rank": self.rank, "steps": self.steps, "decay": self.decay}
        return super().options() | values | {"batch": self.batch}

    def _solve(self) -> ErasureMap:
        train, dev = self._vectors()
        width = self.moments.width
        rank = len(self.moments.languages) - 1 if self.rank is None else self.rank
        rank = min(rank, width)  # of as much as the width, the base class refuses the map
        varies = float(np.square(train.features).sum()) > 0
        if len(np.unique(train.labels)) < 2 or not len(dev.labels) or not varies:
            return self._one_map(np.zeros((width, 0)), np.zeros((0, width)))
        basis = self._subspace(train, rank)
        before = self.read(train, dev, 0)
        after = self.read(_without(train, basis), _without(dev, basis), rank)
        if not after.at_majority:
            self.warn_above(after, "raise evaluate.erasers.rlace.rank")
        path: tuple[PathPoint, ...] = (before, after)
        return self._one_map(basis, basis.T, path)

    def _subspace(self, train: Vectors, rank: int) -> np.ndarray:
        """The directions that the projection removes: orthonormal ``[H, R]``."""
        x = train.features / np.sqrt(np.square(train.features).mean())
        gold = np.eye(len(self.moments.languages))[train.labels]
        covariance, width = x.T @ x / len(x), x.shape[1]
        whole, labels = x.astype(np.float32), gold
        rng = np.random.default_rng(0)
        relaxed = np.eye(width) * rank / width
        total = np.zeros_like(relaxed)
        weights, intercepts = np.zeros((gold.shape[1], width)), np.log(gold.mean(axis=0) + 1e-9)
        for step in range(self.steps):
            x, gold = whole, labels
            if self.batch < len(whole):
                rows = rng.choice(len(whole), self.batch, replace=False, shuffle=False)
                x, gold = whole[rows], labels[rows]
            keep = np.eye(width) - relaxed
            curvature = 0.5 * keep @ covariance @ keep + self.decay * np.eye(width)
            inverse = np.linalg.inv(curvature)
            for _ in range(_CLASSIFIER_STEPS):
                residual = _residual(x, weights @ keep, intercepts, gold)
                intercepts = intercepts - 2 * residual.mean(axis=0)
                slope = (residual.T @ x / len(x)) @ keep + self.decay * weights
                weights = weights - slope @ inverse
            residual = _residual(x, weights @ keep, intercepts, gold)
            rise = -(x.T @ residual / len(x)) @ weights
            rise = (rise + rise.T) / 2
            size = float(np.abs(np.linalg.eigvalsh(rise)).max())
            rise *= _RATE / np.sqrt(1 + step) / max(size, 1e-12)
            relaxed = nearest_in_fantope(relaxed + rise, rank)
            if step >= self.steps // 2:
                total += relaxed
        return np.ascontiguousarray(np.linalg.eigh(total)[1][:, ::-1][:, :rank])


def _residual(
    x: np.ndarray, weights: np.ndarray, intercepts: np.ndarray, gold: np.ndarray
) -> np.ndarray:
    """Probabilities less the true languages, float64 ``[N, K]``."""
    scores = x @ weights.T.astype(np.float32) + intercepts
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True) - gold)


def _without(part: Vectors, basis: np.ndarray) -> Vectors:
    return part.moved(part.features - (part.features @ basis) @ basis.T)


def nearest_in_fantope(matrix: np.ndarray, rank: int) -> np.ndarray:
    """The nearest symmetric matrix whose eigenvalues lie in 0..1 and add up to ``rank``.

    The eigenvalues are shifted by one number and clipped (Vu, Cho, Lei and Rohe 2013, Lemma 4.1);
    bisection gives the shift.

    Args:
        matrix: symmetric, float64 ``[H, H]``.
        rank: at most H.
    """
    values, axes = np.linalg.eigh(matrix)
    low, high = values[0] - 1.0, values[-1]
    for _ in range(60):
        shift = (low + high) / 2
        if np.clip(values - shift, 0.0, 1.0).sum() > rank:
            low = shift
        else:
            high = shift
    return np.asarray((axes * np.clip(values - high, 0.0, 1.0)) @ axes.T)
