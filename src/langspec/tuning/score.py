"""What is measured of a trial, and its score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from langspec.errors import LangspecError

MEASURED = ("dev_macro_f1", "dev_leak")
"""What a trial is measured by; with two aims the first is maximised, the second minimised."""
BOUNDED = ("dev_source_accuracy", "dev_drift")
"""What the rule ``least_leak`` bounds."""


@dataclass(frozen=True)
class Measured:
    """What a sweep measures of a model, without reading a test row.

    The headline (:func:`langspec.results.headline`) has other numbers: it is of test rows, and its
    ``transfer`` is accuracy over the target languages.

    Attributes:
        dev_macro_f1: of the task on dev rows: mean over the languages of ``tune.selection``.
        dev_leak: the leak (:func:`langspec.results.leak_rows`), read on dev lines of the text in
            place of test lines, from few of its tokens.
        more: further numbers that are stored with the trial.
        dev_source_accuracy: of the task on dev rows of the source language.
        dev_drift: how far the encoder moved the tokens of dev lines of the text, all languages
            (:func:`langspec.measurement.moves.drift`).
    """

    dev_macro_f1: float
    dev_leak: float
    more: Mapping[str, float] = field(default_factory=dict)
    dev_source_accuracy: float | None = None
    dev_drift: float | None = None

    def score(self, penalty: float) -> float:
        """``dev_macro_f1 - penalty * dev_leak``: what a sweep with one aim maximises."""
        return self.dev_macro_f1 - penalty * self.dev_leak


class Collapsed(Exception):
    """The watch failed the training; the text says why."""


class NotStarted(LangspecError):
    """The processes that train together could not be started again: the worker ends."""


class ProcessLost(Exception):
    """One of the processes that train a trial together was killed."""


Report = Callable[[int, Measured], None]  # of a rung, counted from 1


class Objective(Protocol):
    """Trains with some values (by their keys of params.yaml) and measures what came of it."""

    def __call__(self, paths: Mapping[str, Any], report: Report) -> Measured:
        """Train and measure. ``report`` gets every rung but the last, which is the result.

        Raises:
            Collapsed: the watch failed the training.
        """
        ...
