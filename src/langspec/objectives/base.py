"""What a method is: its options, what it needs, and what one step minimises.

The loop hands a batch and a :class:`~langspec.training.stepper.Stepper` to ``update`` and never
asks which method it runs. No file of this folder imports PyTorch at its top: the options of every
method are read by every command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from langspec.precedence import EVERYWHERE, RENAMED, of_method
from langspec.section import Limit, Rate, Section, Share

if TYPE_CHECKING:
    import torch
    from torch import nn

    from langspec.objectives.streams import RandomStream
    from langspec.training.language import LanguageData
    from langspec.training.stepper import Stepper


class Override(Section):
    """What a method does otherwise on one task; a key that is absent stays as it is."""

    epochs: Limit = None
    encoder_lr: Rate | None = None
    head_lr: Rate | None = None
    head_init: Annotated[float, Field(gt=0, le=1)] | None = None
    batch_rows: Limit = None
    discriminator_lr: Rate | None = None
    strength: Annotated[float, Field(ge=0)] | None = None
    weight: Share | None = None


class MethodOptions(Section):
    """What every method has: its values on single tasks.

    A method's section is a subclass of this one, in the file of the method.
    ``not_searched`` names parameters that change nothing in this method, so no sweep tries them.
    """

    not_searched: ClassVar[tuple[str, ...]] = ()

    overrides: dict[str, Override]

    @model_validator(mode="after")
    def _known(self) -> Self:
        for task, override in self.overrides.items():
            for key in sorted(override.model_fields_set - {*EVERYWHERE}):
                names = [name for name, renamed in RENAMED.items() if renamed == key] or [key]
                if names[0].split(".")[0] not in type(self).model_fields:
                    raise ValueError(f"overrides.{task}.{key}: this method has no such value")
        return self

    def for_task(self, task: str) -> Self:
        """This section with its overrides for a task put in."""
        override = self.overrides.get(task)
        if override is None:
            return self
        changed: dict[str, Any] = {}
        for key in type(override).model_fields:
            name = next((name for name, renamed in RENAMED.items() if renamed == key), key)
            first, _, inner = name.partition(".")
            if getattr(override, key) is None or first not in type(self).model_fields:
                continue
            value = of_method(self, task, name)
            changed[first] = (
                getattr(self, first).model_copy(update={inner: value}) if inner else value
            )
        return self.model_copy(update=changed)


def task_loss(logits: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> torch.Tensor:
    """Cross-entropy over the units of *all* processes.

    Sum over this process's units / units of the whole step, times the number of processes,
    since DDP averages gradients: so 1 and 2 processes minimise the same quantity.

    Args:
        logits: ``[N, C]``.
        labels: int64 ``[N]``; ``IGNORED`` does not count.
        stepper: of the run.
    """
    from torch.nn import functional

    from langspec.modelling.pooling import float32
    from langspec.tasks.task import IGNORED

    stepper.note_predictions(logits, labels)
    total = functional.cross_entropy(
        float32(logits), labels, ignore_index=IGNORED, reduction="sum"
    )
    return stepper.normalise(total, (labels != IGNORED).sum())


@dataclass(frozen=True)
class Setting:
    """What a run has beside its batches, for methods that need more than the task's model.

    Attributes:
        model: encoder and heads, before the first step.
        language: rows of every language, where the method reads them.
        seed: of the run.
        rank: of this process.
        device: of this process.
        init: standard deviation of a head's first weights.
    """

    model: Any
    language: LanguageData | None
    seed: int
    rank: int
    device: torch.device
    init: float


@dataclass(frozen=True)
class OwnOptimiser:
    """An optimiser beside the task's: constant rate, no weight decay, clipped apart."""

    parameters: list[nn.Parameter]
    lr: float
    betas: tuple[float, float]


@dataclass(frozen=True)
class LanguageCost:
    """What language text adds to one epoch, for the estimate of ``--dry-run``.

    Attributes:
        passes: tokens times forward passes through the encoder; a backward pass counts as two.
        kept: batches of language rows that a step keeps for its backward pass.
        encoders: in memory beside the one that is trained.
    """

    passes: float = 0
    kept: int = 0
    encoders: int = 0


class Objective:
    """A method. A subclass sets the class variables and writes ``update``.

    Attributes:
        name: of the method; its section is ``train.methods.NAME`` of params.yaml.
        Options: the class of that section.
        trains_encoder: False: the task's features are encoded once, and a head alone is trained.
        reads_language: does a step read rows of language text?
        options: the section with its overrides for the task; None where a method is only looked
            up.
        modules: are trained beside the model and wrapped apart; they enter checkpoints.
        streams: random numbers apart from the run's; they enter checkpoints.
    """

    name: ClassVar[str]
    Options: ClassVar[type[MethodOptions]]
    trains_encoder: ClassVar[bool] = True
    reads_language: ClassVar[bool] = False

    def __init__(self, options: Any = None) -> None:
        self.options = options
        self.modules: dict[str, nn.Module] = {}
        self.streams: dict[str, RandomStream] = {}

    @property
    def asks_for_mlm_head(self) -> str:
        """The key of the method's section by which it reads the encoder's masked-language head.

        Empty: it reads none.
        """
        return ""

    def language_cost(self, tokens: float, corpus: float) -> LanguageCost:
        """What an epoch costs beside the task, where the method reads language text.

        Args:
            tokens: of the language text that goes with the task's rows in an epoch.
            corpus: tokens of all the language text.
        """
        return LanguageCost(passes=3 * tokens, kept=1)

    def set_up(self, setting: Setting) -> None:
        """Once before the first step, with the model as it starts."""

    def parameter_groups(self, model: nn.Module) -> dict[str, dict[str, list[nn.Parameter]]]:
        """Parameters by optimiser name, then by learning-rate kind (``encoder`` or ``head``).

        Each optimiser steps, and is clipped, apart from the others.
        """
        groups: dict[str, list[nn.Parameter]] = {"encoder": [], "head": []}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                groups["encoder" if name.startswith("encoder.") else "head"].append(parameter)
        return {"task": {kind: parameters for kind, parameters in groups.items() if parameters}}

    def own_optimisers(self) -> dict[str, OwnOptimiser]:
        """Optimisers of ``modules``, by name."""
        return {}

    def start_epoch(self, stepper: Stepper) -> None:
        """Before the first step of an epoch (again, if a resumed run starts there)."""

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """One step. ``progress`` in [0, 1] is the share of all steps done; returns losses."""
        raise NotImplementedError
