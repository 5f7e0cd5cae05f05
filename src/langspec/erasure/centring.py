"""Centring: the mean of every language is moved onto one point."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from langspec.erasure.by_language import ByLanguage


class Centring(ByLanguage):
    """Each language's mean is moved onto the anchor's (Libovický, Rosa and Fraser 2020)."""

    name: ClassVar[str] = "centring"

    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        means = self.moments.means
        languages, width = means.shape
        shift = self._anchor_mean() - means
        empty = np.zeros((languages, width, 0))
        # No direction of a vector is removed; its rank is that of the differences of the means.
        rank = int(np.linalg.matrix_rank(self.moments.between))
        return empty, empty.transpose(0, 2, 1), shift, (rank,) * languages
