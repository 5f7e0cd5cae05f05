"""The forward pass of an encoder, which every caller uses."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from threading import get_ident
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from langspec.errors import LangspecError

# Set in an encoder's config.json when it was pre-trained with the second text of a pair counting
# its positions from 0 (which helps word-by-word alignment of pairs in a very small model).
RESTART = "restart_positions"


def _accepted(model: Any) -> Mapping[str, Any]:
    """The arguments that a model's ``forward`` takes."""
    return inspect.signature(type(model).forward).parameters


def encoder_arguments(model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The arguments that this encoder takes from a collated batch.

    Token types only where there are two of them (BERT swallows unknown arguments silently, and
    models with one type would index out of range) and the architecture takes them.
    """
    config = model.config
    arguments = {key: batch[key] for key in ("input_ids", "attention_mask")}
    segments = batch["token_type_ids"]
    takes_types = "token_type_ids" in _accepted(model)
    if takes_types and (getattr(config, "type_vocab_size", 0) or 0) > 1:
        arguments["token_type_ids"] = segments
    if getattr(config, RESTART, False):
        arguments["position_ids"] = restarted_positions(segments)
    return arguments


def restarted_positions(segments: torch.Tensor) -> torch.Tensor:
    """Positions int64 ``[B, T]`` that start again at 0 where ``segments`` turns 1."""
    column = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    first_length = (segments == 0).long().cumprod(dim=1).sum(dim=1, keepdim=True)
    return torch.where(segments == 1, column - first_length, column)


def hidden_states(
    model: Any, batch: Mapping[str, torch.Tensor], layers: int | Sequence[int] | None = None
) -> tuple[torch.Tensor, ...]:
    """Hidden states ``[B, T, H]``: 0 are the embeddings, 1 to L the encoder's layers.

    Args:
        model: a transformers model.
        batch: collated rows.
        layers: which to return, a negative number counted from the last; the layers above the
            highest of them do not run. None: all.

    Returns:
        The states in the order of ``layers``.

    Raises:
        LangspecError: the model returns no hidden states, or does not run its layers in order.
    """
    arguments = encoder_arguments(model, batch)
    last = model.config.num_hidden_layers
    asked = (layers,) if isinstance(layers, int) else range(last + 1) if layers is None else layers
    read = [layer % (last + 1) for layer in asked]
    if set(read) == {last}:  # the common case: nothing else is kept in memory
        return (model(**arguments).last_hidden_state,) * len(read)
    if max(read) < last and (stack := _stack(model)) is not None:
        inputs = _inputs_of(stack, read, model, arguments)
        return tuple(inputs[layer] for layer in read)
    states = getattr(model(**arguments, output_hidden_states=True), "hidden_states", None)
    if not states:
        raise LangspecError(
            f"{type(model).__name__} returns no hidden states; expected an encoder that does"
        )
    return tuple(states[layer] for layer in read)


class _Reached(Exception):
    """Ends a forward pass: the highest layer that is read is reached."""


def _stack(model: Any) -> nn.ModuleList | None:
    """The encoder's layers, bottom first; None: it cannot be told which modules they are."""
    count = model.config.num_hidden_layers
    stacks = [
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    return stacks[0] if len(stacks) == 1 else None


def _inputs_of(
    stack: nn.ModuleList, read: Sequence[int], model: Any, arguments: Mapping[str, torch.Tensor]
) -> dict[int, torch.Tensor]:
    """What layers ``read`` of the stack are given in a pass, which ends before the highest runs.

    Layer k reads hidden state k.
    """
    states: dict[int, torch.Tensor] = {}
    caller, top = get_ident(), max(read)

    def keep(index: int, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        if get_ident() != caller:
            return  # a pass of another thread through the same model
        states[index] = inputs[0] if inputs else named["hidden_states"]
        if index == top:
            raise _Reached

    def hook(index: int) -> Any:
        # Without ``named`` where the thread that set the hook removes it meanwhile.
        return lambda _, inputs, named=MappingProxyType({}): keep(index, inputs, named)

    hooks = [
        stack[index].register_forward_pre_hook(hook(index), with_kwargs=True)
        for index in sorted(set(read))
    ]
    try:
        model(**arguments)
    except _Reached:
        return states
    finally:
        for one in hooks:
            one.remove()
    raise LangspecError(f"{type(model).__name__} does not run its layers in order")
