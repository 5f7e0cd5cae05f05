"""Fine-tuning: the task loss alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from langspec.objectives.base import MethodOptions, Objective, task_loss

if TYPE_CHECKING:
    import torch

    from langspec.training.stepper import Stepper


class FinetuneOptions(MethodOptions):
    """``finetune``: the task loss, encoder and head."""

    freeze_embeddings: bool


class Finetune(Objective):
    """Task loss only, encoder and head (the paper's ``fine_tune``, section 3)."""

    name: ClassVar[str] = "finetune"
    Options: ClassVar[type[MethodOptions]] = FinetuneOptions

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """One optimiser step on the task's cross-entropy."""
        loss = task_loss(stepper.model(batch)["task"], batch["labels"], stepper)
        stepper.minimise(loss, "task")
        return {"loss": loss.detach()}
