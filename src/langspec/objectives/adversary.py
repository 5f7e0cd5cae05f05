"""The iterative adversary: steps of a language discriminator, then an encoder step against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from langspec.errors import LangspecError
from langspec.objectives.base import LanguageCost, MethodOptions
from langspec.objectives.unlearning import DISCRIMINATOR, Unlearning, UnlearningOptions
from langspec.search import ALL, Search
from langspec.section import Share

if TYPE_CHECKING:
    import numpy as np
    import torch

    from langspec.training.stepper import Stepper

LOSSES = ("uniform_ce", "entropy", "neg_ce")
SCALES = ("mean", "sum")


class AdversaryOptions(UnlearningOptions):
    """Section ``train.methods.adversary``."""

    loss: Annotated[Literal["uniform_ce", "entropy", "neg_ce"], Search(choices=ALL)]
    scale: Annotated[Literal["mean", "sum"], Search(choices=ALL)]  # over the languages
    # w: (1 - w) task + w language
    weight: Annotated[Share, Search(0.01, 0.9, paper=(0.1, 0.3, 0.5, 0.7))]
    alternate: Annotated[Literal["step", "epoch"], Search(choices=ALL)]


def language_term(
    logits: torch.Tensor, labels: torch.Tensor, loss: str, scale: str
) -> torch.Tensor:
    """What the encoder minimises against the discriminator, for each vector.

    Args:
        logits: ``[N, K]`` of the discriminator, for K languages.
        labels: int64 ``[N]``, the languages.
        loss: ``uniform_ce``: ``-sum_l log p_l``, the cross-entropy to the uniform distribution;
            its mean is ``ln K + KL(uniform | p)``, its sum the language loss of Tanti et al. 2021
            (section 3). ``entropy``: ``sum_l p_l log p_l``, the negative entropy. ``neg_ce``:
            ``log p_gold``, the negative loss of the discriminator, which has no lower bound.
        scale: ``sum`` over the languages, or ``mean``, a K-th of it.

    Returns:
        ``[N]``, nats.

    Raises:
        LangspecError: no such loss.
    """
    from torch.nn import functional

    from langspec.modelling.pooling import float32
    from langspec.tasks.task import IGNORED

    log_p = functional.log_softmax(float32(logits), dim=-1)
    if loss == "uniform_ce":
        terms = -log_p.sum(-1)
    elif loss == "entropy":
        terms = (log_p.exp() * log_p).sum(-1)
    elif loss == "neg_ce":
        known = labels != IGNORED
        terms = log_p.gather(-1, labels.where(known, 0)[:, None])[:, 0] * known
    else:
        raise LangspecError(
            f"found {loss!r}, expected one of {', '.join(LOSSES)}",
            place="train.methods.adversary.loss",
        )
    return terms / logits.shape[-1] if scale == "mean" else terms


class Adversary(Unlearning):
    """The iterative adversary (``lang_ent_max`` of Tanti et al. 2021, section 3).

    With ``alternate: step`` the discriminator takes ``inner_steps`` steps on further language rows
    before every encoder step. With ``epoch`` it takes as many passes over the language rows before
    every epoch.
    """

    name: ClassVar[str] = "adversary"
    off: ClassVar[Mapping[str, Any]] = {"weight": 0.0}
    Options: ClassVar[type[MethodOptions]] = AdversaryOptions

    def language_cost(self, tokens: float, corpus: float) -> LanguageCost:
        """The cost of the language rows, with ``inner_steps`` forward passes more.

        The discriminator's steps read rows that the encoder step does not read.
        """
        beside = super().language_cost(tokens, corpus)
        whole = min(tokens, corpus) if self.options.alternate == "epoch" else tokens
        passes = beside.passes + self.options.inner_steps * whole
        return LanguageCost(passes, beside.batches, beside.encoders)

    def _fresh_step(self, rows: np.ndarray, stepper: Stepper) -> torch.Tensor:
        import torch

        batch = stepper.language_rows(rows)
        with torch.no_grad(), self.streams[DISCRIMINATOR], stepper.accelerator.autocast():
            states = self.model.states(batch)
        vectors, labels = self.language_vectors(states, batch)
        return self.discriminator_step(vectors, labels, stepper)

    def start_epoch(self, stepper: Stepper) -> None:
        """Take the discriminator's passes of ``alternate: epoch``; the encoder does not change."""
        if self.options.alternate == "epoch":
            epoch, _ = stepper.place
            for stream in range(1, self.options.inner_steps + 1):
                for rows in stepper.language.one_pass(epoch, stream):
                    self._fresh_step(rows, stepper)

    def before(self, stepper: Stepper) -> None:
        """Take the discriminator's ``inner_steps`` steps of ``alternate: step``."""
        if self.options.alternate == "step":
            epoch, index = stepper.place
            for stream in range(1, self.options.inner_steps + 1):
                self._fresh_step(stepper.language.plan(epoch, stream)[index], stepper)

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """The vectors themselves."""
        return vectors

    def language_loss(
        self, logits: torch.Tensor, labels: torch.Tensor, cross_entropy: torch.Tensor
    ) -> torch.Tensor:
        """The language term ``[N]`` that the key ``loss`` names (:func:`language_term`)."""
        return language_term(logits, labels, self.options.loss, self.options.scale)

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """The sum ``(1 - w) task + w language``; w is the key ``weight``."""
        weight = self.options.weight
        return (1.0 - weight) * task + weight * language
