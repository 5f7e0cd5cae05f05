"""A probe with one hidden layer (MLP), which reads more than a linear probe can.

Features are standardised; AdamW trains the network; validation rows stop the fit early and choose
the weight decay for each condition, as they choose the linear probe's C. There is no optimum to
converge to. A fit ends when the validation loss has stopped falling, or at its limit of epochs;
:attr:`Mlp.converged` says which.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from langspec.measurement.probe import log_softmax, standardisation, usable_rows

if TYPE_CHECKING:
    from langspec.measures.beyond_linear import MlpOptions


LEARNING_RATE = 3e-3  # of AdamW, constant
BATCH = 256  # rows a step
TOLERANCE = 1e-3  # fall of the validation log-loss (nats a row) that counts as one
PATIENCE = 4  # epochs without such a fall after which the fit ends


@dataclass(frozen=True)
class MlpStep:
    """The fit with one weight decay.

    Attributes:
        decay: the weight decay.
        dev_loss: least validation log-loss, nats a row.
        epochs: number of epochs.
        stopped: did the fit end because the validation loss had stopped falling?
    """

    decay: float
    dev_loss: float
    epochs: int
    stopped: bool


@dataclass(frozen=True)
class Mlp:
    """A fitted probe.

    Attributes:
        mean: float64 ``[H]``, mean of the training features.
        scale: float64 ``[H]``, their standard deviation (1 where they do not vary).
        network: maps ``[N, H]`` to scores ``[N, P]`` of the classes that training had.
        present: int ``[P]``, those classes.
        classes: number of classes K.
        path: the fits with each weight decay, in order.
        chosen: index into ``path``.
    """

    mean: np.ndarray
    scale: np.ndarray
    network: nn.Module
    present: np.ndarray
    classes: int
    path: tuple[MlpStep, ...]
    chosen: int

    @property
    def chosen_decay(self) -> float:
        """The weight decay with the least validation log-loss."""
        return self.path[self.chosen].decay

    @property
    def iterations(self) -> int:
        """Epochs of all fits together."""
        return sum(step.epochs for step in self.path)

    @property
    def converged(self) -> bool:
        """Did every fit end because its validation loss had stopped falling?"""
        return all(step.stopped for step in self.path)

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Log-probabilities float64 ``[N, K]`` (nats) of features ``[N, H]``.

        They are -inf for classes that training lacked.
        """
        x = torch.from_numpy(((features - self.mean) / self.scale).astype(np.float32))
        out = np.full((len(features), self.classes), -np.inf)
        with torch.inference_mode():
            out[:, self.present] = log_softmax(self.network(x).double().numpy())
        return out

    def predict(self, features: np.ndarray) -> np.ndarray:
        """int64 ``[N]``: the most probable class of features ``[N, H]``."""
        return self.log_probabilities(features).argmax(axis=1)


def fit_mlp(
    train: np.ndarray,
    train_labels: np.ndarray,
    dev: np.ndarray,
    dev_labels: np.ndarray,
    classes: int,
    options: MlpOptions,
    *,
    seed: int = 0,
) -> Mlp:
    """Fit with every weight decay and choose the one with the least validation log-loss.

    The same arguments give the same probe. PyTorch's global random state is not used.

    Args:
        train: features ``[N, H]``.
        train_labels: int ``[N]`` in ``0..classes-1``.
        dev: features ``[M, H]`` that stop a fit and choose the weight decay.
        dev_labels: int ``[M]``; rows of classes that training lacks are not used.
        classes: number of classes K.
        options: width, weight decays, limit of epochs.
        seed: of the initial weights and of the order of rows.

    Raises:
        LangspecError: what :func:`langspec.measurement.probe.fit_probe` refuses.
    """
    present, usable = usable_rows(train, train_labels, dev, dev_labels)
    mean, scale = standardisation(train)

    def tensors(x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        labels = np.searchsorted(present, y).astype(np.int64)
        return torch.from_numpy(((x - mean) / scale).astype(np.float32)), torch.from_numpy(labels)

    seen = tensors(train, train_labels)
    unseen = tensors(dev[usable], dev_labels[usable])
    generator = torch.Generator().manual_seed(seed)
    start = nn.Sequential(
        _drawn(train.shape[1], options.hidden, generator),
        nn.ReLU(),
        _drawn(options.hidden, len(present), generator),
    )
    fits = [
        _fit(copy.deepcopy(start), seen, unseen, decay, options.max_epochs, seed)
        for decay in options.decays
    ]
    path = tuple(step for _, step in fits)
    chosen = int(np.argmin([step.dev_loss for step in path]))
    return Mlp(mean, scale, fits[chosen][0], present, classes, path, chosen)


def _drawn(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer initialised as PyTorch does, from a given generator.

    The global generator is shared by threads, so its draws would depend on their order.
    """
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
    nn.init.uniform_(layer.bias, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


def _fit(
    network: nn.Sequential,
    seen: tuple[torch.Tensor, torch.Tensor],
    unseen: tuple[torch.Tensor, torch.Tensor],
    decay: float,
    max_epochs: int,
    seed: int,
) -> tuple[nn.Sequential, MlpStep]:
    """Train in place; the network ends with the weights of the epoch of least validation loss."""
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=decay, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    x, y = seen

    def dev_loss() -> float:
        with torch.no_grad():
            return float(functional.cross_entropy(network(unseen[0]), unseen[1]))

    # The untrained network stands for "nothing to read" where every epoch is worse.
    best, best_weights, reference, waited, epoch = dev_loss(), _weights(network), np.inf, 0, 0
    while epoch < max_epochs and waited < PATIENCE:
        epoch += 1
        for rows in torch.randperm(len(x), generator=generator).split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimiser.step()
        loss = dev_loss()
        if loss < best:
            best, best_weights = loss, _weights(network)
        waited = 0 if loss < reference - TOLERANCE else waited + 1
        reference = min(reference, loss)
    network.load_state_dict(best_weights)
    return network, MlpStep(decay, best, epoch, waited >= PATIENCE)


def _weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
