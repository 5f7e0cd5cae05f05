"""LEACE: the smallest change after which no linear probe reads the language."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np

from langspec.erasure.base import FLAT, Eraser, ErasureMap
from langspec.erasure.shrinkage import shrunk_covariance
from langspec.section import Section

# Canonical correlations between features and languages below this are rounding.
_NOTHING = 1e-7

Shrinkage = Literal["none", "linear"]


class LeaceEraser(Section):
    """Section ``leace``.

    Attributes:
        shrinkage: of the covariance that whitens. ``none``: the closed form as it stands;
            ``linear``: see :func:`langspec.erasure.shrinkage.shrunk_covariance`.
    """

    shrinkage: Shrinkage


class LEACE(Eraser):
    """Least-squares concept erasure in closed form (Belrose et al. 2023, Theorem 4.3).

    Features are whitened, the directions in which the means of the languages differ are projected
    away, and the result is unwhitened. Where the means of all languages are equal, no linear probe
    does better than chance. Of all affine maps that make them equal this one changes the features
    least in the mean square. It removes at most one direction less than there are languages, and
    nothing that no linear probe reads.

    With a shrunk covariance the means are equal all the same; the change is the least for vectors
    of that covariance, which are more like unseen ones where there are few vectors.
    """

    name: ClassVar[str] = "leace"

    section: ClassVar[type[Section] | None] = LeaceEraser

    def __init__(self, *, shrinkage: Shrinkage = "none", anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self.shrinkage = shrinkage

    @classmethod
    def make(cls, name: str, values: LeaceEraser, anchor: str | None) -> Self:
        """Make an unfitted eraser."""
        return cls(shrinkage=values.shrinkage, anchor=anchor)

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        return super().options() | {"shrinkage": self.shrinkage}

    def _solve(self) -> ErasureMap:
        covariance = self.moments.covariance
        if self.shrinkage == "linear":
            covariance, _ = shrunk_covariance(covariance, int(self.moments.counts.sum()))
        values, axes = np.linalg.eigh(covariance)
        keep = values > FLAT * max(values[-1], 0.0)
        deviations = np.sqrt(values[keep])
        axes = axes[:, keep]
        # [q, K]: the means in whitened coordinates; singular values are canonical correlations.
        u, s, _ = np.linalg.svd(
            (axes / deviations).T @ self.moments.between.T, full_matrices=False
        )
        u = u[:, s > _NOTHING]
        return self._one_map((axes * deviations) @ u, ((axes / deviations) @ u).T)
