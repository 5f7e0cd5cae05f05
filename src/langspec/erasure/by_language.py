"""Erasers with a map a language: they have to know the language, or guess it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.base import Eraser, ErasureMap, discriminant


class ByLanguage(Eraser):
    """The language is predicted by linear discriminant analysis, or given (``gold``).

    With ``gold`` the map itself puts the true language into the features: classes are moved by
    different vectors, and whatever is left of a vector's own cue then disagrees with the move. A
    linear probe falls to chance while a non-linear one can read *more* than before. An oracle
    bounds what centring could do; it removes nothing from an encoder whose input is unknown.
    """

    by_language: ClassVar[bool] = True

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

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """With the language predicted, and with the language given."""
        return (cls.name, f"{cls.name}_oracle")

    @classmethod
    def make(cls, name: str, values: Any, anchor: str | None) -> Self:
        """An unfitted one; ``_oracle`` at the end of its name gives it the language."""
        return cls(gold=name.endswith("_oracle"), anchor=anchor)

    @abstractmethod
    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        """``left [K, H, R]``, ``right [K, R, H]``, ``shift [K, H]`` and the ranks ``[K]``."""
