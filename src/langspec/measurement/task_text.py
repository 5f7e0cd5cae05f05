"""Splitting a task's test texts for a language probe."""

from __future__ import annotations

import numpy as np

SHARES = {"train": 0.5, "dev": 0.2, "test": 0.3}  # of the items


def item_splits(items: np.ndarray, *, seed: int = 0) -> list[str]:
    """Draw the split of each row; rows of one item get the same one.

    Args:
        items: int ``[R]``, the item of each row, which its translations share.
        seed: of the draw; the order of the rows does not matter.

    Returns:
        ``train``, ``dev`` or ``test`` for each row ``[R]``, in the :data:`SHARES` of the items.
    """
    names, index = np.unique(items, return_inverse=True)
    place = np.random.default_rng([seed, 3]).permutation(len(names))
    cuts = np.round(np.cumsum(list(SHARES.values())) * len(names)).astype(np.int64)
    order = list(SHARES)
    return [order[i] for i in np.searchsorted(cuts, place[index], side="right")]
