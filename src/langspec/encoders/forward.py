"""The forward pass of an encoder, which every caller uses."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
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
    model: Any, batch: Mapping[str, torch.Tensor], layer: int | None = None
) -> tuple[torch.Tensor, ...]:
    """Hidden states ``[B, T, H]`` of layer 0 (embeddings) to L, or of one layer only.

    With ``layer`` (negative counts from the last), a tuple of that one: the layers above it do
    not run.
    """
    arguments = encoder_arguments(model, batch)
    last = model.config.num_hidden_layers
    if layer in (-1, last):  # the common case: nothing else is kept in memory
        return (model(**arguments).last_hidden_state,)
    if layer is not None and (above := _layer(model, layer % (last + 1))) is not None:
        return (_input_of(above, model, arguments),)
    states = getattr(model(**arguments, output_hidden_states=True), "hidden_states", None)
    if not states:
        raise LangspecError(
            f"{type(model).__name__} returns no hidden states; expected an encoder that does"
        )
    return tuple(states) if layer is None else (states[layer],)


class _Reached(Exception):
    """Ends a forward pass: the states that are read are there."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__("the layer that is read is reached")
        self.states = states


def _layer(model: Any, index: int) -> nn.Module | None:
    """The layer that reads hidden state ``index``; None: it cannot be told which one that is."""
    count = model.config.num_hidden_layers
    stacks = [
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    return stacks[0][index] if len(stacks) == 1 else None


def _input_of(layer: nn.Module, model: Any, arguments: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The states that ``layer`` is given in a pass of ``model``, which ends there."""

    def stop(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        raise _Reached(inputs[0] if inputs else named["hidden_states"])

    hook = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        model(**arguments)
    except _Reached as reached:
        return reached.states
    finally:
        hook.remove()
    raise LangspecError(f"{type(model).__name__} does not run its layers in order")
