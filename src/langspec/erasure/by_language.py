"""Erasers with a map for each language, which have to know or predict the language."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.base import Eraser, ErasureMap, discriminant


class ByLanguage(Eraser):
    """An eraser that treats each language differently.

    Linear discriminant analysis predicts the language of a vector, or it is given (``gold``).

    With ``gold`` the map itself puts the true language into the features: the vectors of each
    language are moved by another vector, and what is left of the language in a vector then
    contradicts the move. A linear probe falls to chance while a non-linear one can read *more*
    than before. Such an oracle is a bound for centring. It removes nothing from an encoder whose
    input language is unknown.
    """

    by_language: ClassVar[bool] = True

    def __init__(self, *, gold: bool = False, anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self.gold = gold

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
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
        """Two names: the second, with ``_oracle``, is given the language of each vector."""
        return (cls.name, f"{cls.name}_oracle")

    @classmethod
    def make(cls, name: str, values: Any, anchor: str | None) -> Self:
        """Make an unfitted eraser; a name that ends in ``_oracle`` makes an oracle."""
        return cls(gold=name.endswith("_oracle"), anchor=anchor)

    @abstractmethod
    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        """``left [K, H, R]``, ``right [K, R, H]``, ``shift [K, H]`` and the ranks ``[K]``."""
