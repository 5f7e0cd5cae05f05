"""Labels without meaning: what a probe reads because it can memorise, and because of chance.

Control task (Hewitt and Liang 2019, "Designing and interpreting probes with control tasks"):
every word type gets one random label, so that only a probe that learns words by heart can be
right. Selectivity is the accuracy on the languages less that on the control task. Whole sentences
have no type that comes again: there the control task is at chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def control_labels(types: Sequence[str] | np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """int64 ``[N]``: one random label a type.

    Args:
        types: ``[N]``, what stands for a type; sortable.
        shares: float ``[K]``, how often each label is drawn.
        seed: of the draw; the order of the rows does not matter.
    """
    names, index = np.unique(np.asarray(types), return_inverse=True)
    drawn = np.random.default_rng([seed, 1]).choice(
        len(shares), size=len(names), p=np.asarray(shares, np.float64) / np.sum(shares)
    )
    return drawn[index].astype(np.int64)


def shuffled_labels(labels: np.ndarray, seed: int) -> np.ndarray:
    """``labels`` in random order: the classes keep their sizes, and say nothing."""
    return np.random.default_rng([seed, 2]).permutation(labels)
