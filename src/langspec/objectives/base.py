"""What one step minimises.

The loop hands a batch and a :class:`~langspec.training.stepper.Stepper` to ``update`` and never
asks which method it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from langspec.tasks.base import IGNORED

if TYPE_CHECKING:
    from langspec.training.stepper import Stepper


def task_loss(logits: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> torch.Tensor:
    """Cross-entropy over the units of *all* processes.

    Sum over this process's units / units of the whole step, times the number of processes,
    since DDP averages gradients: so 1 and 2 processes minimise the same quantity.
    """
    total = functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
    return stepper.normalise(total, (labels != IGNORED).sum())


class Objective:
    """A method. Subclasses set the class variables and write ``update``."""

    name: ClassVar[str]
    trains_encoder: ClassVar[bool]

    def parameter_groups(self, model: nn.Module) -> dict[str, dict[str, list[nn.Parameter]]]:
        """Parameters by optimiser name, then by learning-rate kind (``encoder`` or ``head``).

        Each optimiser steps, and is clipped, apart from the others.
        """
        groups: dict[str, list[nn.Parameter]] = {"encoder": [], "head": []}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                groups["encoder" if name.startswith("encoder.") else "head"].append(parameter)
        return {"task": {kind: parameters for kind, parameters in groups.items() if parameters}}

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """One step. ``progress`` in [0, 1] is the share of all steps done; returns losses."""
        raise NotImplementedError
