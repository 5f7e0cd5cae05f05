"""The matched control of gradient reversal: the same rows and modules, without the reversal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from langspec.objectives.base import MethodOptions
from langspec.objectives.unlearning import Unlearning, UnlearningOptions

if TYPE_CHECKING:
    import torch

    from langspec.training.stepper import Stepper


class ControlOptions(UnlearningOptions):
    """Section ``train.methods.control``."""

    # No gradient flows back from the discriminator, so these do not affect the encoder.
    not_searched: ClassVar[tuple[str, ...]] = (
        "inner_steps",
        "discriminator.layers",
        "discriminator.hidden",
        "discriminator.lr",
    )


class Control(Unlearning):
    """Training with the language rows, the discriminator and the retention of ``grl``.

    No gradient flows back from the discriminator to the encoder.
    """

    name: ClassVar[str] = "control"
    Options: ClassVar[type[MethodOptions]] = ControlOptions

    def seen_by_adversary(self, vectors: torch.Tensor, progress: float) -> torch.Tensor:
        """The vectors without a gradient."""
        return vectors.detach()

    def combine(self, task: torch.Tensor, language: torch.Tensor) -> torch.Tensor:
        """The task term alone."""
        return task

    def inner(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> Any:
        """Take ``inner_steps`` discriminator steps on the vectors of the encoder step."""
        logits = [
            self.discriminator_step(vectors, labels, stepper)
            for _ in range(self.options.inner_steps)
        ]
        return logits[0] if logits else None

    def after(self, vectors: torch.Tensor, labels: torch.Tensor, stepper: Stepper) -> None:
        """Take a discriminator step on the vectors whose gradient was reversed.

        With ``inner_steps: 0`` it is the only one, as in Tanti et al. 2021.
        """
        self.discriminator_step(vectors, labels, stepper)
