"""Metrics of training steps, thinned to means over windows that grow with the run.

MLflow takes 0.1 to 0.2 ms of a processor for a point, and a step has up to fourteen. So a point is
the mean over the steps since the point before: every step by itself up to step 50, then windows of
a twenty-fifth of the steps so far (1,000 steps give 133 points, 100,000 give 251). Where windows
end depends on the number of the step alone, so a history that is read back gives the same points.
Whole histories stay in ``steps.csv``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

SHARE = 25
"""A window is one step long for every so many steps before it."""


class Window(NamedTuple):
    """Means of metrics over a window; ``step`` is the last one that is in it."""

    step: int
    values: dict[str, float]


class Windows:
    """Collects metrics step by step."""

    def __init__(self) -> None:
        self._end = 1
        self._step = 0
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, step: int, values: Mapping[str, float]) -> list[Window]:
        """Add a step's metrics; returns the windows that it completes.

        Args:
            step: greater than the one before, counted from 1.
            values: a metric that is missing in a step is averaged over those that have it.
        """
        full = self.rest() if step > self._end else []  # steps were left out
        while self._end < step:
            self._end += max(1, self._end // SHARE)
        self._step = step
        for name, value in values.items():
            self._values[name].append(value)
        return full + (self.rest() if step == self._end else [])

    def rest(self) -> list[Window]:
        """The window that is not full, if it holds anything; what follows is not in it."""
        # Not fmean: it refuses infinities of both signs, which a diverged run has.
        means = {name: sum(numbers) / len(numbers) for name, numbers in self._values.items()}
        self._values.clear()
        return [Window(self._step, means)] if means else []
