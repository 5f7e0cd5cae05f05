"""The language head that an encoder is trained against."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.func import functional_call


class Discriminator(nn.Module):
    """Language logits ``[N, K]`` of vectors ``[N, H]``, at token or sentence level alike.

    ``layers`` hidden layers of ``hidden`` units (0: one linear layer, as in Tanti et al. 2021),
    dropout before each linear layer and never batch normalisation, which would tell the label and
    language rows of a step apart.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        *,
        layers: int,
        hidden: int,
        dropout: float,
        init: float | None = None,
    ) -> None:
        """``init``: standard deviation of the output weights; null keeps torch's own."""
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(layers):
            parts[f"dropout_{i}"] = nn.Dropout(dropout)
            parts[f"linear_{i}"] = nn.Linear(width, hidden)
            parts[f"activation_{i}"] = nn.GELU()
            width = hidden
        parts["dropout"] = nn.Dropout(dropout)
        parts["linear"] = output = nn.Linear(width, classes)
        if init is not None:
            nn.init.normal_(output.weight, std=init)
        nn.init.zeros_(output.bias)
        self.parts = nn.Sequential(parts)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits ``[N, K]``."""
        logits: torch.Tensor = self.parts(vectors)
        return logits


def as_constant(module: nn.Module, vectors: torch.Tensor) -> torch.Tensor:
    """``module(vectors)`` with the weights held fixed: gradients reach ``vectors`` alone.

    So no weight of ``module`` needs averaging over processes, whoever wraps it.
    """
    fixed = {name: value.detach() for name, value in module.named_parameters()}
    output: torch.Tensor = functional_call(module, fixed, (vectors,))
    return output
