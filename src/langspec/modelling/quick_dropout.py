"""Dropout on a CPU whose masks cost little: 16 random bits an element, many from one call.

PyTorch draws a mask of dropout element by element (``bernoulli_``): on one core 6 ns each, an
eighth of a bf16 training step of multilingual-e5-small. Here one call of the same generator fills
64 bits at a time, four elements, and a comparison makes them a mask. The numbers are others than
PyTorch's; they are seeded and resumed like them, since the generator is the same. The probability
is a multiple of 1/65,536.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_BITS = 16


def dropout_mask(
    like: torch.Tensor, p: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """A mask in the shape and dtype of ``like``: 0 with probability ``p``, else 1 / (1 - p).

    ``generator``: that draws it; None: PyTorch's own.
    """
    count = like.numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator)
    lanes = words.view(torch.int16)[:count].view(like.shape)
    least = round(p * 2**_BITS) - 2 ** (_BITS - 1)  # of the int16 that are kept
    mask = torch.empty(like.shape, dtype=like.dtype)
    if least >= 2 ** (_BITS - 1):
        return mask.zero_()
    torch.ge(lanes, least, out=mask)
    return mask.div_(1.0 - p)


class QuickDropout(TorchFunctionMode):
    """A context in which dropout, also that of attention weights, takes :func:`dropout_mask`."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Every call of PyTorch comes by here; the two that drop out are done otherwise."""
        kwargs = kwargs or {}
        if function is functional.dropout:
            return _dropout(*args, **kwargs)
        if function is functional.scaled_dot_product_attention and kwargs.get("dropout_p"):
            return _attention(*args, **kwargs)
        return function(*args, **kwargs)


def _dropout(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    if not training or p == 0.0:
        return input
    return input * dropout_mask(input, p)


def _additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to scores for a mask: a boolean one (True: is seen) as 0 and a low number."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *,
    dropout_p: float,
    scale: float | None = None,
    **others: Any,
) -> torch.Tensor:
    """Attention ``[B, heads, T, D]`` with dropout of its weights.

    PyTorch has no fused kernel for it on a CPU: its own function takes the same steps.
    """
    if any(others.values()):  # causal, or grouped heads: no encoder of this project
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p=dropout_p, scale=scale, **others
        )
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query * scale, key.transpose(-2, -1))
    if attn_mask is not None:
        scores.add_(_additive(attn_mask, scores.dtype))
    weights = torch.softmax(scores, dim=-1)
    return torch.matmul(weights * dropout_mask(weights, dropout_p), value)
