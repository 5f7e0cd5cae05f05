"""An attacker with one hidden layer (MLP), which starts from the fitted linear probe.

Its scores are those of the linear probe plus those of a hidden branch whose output weights start
at zero, so before its first step it *is* the linear probe. AdamW then trains both. Of all rounds,
the start included, the one with the least validation log-loss counts whose validation accuracy is
not below the linear probe's. So on validation vectors it never reads less than the linear probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from langspec.attackers.base import CHOICE, Attacker, Effort, Target
from langspec.section import Count, Section

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 3e-3  # of AdamW, constant
BATCH = 256  # rows a step
TOLERANCE = 1e-3  # fall of the validation log-loss (nats a row) that counts as one
PATIENCE = 4  # rounds without such a fall after which the fit ends
STEPS = 40  # of a round at least; it takes whole epochs, of few rows several


class MlpAttacker(Section):
    """Section ``mlp``: the attacker with one hidden layer.

    Attributes:
        hidden: number of units of the hidden layer (ReLU).
        decays: weight decays of the hidden branch; one is chosen on validation vectors.
        max_rounds: most rounds of a fit; a round is an epoch, of few rows as many as have
            :data:`STEPS` steps. The validation loss is measured after each.
    """

    hidden: Count
    decays: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)]
    max_rounds: Count


@dataclass(frozen=True)
class _Weights:
    """Float32: ``scores = z @ linear.T + intercepts + relu(z @ inner.T + bias) @ outer.T``.

    Attributes:
        linear: ``[K, H]``.
        intercepts: ``[K]``.
        inner: ``[U, H]``, of the hidden units.
        bias: ``[U]``.
        outer: ``[K, U]``.
    """

    linear: np.ndarray
    intercepts: np.ndarray
    inner: np.ndarray
    bias: np.ndarray
    outer: np.ndarray

    @property
    def all(self) -> tuple[np.ndarray, ...]:
        """Every array, in the order of the attributes."""
        return self.linear, self.intercepts, self.inner, self.bias, self.outer


@dataclass(frozen=True)
class MlpFit:
    """The fit with one weight decay.

    Attributes:
        target: what it was fitted on; it standardises features.
        weights: of the round that counts.
        decay: the weight decay.
        dev_loss: validation log-loss of that round, nats a row.
        rounds: number of rounds.
        stopped: did the fit end because the validation loss had stopped falling?
    """

    target: Target
    weights: _Weights
    decay: float
    dev_loss: float
    rounds: int
    stopped: bool

    @property
    def facts(self) -> dict[str, float]:
        """``converged``: the fit did not end at its limit of rounds."""
        return {
            "converged": self.stopped,
            "iterations": self.rounds,
            "chosen_decay": self.decay,
        }

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Log-probabilities float64 ``[N, K]`` (nats) of features ``[N, H]``."""
        from langspec.measurement.probe import log_softmax

        z, w = self.target.standardised(features), self.weights
        hidden = np.maximum(z @ w.inner.T + w.bias, 0)
        return log_softmax((z @ w.linear.T + w.intercepts + hidden @ w.outer.T).astype(float))


class MlpAttack(Attacker):
    """One hidden layer beside the linear probe."""

    name: ClassVar[str] = "mlp"
    title: ClassVar[str] = "MLP"
    section: ClassVar[type[Section]] = MlpAttacker

    @classmethod
    def operations(cls, values: MlpAttacker, effort: Effort) -> float:
        """A third of the rounds, forwards and backwards, and the choice of the decay."""
        weights = effort.hidden * values.hidden + (effort.hidden + values.hidden) * effort.classes
        rows = effort.vectors + len(values.decays) * min(effort.vectors, CHOICE)
        return 6.0 * weights * rows * values.max_rounds / 3

    @classmethod
    def fit(cls, target: Target, values: MlpAttacker) -> MlpFit:
        """Fit with every decay on at most :data:`CHOICE` vectors, then with the chosen one."""
        rows = target.drawn(CHOICE)
        fits = [_fit(target, rows, decay, values) for decay in values.decays]
        chosen = min(fits, key=lambda fit: fit.dev_loss)
        if len(rows) == len(target.train):
            return chosen
        return _fit(target, np.arange(len(target.train)), chosen.decay, values)


def _start(target: Target, hidden: int) -> _Weights:
    """The linear probe, and a hidden branch that PyTorch's rule draws and that gives zero."""
    rng = np.random.default_rng([target.seed, 7])
    width = target.train.shape[1]
    reach = width**-0.5
    inner = rng.uniform(-reach, reach, size=(hidden, width))
    bias = rng.uniform(-reach, reach, size=hidden)
    linear = target.linear
    parts = (linear.weights, linear.intercepts, inner, bias, np.zeros((target.classes, hidden)))
    return _Weights(*(part.astype(np.float32) for part in parts))


def _fit(target: Target, rows: np.ndarray, decay: float, values: MlpAttacker) -> MlpFit:
    """Train on some rows of the training vectors."""
    import torch
    from torch.nn import functional

    x = torch.from_numpy(target.standardised(target.train[rows]))
    y = torch.from_numpy(target.train_labels[rows])
    dev = torch.from_numpy(target.standardised(target.dev))
    dev_y = torch.from_numpy(target.dev_labels)
    best = _start(target, values.hidden)
    weights = [torch.from_numpy(one.copy()).requires_grad_() for one in best.all]
    groups: list[dict[str, Any]] = [
        {"params": weights[:2], "weight_decay": 0.0},
        {"params": weights[2:], "weight_decay": decay},
    ]
    optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)

    def measured() -> tuple[float, float]:
        """Log-loss and accuracy of validation vectors."""
        with torch.no_grad():
            scores = _scores(dev, weights)
            loss = functional.cross_entropy(scores, dev_y)
            return float(loss), float((scores.argmax(dim=1) == dev_y).double().mean())

    generator = torch.Generator().manual_seed(target.seed)
    epochs = -(-STEPS // -(-len(x) // BATCH))  # of a round, rounded up
    least, linear_accuracy = measured()
    reference, waited, count = least, 0, 0
    while count < values.max_rounds and waited < PATIENCE:
        count += 1
        for _ in range(epochs):
            for part in torch.randperm(len(x), generator=generator).split(BATCH):
                optimiser.zero_grad(set_to_none=True)
                functional.cross_entropy(_scores(x[part], weights), y[part]).backward()
                optimiser.step()
        loss, accuracy = measured()
        if loss < least and accuracy >= linear_accuracy:
            least, best = loss, _Weights(*(one.detach().numpy().copy() for one in weights))
        waited = 0 if loss < reference - TOLERANCE else waited + 1
        reference = min(reference, loss)
    return MlpFit(target, best, decay, least, count, waited >= PATIENCE)


def _scores(x: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    """Scores ``[N, K]`` of standardised features ``[N, H]``."""
    import torch

    linear, intercepts, inner, bias, outer = weights
    hidden = torch.addmm(bias, x, inner.T).relu()
    return torch.addmm(intercepts, x, linear.T) + hidden @ outer.T
