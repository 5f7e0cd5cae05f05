"""LSAR: the components in the subspace in which the means of the languages differ are removed."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.base import Eraser, ErasureMap
from langspec.section import Limit, Section


class LsarEraser(Section):
    """Section ``lsar``.

    Attributes:
        rank: number of directions that are removed; null: one less than the languages.
    """

    rank: Limit


class LSAR(Eraser):
    """Low-rank subspaces for language-agnostic representations (Xie, Zhao, Yu and Li 2022).

    The matrix of language means is decomposed into a common vector and ``rank`` directions
    orthogonal to it (their Algorithm 1, which uses the decomposition of Piratla, Netrapalli and
    Sarawagi 2020). The components along those directions are removed, for every language alike.
    ``rank`` None takes all of them: one less than there are languages.
    """

    name: ClassVar[str] = "lsar"

    section: ClassVar[type[Section] | None] = LsarEraser

    def __init__(self, *, rank: int | None, anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self.rank = rank

    @classmethod
    def make(cls, name: str, values: LsarEraser, anchor: str | None) -> Self:
        """Make an unfitted eraser."""
        return cls(rank=values.rank, anchor=anchor)

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        return super().options() | {"rank": self.rank}

    def _solve(self) -> ErasureMap:
        means = self.moments.means.T  # [H, K]
        width, languages = means.shape
        most = min(languages - 1, width)
        rank = most if self.rank is None else min(self.rank, most)
        centre = means.mean(axis=1, keepdims=True)
        best = centre + _top(means - centre, rank)[1]
        common = np.linalg.pinv(best).T.sum(axis=1, keepdims=True)
        squared = float((common**2).sum())
        # Means that are centred on the origin have no common vector.
        common = (
            common / squared if squared > 1e-12 / max((means**2).sum(), 1e-300) else 0 * common
        )
        basis = _top(best - common, rank)[0]
        return self._one_map(basis, basis.T)


def _top(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The left singular vectors ``[H, R]`` of the ``rank`` largest singular values.

    The second value is the approximation of the matrix by them. Directions whose singular value is
    numerically zero are left out.
    """
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    keep = (np.arange(len(s)) < rank) & (s > 1e-9 * max(float(s.max(initial=0.0)), 1e-300))
    return u[:, keep], (u[:, keep] * s[keep]) @ vt[keep]
