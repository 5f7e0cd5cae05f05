"""An eraser for vectors of one's own, without a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from langspec.erasure.choice import check_eraser, make_eraser
from langspec.presets import load_preset


class LanguageEraser:
    """Guards vectors against linear probes of their language, by a linear map.

    It is fitted chunk by chunk.

    Args:
        name: ``leace``, ``lsar``, ``inlp``, ``rlace``, ``centring``, ``lir``, ``relative``, or one
            of the last three with ``_oracle``, which are given the language of every vector.
        anchor: code of the language whose mean vector the map leaves as it is; None: the mean of
            all vectors stays.

    Raises:
        LangspecError: no such eraser.
    """

    def __init__(self, name: str = "leace", *, anchor: str | None = None) -> None:
        check_eraser(name, place="name")
        # The options of the demo preset: they are what langspec's own runs use.
        values = load_preset("demo", []).evaluate.erasers
        self._eraser = make_eraser(name, values, anchor=anchor)

    def update(
        self,
        vectors: np.ndarray,
        languages: Sequence[str],
        lines: Sequence[int] | None = None,
    ) -> Self:
        """Add a chunk to what the map is fitted on; the order of chunks plays no part.

        Args:
            vectors: ``[N, H]``.
            languages: code of each vector.
            lines: number of the line of text of each vector, which translations share; only
                ``relative`` needs it.

        Raises:
            LangspecError: lengths or widths that differ, numbers that are not finite.
        """
        of = None if lines is None else np.asarray(lines)
        self._eraser.partial_fit(vectors, np.asarray(languages), of)
        return self

    def apply(self, vectors: np.ndarray, languages: Sequence[str] | None = None) -> np.ndarray:
        """Erase language from vectors.

        Args:
            vectors: ``[N, H]``, of the layer and pooling that the map was fitted on.
            languages: code of each vector; only ``_oracle`` erasers read it.

        Returns:
            ``[N, H]``: float64 where ``vectors`` is, else float32.

        Raises:
            LangspecError: fewer than two languages were added, or another width.
        """
        codes = None if languages is None else np.asarray(languages)
        return self._eraser.apply(vectors, codes)

    @property
    def rank(self) -> int:
        """How many directions the map removes."""
        return self._eraser.map.rank
