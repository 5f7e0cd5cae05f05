"""An encoder in the precision in which a pass without gradients runs it.

Half precision (bf16, or fp16 on a GPU) is PyTorch's autocast with one difference: the weights of
the linear layers are cast once for all batches, not at every batch. So products and attention run
in half precision; residual sums, layer norms and pooling stay in fp32, and so do hidden states.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

from langspec.errors import LangspecError

M = TypeVar("M", bound=Any)
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def encoding_model(encoder: M, precision: str) -> M:
    """The encoder as batches are encoded with it; ``encoder`` itself stays as it is.

    Run it inside :func:`casts`. It shares every tensor with ``encoder`` but the cast weights, so
    encode with it before ``encoder`` is trained on.

    Args:
        encoder: a transformers model.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Returns:
        ``encoder`` itself in fp32.
    """
    if precision == "fp32":
        return encoder
    shared: dict[int, Any] = {id(one): one for one in (*encoder.parameters(), *encoder.buffers())}
    for name, layer in encoder.named_modules():
        # A pooler reads one vector a row: cheap, and pooling stays in fp32.
        if isinstance(layer, nn.Linear) and "pooler" not in name.split("."):
            for weight in layer.parameters():
                half = weight.detach().to(HALF[precision])
                shared[id(weight)] = nn.Parameter(half, requires_grad=False)
    return copy.deepcopy(encoder, shared)


def casts(device: torch.device | str, precision: str) -> AbstractContextManager[Any]:
    """The context in which a model of :func:`encoding_model` computes in ``precision``."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=HALF[precision])


@contextmanager
def in_memory(ids: torch.Tensor, knob: str, else_: str = "") -> Iterator[None]:
    """Say which batch did not fit, where memory runs out.

    Args:
        ids: of the batch, ``[B, T]``.
        knob: the option that makes batches smaller.
        else_: what else helps.

    Raises:
        LangspecError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # PyTorch's own error is a RuntimeError
        out = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not out and "can't allocate memory" not in str(error):
            raise
        rows, width = ids.shape
        raise LangspecError(
            f"a batch of {rows} rows of {width} tokens does not fit into memory; lower {knob}"
            f"{else_}",
            place=knob,
        ) from error
