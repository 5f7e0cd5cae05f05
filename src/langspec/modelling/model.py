"""An encoder with its heads, as one module: one forward a step, so that DDP sees every use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from langspec.encoders.forward import hidden_states
from langspec.modelling.pooling import pool, units


class LinearHead(nn.Module):
    """Dropout and one linear layer ``[N, H] -> [N, K]`` (Tanti et al. 2021, section 3)."""

    def __init__(self, hidden: int, classes: int, *, dropout: float, init: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, classes)
        nn.init.normal_(self.linear.weight, std=init)
        nn.init.zeros_(self.linear.bias)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits ``[N, K]``."""
        return self.linear(self.dropout(vectors))


class EncoderWithHeads(nn.Module):
    """Encoder, then each head on the task's units.

    A batch that carries ``features`` (vectors encoded beforehand, for a frozen encoder) skips
    the encoder; ``encoder`` may then be ``None``.
    """

    def __init__(
        self,
        encoder: Any | None,
        heads: Mapping[str, nn.Module],
        *,
        unit: Literal["token", "pair"],
        pooling: str,
        feature_layer: int = -1,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)
        self.unit = unit
        self.pooling = pooling
        self.feature_layer = feature_layer

    def vectors(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vectors ``[N, H]`` of the batch's units (tokens) or rows (pairs)."""
        if "features" in batch:
            return batch["features"].float()
        (hidden,) = hidden_states(self.encoder, batch, self.feature_layer)
        if self.unit == "token":
            return units(hidden, batch["unit_rows"], batch["unit_columns"])
        pooler = getattr(self.encoder, "pooler", None)
        return pool(hidden, batch["attention_mask"], self.pooling, pooler)

    def forward(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Logits of every head by its name."""
        vectors = self.vectors(batch)
        return {name: head(vectors) for name, head in self.heads.items()}


def freeze_embeddings(encoder: Any) -> None:
    """Leave the word embeddings out of training: most parameters, few gradients each."""
    encoder.get_input_embeddings().weight.requires_grad_(False)
