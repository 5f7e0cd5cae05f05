"""LEACE: the smallest change after which no linear probe reads the language."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from langspec.erasure.base import FLAT, Eraser, ErasureMap

# Canonical correlations between features and languages below this are rounding.
_NOTHING = 1e-7


class LEACE(Eraser):
    """Least-squares concept erasure in closed form (Belrose et al. 2023, Theorem 4.3).

    Features are whitened, the directions in which the means of the languages differ are projected
    away, and the result is unwhitened. Where the means of all languages are equal, no linear probe
    does better than chance. Of all affine maps that make them equal this one changes the features
    least in the mean square. It removes at most one direction less than there are languages, and
    nothing that no linear probe reads.
    """

    name: ClassVar[str] = "leace"

    def _solve(self) -> ErasureMap:
        values, axes = np.linalg.eigh(self.moments.covariance)
        keep = values > FLAT * max(values[-1], 0.0)
        deviations = np.sqrt(values[keep])
        axes = axes[:, keep]
        # [q, K]: the means in whitened coordinates; singular values are canonical correlations.
        u, s, _ = np.linalg.svd(
            (axes / deviations).T @ self.moments.between.T, full_matrices=False
        )
        u = u[:, s > _NOTHING]
        return self._one_map((axes * deviations) @ u, ((axes / deviations) @ u).T)
