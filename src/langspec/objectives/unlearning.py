"""Unlearning language: what gradient reversal, the iterative adversary and the control share.

All three train the encoder against a discriminator, a head that predicts the language. For one
seed they read the same rows in the same order with the same dropout: task rows and language rows
go through the encoder in one forward pass, and the discriminator draws from another random stream.
They differ in the gradient that flows back from the discriminator to the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from langspec.errors import LangspecError
from langspec.objectives.base import (
    ExtraOptimiser,
    LanguageCost,
    Objective,
    Setting,
    task_loss,
)
from langspec.objectives.finetune import FinetuneOptions
from langspec.objectives.gradient_cosine import gradient_cosine, is_sampled
from langspec.objectives.retention import RetentionOptions, make_retention
from langspec.objectives.streams import RandomStream
from langspec.search import Search
from langspec.section import Count, Natural, Rate, Section

if TYPE_CHECKING:
    import torch

    from langspec.training.stepper import Stepper

DISCRIMINATOR = "discriminator"


class DiscriminatorOptions(Section):
    """Section ``discriminator``: the language head that the encoder is trained against.

    It has an optimiser of its own.
    """

    unit: Literal["task", "token", "sentence"]  # task: what the task labels
    layers: Annotated[Natural, Search(0, 2)]  # hidden ones; 0: linear
    hidden: Annotated[Count, Search(choices=(64, 128, 256), when=("layers", (1, 2)))]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    lr: Annotated[Rate, Search(1e-4, 3e-2, log=True, paper="head_lr")]
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]


class UnlearningOptions(FinetuneOptions):
    """The options that the three methods with a discriminator share."""

    inner_steps: Annotated[Natural, Search(0, 5)]  # k
    discriminator: DiscriminatorOptions
    retention: RetentionOptions


class Unlearning(Objective):
    """A method with a discriminator; subclasses say which gradient it gives to the encoder."""

    reads_language: ClassVar[bool] = True

    @property
    def asks_for_mlm_head(self) -> str:
        """The key ``retention.kind`` where its value is ``mlm``, else nothing."""
        return "retention.kind" if self.options.retention.kind == "mlm" else ""

    def language_cost(self, tokens: float, corpus: float) -> LanguageCost:
        """The cost of the language rows, forward and backward.

        Retention adds a forward pass of the teacher, or masked rows.
        """
        kind = self.options.retention.kind
        passes = 3 * tokens + {"none": 0, "distil": tokens, "mlm": 3 * tokens}[kind]
        return LanguageCost(passes, 2 if kind == "mlm" else 1, 1 if kind == "distil" else 0)

    def set_up(self, setting: Setting) -> None:
        """Build the discriminator and the retention.

        Raises:
            LangspecError: no rows of language text, or a retention that the encoder cannot have.
        """
        import torch

        from langspec.modelling.discriminator import Discriminator

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
        precision = torch.promote_types(weights.dtype, torch.float32)
        self.discriminator = discriminator.to(setting.device, precision).train()
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

    def extra_optimisers(self) -> dict[str, ExtraOptimiser]:
        """The optimiser of the discriminator."""
        chosen = self.options.discriminator
        return {
            DISCRIMINATOR: ExtraOptimiser(
                list(self.discriminator.parameters()), chosen.lr, tuple(chosen.betas)
            )
        }

    # What a method decides.

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """The language vectors ``[N, H]`` that the discriminator reads in the encoder step."""
        raise NotImplementedError

    def language_loss(
        self, logits: torch.Tensor, labels: torch.Tensor, cross_entropy: torch.Tensor
    ) -> torch.Tensor:
        """The language term ``[N]`` of the encoder step.

        Here it is the discriminator's cross-entropy ``[N]``; a subclass may replace it.
        """
        return cross_entropy

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """The task term and the language term, combined into the loss of the encoder step."""
        raise NotImplementedError

    def before(self, stepper: Stepper) -> None:
        """Take discriminator steps on further rows, before the forward pass of the encoder."""

    def inner(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> Any:
        """Take discriminator steps on the detached vectors of the encoder step.

        Returns:
            The logits before the first of them; None: there are none.
        """
        return None

    def after(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> None:
        """Take a discriminator step after the encoder step."""

    # What all do.

    def language_vectors(
        self, states: torch.Tensor, batch: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The vectors ``[N, H]`` whose language is predicted, and the languages int64 ``[N]``."""
        from langspec.modelling.pooling import float32, units

        states = states[:, : batch["attention_mask"].shape[1]]
        if self.unit == "token":
            vectors = float32(units(states, batch["unit_rows"], batch["unit_columns"]))
            return vectors, batch["languages"][batch["unit_rows"]]
        return self.model.pooled(states, batch["attention_mask"]), batch["languages"]

    def discriminator_step(
        self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper
    ) -> torch.Tensor:
        """Take one step of the discriminator; returns its logits ``[N, K]`` before the step.

        Args:
            vectors: ``[N, H]``, without a gradient.
            labels: int64 ``[N]``, their languages.
            stepper: of the run.
        """
        from torch.nn import functional

        from langspec.modelling.pooling import float32
        from langspec.tasks.task import IGNORED

        with self.streams[DISCRIMINATOR]:
            logits = float32(stepper.modules[DISCRIMINATOR](vectors))
        total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        stepper.minimise(stepper.normalise(total, (labels != IGNORED).sum()), DISCRIMINATOR)
        return logits.detach()

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """Take one encoder step against the discriminator, and the discriminator's steps."""
        from torch.nn import functional

        from langspec.modelling.discriminator import as_constant
        from langspec.modelling.pooling import float32
        from langspec.tasks.task import IGNORED
        from langspec.training.language import join

        self.before(stepper)
        language = stepper.language_batch()
        more = self.retention.rows(language) if self.retention is not None else None
        others = [language] if more is None else [language, more]
        outputs = stepper.model(join(batch, others, self.pad_id))
        task = task_loss(outputs["task"], batch["labels"], stepper)
        rows = len(language["input_ids"])
        states = outputs["states"]
        vectors, labels = self.language_vectors(states[:rows], language)
        detached = vectors.detach()
        stepper.note_features(detached, labels)
        first = self.inner(detached, labels, stepper)
        if vectors.requires_grad:
            vectors.retain_grad()
        with self.streams[DISCRIMINATOR]:
            logits = as_constant(self.discriminator, self.seen_by_adversary(vectors, progress))
        logits = float32(logits)
        count = (labels != IGNORED).sum()
        cross_entropy = functional.cross_entropy(
            logits, labels, ignore_index=IGNORED, reduction="none"
        )
        term = self.language_loss(logits, labels, cross_entropy) * (labels != IGNORED)
        language_total = stepper.normalise(term.sum(), count)
        total = self.combine(task, language_total)
        losses = {"loss": task.detach(), "loss_language": language_total.detach()}
        if self.retention is not None:
            retention_total, tokens = self.retention.loss(
                states[:rows] if more is None else states[rows:], language
            )
            retained = stepper.normalise(retention_total, tokens)
            losses["loss_retention"] = retained.detach()
            total = total + self.options.retention.weight * retained
        self._log_cosine(task, language_total, vectors, stepper)
        stepper.minimise(total, "task")
        self._log(first, logits.detach(), labels, cross_entropy.detach(), vectors, stepper)
        self.after(detached, labels, stepper)
        return losses

    def _log_cosine(
        self,
        task: torch.Tensor,
        language: torch.Tensor,
        vectors: torch.Tensor,
        stepper: Stepper,
    ) -> None:
        """Log the cosine of both gradients by the encoder's weights, at some steps."""
        if not is_sampled(stepper, self.model.parts):
            return
        weights = [one for one in self.model.encoder.parameters() if one.requires_grad]
        cosine = gradient_cosine(task, language, weights)
        # The step's own backward pass must find the gradients at the boundary empty.
        for tensor in (vectors, self.model.boundary):
            if tensor is not None:
                tensor.grad = None
        if cosine is not None:
            stepper.metrics["gradient_cosine"] = cosine

    def _log(
        self,
        first: torch.Tensor | None,
        logits: torch.Tensor,
        labels: torch.Tensor,
        cross_entropy: torch.Tensor,
        vectors: torch.Tensor,
        stepper: Stepper,
    ) -> None:
        """Log numbers of the discriminator over all processes.

        None of them is evidence that the language was removed: a new probe may still read it.
        """
        import numpy as np
        import torch
        from torch.nn import functional

        from langspec.tasks.task import IGNORED

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
