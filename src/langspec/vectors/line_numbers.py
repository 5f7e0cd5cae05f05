"""Numbers of lines, which translations of each other share, as files of vectors give them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

_END = 1 << 63


def line_keys(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Line numbers as int64 ``[N]``; keys that are no whole numbers are hashed; None is -1.

    A row of -1 is a line of its own. Numbers below it, and those that int64 does not hold, are
    keys like any text. NaN, which stands for None where a table has numbers only, is -1 too.
    """
    whole = isinstance(values, np.ndarray) and values.dtype.kind in "iu"
    if whole and (len(values) == 0 or (np.min(values) >= -1 and np.max(values) < _END)):
        return np.asarray(values, np.int64)
    return np.asarray([_line_key(value) for value in values], dtype=np.int64)


def _line_key(value: Any) -> int:
    if value is None or value == "":
        return -1
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return -1
        value = int(value) if float(value).is_integer() else value
    if isinstance(value, int | np.integer) and -1 <= value < _END:
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    digest = hashlib.blake2b(str(value).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
