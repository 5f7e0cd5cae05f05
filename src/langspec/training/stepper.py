"""What an objective may ask of the loop: count over processes, go down a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from langspec.errors import LangspecError
from langspec.objectives.base import Objective


def warmup_linear(progress: float, warmup: float) -> float:
    """Learning-rate factor: up from 0 over the first ``warmup`` of training, then down to 0."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1.0 - progress) / max(1e-12, 1.0 - warmup))


class Stepper:
    """The model as prepared for its processes, and its optimisers by name."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        objective: Objective,
        *,
        rates: Mapping[str, float],
        weight_decay: float,
        warmup: float,
        clip: float,
    ) -> None:
        """``rates``: the peak learning rate of each kind of parameter (``encoder``, ``head``)."""
        self.accelerator = accelerator
        self.clip = clip
        self.warmup = warmup
        self.metrics: dict[str, float] = {}
        self.skipped_steps = 0
        self._parameters: dict[str, list[nn.Parameter]] = {}
        optimisers = {}
        for name, kinds in objective.parameter_groups(model).items():
            groups = [
                {"params": parameters, "lr": rates[kind], "peak": rates[kind], "kind": kind}
                for kind, parameters in kinds.items()
            ]
            self._parameters[name] = [p for parameters in kinds.values() for p in parameters]
            optimisers[name] = torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
        self.model = accelerator.prepare(model)
        self.optimisers: dict[str, Any] = {
            name: accelerator.prepare(optimiser) for name, optimiser in optimisers.items()
        }

    def set_progress(self, progress: float) -> None:
        """Learning rates for the step at ``progress``; a pure function, so nothing to save."""
        factor = warmup_linear(progress, self.warmup)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
                self.metrics[f"lr_{group['kind']}"] = group["lr"]

    def normalise(self, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """A sum over this process's units as its share of the mean over all of them."""
        everywhere = self.accelerator.reduce(count, reduction="sum").clamp(min=1)
        return total * self.accelerator.num_processes / everywhere

    def minimise(self, loss: torch.Tensor, name: str) -> None:
        """Backward, clip this optimiser's parameters, step it, clear its gradients.

        Raises:
            LangspecError: the loss is not finite.
        """
        if not bool(torch.isfinite(loss.detach())):
            raise LangspecError(
                f"the {name} loss became {float(loss.detach())}; lower the learning rates",
                place="train",
            )
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self._parameters[name], self.clip)
        self.metrics[f"grad_norm_{name}"] = float(norm)
        optimiser = self.optimisers[name]
        optimiser.step()
        self.skipped_steps += bool(getattr(optimiser, "step_was_skipped", False))
        optimiser.zero_grad()
