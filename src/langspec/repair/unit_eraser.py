"""An eraser on vectors of length 1, the only ones that a search by cosine tells apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langspec.erasure.base import ErasureMap

_CHUNK = 1 << 16  # vectors that are held in float64 at once


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors ``[N, H]`` at length 1; a vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))


@dataclass(frozen=True)
class UnitEraser:
    """One or more fitted erasers; before the first and after each, vectors get length 1.

    Attributes:
        name: of the method, such as ``leace`` or ``lir+leace``.
        steps: the fitted maps, in the order in which they are applied.
    """

    name: str
    steps: tuple[ErasureMap, ...]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it was fitted on, sorted."""
        return self.steps[0].languages

    @property
    def gold(self) -> bool:
        """Has it to be given the language of each vector?"""
        return any(step.gold for step in self.steps)

    @property
    def one_map(self) -> bool:
        """Is every step one affine map for all languages, which linear layers can carry?"""
        return not any(step.by_language for step in self.steps)

    def apply(self, vectors: np.ndarray, languages: np.ndarray | None = None) -> np.ndarray:
        """Erase vectors ``[N, H]``; float32 ``[N, H]`` of length 1.

        ``languages`` is the code of each vector; erasers that are given the language need it, and
        leave vectors of a language that they were not fitted on as they are.
        """
        out = np.empty(vectors.shape, dtype=np.float32)
        for start in range(0, len(vectors), _CHUNK):
            rows = slice(start, start + _CHUNK)
            codes = None if languages is None else np.asarray(languages)[rows]
            now = unit(np.asarray(vectors[rows], dtype=np.float64))
            for step in self.steps:
                now = unit(_stepped(step, now, codes))
            out[rows] = now
        return out


def _stepped(step: ErasureMap, vectors: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    if not step.gold or codes is None:
        return step.apply(vectors, codes)
    seen = np.isin(codes, step.languages)
    moved = vectors.copy()
    if seen.any():
        moved[seen] = step.apply(vectors[seen], codes[seen])
    return moved
