"""Erasers that read all vectors again at every step, and stop by what a new probe reads."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.base import Eraser
from langspec.erasure.removal_path import PathPoint, clustered_interval
from langspec.erasure.vector_chunks import Chunks
from langspec.measurement.probe_options import ProbeOptions

logger = logging.getLogger(__name__)

_HELD_OUT = 5  # every fifth line is held out where no other vectors were given to choose on


@dataclass(frozen=True)
class Vectors:
    """Vectors with the languages and lines that they are of.

    Attributes:
        features: float64 ``[N, H]``.
        labels: int64 ``[N]``, index into the sorted codes.
        lines: int64 ``[N]``.
    """

    features: np.ndarray
    labels: np.ndarray
    lines: np.ndarray

    def at(self, rows: np.ndarray) -> Vectors:
        """The vectors of some rows, bool ``[N]``."""
        return Vectors(self.features[rows], self.labels[rows], self.lines[rows])

    def drawn(self, most: int) -> Vectors:
        """At most ``most`` vectors of each language, drawn by a fixed seed."""
        from langspec.features.sample import lowest_per_group  # no part of what the report reads

        ranks = np.random.default_rng(0).permutation(len(self.labels))
        rows = np.zeros(len(ranks), dtype=bool)
        rows[lowest_per_group(ranks, self.labels, most)] = True
        return self.at(rows)

    def moved(self, features: np.ndarray) -> Vectors:
        """The same rows with other features ``[N, H]``."""
        return Vectors(features, self.labels, self.lines)


class IterativeEraser(Eraser):
    """An eraser whose chunks stay in memory, because each step reads all vectors again.

    Attributes:
        probe: options of the evaluation probe, which is fitted anew on what a step left.
    """

    probe: ProbeOptions

    by_steps: ClassVar[bool] = True

    def __init__(self, *, anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self._train, self._dev = Chunks(), Chunks()

    def partial_fit(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> Self:
        """Add a chunk to what is fitted, see :meth:`Eraser.partial_fit`."""
        super().partial_fit(features, languages, lines)
        self._train.add(features, languages, lines)
        return self

    def choose_on(
        self,
        features: np.ndarray,
        languages: np.ndarray | list[str],
        lines: np.ndarray | None = None,
    ) -> Self:
        """Add a chunk of what options are chosen on; nothing is fitted on it.

        Without any, every fifth line of what is fitted is held out for it.
        """
        self._map = None
        self._dev.add(features, languages, lines)
        return self

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        return super().options() | {"judge": self.probe.model_dump()}

    def judge_by(self, probe: ProbeOptions) -> Self:
        """Set the evaluation probe, see :meth:`Eraser.judge_by`; nothing is fitted without it."""
        self._map, self.probe = None, probe
        return self

    def _forget(self) -> None:
        super()._forget()
        self._train = Chunks()

    def _vectors(self) -> tuple[Vectors, Vectors]:
        """The vectors that it is fitted on and those that choose, centred on the former's mean."""
        train = self._centred(self._train)
        if len(self._dev):
            return train, self._centred(self._dev)
        held = np.unique(train.lines, return_inverse=True)[1] % _HELD_OUT == 0
        return train.at(~held), train.at(held)

    def _centred(self, chunks: Chunks) -> Vectors:
        features, codes, lines = chunks.joined()
        known = np.isin(codes, self.moments.languages)
        labels = np.searchsorted(np.asarray(self.moments.languages), codes[known])
        features = features[known] - self.moments.mean
        return Vectors(features, labels.astype(np.int64), lines[known])

    def read(self, train: Vectors, dev: Vectors, rank: int) -> PathPoint:
        """What the evaluation probe reads from erased vectors after ``rank`` directions."""
        from langspec.measurement.probe import fit_probe  # imports PyTorch

        probe = fit_probe(
            train.features,
            train.labels,
            dev.features,
            dev.labels,
            len(self.moments.languages),
            self.probe,
        )
        hits = probe.predict(dev.features) == dev.labels
        low, high = clustered_interval(hits.astype(np.float64), dev.lines)
        majority = float(np.bincount(dev.labels).max() / len(dev.labels))
        return PathPoint(rank, float(hits.mean()), low, high, majority, len(hits))

    def warn_above(self, point: PathPoint, why: str) -> None:
        """Say that the steps ended before the probe was at majority."""
        logger.warning(
            "%s: after %d directions a probe still names %.3f of the held-out languages rightly "
            "[%.3f, %.3f]; the most frequent language has %.3f; %s",
            self.name,
            point.rank,
            point.accuracy,
            point.low,
            point.high,
            point.majority,
            why,
        )
