"""LSAR: the subspace in which the means of the languages differ, subtracted."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.base import Eraser, ErasureMap
from langspec.section import Limit, Section


class LsarEraser(Section):
    """``lsar``: directions removed; null: one less than the languages."""

    rank: Limit


class LSAR(Eraser):
    """Low-rank subspaces for language-agnostic representations (Xie, Zhao, Yu and Li 2022).

    The matrix of language means is decomposed into a common vector and ``rank`` directions
    orthogonal to it (their Algorithm 1; the decomposition is Piratla, Netrapalli and Sarawagi's of
    2020); the component along those directions is removed, for every language alike. ``rank``
    None takes all there are: one less than the languages.
    """

    name: ClassVar[str] = "lsar"

    section: ClassVar[type[Section] | None] = LsarEraser

    def __init__(self, *, rank: int | None, anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self.rank = rank

    @classmethod
    def make(cls, name: str, values: LsarEraser, anchor: str | None) -> Self:
        """An unfitted one."""
        return cls(rank=values.rank, anchor=anchor)

    def options(self) -> dict[str, Any]:
        """What it was made with, for the file."""
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
        # Means that lie around the origin have no common vector.
        common = (
            common / squared if squared > 1e-12 / max((means**2).sum(), 1e-300) else 0 * common
        )
        basis = _top(best - common, rank)[0]
        return self._one_map(basis, basis.T)


def _top(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors ``[H, R]`` of the ``rank`` largest values, and the approximation.

    Directions of numerically no length are left out.
    """
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    keep = (np.arange(len(s)) < rank) & (s > 1e-9 * max(float(s.max(initial=0.0)), 1e-300))
    return u[:, keep], (u[:, keep] * s[keep]) @ vt[keep]
