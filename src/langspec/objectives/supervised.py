"""The two methods without an adversary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from langspec.objectives.base import Objective, task_loss
from langspec.training.stepper import Stepper


class Finetune(Objective):
    """Task loss only, encoder and head (the paper's ``fine_tune``, section 3)."""

    name: ClassVar[str] = "finetune"
    trains_encoder: ClassVar[bool] = True

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """One optimiser step on the task's cross-entropy."""
        loss = task_loss(stepper.model(batch)["task"], batch["labels"], stepper)
        stepper.minimise(loss, "task")
        return {"loss": loss.detach()}


class Frozen(Finetune):
    """The same loss with a head alone: the encoder never runs backward."""

    name: ClassVar[str] = "frozen"
    trains_encoder: ClassVar[bool] = False
