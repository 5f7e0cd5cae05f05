"""Whether the task and the language pull the encoder's weights the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

    from langspec.training.stepper import Stepper


def is_sampled(stepper: Stepper, parts: int) -> bool:
    """Is the cosine taken at this step?

    It costs two further backward passes, so it is taken once a window of the watch, at its last
    step; in one process, and where a step goes through the encoder as one part.
    """
    if stepper.watch is None or parts > 1 or stepper.accelerator.num_processes > 1:
        return False
    _, index = stepper.place
    return bool((index + 1) % stepper.watch.options.every == 0)


def gradient_cosine(
    task: torch.Tensor, language: torch.Tensor, parameters: Sequence[nn.Parameter]
) -> float | None:
    """The cosine of the gradients of two losses by some parameters.

    The gradients are computed beside those of the step: no ``grad`` of a parameter is touched, and
    the graph stays for the step's own backward pass.

    Args:
        task: scalar, of the task.
        language: scalar, as the encoder gets it: a reversed gradient counts as reversed.
        parameters: of the encoder.

    Returns:
        Within -1..1; None where one of the losses does not depend on the parameters, or its
        gradient is zero.
    """
    import torch

    if not (task.requires_grad and language.requires_grad):
        return None
    gradients = [
        torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
        for loss in (task, language)
    ]
    sums = torch.zeros(3, dtype=torch.float64)
    for one, other in zip(*gradients, strict=True):
        for place, pair in enumerate(((one, other), (one, one), (other, other))):
            if pair[0] is not None and pair[1] is not None:
                sums[place] += torch.dot(
                    pair[0].flatten().float(), pair[1].flatten().float()
                ).cpu()
    both, of_task, of_language = sums.tolist()
    size = (of_task * of_language) ** 0.5
    return both / size if size > 0 else None
