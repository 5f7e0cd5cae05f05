"""LIR: the strongest directions of its language are removed from each vector."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.by_language import ByLanguage
from langspec.section import Count, Section


class LirEraser(Section):
    """Section ``lir``.

    Attributes:
        rank: number of singular directions that are removed of each language.
    """

    rank: Count


class LIR(ByLanguage):
    """Language information removal (Yang, Yang, Cer and Darve 2021).

    The features of a language, uncentred, have right singular vectors. The components of a vector
    along the first ``rank`` of those of its language are removed. As published there is no anchor:
    the map is linear.
    """

    name: ClassVar[str] = "lir"

    section: ClassVar[type[Section] | None] = LirEraser

    def __init__(self, *, rank: int, gold: bool = False) -> None:
        super().__init__(gold=gold)
        self.rank = rank

    @classmethod
    def make(cls, name: str, values: LirEraser, anchor: str | None) -> Self:
        """Make an unfitted eraser; ``anchor`` is not used."""
        return cls(rank=values.rank, gold=name.endswith("_oracle"))

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
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
