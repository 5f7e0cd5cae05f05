"""Rows of a file of vectors that no encoder writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from langspec.vectors.vector_file import Block, VectorFile


def check_rows(file: VectorFile, block: Block) -> np.ndarray:
    """Refuse vectors that are not finite or all zeros.

    Returns:
        The length of each vector, float64 ``[N]``.

    Raises:
        LangspecError: there is one; its message names the first.
    """
    exact = np.float64 if file.dtype.itemsize == 8 else np.float32
    numbers: np.ndarray[Any, np.dtype[np.float64]] = block.vectors.astype(exact, copy=False)
    squares = np.einsum("nh,nh->n", numbers, numbers).astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(squares))
    if len(wrong):
        row = int(wrong[0])
        raise file.refuse_row(
            block.start + row,
            "holds a number that is not finite (NaN or infinite); remove it, or encode its text "
            "again",
        )
    wrong = np.flatnonzero(squares == 0)
    if len(wrong):
        raise file.refuse_row(
            block.start + int(wrong[0]),
            "is all zeros, which has no direction to search by; remove it, or encode its text "
            "again",
        )
    return np.sqrt(squares)
