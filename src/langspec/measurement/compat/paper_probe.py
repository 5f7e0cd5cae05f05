"""The post-hoc language probe of Tanti et al. 2021 as they trained it, on stored vectors.

The probe is a linear layer behind dropout, with weights drawn from N(0, sd) and biases 0. Adam
trains it at a constant rate (no warm-up, decay or clipping) on minibatches of texts for a few
epochs. The weights of the best validation score are taken, those before training included. The
learning rate, the minibatch and sd were not chosen for the probe. They are the values that the
published search chose for the *label* head of the same experiment, so they differ between
experiments.

Three things differ here. The encoder is in eval mode, while the published one was run again in
every epoch with its dropout active. The dropout before the linear layer is drawn from a seed. Adam
always starts without moments, while in the published "ent-max" it started with those of the
discriminator's optimiser.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from langspec.errors import LangspecError

# Their names of experiments, and the methods here that do the same.
METHODS = {"frozen": "frozen", "finetune": "finetune", "grl": "grl", "entmax": "adversary"}
# Their two kinds of tasks by what a label is of.
TASKS = {"token": "pos", "pair": "nli"}
DROPOUT = 0.1


@dataclass(frozen=True)
class ProbeSetting:
    """The hyper-parameters that a probe takes from the label head of its experiment.

    Attributes:
        learning_rate: of Adam.
        minibatch: texts a step.
        init_stddev: standard deviation of the initial weights.
    """

    learning_rate: float
    minibatch: int
    init_stddev: float


def published_settings(path: Path, unit: str) -> dict[str, ProbeSetting]:
    """The settings of the four published methods, by the name of the method here.

    Args:
        path: CSV file with the columns ``task, method, hyperparameter, value``.
        unit: ``token`` for the settings of POS, ``pair`` for those of NLI.

    Raises:
        LangspecError: no such file, or a value that is missing or no number.
    """
    if not path.is_file():
        raise LangspecError(
            "the published probe needs its settings; take this file from the repository, or leave "
            "paper_probe out of evaluate.compat.run",
            place=path,
        )
    with path.open(encoding="utf-8", newline="") as handle:
        rows = {
            (METHODS.get(row.get("method", "")), row.get("hyperparameter")): row.get("value", "")
            for row in csv.DictReader(handle)
            if row.get("task") == TASKS[unit]
        }
    settings = {}
    for method in METHODS.values():
        try:
            settings[method] = ProbeSetting(
                learning_rate=float(rows[method, "postencoder_learning_rate"]),
                minibatch=int(rows[method, "minibatch_size"]),
                init_stddev=float(rows[method, "init_stddev"]),
            )
        except KeyError as error:
            raise LangspecError(f"no row for {TASKS[unit]}, {error.args[0]}", place=path) from None
        except ValueError as error:
            raise LangspecError(f"{TASKS[unit]}, {method}: {error}", place=path) from None
    return settings


def setting_of(method: str) -> str:
    """The name of the published method whose setting the probe of a method here uses.

    A method that was not published uses that of ``finetune``. An encoder with random weights uses
    that of ``frozen``, because it was not trained either.
    """
    if method == "random":
        return "frozen"
    return method if method in METHODS.values() else "finetune"


@dataclass(frozen=True)
class Texts:
    """Vectors of texts, one text after the other.

    Attributes:
        vectors: float ``[N, H]``; the probe is trained in their precision.
        languages: int ``[N]``, class of each vector.
        lengths: int ``[S]``, number of vectors of each text (1 where a text is one vector).
    """

    vectors: np.ndarray
    languages: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class PaperProbe:
    """A trained probe: ``scores = x @ weights.T + bias``.

    Attributes:
        weights: ``[K, H]``.
        bias: ``[K]``.
        epoch: the epoch whose weights these are; 0: before training.
        scores: validation score before training and after each epoch.
    """

    weights: np.ndarray
    bias: np.ndarray
    epoch: int
    scores: tuple[float, ...]

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """The most probable class int64 ``[N]`` of vectors ``[N, H]``."""
        scores = np.asarray(vectors, self.weights.dtype) @ self.weights.T + self.bias
        return scores.argmax(axis=1).astype(np.int64)


def fit_paper_probe(
    train: Texts,
    validation: Texts,
    classes: int,
    setting: ProbeSetting,
    score: Callable[[Texts, np.ndarray], float],
    *,
    epochs: int,
    seed: int,
    dropout: float = DROPOUT,
) -> PaperProbe:
    """Train the probe and take the weights of its best epoch.

    Args:
        train: texts to train on, shuffled in every epoch.
        validation: texts that choose the epoch.
        classes: number of languages K.
        setting: of the experiment whose probe this is.
        score: of ``validation`` and predictions for it; of equal scores the first epoch wins.
        epochs: passes over ``train``.
        seed: of weights, dropout and order; every setting gets the same draws.
        dropout: share of entries set to 0.

    Raises:
        LangspecError: no training or validation texts, or fewer than two languages.
    """
    _check(train, validation, classes)
    vectors = torch.from_numpy(np.ascontiguousarray(train.vectors))
    labels = torch.from_numpy(np.asarray(train.languages, np.int64))
    draw = torch.Generator().manual_seed(seed)
    first = torch.randn((classes, vectors.shape[1]), generator=draw, dtype=torch.float64)
    weights = (setting.init_stddev * first).to(vectors.dtype).requires_grad_()
    bias = torch.zeros(classes, dtype=vectors.dtype, requires_grad=True)
    # One tensor a kernel call: fused and grouped kernels differ in the last digits.
    optimiser = torch.optim.Adam([weights, bias], lr=setting.learning_rate, foreach=False)

    def state(epoch: int) -> PaperProbe:
        return PaperProbe(weights.detach().numpy().copy(), bias.detach().numpy().copy(), epoch, ())

    best = state(0)
    scores = [score(validation, best.predict(validation.vectors))]
    starts = np.cumsum(train.lengths) - train.lengths
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(train.lengths), generator=draw).numpy()
        for begin in range(0, len(order), setting.minibatch):
            texts = order[begin : begin + setting.minibatch]
            picked = torch.from_numpy(_ranges(starts[texts], train.lengths[texts]))
            read = vectors[picked]
            if dropout:
                mask = torch.rand(read.shape, generator=draw) >= dropout
                read = read * mask / (1 - dropout)
            loss = functional.cross_entropy(read @ weights.T + bias, labels[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        now = state(epoch)
        scores.append(score(validation, now.predict(validation.vectors)))
        best = now if scores[-1] > max(scores[:-1]) else best
    return replace(best, scores=tuple(scores))


def _check(train: Texts, validation: Texts, classes: int) -> None:
    for name, part in (("training", train), ("validation", validation)):
        if not len(part.lengths):
            raise LangspecError(f"the published probe has no {name} texts")
    if classes < 2:
        raise LangspecError(f"the published probe needs two languages or more, found {classes}")


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The positions int64 of all vectors of some texts, one text after the other."""
    offsets = np.cumsum(lengths) - lengths
    return np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())
