"""Rows of a file of vectors that no encoder writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from langspec.vectors.vector_file import Block, VectorFile

SHORTEST, LONGEST = 1e-15, 1e15
"""Lengths of vectors within which fp32 holds every square; the erasers work in fp32."""


def check_rows(file: VectorFile, block: Block) -> np.ndarray:
    """Refuse vectors that are not finite, all zeros, or too short or long for fp32.

    Returns:
        The length of each vector, float64 ``[N]``.

    Raises:
        LangspecError: there is one; its message names the first.
    """
    exact = np.float64 if file.dtype.itemsize == 8 else np.float32
    numbers: np.ndarray[Any, np.dtype[np.float64]] = block.vectors.astype(exact, copy=False)
    with np.errstate(over="ignore"):  # such a row is refused
        lengths = np.sqrt(np.einsum("nh,nh->n", numbers, numbers).astype(np.float64))
    wrong = np.flatnonzero(~((lengths >= SHORTEST) & (lengths <= LONGEST)))
    if len(wrong):
        row = int(wrong[0])
        raise file.refuse_row(block.start + row, _why(numbers[row].astype(np.float64)))
    return lengths


def _why(vector: np.ndarray) -> str:
    """Why a vector float64 ``[H]`` is refused."""
    if not np.isfinite(vector).all():
        return (
            "holds a number that is not finite (NaN or infinite); remove it, or encode its text "
            "again"
        )
    if not vector.any():
        return (
            "is all zeros, which has no direction to search by; remove it, or encode its text "
            "again"
        )
    highest = float(np.abs(vector).max())
    return (
        f"its largest number is {highest:.3g}, out of the range of fp32; give the vectors length 1"
    )
