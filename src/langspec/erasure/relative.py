"""Relative language vectors: what sets a language apart from its translations."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from langspec.erasure.by_language import ByLanguage
from langspec.erasure.vector_chunks import Chunks
from langspec.errors import LangspecError


class Relative(ByLanguage):
    """Each language's relative vector is subtracted, estimated from translations of each other.

    A vector is taken as the sum of one of its line, which translations share, and one of its
    language; both are fitted by least squares (two-way fixed effects). With two languages, or
    where all lines are in all languages, the difference of two languages' vectors is the mean
    difference of their translations. So content that one language has more text about is not
    taken for language, which is the difference to centring. The vectors of one line and language,
    such as the tokens of a sentence, count by their mean.

    The language is predicted, or given to the oracle, as for all erasers of a map a language.
    """

    name: ClassVar[str] = "relative"
    parallel: ClassVar[bool] = True

    def __init__(self, *, gold: bool = False, anchor: str | None = None) -> None:
        super().__init__(gold=gold, anchor=anchor)
        self._chunks = Chunks()

    def partial_fit(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> Self:
        """Add a chunk to what is fitted, see :meth:`Eraser.partial_fit`; lines are needed."""
        super().partial_fit(features, languages, lines)
        if lines is None:
            raise LangspecError(
                f"{self.name} compares translations: give the line number of each vector, which "
                "translations share, or take centring"
            )
        self._chunks.add(features, languages, lines)
        return self

    def _forget(self) -> None:
        super()._forget()
        self._chunks = Chunks()

    def _maps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
        vectors = self._relative()
        codes = self.moments.languages
        if self.anchor is None:
            shares = self.moments.counts / self.moments.counts.sum()
            centre = shares @ vectors
        else:
            self._anchor_mean()  # refuses an anchor that is not there
            centre = vectors[codes.index(self.anchor)]
        empty = np.zeros((len(codes), vectors.shape[1], 0))
        rank = int(np.linalg.matrix_rank(vectors - vectors.mean(axis=0)))
        return empty, empty.transpose(0, 2, 1), centre - vectors, (rank,) * len(codes)

    def _relative(self) -> np.ndarray:
        """The vector of each language ``[K, H]``, up to one constant vector.

        Raises:
            LangspecError: languages that no shared lines connect.
        """
        codes = self.moments.languages
        features, languages, lines = self._chunks.joined()
        language = np.searchsorted(np.asarray(codes), languages)
        _, line = np.unique(lines, return_inverse=True)
        cells, cell, sizes = np.unique(
            line * len(codes) + language, return_inverse=True, return_counts=True
        )
        means = np.zeros((len(cells), features.shape[1]))
        np.add.at(means, cell, features)
        means /= sizes[:, None]
        # Indicators of the language of each cell, less their mean over the cells of a line.
        line, language = np.divmod(cells, len(codes))
        _, line, of_line = np.unique(line, return_inverse=True, return_counts=True)
        design = np.zeros((len(cells), len(codes)))
        design[np.arange(len(cells)), language] = 1.0
        average = np.zeros((len(of_line), len(codes)))
        np.add.at(average, line, design)
        design -= (average / of_line[:, None])[line]
        normal = design.T @ design
        if np.linalg.matrix_rank(normal, rtol=1e-9, hermitian=True) < len(codes) - 1:
            apart = [code for i, code in enumerate(codes) if normal[i, i] < 0.5] or codes
            raise LangspecError(
                f"{self.name} needs training text that is parallel by line; {', '.join(apart)} "
                "share no line with other languages: add translations, or take centring",
                place="evaluate.erasers.run",
            )
        return np.asarray(np.linalg.pinv(normal, rtol=1e-9, hermitian=True) @ design.T @ means)
