"""INLP: the directions that a linear probe reads are projected away, round by round."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from langspec.erasure.base import Eraser, ErasureMap
from langspec.erasure.moments import checked
from langspec.measurement.probe_options import ProbeOptions
from langspec.section import Count, Section

_HELD_OUT = 5  # every fifth vector is held out, to decide when there is nothing left to read
_PROBE = ProbeOptions(strengths=[0.1], tolerance=1e-3, max_iterations=200)


class InlpEraser(Section):
    """Section ``inlp``.

    Attributes:
        rounds: most rounds.
    """

    rounds: Count


class INLP(Eraser):
    """Iterative nullspace projection (Ravfogel et al. 2020).

    Each round fits a logistic probe and projects the span of its weights away. The rounds end
    after ``rounds``, or when the accuracy of the probe on held-out training vectors is at most one
    standard error above that of predicting the most frequent language. The projection is
    orthogonal and leaves the anchor where it is, which shifts the published map: the task's
    trained head then gets vectors around the same mean as in training.

    Each round reads all vectors again, so the chunks of ``partial_fit`` stay in memory.
    """

    name: ClassVar[str] = "inlp"

    section: ClassVar[type[Section] | None] = InlpEraser

    def __init__(self, *, rounds: int, anchor: str | None = None) -> None:
        super().__init__(anchor=anchor)
        self.rounds = rounds
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []

    @classmethod
    def make(cls, name: str, values: InlpEraser, anchor: str | None) -> Self:
        """Make an unfitted eraser."""
        return cls(rounds=values.rounds, anchor=anchor)

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        return super().options() | {"rounds": self.rounds}

    def partial_fit(self, features: np.ndarray, languages: np.ndarray | list[str]) -> Self:
        """Add a chunk to what is fitted: features ``[N, H]`` and their language codes ``[N]``."""
        super().partial_fit(features, languages)
        self._chunks.append(checked(features, languages))
        return self

    def fit(self, features: np.ndarray, languages: np.ndarray | list[str]) -> Self:
        """Fit on features ``[N, H]`` with their language codes ``[N]``; forget earlier chunks."""
        self._chunks = []
        return super().fit(features, languages)

    def _solve(self) -> ErasureMap:
        vectors = np.concatenate([chunk for chunk, _ in self._chunks])
        codes = np.concatenate([chunk for _, chunk in self._chunks])
        labels = np.searchsorted(np.asarray(self.moments.languages), codes).astype(np.int64)
        vectors = vectors - self.moments.mean
        held = np.arange(len(vectors)) % _HELD_OUT == 0
        basis = np.zeros((self.moments.width, 0))
        if len(np.unique(labels[~held])) > 1 and held.any():
            basis = self._nullspace(vectors, labels, held)
        return self._one_map(basis, basis.T)

    def _nullspace(self, vectors: np.ndarray, labels: np.ndarray, held: np.ndarray) -> np.ndarray:
        """The directions that the probes of all rounds read: orthonormal ``[H, R]``."""
        from langspec.measurement.probe import fit_probe  # imports PyTorch

        classes, width = len(self.moments.languages), vectors.shape[1]
        majority = np.bincount(labels[held]).max() / held.sum()
        nothing_left = majority + np.sqrt(majority * (1 - majority) / held.sum())
        basis = np.zeros((width, 0))
        for _ in range(self.rounds):
            left = vectors - (vectors @ basis) @ basis.T
            probe = fit_probe(
                left[~held], labels[~held], left[held], labels[held], classes, _PROBE
            )
            if (probe.predict(left[held]) == labels[held]).mean() <= nothing_left:
                break
            rows = probe.weights / probe.scale
            rows = rows - (rows @ basis) @ basis.T  # only directions that are still there
            u, s, _ = np.linalg.svd(rows.T, full_matrices=False)
            new = u[:, s > 1e-6 * s.max()]
            basis = np.linalg.qr(np.concatenate([basis, new], axis=1))[0]
            if basis.shape[1] >= width:
                break
        return basis
