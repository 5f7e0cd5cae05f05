"""The post-hoc language probe of Tanti et al. 2021 as they trained it, on stored vectors.

The probe is a linear layer behind dropout, with weights drawn from N(0, sd) and biases 0. Adam
trains it at a constant rate (no warm-up, decay or clipping) on minibatches of texts for five
epochs of 115,500 texts. Where there are fewer texts they are read again, shuffled anew, until as
many updates have been made. The weights of the best validation score are taken, those before
training included. The learning rate, the minibatch and sd were not chosen for the probe. They are
the values that the published search chose for the *label* head of the same experiment, so they
differ between experiments.

Three things differ here. The encoder is in eval mode, while the published one was run again in
every epoch with its dropout active. The dropout before the linear layer is drawn from a seed. Adam
always starts without moments, while in the published "ent-max" it started with those of the
discriminator's optimiser.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from langspec.errors import LangspecError
from langspec.modelling.quick_dropout import dropout_mask

# Their names of experiments, and the methods here that do the same.
METHODS = {"frozen": "frozen", "finetune": "finetune", "grl": "grl", "entmax": "adversary"}
# Their two kinds of tasks by what a label is of.
TASKS = {"token": "pos", "pair": "nli"}
DROPOUT = 0.1
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of Adam
_MASKS = 2**15  # rows of masks at most; a minibatch has fewer


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
        updates: of Adam in all epochs together.
    """

    weights: np.ndarray
    bias: np.ndarray
    epoch: int
    scores: tuple[float, ...]
    updates: int

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
    updates: int | None = None,
    dropout: float = DROPOUT,
) -> PaperProbe:
    """Train the probe and take the weights of its best epoch.

    Args:
        train: texts to train on, shuffled before every pass over them.
        validation: texts that choose the epoch.
        classes: number of languages K.
        setting: of the experiment whose probe this is.
        score: of ``validation`` and predictions for it; of equal scores the first epoch wins.
        epochs: number of epochs; the probe is scored after each.
        seed: of weights, dropout and order; every setting gets the same draws.
        updates: of an epoch, whatever passes over ``train`` they take; None: one pass.
        dropout: share of entries set to 0.

    Raises:
        LangspecError: no training or validation texts, or fewer than two languages.
    """
    _check(train, validation, classes)
    draw = torch.Generator().manual_seed(seed)
    fit = _Fit(train, classes, setting, dropout, draw)
    a_pass = -(-len(train.lengths) // setting.minibatch)
    best = fit.state(0)
    scores = [score(validation, best.predict(validation.vectors))]
    with torch.no_grad():
        for epoch in range(1, epochs + 1):
            fit.update(a_pass if updates is None else updates)
            now = fit.state(epoch)
            scores.append(score(validation, now.predict(validation.vectors)))
            best = now if scores[-1] > max(scores[:-1]) else best
    return replace(best, scores=tuple(scores), updates=fit.done)


class _Fit:
    """A probe in training: its parameters ``[K, H + 1]``, the bias last, and Adam's moments.

    The gradient is written out: an update takes microseconds, and PyTorch's recording of one
    several times as long. Masks of dropout are drawn once an epoch and used again in its later
    passes, by place: as every pass is shuffled, a text meets another mask in each.
    """

    def __init__(
        self,
        train: Texts,
        classes: int,
        setting: ProbeSetting,
        dropout: float,
        draw: torch.Generator,
    ) -> None:
        self.setting, self.dropout, self.draw = setting, dropout, draw
        self.lengths, self.starts = train.lengths, np.cumsum(train.lengths) - train.lengths
        vectors = torch.from_numpy(np.asarray(train.vectors))
        self.vectors = functional.pad(vectors, (0, 1), value=1.0)
        self.gold = functional.one_hot(torch.from_numpy(np.asarray(train.languages)), classes)
        self.gold = self.gold.to(vectors.dtype)
        shape = classes, vectors.shape[1]
        first = torch.randn(shape, generator=draw, dtype=torch.float64)
        self.theta = functional.pad(setting.init_stddev * first, (0, 1)).to(vectors.dtype)
        self.mean, self.square = torch.zeros_like(self.theta), torch.zeros_like(self.theta)
        self.batches = self._minibatches()
        self.done = 0

    def state(self, epoch: int) -> PaperProbe:
        """The probe as it is, after an epoch."""
        theta = self.theta.numpy().copy()
        return PaperProbe(theta[:, :-1], theta[:, -1], epoch, (), self.done)

    def _minibatches(self) -> Iterator[torch.Tensor]:
        """Positions int64 of the vectors of one minibatch of texts after the other, without end.

        Each pass over the texts is shuffled.
        """
        size = self.setting.minibatch
        while True:
            order = torch.randperm(len(self.lengths), generator=self.draw).numpy()
            for begin in range(0, len(order), size):
                texts = order[begin : begin + size]
                yield torch.from_numpy(_ranges(self.starts[texts], self.lengths[texts]))

    def update(self, count: int) -> None:
        """Make so many updates."""
        masks = None
        if self.dropout:
            masks = self.vectors.new_ones(min(len(self.vectors), _MASKS), self.vectors.shape[1])
            masks[:, :-1] = dropout_mask(masks[:, :-1], self.dropout, self.draw)
        at = 0
        for picked in islice(self.batches, count):
            read = self.vectors.index_select(0, picked)
            if masks is not None:
                at = 0 if at + len(read) > len(masks) else at
                read *= masks[at : at + len(read)]
                at += len(read)
            self._step(read, self.gold.index_select(0, picked))

    def _step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Adam (Kingma and Ba 2015) on the log-loss of ``x`` ``[n, H+1]``, classes ``[n, K]``."""
        slope = torch.softmax(x @ self.theta.T, dim=1).sub_(y)
        gradient = (slope.T @ x).div_(len(x))
        self.done += 1
        first, second = _BETAS
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = self.square.sqrt().div_((1 - second**self.done) ** 0.5).add_(_EPSILON)
        rate = self.setting.learning_rate / (1 - first**self.done)
        self.theta.addcdiv_(self.mean, root, value=-rate)


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
