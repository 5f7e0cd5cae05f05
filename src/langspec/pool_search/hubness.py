"""How unequally often texts are listed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hubness:
    """How often the texts of a pool are in a list of length k (their k-occurrence).

    Attributes:
        skewness: of the k-occurrences: near 0 where all texts are listed about equally often,
            well above 1 where a few texts (hubs) are in very many lists (Radovanović, Nanopoulos
            and Ivanović 2010, section 3); nan where every text is in equally many.
        never: share of the texts that are in no list.
        most: how many lists the most frequent text is in.
    """

    skewness: float
    never: float
    most: int


def hubness(lists: np.ndarray, texts: int) -> Hubness:
    """The hubness of lists of positions, int ``[q, k]``, of a pool of so many texts."""
    counts = np.bincount(lists.ravel(), minlength=texts).astype(float)
    centred = counts - counts.mean()
    spread = np.sqrt(np.mean(centred**2))
    skewness = float(np.mean(centred**3) / spread**3) if spread else float("nan")
    return Hubness(skewness, float(np.mean(counts == 0)), int(counts.max()))
