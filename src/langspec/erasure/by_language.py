"""Erasers with a map a language: they have to know the language, or guess it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from langspec.erasure.base import Eraser, ErasureMap, discriminant


class ByLanguage(Eraser):
    """The language is predicted by linear discriminant analysis, or given (``gold``).

    With ``gold`` the map itself puts the true language into the features: classes are moved by
    different vectors, and whatever is left of a vector's own cue then disagrees with the move. A
    linear probe falls to chance while a non-linear one can read *more* than before. An oracle
    bounds what centring could do; it removes nothing from an encoder whose input is unknown.
    """

    def __init__(self, *, gold: bool = False, anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self.gold = gold

    def options(self) -> dict[str, Any]:
        """What it was made with, for the file."""
        return super().options() | {"gold": self.gold}

    def _solve(self) -> ErasureMap:
        left, right, shift, ranks = self._maps()
        weights, intercepts = discriminant(self.moments)
        return ErasureMap(
            name=self.name + "_oracle" * self.gold,
            languages=self.moments.languages,
            left=left,
            right=right,
            shift=shift,
            gold=self.gold,
            weights=weights[:0] if self.gold else weights,
            intercepts=intercepts[:0] if self.gold else intercepts,
            ranks=ranks,
        )

    @abstractmethod
    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        """``left [K, H, R]``, ``right [K, R, H]``, ``shift [K, H]`` and the ranks ``[K]``."""


class Centring(ByLanguage):
    """Each language's mean is moved onto the anchor's (Libovický, Rosa and Fraser 2020)."""

    name: ClassVar[str] = "centring"

    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        means = self.moments.means
        languages, width = means.shape
        shift = self._anchor_mean() - means
        empty = np.zeros((languages, width, 0))
        # It takes no direction from a vector; what it moves spans those of the means.
        rank = int(np.linalg.matrix_rank(self.moments.between))
        return empty, empty.transpose(0, 2, 1), shift, (rank,) * languages


class LIR(ByLanguage):
    """Language information removal (Yang, Yang, Cer and Darve 2021).

    Of each vector, its components along the top ``rank`` right singular vectors of its own
    language's (uncentred) features are removed. As published it has no anchor: the map is linear.
    """

    name: ClassVar[str] = "lir"

    def __init__(self, *, rank: int = 1, gold: bool = False) -> None:
        super().__init__(gold=gold)
        self.rank = rank

    def options(self) -> dict[str, Any]:
        """What it was made with, for the file."""
        return super().options() | {"rank": self.rank}

    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        moments = self.moments
        rank = min(self.rank, moments.width)
        bases = []
        for code, count, mean in zip(
            moments.languages, moments.counts, moments.means, strict=True
        ):
            # The right singular vectors of X are the eigenvectors of X.T @ X.
            gram = moments.scatter(code) + count * np.outer(mean, mean)
            bases.append(np.linalg.eigh(gram)[1][:, ::-1][:, :rank])
        left = np.stack(bases)
        shift = np.zeros((len(bases), moments.width))
        return left, left.transpose(0, 2, 1), shift, (rank,) * len(bases)
