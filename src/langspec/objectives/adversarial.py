"""Unlearning language: gradient reversal, the iterative adversary, and their matched control.

All three read the same rows in the same order with the same dropout for one seed: task rows and
language rows go through the encoder in one forward, and what a discriminator draws comes from a
stream of its own. They differ in what flows back from the discriminator to the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch.nn import functional

from langspec.encoders.forward import hidden_states
from langspec.errors import LangspecError
from langspec.modelling.discriminator import Discriminator, as_constant
from langspec.modelling.pooling import units
from langspec.modelling.reversal import reverse_gradient
from langspec.objectives.base import (
    Objective,
    OwnOptimiser,
    Setting,
    at_least_float32,
    task_loss,
)
from langspec.objectives.retention import make_retention
from langspec.objectives.schedules import strength_at
from langspec.objectives.streams import RandomStream
from langspec.tasks.task import IGNORED
from langspec.training.language import join

if TYPE_CHECKING:
    from langspec.training.stepper import Stepper

DISCRIMINATOR = "discriminator"
LOSSES = ("uniform_ce", "entropy", "neg_ce")
SCALES = ("mean", "sum")


def language_term(
    logits: torch.Tensor, labels: torch.Tensor, loss: str, scale: str
) -> torch.Tensor:
    """What the encoder minimises against a discriminator, ``[N]`` of logits ``[N, K]``.

    A sum over the K languages, or (``mean``) a K-th of it:

    * ``uniform_ce``: ``-sum_l log p_l``, cross-entropy to the uniform distribution; its mean is
      ``ln K + KL(uniform | p)``, its sum the paper's language loss (section 3);
    * ``entropy``: ``sum_l p_l log p_l``, minus the entropy;
    * ``neg_ce``: ``log p_gold``, minus the discriminator's own loss, without a lower bound.
    """
    log_p = functional.log_softmax(at_least_float32(logits), dim=-1)
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


class Unlearning(Objective):
    """What the three have in common. Subclasses say what reaches the encoder."""

    trains_encoder: ClassVar[bool] = True
    reads_language: ClassVar[bool] = True

    def set_up(self, setting: Setting) -> None:
        """Build the discriminator and, with distillation, the teacher from the model as it is."""
        language, chosen = setting.language, self.options.discriminator
        if language is None or not len(language):
            raise LangspecError(
                f"method {self.name} needs rows of language text, found none; prepare a text "
                "corpus (langspec corpora)",
                place="corpora",
            )
        self.model = setting.model
        self.unit = chosen.unit if chosen.unit != "task" else setting.model.unit
        self.pad_id = language.pad_id
        self.classes = len(language.languages)
        width = setting.model.encoder.config.hidden_size
        weights = next(setting.model.encoder.parameters())
        with RandomStream(17 + 1000 * setting.seed, setting.device):
            discriminator = Discriminator(
                width,
                self.classes,
                layers=chosen.layers,
                hidden=chosen.hidden,
                dropout=chosen.dropout,
                init=setting.init,
            )
        self.discriminator = discriminator.to(setting.device, weights.dtype).train()
        self.modules = {DISCRIMINATOR: self.discriminator}
        self.streams = {
            DISCRIMINATOR: RandomStream(19 + 1000 * setting.seed + setting.rank, setting.device)
        }
        try:
            self.retention = make_retention(self.options.retention.kind, setting, language)
        except LangspecError as error:
            raise LangspecError(
                str(error), place=f"train.methods.{self.name}.retention.kind"
            ) from None
        if self.retention is not None:
            self.streams |= self.retention.streams

    def own_optimisers(self) -> dict[str, OwnOptimiser]:
        """The discriminator's."""
        chosen = self.options.discriminator
        return {
            DISCRIMINATOR: OwnOptimiser(
                list(self.discriminator.parameters()), chosen.lr, tuple(chosen.betas)
            )
        }

    # What a method decides.

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """The language vectors as the adversary gets them in the encoder's step."""
        raise NotImplementedError

    def language_loss(
        self, logits: torch.Tensor, labels: torch.Tensor, cross_entropy: torch.Tensor
    ) -> torch.Tensor:
        """The language term ``[N]`` of the encoder's step: the adversary's loss, if not said."""
        return cross_entropy

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """Both terms, weighted."""
        raise NotImplementedError

    def before(self, stepper: Stepper) -> None:
        """Discriminator steps on rows of their own, before the encoder's forward."""

    def inner(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> Any:
        """Discriminator steps on the step's detached vectors; the first logits, or None."""
        return None

    def after(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> None:
        """The discriminator's own step, once the encoder's is done."""

    # What all do.

    def language_vectors(
        self, states: torch.Tensor, batch: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors ``[N, H]`` of the units that the adversary tells apart, languages ``[N]``."""
        states = states[:, : batch["attention_mask"].shape[1]]
        if self.unit == "token":
            vectors = units(states, batch["unit_rows"], batch["unit_columns"])
            return vectors, batch["languages"][batch["unit_rows"]]
        return self.model.pooled(states, batch["attention_mask"]), batch["languages"]

    def discriminator_step(
        self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper
    ) -> torch.Tensor:
        """One step of the discriminator on detached vectors; its logits before the step."""
        with self.streams[DISCRIMINATOR]:
            logits = at_least_float32(stepper.modules[DISCRIMINATOR](vectors))
        total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        stepper.minimise(stepper.normalise(total, (labels != IGNORED).sum()), DISCRIMINATOR)
        return logits.detach()

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """One encoder step against the discriminator, and the discriminator's own steps."""
        self.before(stepper)
        language = stepper.language_batch()
        more = self.retention.rows(language) if self.retention is not None else None
        others = [language] if more is None else [language, more]
        found = stepper.model(join(batch, others, self.pad_id))
        task = task_loss(found["task"], batch["labels"], stepper)
        rows = len(language["input_ids"])
        states = found["states"]
        vectors, labels = self.language_vectors(states[:rows], language)
        detached = vectors.detach()
        stepper.note_features(detached, labels)
        first = self.inner(detached, labels, stepper)
        if vectors.requires_grad:
            vectors.retain_grad()
        with self.streams[DISCRIMINATOR]:
            logits = as_constant(self.discriminator, self.seen_by_adversary(vectors, progress))
        logits = at_least_float32(logits)
        count = (labels != IGNORED).sum()
        cross_entropy = functional.cross_entropy(
            logits, labels, ignore_index=IGNORED, reduction="none"
        )
        term = self.language_loss(logits, labels, cross_entropy) * (labels != IGNORED)
        language_total = stepper.normalise(term.sum(), count)
        total = self.combine(task, language_total)
        losses = {"loss": task.detach(), "loss_language": language_total.detach()}
        if self.retention is not None:
            kept, kept_count = self.retention.loss(
                states[:rows] if more is None else states[rows:], language
            )
            retained = stepper.normalise(kept, kept_count)
            losses["loss_retention"] = retained.detach()
            total = total + self.options.retention.weight * retained
        stepper.minimise(total, "task")
        self._log(first, logits.detach(), labels, cross_entropy.detach(), vectors, stepper)
        self.after(detached, labels, stepper)
        return losses

    def _log(
        self,
        first: torch.Tensor | None,
        logits: torch.Tensor,
        labels: torch.Tensor,
        cross_entropy: torch.Tensor,
        vectors: torch.Tensor,
        stepper: Stepper,
    ) -> None:
        """The adversary's numbers over all processes. None of them is evidence of removal."""
        known = labels != IGNORED
        before = logits if first is None else first
        log_p = functional.log_softmax(logits[known], dim=-1)
        entropy = -(log_p.exp() * log_p).sum(-1) / np.log(self.classes)
        none = logits.new_zeros(())
        read, self.model.boundary = self.model.boundary, None  # the task's vectors of this step
        sums = [
            known.sum(),
            (before.argmax(-1) == labels)[known].sum(),
            (logits.argmax(-1) == labels)[known].sum(),
            entropy.sum(),
            cross_entropy.sum(),
            none if vectors.grad is None else vectors.grad.square().sum(),
            none if read is None or read.grad is None else read.grad.square().sum(),
            entropy.min() if len(entropy) else none + 1,
            entropy.max() if len(entropy) else none,
        ]
        packed = torch.stack([value.detach().double() for value in sums])
        packed = torch.cat(
            [packed, torch.bincount(labels[known], minlength=self.classes).double()]
        )
        every = stepper.everywhere(packed)
        total = every.sum(0)
        n = max(1.0, float(total[0]))
        stepper.metrics |= {
            "adversary_accuracy": float(total[1]) / n,
            "adversary_majority": float(total[9:].max()) / n,
            "discriminator_accuracy": float(total[2]) / n,
            "adversary_entropy_mean": float(total[3]) / n,
            "adversary_cross_entropy": float(total[4]) / n,
            "gradient_ratio": float((total[5] / total[6].clamp(min=1e-30)).sqrt()),
            "adversary_entropy_min": float(every[:, 7].min()),
            "adversary_entropy_max": float(every[:, 8].max()),
        }


class Control(Unlearning):
    """Language rows, discriminator, retention as in ``grl``; nothing flows back from there."""

    name: ClassVar[str] = "control"

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """Detached."""
        return vectors.detach()

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """The task alone."""
        return task

    def inner(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> Any:
        """``inner_steps`` further steps on the same vectors."""
        logits = [
            self.discriminator_step(vectors, labels, stepper)
            for _ in range(self.options.inner_steps)
        ]
        return logits[0] if logits else None

    def after(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> None:
        """The step that the reversed gradient was taken from: with no inner steps, the paper's."""
        self.discriminator_step(vectors, labels, stepper)


class GradientReversal(Control):
    """Gradient reversal at the encoder's boundary (the paper's ``lang_grad_rev``).

    The encoder gets ``g_task - lambda g_language``; the discriminator learns at full strength.
    """

    name: ClassVar[str] = "grl"

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """Behind the reversal, at lambda(progress)."""
        chosen = self.options
        self.strength = strength_at(
            progress, strength=chosen.strength, schedule=chosen.schedule, warmup=chosen.warmup
        )
        return reverse_gradient(vectors, self.strength)

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """Weight 1 : 1; lambda enters in the backward pass alone."""
        return task + language

    def _log(self, *arguments: Any) -> None:
        super()._log(*arguments)
        arguments[-1].metrics["lambda"] = self.strength


class Adversary(Unlearning):
    """Iterative: k discriminator steps, then an encoder step against it (``lang_ent_max``).

    ``alternate: step`` takes ``inner_steps`` discriminator steps on fresh language rows before
    every encoder step; ``epoch`` as many passes over the language rows before every epoch.
    """

    name: ClassVar[str] = "adversary"

    def _fresh_step(self, rows: np.ndarray, stepper: Stepper) -> torch.Tensor:
        batch = stepper.language_rows(rows)
        model = self.model
        with torch.no_grad(), self.streams[DISCRIMINATOR], stepper.accelerator.autocast():
            (states,) = hidden_states(model.encoder, batch, model.feature_layer)
        vectors, labels = self.language_vectors(at_least_float32(states), batch)
        return self.discriminator_step(vectors, labels, stepper)

    def start_epoch(self, stepper: Stepper) -> None:
        """With ``alternate: epoch``, the discriminator's passes; the encoder stays as it is."""
        if self.options.alternate == "epoch":
            epoch, _ = stepper.place
            for stream in range(1, self.options.inner_steps + 1):
                for rows in stepper.language.one_pass(epoch, stream):
                    self._fresh_step(rows, stepper)

    def before(self, stepper: Stepper) -> None:
        """With ``alternate: step``, ``inner_steps`` steps on rows of their own stream."""
        if self.options.alternate == "step":
            epoch, index = stepper.place
            for stream in range(1, self.options.inner_steps + 1):
                self._fresh_step(stepper.language.plan(epoch, stream)[index], stepper)

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """As they are."""
        return vectors

    def language_loss(
        self, logits: torch.Tensor, labels: torch.Tensor, cross_entropy: torch.Tensor
    ) -> torch.Tensor:
        """The loss of ``train.methods.adversary.loss``."""
        return language_term(logits, labels, self.options.loss, self.options.scale)

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """(1 - w) task + w language."""
        weight = self.options.weight
        return (1.0 - weight) * task + weight * language
