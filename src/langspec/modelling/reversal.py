"""Gradient reversal (Ganin and Lempitsky 2015, section 3.1)."""

from __future__ import annotations

from typing import Any

import torch


class _Reversal(torch.autograd.Function):
    """The identity forward; multiplies the gradient by ``-strength`` backward."""

    @staticmethod
    def forward(context: Any, vectors: torch.Tensor, strength: float) -> torch.Tensor:
        context.strength = strength
        return vectors.view_as(vectors)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0] * -context.strength, None


def reverse_gradient(vectors: torch.Tensor, strength: float) -> torch.Tensor:
    """The vectors unchanged; the gradient that flows back through them is multiplied.

    The factor is ``-strength``. This is the only place where lambda acts: the language loss itself
    has weight 1.
    """
    reversed_vectors: torch.Tensor = _Reversal.apply(vectors, strength)
    return reversed_vectors
