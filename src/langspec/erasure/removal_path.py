"""What a new linear probe reads after each step of an eraser that works step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR = 0.05
"""So far above the majority an accuracy may be: few held-out lines have wide intervals."""


@dataclass(frozen=True)
class PathPoint:
    """What the evaluation probe reads on held-out vectors after one step.

    The evaluation probe is a linear probe of standardised features, as that of all leaks is; it
    chooses C on the held-out vectors. Its options are ``evaluate.erasers.judge``: an eraser is the
    same whatever ``evaluate.probe`` says. It is fitted on erased training vectors.

    Attributes:
        rank: number of directions removed so far.
        accuracy: of the probe on the held-out vectors.
        low: lower end of the 95 % interval of the accuracy; whole lines vary.
        high: upper end.
        majority: share of the most frequent language in the held-out vectors.
        count: number of held-out vectors.
    """

    rank: int
    accuracy: float
    low: float
    high: float
    majority: float
    count: int

    @property
    def at_majority(self) -> bool:
        """Is naming the most frequent language as good, within the interval and ``NEAR``?"""
        return self.low <= self.majority and self.accuracy - self.majority <= NEAR


def clustered_interval(hits: np.ndarray, lines: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of ``hits [N]`` (0 or 1), where whole lines ``[N]`` vary.

    The standard error is that of a ratio of sums over lines (Cochran 1977, section 6.3); the
    interval is that of every score (:func:`langspec.measurement.intervals.share_interval`).
    """
    from langspec.measurement.intervals import LEVEL, share_interval  # imports SciPy

    _, index = np.unique(lines, return_inverse=True)
    mean, count = float(hits.mean()), int(index.max()) + 1
    deviations = np.bincount(index, weights=hits - mean)
    error = np.sqrt(np.square(deviations).sum() * count / max(count - 1, 1)) / len(hits)
    interval = share_interval(mean, float(error), count, LEVEL)
    return interval.low, interval.high
