"""Splitting a task's test texts for a language probe: by item, translations together."""

from __future__ import annotations

import numpy as np

SHARES = {"train": 0.5, "dev": 0.2, "test": 0.3}


def item_splits(items: np.ndarray, *, seed: int = 0) -> list[str]:
    """The split of each row ``[R]``; rows that share an item share it.

    The items are dealt out at random by ``seed``: half for training, a fifth to choose the
    regularisation, the rest for testing. The order of the rows does not matter.
    """
    names, index = np.unique(items, return_inverse=True)
    place = np.random.default_rng([seed, 3]).permutation(len(names))
    cuts = np.round(np.cumsum(list(SHARES.values())) * len(names)).astype(np.int64)
    order = list(SHARES)
    return [order[i] for i in np.searchsorted(cuts, place[index], side="right")]
