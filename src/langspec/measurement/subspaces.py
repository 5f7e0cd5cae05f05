"""Where classes lie in a space: their effects, the variance between them, the angles they span.

A factor is what vectors are grouped by: their language or their label; a class is one group. The
effect of a class is its mean minus the overall mean. Where a second factor is given, the effects
of both are fitted together by least squares, so that the effect of a language does not depend on
which labels are frequent in it (two-way analysis of variance, Scheffe 1959, chapter 4). The span
of the effects of a factor is its subspace.
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
    """The effects of one factor on ``N`` vectors.

    Attributes:
        values: float64 ``[K, H]``, the effect of each class that occurs; their mean, weighted by
            ``counts``, is 0.
        counts: int64 ``[K]``, number of vectors of each class.
        total: sum of the squared distances of all vectors to their mean.
    """

    values: np.ndarray
    counts: np.ndarray
    total: float

    @property
    def weighted(self) -> np.ndarray:
        """Effects times the root of their class's share of the vectors: float64 ``[K, H]``.

        The sum of the squares is the variance between the classes.
        """
        return np.sqrt(self.counts / self.counts.sum())[:, None] * self.values

    @property
    def share(self) -> float:
        """Variance between the classes as a share of the total; nan where nothing varies."""
        between = float(np.square(self.weighted).sum()) * int(self.counts.sum())
        return between / self.total if self.total > 0 else np.nan

    @property
    def share_by_chance(self) -> float:
        """The expectation of :attr:`share` for classes assigned at random: (K-1)/(N-1)."""
        return (len(self.counts) - 1) / (int(self.counts.sum()) - 1)

    @property
    def basis(self) -> np.ndarray:
        """Orthonormal directions of the span: float64 ``[d, H]``, d <= K - 1.

        They come in descending order of the variance along them.
        """
        _, sizes, directions = np.linalg.svd(self.weighted, full_matrices=False)
        most = min(len(self.counts) - 1, self.values.shape[1])
        large = sizes[:most] > _TOLERANCE * max(float(sizes.max(initial=0.0)), 1e-30)
        return np.ascontiguousarray(directions[:most][large])


def require_finite(vectors: np.ndarray, what: str) -> None:
    """Refuse vectors ``[N, H]`` that are not all finite.

    ``what`` names the vectors in the message.

    Raises:
        LangspecError: some are not finite.
    """
    bad = int((~np.isfinite(vectors)).any(axis=1).sum())
    if bad:
        raise LangspecError(
            f"{bad} of {len(vectors)} vectors of {what} are not finite numbers; the checkpoint or "
            "its feature bank is damaged"
        )


def indicators(index: np.ndarray) -> np.ndarray:
    """A one-hot matrix float64 ``[N, K]`` of class indices int ``[N]``."""
    return (index[:, None] == np.arange(int(index.max()) + 1)).astype(np.float64)


def class_effects(
    vectors: np.ndarray, classes: np.ndarray, others: np.ndarray | None = None
) -> Effects:
    """The effects of a factor, fitted together with those of a second factor if one is given.

    Args:
        vectors: ``[N, H]``.
        classes: int ``[N]``, classes of the factor.
        others: int ``[N]``, classes of the second factor; None: there is none.

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
    # A constant added to all effects of a factor changes no fit: take the shortest solution, and
    # centre it.
    effects = np.linalg.lstsq(design.T @ design, design.T @ data, rcond=1e-10)[0][: len(counts)]
    effects -= counts @ effects / counts.sum()
    return Effects(effects, counts, float(np.square(data).sum()))


def span_share(vectors: np.ndarray, basis: np.ndarray) -> float:
    """The share of the variance of vectors ``[N, H]`` that lies in the span of a basis.

    ``basis`` ``[d, H]`` is orthonormal. The share is nan where nothing varies.
    """
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    total = np.square(data).sum()
    return float(np.square(data @ basis.T).sum() / total) if total > 0 else np.nan


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Principal angles between two subspaces, in degrees (Bjorck and Golub 1973).

    Args:
        first: orthonormal basis ``[d1, H]``.
        second: orthonormal basis ``[d2, H]``.

    Returns:
        float64 ``[min(d1, d2)]``, smallest first.
    """
    if not len(first) or not len(second):
        return np.zeros(0)
    return np.sort(np.degrees(subspace_angles(first.T, second.T)))


def random_angles(
    first: int, second: int, width: int, *, draws: int = 20, seed: int = 0
) -> np.ndarray:
    """Mean principal angles between random subspaces, in degrees.

    The subspaces are spans of Gaussian vectors, which makes all subspaces equally likely.

    Args:
        first: dimensions of one subspace, d1.
        second: dimensions of the other, d2.
        width: dimensions of the space, H.
        draws: pairs of subspaces that are averaged over.
        seed: of the draws.

    Returns:
        float64 ``[min(d1, d2)]``, smallest first.
    """
    if not first or not second:
        return np.zeros(0)
    rng = np.random.default_rng(seed)
    drawn = [
        np.sort(
            np.degrees(
                subspace_angles(
                    rng.standard_normal((width, first)), rng.standard_normal((width, second))
                )
            )
        )
        for _ in range(draws)
    ]
    return np.mean(drawn, axis=0)


def effective_rank(vectors: np.ndarray) -> float:
    """The number of dimensions that vectors ``[N, H]`` effectively fill, 1 to H.

    It is exp of the entropy of the normalised eigenvalues of the covariance (after Roy and
    Vetterli 2007): H where all dimensions vary alike, 1 where all vectors lie on a line, nan where
    nothing varies.
    """
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    values = np.linalg.eigvalsh(data.T @ data).clip(min=0)
    if not values.sum() > 0:
        return np.nan
    return float(np.exp(entr(values / values.sum()).sum()))


def principal_basis(vectors: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` directions of largest variance of vectors ``[N, H]``, as ``[count, H]``."""
    data = np.asarray(vectors, dtype=np.float64)
    data = data - data.mean(axis=0)
    directions = np.linalg.eigh(data.T @ data)[1]
    return np.ascontiguousarray(directions[:, ::-1][:, :count].T)
