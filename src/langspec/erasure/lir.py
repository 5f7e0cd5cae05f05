"""LIR: of each vector, the strongest directions of its language are removed."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.by_language import ByLanguage
from langspec.section import Count, Section


class LirEraser(Section):
    """``lir``: singular directions removed of each language."""

    rank: Count


class LIR(ByLanguage):
    """Language information removal (Yang, Yang, Cer and Darve 2021).

    Of each vector, its components along the top ``rank`` right singular vectors of its own
    language's (uncentred) features are removed. As published it has no anchor: the map is linear.
    """

    name: ClassVar[str] = "lir"

    section: ClassVar[type[Section] | None] = LirEraser

    def __init__(self, *, rank: int, gold: bool = False) -> None:
        super().__init__(gold=gold)
        self.rank = rank

    @classmethod
    def make(cls, name: str, values: LirEraser, anchor: str | None) -> Self:
        """An unfitted one; the anchor plays no part."""
        return cls(rank=values.rank, gold=name.endswith("_oracle"))

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
