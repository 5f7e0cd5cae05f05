"""Language codes of vectors, as every format of files gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def codes_of(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Language codes as str ``[N]``, "" where there is none; a number is a code too, as is 0.

    Space around a code is no part of it.
    """
    return np.asarray(["" if value is None else str(value).strip() for value in values], str)
