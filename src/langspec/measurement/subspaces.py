"""Where classes lie in a space: their effects, the variance between them, the angles they span.

A class is a language or a label. Its effect is how far its mean lies from the overall mean; where
a second factor is given (labels beside languages), both are fitted together by least squares, so
that a language is not moved by which labels are frequent in it (two-way analysis of variance,
Scheffe 1959, chapter 4). The span of the effects is the subspace of that factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import subspace_angles
from scipy.special import entr

from langspec.errors import LangspecError

_TOLERANCE = 1e-6  # of the largest singular value: smaller ones are rounding (fp16 banks)


@dataclass(frozen=True)
class Effects:
    """One factor's effects on ``N`` vectors.

    Attributes:
        values: float64 ``[K, H]``: the effect of each class that occurs, of count-weighted mean 0.
        counts: int64 ``[K]``: vectors of each class.
        total: sum of the squared distances of all vectors to their mean.
    """

    values: np.ndarray
    counts: np.ndarray
    total: float

    @property
    def weighted(self) -> np.ndarray:
        """float64 ``[K, H]``: effects times the root of their share of the vectors; the sum of the
        squares is the variance between the classes."""
        return np.sqrt(self.counts / self.counts.sum())[:, None] * self.values

    @property
    def share(self) -> float:
        """Variance between the classes as a share of the whole; nan where nothing varies."""
        between = float(np.square(self.weighted).sum()) * int(self.counts.sum())
        return between / self.total if self.total > 0 else np.nan

    @property
    def share_by_chance(self) -> float:
        """What :attr:`share` is expected to be of classes dealt out at random: (K-1)/(N-1)."""
        return (len(self.counts) - 1) / (int(self.counts.sum()) - 1)

    @property
    def basis(self) -> np.ndarray:
        """float64 ``[d, H]``: orthonormal directions of the span, strongest first; d <= K - 1."""
        _, sizes, directions = np.linalg.svd(self.weighted, full_matrices=False)
        most = min(len(self.counts) - 1, self.values.shape[1])
        kept = sizes[:most] > _TOLERANCE * max(float(sizes.max(initial=0.0)), 1e-30)
        return np.ascontiguousarray(directions[:most][kept])


def require_finite(vectors: np.ndarray, what: str) -> None:
    """Refuse vectors that are not all finite numbers.

    Raises:
        LangspecError: some are not; ``what`` says whose they are.
    """
    bad = int((~np.isfinite(vectors)).any(axis=1).sum())
    if bad:
        raise LangspecError(
            f"{bad} of {len(vectors)} vectors of {what} are not finite numbers; the checkpoint or "
            "its feature bank is damaged"
        )


def indicators(index: np.ndarray) -> np.ndarray:
    """float64 ``[N, K]``: 1 in the column of each row's class, ``index`` int ``[N]``."""
    return (index[:, None] == np.arange(int(index.max()) + 1)).astype(np.float64)


def class_effects(
    vectors: np.ndarray, classes: np.ndarray, others: np.ndarray | None = None
) -> Effects:
    """The effects of a factor, beside another factor if one is given.

    Args:
        vectors: ``[N, H]``.
        classes: int ``[N]``.
        others: int ``[N]``, classes of the second factor.

    Raises:
        LangspecError: fewer than two classes.
    """
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    _, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise LangspecError(f"expected vectors of at least two classes, found {len(counts)}")
    design = indicators(index)
    if others is not None:
        design = np.hstack([design, indicators(np.unique(others, return_inverse=True)[1])])
    # One level of each factor is free: the shortest solution, then centred.
    found = np.linalg.lstsq(design.T @ design, design.T @ data, rcond=1e-10)[0][: len(counts)]
    found -= counts @ found / counts.sum()
    return Effects(found, counts, float(np.square(data).sum()))


def span_share(vectors: np.ndarray, basis: np.ndarray) -> float:
    """Share of the variance of ``vectors`` ``[N, H]`` within the span of ``basis`` ``[d, H]``."""
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    total = np.square(data).sum()
    return float(np.square(data @ basis.T).sum() / total) if total > 0 else np.nan


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Principal angles in degrees, smallest first: float64 ``[min(d1, d2)]``.

    ``first`` ``[d1, H]`` and ``second`` ``[d2, H]`` are orthonormal (Bjorck and Golub 1973; the
    calculation is scipy's). Empty where one of them has no direction.
    """
    if not len(first) or not len(second):
        return np.zeros(0)
    return np.sort(np.degrees(subspace_angles(first.T, second.T)))


def random_angles(
    first: int, second: int, width: int, *, draws: int = 20, seed: int = 0
) -> np.ndarray:
    """Mean principal angles in degrees of random subspaces of ``first`` and ``second`` dimensions.

    Uniform over all subspaces of ``width`` dimensions: the spans of Gaussian vectors.
    """
    if not first or not second:
        return np.zeros(0)
    rng = np.random.default_rng(seed)
    found = [
        np.sort(
            np.degrees(
                subspace_angles(
                    rng.standard_normal((width, first)), rng.standard_normal((width, second))
                )
            )
        )
        for _ in range(draws)
    ]
    return np.mean(found, axis=0)


def effective_rank(vectors: np.ndarray) -> float:
    """exp of the entropy of the covariance's normalised eigenvalues (after Roy and Vetterli 2007).

    As many as the dimensions where all vary alike, 1 where all vectors lie on a line; nan where
    nothing varies.
    """
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    values = np.linalg.eigvalsh(data.T @ data).clip(min=0)
    if not values.sum() > 0:
        return np.nan
    return float(np.exp(entr(values / values.sum()).sum()))


def principal_basis(vectors: np.ndarray, count: int) -> np.ndarray:
    """float64 ``[count, H]``: the directions of largest variance, whatever they mean."""
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    directions = np.linalg.eigh(data.T @ data)[1]
    return np.ascontiguousarray(directions[:, ::-1][:, :count].T)
