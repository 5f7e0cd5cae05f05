"""The post-hoc language probe of Tanti et al. 2021 as they trained it, on stored vectors.

A linear layer behind dropout, weights drawn from N(0, sd) and biases 0, trained by Adam at a
constant rate (no warm-up, decay or clipping) on minibatches of texts for a few epochs; the state
with the best validation score is kept, the untrained one included. Learning rate, minibatch and sd
are not the probe's own: they are those that the search found best for the *label* head of the same
experiment, and differ from one experiment to the next.

What differs here: the vectors come from an encoder in eval mode (published: its dropout is active
while the probe trains, and it is run anew in every epoch), the dropout before the linear layer is
drawn from a seed, and Adam always begins afresh (published: "ent-max" keeps the moments that its
discriminator left).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
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
    """What a probe inherits from its experiment's label head; a minibatch counts texts."""

    learning_rate: float
    minibatch: int
    init_stddev: float


def published_settings(path: Path, unit: str) -> dict[str, ProbeSetting]:
    """The four settings by method name, from the table of chosen hyper-parameters.

    Args:
        path: CSV with ``task, method, hyperparameter, value``.
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
    found = {}
    for method in METHODS.values():
        try:
            found[method] = ProbeSetting(
                learning_rate=float(rows[method, "postencoder_learning_rate"]),
                minibatch=int(rows[method, "minibatch_size"]),
                init_stddev=float(rows[method, "init_stddev"]),
            )
        except KeyError as error:
            raise LangspecError(f"no row for {TASKS[unit]}, {error.args[0]}", place=path) from None
        except ValueError as error:
            raise LangspecError(f"{TASKS[unit]}, {method}: {error}", place=path) from None
    return found


def own_setting(method: str) -> str:
    """Whose setting a method gets: its counterpart's; what has none, ``finetune``'s.

    An encoder with random weights gets ``frozen``'s: no training changed it either.
    """
    if method == "random":
        return "frozen"
    return method if method in METHODS.values() else "finetune"


@dataclass(frozen=True)
class Texts:
    """Vectors of texts laid end to end.

    Attributes:
        vectors: float ``[N, H]``; the probe is trained in their precision.
        languages: int ``[N]``, class of each vector.
        lengths: int ``[S]``, vectors of each text (1 where a text is one vector).
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
        epoch: the epoch kept, 0 for the untrained state.
        scores: validation score of each epoch, 0 first.
    """

    weights: np.ndarray
    bias: np.ndarray
    epoch: int
    scores: tuple[float, ...]

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """int64 ``[N]``: the likeliest class of vectors ``[N, H]``."""
        found = np.asarray(vectors, self.weights.dtype) @ self.weights.T + self.bias
        return found.argmax(axis=1).astype(np.int64)


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
    """Train the probe and keep its best epoch.

    Args:
        train: texts to train on, shuffled anew in every epoch.
        validation: texts that choose the epoch.
        classes: number of languages, K.
        setting: learning rate, texts a minibatch, standard deviation of the first weights.
        score: of ``validation`` and predictions for it; only a higher one replaces the best.
        epochs: passes over ``train``.
        seed: of weights, dropout and order; the same draws whatever the setting, but for scale.
        dropout: share of entries set to 0.

    Raises:
        LangspecError: no training or validation texts, or fewer than two languages.
    """
    for name, part in (("training", train), ("validation", validation)):
        if not len(part.lengths):
            raise LangspecError(f"the published probe has no {name} texts")
    if classes < 2:
        raise LangspecError(f"the published probe needs two languages or more, found {classes}")
    vectors = torch.from_numpy(np.ascontiguousarray(train.vectors))
    labels = torch.from_numpy(np.asarray(train.languages, np.int64))
    draw = torch.Generator().manual_seed(seed)
    first = torch.randn((classes, vectors.shape[1]), generator=draw, dtype=torch.float64)
    weights = (setting.init_stddev * first).to(vectors.dtype).requires_grad_()
    bias = torch.zeros(classes, dtype=vectors.dtype, requires_grad=True)
    # One tensor a kernel call: the fused and the grouped form differ in the last digits.
    optimiser = torch.optim.Adam([weights, bias], lr=setting.learning_rate, foreach=False)

    def state(epoch: int, scores: list[float]) -> PaperProbe:
        values = (weights.detach().numpy().copy(), bias.detach().numpy().copy())
        return PaperProbe(*values, epoch, tuple(scores))

    scores = [score(validation, state(0, []).predict(validation.vectors))]
    best = state(0, scores)
    starts = np.cumsum(train.lengths) - train.lengths
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(train.lengths), generator=draw).numpy()
        for begin in range(0, len(order), setting.minibatch):
            texts = order[begin : begin + setting.minibatch]
            picked = torch.from_numpy(_ranges(starts[texts], train.lengths[texts]))
            read = vectors[picked]
            if dropout:
                kept = torch.rand(read.shape, generator=draw) >= dropout
                read = read * kept / (1 - dropout)
            loss = functional.cross_entropy(read @ weights.T + bias, labels[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        now = state(epoch, [])
        scores.append(score(validation, now.predict(validation.vectors)))
        if scores[-1] > max(scores[:-1]):
            best = now
    return PaperProbe(best.weights, best.bias, best.epoch, tuple(scores))


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """int64: the positions of some texts, one text after the other."""
    offsets = np.cumsum(lengths) - lengths
    return np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())
