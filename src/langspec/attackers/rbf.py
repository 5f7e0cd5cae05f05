"""An attacker with the features of an RBF kernel, read by the solver of the linear probe.

A vector's features are its likenesses ``exp(-|x - l|^2 / (2 s^2))`` to landmarks ``l``, which are
training vectors, whitened by the likenesses of the landmarks to each other (the Nystroem method,
Williams and Seeger 2001). Beside them stand the scores of the linear probe, so that what is
linearly readable need not be read anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from langspec.attackers.base import CHOICE, Attacker, Effort, Target
from langspec.section import Count, Section

if TYPE_CHECKING:
    from langspec.measurement.probe import Probe

_PAIRED = 1000  # training vectors whose distances to each other give the median
_FLAT = 1e-6  # directions of landmarks below this share of the largest are rounding


class RbfAttacker(Section):
    """Section ``rbf``: the attacker with the features of an RBF kernel.

    Attributes:
        landmarks: number of landmarks, at most one a training vector.
        widths: of the kernel, as multiples of the median distance between training vectors; one
            is chosen on validation vectors.
    """

    landmarks: Count
    widths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]


@dataclass(frozen=True)
class _Features:
    """The features of an RBF kernel of one width.

    Attributes:
        landmarks: float32 ``[L, H]``, standardised.
        sharpness: ``1 / (2 s^2)`` of the width ``s``.
        whitening: float32 ``[L, R]``.
    """

    landmarks: np.ndarray
    sharpness: float
    whitening: np.ndarray

    @classmethod
    def of(cls, landmarks: np.ndarray, width: float) -> _Features:
        """The features of some landmarks ``[L, H]`` and a width, in units of the vectors."""
        sharpness = 1 / (2 * width**2)
        values, axes = np.linalg.eigh(_likeness(landmarks, landmarks, sharpness).astype(float))
        keep = values > _FLAT * values[-1]
        whitening = (axes[:, keep] / np.sqrt(values[keep])).astype(np.float32)
        return cls(landmarks, sharpness, whitening)

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Features float32 ``[N, R]`` of standardised vectors ``[N, H]``."""
        return _likeness(z, self.landmarks, self.sharpness) @ self.whitening


@dataclass(frozen=True)
class RbfFit:
    """The fit with one width.

    Attributes:
        target: what it was fitted on.
        features: of the kernel.
        probe: the linear probe of scores and features.
        width: as a multiple of the median distance.
    """

    target: Target
    features: _Features
    probe: Probe
    width: float

    @property
    def dev_loss(self) -> float:
        """Validation log-loss, nats a row."""
        return self.probe.path[self.probe.chosen].dev_loss

    @property
    def facts(self) -> dict[str, float]:
        """``converged``: the gradient of the fit is within the tolerance of linear probes."""
        return {
            "converged": self.probe.converged,
            "iterations": self.probe.iterations,
            "chosen_width": self.width,
            "chosen_c": self.probe.chosen_c,
        }

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Log-probabilities float64 ``[N, K]`` (nats) of features ``[N, H]``."""
        return self.probe.log_probabilities(_inputs(self.target, self.features, features))


class RbfAttack(Attacker):
    """The features of an RBF kernel, and the scores of the linear probe."""

    name: ClassVar[str] = "rbf"
    title: ClassVar[str] = "RBF"
    section: ClassVar[type[Section]] = RbfAttacker

    @classmethod
    def operations(cls, values: RbfAttacker, effort: Effort) -> float:
        """The products of features with features, once for each C of the path."""
        rows = effort.vectors + len(values.widths) * min(effort.vectors, CHOICE)
        return 12.0 * rows * values.landmarks * (values.landmarks + effort.hidden)

    @classmethod
    def fit(cls, target: Target, values: RbfAttacker) -> RbfFit:
        """Fit with every width on at most :data:`CHOICE` vectors, then with the chosen one."""
        rows = target.drawn(CHOICE)
        z = target.standardised(target.train[rows])
        distance = _median_distance(z[:_PAIRED])
        features = [_Features.of(z[: values.landmarks], one * distance) for one in values.widths]
        fits = [_fit(target, rows, *one) for one in zip(features, values.widths, strict=True)]
        chosen = min(fits, key=lambda fit: fit.dev_loss)
        if len(rows) == len(target.train):
            return chosen
        return _fit(target, np.arange(len(target.train)), chosen.features, chosen.width)


def _likeness(z: np.ndarray, landmarks: np.ndarray, sharpness: float) -> np.ndarray:
    """The kernel float32 ``[N, L]`` of vectors ``[N, H]`` with landmarks ``[L, H]``."""
    squares = (z * z).sum(axis=1)[:, None] + (landmarks * landmarks).sum(axis=1)
    distances = np.maximum(squares - 2 * (z @ landmarks.T), 0)
    return np.exp(-np.float32(sharpness) * distances)


def _median_distance(z: np.ndarray) -> float:
    """The median distance between two of some vectors ``[N, H]``; 1 where all are equal."""
    squares = (z * z).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * (z @ z.T), 0)
    return float(np.sqrt(np.median(distances[np.triu_indices(len(z), 1)]))) or 1.0


def _inputs(target: Target, features: _Features, vectors: np.ndarray) -> np.ndarray:
    """Scores of the linear probe and features of the kernel, float32 ``[N, K + R]``."""
    z = target.standardised(vectors)
    scores = z @ target.linear.weights.T.astype(np.float32)
    return np.concatenate([scores, features(z)], axis=1)


def _fit(target: Target, rows: np.ndarray, features: _Features, width: float) -> RbfFit:
    from langspec.measurement.probe import fit_probe  # imports PyTorch

    probe = fit_probe(
        _inputs(target, features, target.train[rows]),
        target.train_labels[rows],
        _inputs(target, features, target.dev),
        target.dev_labels,
        target.classes,
        target.probe,
    )
    return RbfFit(target, features, probe, width)
