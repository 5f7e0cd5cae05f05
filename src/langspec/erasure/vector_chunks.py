"""Vectors that an eraser holds in memory, because moments do not tell it enough."""

from __future__ import annotations

import numpy as np

from langspec.erasure.moments import checked


class Chunks:
    """Vectors with the language and the line of each, chunk by chunk."""

    def __init__(self) -> None:
        self._chunks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> None:
        """Add a chunk.

        Args:
            features: ``[N, H]``.
            languages: code of each vector ``[N]``.
            lines: int ``[N]``; None: each vector is a line of its own.

        Raises:
            LangspecError: values that are not finite, shapes that disagree.
        """
        vectors, codes = checked(features, languages)
        if lines is None:
            begin = sum(len(chunk[0]) for chunk in self._chunks)
            lines = np.arange(begin, begin + len(vectors))
        self._chunks.append((vectors, codes, np.asarray(lines)))

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All vectors ``[N, H]``, their languages ``[N]`` and lines ``[N]``."""
        features, languages, lines = zip(*self._chunks, strict=True)
        return np.concatenate(features), np.concatenate(languages), np.concatenate(lines)

    def __len__(self) -> int:
        """The number of chunks."""
        return len(self._chunks)
