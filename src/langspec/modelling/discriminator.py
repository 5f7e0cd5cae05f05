"""The discriminator: a head that predicts the language, against which an encoder is trained."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.func import functional_call


class Discriminator(nn.Module):
    """Predicts the language of vectors, of tokens or of texts.

    Dropout comes before each linear layer. There is no batch normalisation, which would make the
    output of language rows depend on the task rows of the same step.
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
        """Build the layers.

        Args:
            width: dimensions of a vector, H.
            classes: number of languages, K.
            layers: hidden layers; 0: one linear layer, as in Tanti et al. 2021.
            hidden: units of a hidden layer.
            dropout: probability of dropout.
            init: standard deviation of the initial output weights; None: PyTorch's.
        """
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
        """Logits ``[N, K]`` of vectors ``[N, H]``."""
        logits: torch.Tensor = self.parts(vectors)
        return logits


def as_constant(module: nn.Module, vectors: torch.Tensor) -> torch.Tensor:
    """``module(vectors)`` with fixed weights: only ``vectors`` get a gradient.

    So DDP has no gradient of the module to average over processes.
    """
    fixed = {name: value.detach() for name, value in module.named_parameters()}
    output: torch.Tensor = functional_call(module, fixed, (vectors,))
    return output
