"""What a method is: its options, what it needs, and what one step minimises.

The training loop passes a batch and a :class:`~langspec.training.stepper.Stepper` to ``update``.
It does not know which method it runs. No file of this folder imports PyTorch at its top, because
every command reads the options of every method.
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
    """The values that a method has on one task; an absent key leaves the value unchanged."""

    epochs: Limit = None
    encoder_lr: Rate | None = None
    head_lr: Rate | None = None
    head_init: Annotated[float, Field(gt=0, le=1)] | None = None
    batch_rows: Limit = None
    discriminator_lr: Rate | None = None
    strength: Annotated[float, Field(ge=0)] | None = None
    weight: Share | None = None


class MethodOptions(Section):
    """The section of a method, which is a subclass of this one in the file of the method.

    Attributes:
        not_searched: names of parameters that have no effect in this method; no sweep tries them.
        overrides: values of the method on single tasks, by the name of the task.
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
        """This section with the values that it has on a task."""
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
    """The cross-entropy of a step, averaged over the units (tokens or pairs) of *all* processes.

    It is the sum over the units of this process, divided by the number of units in all processes,
    times the number of processes. DDP averages gradients over processes, so any number of
    processes minimises the same quantity.

    Args:
        logits: ``[N, C]`` of this process.
        labels: int64 ``[N]``; units labelled ``IGNORED`` do not count.
        stepper: of the run.

    Returns:
        A scalar, nats a unit.
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
    """What a method can build its own modules from, before the first step.

    Attributes:
        model: encoder and heads.
        language: rows of language text; None where the method does not read them.
        seed: of the run.
        rank: of this process.
        device: of this process.
        init: standard deviation of the initial weights of a head.
    """

    model: Any
    language: LanguageData | None
    seed: int
    rank: int
    device: torch.device
    init: float


@dataclass(frozen=True)
class ExtraOptimiser:
    """An optimiser besides that of the task.

    Its rate is constant, it has no weight decay, and its gradients are clipped by themselves.

    Attributes:
        parameters: that it steps.
        lr: learning rate.
        betas: of Adam.
    """

    parameters: list[nn.Parameter]
    lr: float
    betas: tuple[float, float]


@dataclass(frozen=True)
class LanguageCost:
    """What language text adds to one epoch, for the estimate of ``--dry-run``.

    Attributes:
        passes: tokens times forward passes through the encoder; a backward pass counts as two.
        batches: batches of language rows whose activations a step stores for its backward pass.
        encoders: encoders in memory besides the one that is trained.
    """

    passes: float = 0
    batches: int = 0
    encoders: int = 0


class Objective:
    """A method. A subclass sets the class variables and writes ``update``.

    Attributes:
        name: of the method; its section is ``train.methods.NAME`` of params.yaml.
        Options: the class of that section.
        trains_encoder: does it train the encoder? If not, the task's rows are encoded once, and
            only a head is trained.
        reads_language: does a step read rows of language text?
        off: values of the section with which the method unlearns nothing, by their names; empty
            where it never unlearns.
        options: the section with the values of the task; None where only the class variables are
            read.
        modules: further modules that are trained, each wrapped for DDP by itself; checkpoints
            hold them.
        streams: random streams besides that of the run; checkpoints hold their states.
    """

    name: ClassVar[str]
    Options: ClassVar[type[MethodOptions]]
    trains_encoder: ClassVar[bool] = True
    reads_language: ClassVar[bool] = False
    off: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Any = None) -> None:
        self.options = options
        self.modules: dict[str, nn.Module] = {}
        self.streams: dict[str, RandomStream] = {}

    @property
    def asks_for_mlm_head(self) -> str:
        """The key of the section that makes the method read the encoder's masked-language head.

        It is empty where the method does not read that head.
        """
        return ""

    def language_cost(self, tokens: float, corpus: float) -> LanguageCost:
        """What language text adds to the cost of an epoch, where the method reads it.

        Args:
            tokens: number of tokens of the language rows of an epoch.
            corpus: number of tokens of all language text.
        """
        return LanguageCost(passes=3 * tokens, batches=1)

    def set_up(self, setting: Setting) -> None:
        """Build further modules and streams; called once before the first step."""

    def parameter_groups(self, model: nn.Module) -> dict[str, dict[str, list[nn.Parameter]]]:
        """The trained parameters by optimiser, then by learning rate (``encoder`` or ``head``).

        Every optimiser steps by itself, and its gradients are clipped by themselves.
        """
        groups: dict[str, list[nn.Parameter]] = {"encoder": [], "head": []}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                groups["encoder" if name.startswith("encoder.") else "head"].append(parameter)
        return {"task": {kind: parameters for kind, parameters in groups.items() if parameters}}

    def extra_optimisers(self) -> dict[str, ExtraOptimiser]:
        """The optimisers of ``modules``, by the name of the module."""
        return {}

    def start_epoch(self, stepper: Stepper) -> None:
        """Called before the first step of an epoch, also where a resumed run starts there."""

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """Take one step.

        Args:
            batch: of the task, on the device of this process.
            progress: share of all steps that are done, in [0, 1].
            stepper: takes the optimiser steps, and holds the metrics of the step.

        Returns:
            The losses of the step by name, scalars without a gradient.
        """
        raise NotImplementedError
