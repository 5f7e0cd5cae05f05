"""Labels without meaning: they show what a probe reads by memorising or by chance.

In the control task every word type gets one random label, so only a probe that memorises words can
be right (Hewitt and Liang 2019, "Designing and interpreting probes with control tasks").
Selectivity is the accuracy on languages minus that on the control task. A whole sentence occurs
once, so there the accuracy on the control task is at chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def control_labels(types: Sequence[str] | np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """One random label for each type: int64 ``[N]``.

    Args:
        types: ``[N]``, the type of each row; values of any sortable type.
        shares: float ``[K]``, relative frequencies of the labels.
        seed: of the draw; the order of the rows does not matter.
    """
    names, index = np.unique(np.asarray(types), return_inverse=True)
    drawn = np.random.default_rng([seed, 1]).choice(
        len(shares), size=len(names), p=np.asarray(shares, np.float64) / np.sum(shares)
    )
    return drawn[index].astype(np.int64)


def shuffled_labels(labels: np.ndarray, seed: int) -> np.ndarray:
    """``labels`` ``[N]`` in random order: the classes keep their sizes and lose their meaning."""
    return np.random.default_rng([seed, 2]).permutation(labels)
