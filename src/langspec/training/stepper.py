"""What an objective may ask of the loop: count over processes, go down a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import nn

from langspec.errors import LangspecError
from langspec.objectives.base import Objective
from langspec.training.half_weights import HalfWeights, masters_of
from langspec.training.language import LanguageStream

if TYPE_CHECKING:
    from langspec.training.watch import Watch


class Diverged(LangspecError):
    """A loss or a gradient is no longer a number. The weights are those before the step."""


def warmup_linear(progress: float, warmup: float) -> float:
    """Learning-rate factor: up from 0 over the first ``warmup`` of training, then down to 0."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1.0 - progress) / max(1e-12, 1.0 - warmup))


class Stepper:
    """The model as prepared for its processes, and its optimisers by name.

    ``place`` (epoch, index of the batch in it) is set by the loop; ``metrics`` are logged with
    the step; ``watch`` is told what objectives note.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        objective: Objective,
        *,
        rates: Mapping[str, float],
        weight_decay: float,
        warmup: float,
        clip: float | None,
        schedule: str = "linear",
        language: LanguageStream | None = None,
        watch: Watch | None = None,
        half: HalfWeights | None = None,
    ) -> None:
        """``rates``: the peak learning rate of each kind of parameter (``encoder``, ``head``).

        ``half``: of the model's encoder, where its passes run in bf16.
        """
        self.accelerator = accelerator
        self.half = half
        self.clip = float("inf") if clip is None else clip
        self.warmup = warmup
        self.schedule = schedule
        self.metrics: dict[str, float] = {}
        self.skipped_steps = 0
        self.place = (0, 0)
        self.watch = watch
        self._language = language
        self._parameters: dict[str, list[nn.Parameter]] = {}
        self._cast_after: set[str] = set()  # optimisers that change masters of bf16 weights
        optimisers = {}
        for name, kinds in objective.parameter_groups(model).items():
            trained = {kind: masters_of(half, parameters) for kind, parameters in kinds.items()}
            groups = [
                {"params": parameters, "lr": rates[kind], "peak": rates[kind], "kind": kind}
                for kind, parameters in trained.items()
            ]
            self._parameters[name] = [p for parameters in trained.values() for p in parameters]
            if half is not None:
                self._cast_after.add(name)
            optimisers[name] = torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
        for name, one in objective.extra_optimisers().items():
            self._parameters[name] = one.parameters
            optimisers[name] = torch.optim.AdamW(
                one.parameters, lr=one.lr, betas=one.betas, weight_decay=0.0, fused=True
            )
        self.module = model  # unwrapped: for passes without a gradient only
        self.model = accelerator.prepare(model)
        self.modules: dict[str, Any] = {
            name: accelerator.prepare(module) for name, module in objective.modules.items()
        }
        # Accelerate's wrapper looks for a package on disk in every step; a scaler alone needs it.
        self.optimisers: dict[str, Any] = {
            name: optimiser if accelerator.scaler is None else accelerator.prepare(optimiser)
            for name, optimiser in optimisers.items()
        }

    def weights(self) -> dict[str, torch.Tensor]:
        """The trained weights by name, fp32 whatever the precision of the passes."""
        masters = self.half.master if self.half is not None else lambda parameter: parameter
        named = self.module.named_parameters()
        return {name: masters(p).detach() for name, p in named if p.requires_grad}

    def load_weights(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what :meth:`weights` gave; every trained weight must be there."""
        with torch.no_grad():
            for name, weight in self.weights().items():
                weight.copy_(tensors[name])
        if self.half is not None:
            self.half.spread()

    def set_progress(self, progress: float) -> None:
        """Learning rates for the step at ``progress``; a pure function, so nothing to save."""
        constant = self.schedule == "constant" and progress >= self.warmup
        factor = 1.0 if constant else warmup_linear(progress, self.warmup)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                if "peak" in group:
                    group["lr"] = group["peak"] * factor
                    self.metrics[f"lr_{group['kind']}"] = group["lr"]

    @property
    def language(self) -> LanguageStream:
        """The language rows of the run.

        Raises:
            LangspecError: the run was given none.
        """
        if self._language is None:
            raise LangspecError(
                "this method reads language text, and was given none; expected language rows of "
                "the corpora (langspec corpora)",
                place="train",
            )
        return self._language

    def language_batch(self, stream: int = 0) -> dict[str, torch.Tensor]:
        """This process's language rows that go with the current batch of the task."""
        epoch, index = self.place
        return self.language_rows(self.language.plan(epoch, stream)[index])

    def language_rows(self, rows: Any) -> dict[str, torch.Tensor]:
        """This process's share of a global batch of language rows."""
        accelerator = self.accelerator
        return self.language.rank_batch(
            rows, accelerator.process_index, accelerator.num_processes, accelerator.device
        )

    def normalise(self, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """Divide a sum over this process's units by the mean number of units a process.

        The average that DDP takes of the gradients is then that of the mean over all units.

        Args:
            total: the loss, summed over this process's units.
            count: how many units that are, int64 scalar.
        """
        everywhere = self.accelerator.reduce(count, reduction="sum").clamp(min=1)
        return total * self.accelerator.num_processes / everywhere

    def everywhere(self, values: torch.Tensor) -> torch.Tensor:
        """A vector ``[N]`` of every process: ``[processes, N]``."""
        gathered: torch.Tensor = self.accelerator.gather(values.detach()[None])
        return gathered

    def note_predictions(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Tell the watch what the task head says."""
        if self.watch is not None:
            self.watch.predictions(logits.detach(), labels)

    def note_features(self, vectors: torch.Tensor, languages: torch.Tensor) -> None:
        """Tell the watch the vectors ``[N, H]`` of language units and their languages ``[N]``."""
        if self.watch is not None:
            self.watch.features(vectors.detach(), languages)

    def minimise(self, loss: torch.Tensor, name: str) -> None:
        """Backward, clip this optimiser's parameters, step it, clear its gradients.

        Raises:
            Diverged: the loss, or its gradient, is not finite. No weight has changed.
        """
        if not self._finite(loss.detach()):
            raise Diverged(
                f"the {name} loss became {float(loss.detach())}; lower the learning rates",
                place="train",
            )
        self.accelerator.backward(loss)
        if self.half is not None:
            self.half.collect()
        norm = self.accelerator.clip_grad_norm_(self._parameters[name], self.clip)
        optimiser = self.optimisers[name]
        # In half precision an overflow is expected: the scaler skips that step.
        if self.accelerator.scaler is None and not bool(torch.isfinite(norm)):
            optimiser.zero_grad()
            raise Diverged(
                f"the gradient of the {name} loss became {float(norm)}; lower the learning rates",
                place="train",
            )
        self.metrics[f"grad_norm_{name}"] = float(norm)
        scale = self._scale()
        optimiser.step()
        # Accelerate does not see that a fused optimiser skipped; that its scale fell tells.
        if bool(getattr(optimiser, "step_was_skipped", False)) or self._scale() < scale:
            self.skipped_steps += 1
            self.metrics["skipped_steps"] = float(self.skipped_steps)
        if self.half is not None and name in self._cast_after:
            self.half.spread()
        optimiser.zero_grad()

    def _scale(self) -> float:
        scaler = self.accelerator.scaler
        return 1.0 if scaler is None else float(scaler.get_scale())

    def _finite(self, value: torch.Tensor) -> bool:
        """Is it a finite number in every process? (One that stopped alone would hang the rest.)"""
        finite = torch.isfinite(value)
        if self.accelerator.num_processes > 1:
            finite = self.accelerator.reduce((~finite).float(), reduction="sum") == 0
        return bool(finite)
