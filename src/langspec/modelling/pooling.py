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
    """One vector for each row.

    Args:
        hidden: states ``[B, T, H]``.
        mask: ``[B, T]``, 1 for a token and 0 for padding.
        how: ``mean``: of all tokens, special ones included, as sentence-transformers has it;
            ``cls``: of the first token; ``compat``: the first token's vector, passed through the
            pooler (Tanti et al. 2021).
        pooler: of the checkpoint (dense, tanh), which is trained to read the last layer. For the
            states of another layer leave it out: ``compat`` then takes the first token's vector.

    Returns:
        ``[B, H]``.
    """
    if how == "compat" and pooler is not None:
        return pooler(hidden)
    if how in ("cls", "compat"):
        return hidden[:, 0]
    hidden = float32(hidden)
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def units(hidden: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The vectors of chosen tokens: states ``[B, T, H]`` to ``[N, H]``.

    ``rows`` and ``columns``, int64 ``[N]``, are their places in the batch.
    """
    return hidden[rows, columns]
