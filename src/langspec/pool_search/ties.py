"""In which order texts with equal scores are listed."""

from __future__ import annotations

import numpy as np


def mixed_bits(values: np.ndarray) -> np.ndarray:
    """A fixed pseudo-random uint64 of each integer: splitmix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def tie_order(line: np.ndarray, language: np.ndarray) -> np.ndarray:
    """The rank int ``[n]`` of each text among texts of equal score.

    It comes from a fixed pseudo-random number of line and language, so that no language comes
    first in all ties and the order of the pool plays no part. Texts that agree in both, such as
    the distractors of a language, come by position.
    """
    names = mixed_bits(mixed_bits(line) ^ language.astype(np.uint64))
    ranks = np.empty(len(line), dtype=np.int64)
    ranks[np.argsort(names, kind="stable")] = np.arange(len(line))
    return ranks
