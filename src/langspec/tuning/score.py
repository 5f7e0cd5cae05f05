"""What a trial gives back, and its score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Measured:
    """A model's worth in a sweep, measured on dev rows.

    Attributes:
        transfer: macro-F1 of the task, by the rule ``tune.selection``.
        leak: macro-F1 over the languages of a fresh, converged linear probe, on dev lines of the
            text (:func:`langspec.results.leak_rows`).
        more: further numbers to keep.
    """

    transfer: float
    leak: float
    more: Mapping[str, float] = field(default_factory=dict)

    def score(self, penalty: float) -> float:
        """Transfer less ``penalty`` times leak: what a sweep with one aim maximises."""
        return self.transfer - penalty * self.leak


class Collapsed(Exception):
    """A training that the watch failed: its reason."""


class ProcessLost(Exception):
    """One of the processes that train a trial together was killed."""


Report = Callable[[int, Measured], None]  # of a rung, counted from 1


class Objective(Protocol):
    """Trains with some values (by their keys of params.yaml) and measures what came of it."""

    def __call__(self, paths: Mapping[str, Any], report: Report) -> Measured:
        """Train, telling ``report`` each rung but the last, which is the result.

        Raises:
            Collapsed: the training counts for nothing.
        """
        ...
