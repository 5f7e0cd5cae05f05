"""A fitted eraser as it is applied to many vectors: in fp32, a few hundred at a time."""

from __future__ import annotations

import numpy as np

from langspec.erasure.base import ErasureMap
from langspec.repair.unit_eraser import UnitEraser

_PART = 512  # vectors that are worked on at once: they fit into the processor's cache


class AppliedEraser:
    """Applies an eraser as :meth:`UnitEraser.apply` does, within the rounding of fp32.

    ``left @ right`` is written as ``basis @ rows`` with an orthonormal basis. The factors of LEACE
    have entries as large as 1 / the least standard deviation, which fp32 would round badly; those
    of the rewritten product are as small as the product is. Erasers that predict the language stay
    in fp64: rounding would decide between two languages that are almost equally likely.

    Args:
        eraser: fitted.
    """

    def __init__(self, eraser: UnitEraser) -> None:
        self.eraser = eraser
        self._steps = [_rewritten(step) for step in eraser.steps] if eraser.one_map else []

    def apply(self, vectors: np.ndarray, languages: np.ndarray | None = None) -> np.ndarray:
        """Erase vectors ``[N, H]`` that are finite and not zero: float32 ``[N, H]``, length 1.

        Args:
            vectors: of any floating type.
            languages: code of each; read by erasers that are given the language.
        """
        out = np.empty(vectors.shape, np.float32)
        for start in range(0, len(vectors), _PART):
            rows = slice(start, start + _PART)
            if self._steps:
                out[rows] = vectors[rows]
                self._erase(out[rows])
            else:
                codes = None if languages is None else languages[rows]
                out[rows] = self.eraser.apply(vectors[rows], codes)
        return out

    def _erase(self, vectors: np.ndarray) -> None:
        """Erase float32 ``[n, H]`` in place."""
        _shorten(vectors)
        for rows, back in self._steps:
            inside = np.empty((len(vectors), len(back)), np.float32)
            np.matmul(vectors, rows, out=inside[:, :-1])
            inside[:, -1] = -1
            vectors -= inside @ back
            _shorten(vectors)


def _rewritten(step: ErasureMap) -> tuple[np.ndarray, np.ndarray]:
    """Matrices float32 ``[H, R]`` and ``[R + 1, H]``: ``x - [x @ first, -1] @ second`` is the map.

    The last row of the second is the map's shift.
    """
    basis, triangle = np.linalg.qr(step.left[0])
    rows = triangle @ step.right[0]
    back = np.concatenate([basis.T, step.shift])
    return np.ascontiguousarray(rows.T, np.float32), np.ascontiguousarray(back, np.float32)


def _shorten(vectors: np.ndarray) -> None:
    """Give vectors float32 ``[n, H]`` length 1, in place; those of zeros stay as they are."""
    squares = np.einsum("nh,nh->n", vectors, vectors)
    vectors *= (1 / np.sqrt(np.where(squares > 0, squares, 1)))[:, None]
