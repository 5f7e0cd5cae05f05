"""The matched control of gradient reversal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from langspec.objectives.base import MethodOptions
from langspec.objectives.unlearning import Unlearning, UnlearningOptions

if TYPE_CHECKING:
    import torch

    from langspec.training.stepper import Stepper


class ControlOptions(UnlearningOptions):
    """``control``: all that ``grl`` has but the reversed gradient."""

    # Nothing flows back from the discriminator, so these change nothing in the encoder.
    not_searched: ClassVar[tuple[str, ...]] = (
        "inner_steps",
        "discriminator.layers",
        "discriminator.hidden",
        "discriminator.lr",
    )


class Control(Unlearning):
    """Language rows, discriminator, retention as in ``grl``; nothing flows back from there."""

    name: ClassVar[str] = "control"
    Options: ClassVar[type[MethodOptions]] = ControlOptions

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
