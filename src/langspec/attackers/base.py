"""What attackers share: the vectors that they are fitted on, and what a fitted one gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from langspec.section import Section

if TYPE_CHECKING:
    from langspec.measurement.probe import Probe
    from langspec.measurement.probe_options import ProbeOptions

CHOICE = 2000
"""Training vectors at most that an option is chosen on; the chosen one is fitted on all."""


@dataclass(frozen=True)
class Target:
    """Vectors of several languages, and the linear probe that an attacker starts from.

    Attributes:
        train: float ``[N, H]``.
        train_labels: int64 ``[N]`` in ``0..classes-1``; every class occurs.
        dev: float ``[M, H]``: they choose options and stop a fit.
        dev_labels: int64 ``[M]``.
        classes: number of classes K.
        linear: the linear probe that was fitted on the same vectors.
        probe: how linear probes are fitted.
        seed: of everything that is drawn.
    """

    train: np.ndarray
    train_labels: np.ndarray
    dev: np.ndarray
    dev_labels: np.ndarray
    classes: int
    linear: Probe
    probe: ProbeOptions
    seed: int

    def standardised(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors ``[N, H]`` in the linear probe's standardised coordinates, float32."""
        return ((vectors - self.linear.mean) / self.linear.scale).astype(np.float32)

    def drawn(self, most: int) -> np.ndarray:
        """Positions of at most ``most`` training vectors, drawn by the seed."""
        order = np.random.default_rng([self.seed, 5]).permutation(len(self.train))
        return order[:most]


class Attack(Protocol):
    """A fitted attacker."""

    @property
    def facts(self) -> dict[str, float]:
        """Of its fit: ``converged`` (0 or 1), ``iterations``, and what validation chose."""
        ...

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Log-probabilities float64 ``[N, K]`` (nats) of features ``[N, H]``."""
        ...


@dataclass(frozen=True)
class Effort:
    """How much a fit computes; its cost is estimated from this.

    Attributes:
        vectors: training vectors of all languages.
        hidden: dimensions of a vector, H.
        classes: number of languages, K.
    """

    vectors: int
    hidden: int
    classes: int


class Attacker(ABC):
    """A non-linear probe of the language of vectors.

    An attacker is a file in this folder: its class and the class of its section under
    ``evaluate.attackers``.

    Attributes:
        name: by which options ask for it, and that its rows have in the column ``probe``.
        title: that people read.
        section: class of its section.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    section: ClassVar[type[Section]]

    @classmethod
    @abstractmethod
    def operations(cls, values: Any, effort: Effort) -> float:
        """Floating-point operations of one fit, about; ``values`` is its section."""

    @classmethod
    @abstractmethod
    def fit(cls, target: Target, values: Any) -> Attack:
        """Fit on the training vectors, with what validation vectors choose.

        The same arguments give the same fit. PyTorch's global random state is not used.
        """
