"""Fine-tuning: the task loss alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from langspec.objectives.base import MethodOptions, Objective, task_loss

if TYPE_CHECKING:
    import torch

    from langspec.training.stepper import Stepper


class FinetuneOptions(MethodOptions):
    """Section ``train.methods.finetune``.

    Attributes:
        freeze_embeddings: leave the word embeddings as they are?
    """

    freeze_embeddings: bool


class Finetune(Objective):
    """Training of encoder and head on the task loss (``fine_tune`` of Tanti et al. 2021)."""

    name: ClassVar[str] = "finetune"
    Options: ClassVar[type[MethodOptions]] = FinetuneOptions

    def update(
        self, batch: Mapping[str, torch.Tensor], progress: float, stepper: Stepper
    ) -> dict[str, torch.Tensor]:
        """Take one optimiser step on the cross-entropy of the task."""
        loss = task_loss(stepper.model(batch)["task"], batch["labels"], stepper)
        stepper.minimise(loss, "task")
        return {"loss": loss.detach()}
