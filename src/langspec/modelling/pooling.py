"""From hidden states to the vectors that heads and probes read."""

from __future__ import annotations

import torch
from torch import nn


def float32(values: torch.Tensor) -> torch.Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def pool(
    hidden: torch.Tensor, mask: torch.Tensor, how: str, pooler: nn.Module | None = None
) -> torch.Tensor:
    """A vector a row: ``[B, T, H]`` and mask ``[B, T]`` to ``[B, H]``.

    ``mean`` averages every real piece, special ones included, as sentence-transformers does;
    ``cls`` takes the first; ``compat`` passes the last layer's first through the checkpoint's
    ``pooler`` (dense, tanh; Tanti et al. 2021). A pooler is trained to read the last layer: for
    ``hidden`` of another one leave it out, and the first piece's vector is taken as it is.
    """
    if how == "compat" and pooler is not None:
        return pooler(hidden)
    if how in ("cls", "compat"):
        return hidden[:, 0]
    hidden = float32(hidden)
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def units(hidden: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The vectors of chosen pieces: ``[B, T, H]`` to ``[N, H]``."""
    return hidden[rows, columns]
