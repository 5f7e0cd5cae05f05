"""What one step minimises.

The loop hands a batch and a :class:`~langspec.training.stepper.Stepper` to ``update`` and never
asks which method it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from langspec.objectives.streams import RandomStream
from langspec.tasks.task import IGNORED

if TYPE_CHECKING:
    from langspec.training.language import LanguageData
    from langspec.training.stepper import Stepper


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def task_loss(logits: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> torch.Tensor:
    """Cross-entropy over the units of *all* processes.

    Sum over this process's units / units of the whole step, times the number of processes,
    since DDP averages gradients: so 1 and 2 processes minimise the same quantity.
    """
    stepper.note_predictions(logits, labels)
    total = functional.cross_entropy(
        at_least_float32(logits), labels, ignore_index=IGNORED, reduction="sum"
    )
    return stepper.normalise(total, (labels != IGNORED).sum())


@dataclass(frozen=True)
class Setting:
    """What a run has beside its batches, for methods that need more than the task's model.

    ``language``: rows of every language, where the method reads them; ``init``: standard
    deviation of a head's first weights.
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


class Objective:
    """A method. Subclasses set the class variables and write ``update``.

    A subclass is found by its ``name``; ``options`` is its section ``train.methods.<name>`` of
    params.yaml (None where a method is only looked up). ``modules`` are trained beside the model
    and wrapped apart, ``streams`` random numbers of its own: both enter checkpoints.
    """

    name: ClassVar[str]
    trains_encoder: ClassVar[bool]
    reads_language: ClassVar[bool] = False

    def __init__(self, options: Any = None) -> None:
        self.options = options
        self.modules: dict[str, nn.Module] = {}
        self.streams: dict[str, RandomStream] = {}

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
