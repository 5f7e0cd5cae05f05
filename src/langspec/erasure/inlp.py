"""INLP: the directions that a linear classifier reads are projected away, round by round."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from langspec.erasure.base import FLAT, ErasureMap
from langspec.erasure.iterative import IterativeEraser, Vectors
from langspec.erasure.removal_path import PathPoint
from langspec.section import Count, Limit, Section


class InlpEraser(Section):
    """Section ``inlp``.

    Attributes:
        space: ``raw``: the classifier reads the vectors as they are, as published; ``whitened``:
            it reads vectors whose covariance is the identity, and the projection is oblique.
        strengths: candidates for C of the classifier, in that space; the least C makes the
            directions most like the differences of the languages' means.
        rounds: most rounds.
        train: training vectors at most of each language that rounds read; null: all.
    """

    space: Literal["raw", "whitened"]
    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    rounds: Count
    train: Limit


class INLP(IterativeEraser):
    """Iterative nullspace projection (Ravfogel et al. 2020, Algorithm 1).

    Each round fits a linear classifier (multinomial logistic regression) on the vectors that the
    rounds before left, and projects the span of its weights away: one direction less than there
    are languages. After each round an evaluation probe is fitted anew
    (:class:`langspec.erasure.removal_path.PathPoint`). The first round is done with each C; the
    one after which that probe reads least on held-out lines is the C of all rounds. The rounds
    end where naming the most frequent language is as good as the probe, within the interval of
    its accuracy and near it, or after ``rounds``; a warning then says how far it got.

    The published map is linear. This one leaves the anchor where it is: the task's trained head
    then gets vectors around the same mean as in training.
    """

    name: ClassVar[str] = "inlp"

    section: ClassVar[type[Section] | None] = InlpEraser

    def __init__(
        self,
        *,
        rounds: int,
        space: str,
        strengths: list[float],
        train: int | None,
        anchor: str | None = None,
    ) -> None:
        super().__init__(anchor=anchor)
        self.rounds, self.space, self.strengths = rounds, space, list(strengths)
        self.train = train

    @classmethod
    def make(cls, name: str, values: InlpEraser, anchor: str | None) -> Self:
        """Make an unfitted eraser."""
        return cls(anchor=anchor, **values.model_dump())

    def options(self) -> dict[str, Any]:
        """The options that it was made with, as they are written beside a fitted eraser."""
        values = {"rounds": self.rounds, "space": self.space, "strengths": self.strengths}
        return super().options() | values | {"train": self.train}

    def _solve(self) -> ErasureMap:
        there, back = self._coordinates()
        train, dev = self._vectors()
        if self.train is not None:
            train = train.drawn(self.train)
        basis, path = np.zeros((there.shape[1], 0)), tuple[PathPoint, ...]()
        if len(np.unique(train.labels)) > 1 and len(dev.labels) and there.shape[1]:
            basis, path = _Rounds(self, train, dev, there, back).run()
        return self._one_map(back @ basis, (there @ basis).T, path)

    def _coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrices ``[H, Q]`` to the space of the projections, and back from it."""
        if self.space == "raw":
            same = np.eye(self.moments.width)
            return same, same
        values, axes = np.linalg.eigh(self.moments.covariance)
        keep = values > FLAT * max(values[-1], 0.0)
        deviations = np.sqrt(values[keep])
        return axes[:, keep] / deviations, axes[:, keep] * deviations


class _Rounds:
    """The rounds on one set of vectors.

    Args:
        eraser: with the options.
        train: what classifiers and evaluation probes are fitted on.
        dev: what they are scored on.
        there: ``[H, Q]``, to the space of the projections.
        back: ``[H, Q]``, back from it.
    """

    def __init__(
        self, eraser: INLP, train: Vectors, dev: Vectors, there: np.ndarray, back: np.ndarray
    ) -> None:
        self.eraser, self.train, self.dev, self.back = eraser, train, dev, back
        self.inside = train.features @ there, dev.features @ there
        self.loudest = float(np.linalg.eigvalsh(self.inside[0].T @ self.inside[0])[-1])

    def run(self) -> tuple[np.ndarray, tuple[PathPoint, ...]]:
        """The directions that all rounds remove, orthonormal ``[Q, R]``; what each round left."""
        eraser, strengths, varying = self.eraser, self.eraser.strengths, self.eraser.varying
        basis = np.zeros((self.back.shape[1], 0))
        path = [eraser.read(self.train, self.dev, 0)]
        while not path[-1].at_majority and len(path) <= eraser.rounds:
            tried = [self._round(basis, c) for c in strengths]
            least = min(range(len(tried)), key=lambda i: tried[i][1].accuracy)
            following, point = tried[least]
            if point.rank >= varying:
                why = "a further round would remove every dimension that varies"
                eraser.warn_above(path[-1], why)
                return basis, tuple(path)
            if point.rank == path[-1].rank:
                eraser.warn_above(path[-1], "a further round finds no direction")
                return basis, tuple(path)
            basis, strengths = following, [strengths[least]]
            path.append(point)
        if not path[-1].at_majority:
            cure = f"raise evaluate.erasers.inlp.rounds above {eraser.rounds}"
            eraser.warn_above(path[-1], cure)
        return basis, tuple(path)

    def _round(self, basis: np.ndarray, c: float) -> tuple[np.ndarray, PathPoint]:
        """The directions after one more round with this C; what a new probe then reads."""
        from langspec.measurement.probe import fit_probe  # imports PyTorch

        train, dev = (one - (one @ basis) @ basis.T for one in self.inside)
        # Weak classifiers have small gradients from the start: 1e-3 would leave them at zero.
        options = self.eraser.probe.model_copy(update={"strengths": [c], "tolerance": 1e-6})
        classes = len(self.eraser.moments.languages)
        labels = self.train.labels, self.dev.labels
        probe = fit_probe(train, labels[0], dev, labels[1], classes, options, scaled=False)
        rows = probe.weights - (probe.weights @ basis) @ basis.T
        u, s, _ = np.linalg.svd(rows.T, full_matrices=False)
        new = u[:, s > max(1e-6 * s.max(), 1e-12)]
        new = new[:, np.square(train @ new).sum(axis=0) > FLAT * self.loudest]
        basis = np.linalg.qr(np.concatenate([basis, new], axis=1))[0]
        first, second = (
            part.moved(part.features - (inside @ basis) @ (self.back @ basis).T)
            for part, inside in zip((self.train, self.dev), self.inside, strict=True)
        )
        return basis, self.eraser.read(first, second, basis.shape[1])
