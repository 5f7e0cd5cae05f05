"""The forward pass of an encoder, which every caller uses."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

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

    With ``layer`` (negative counts from the last), a tuple of that one.
    """
    arguments = encoder_arguments(model, batch)
    if layer == -1:  # the common case: nothing else is kept in memory
        return (model(**arguments).last_hidden_state,)
    states = getattr(model(**arguments, output_hidden_states=True), "hidden_states", None)
    if not states:
        raise LangspecError(
            f"{type(model).__name__} returns no hidden states; expected an encoder that does"
        )
    return tuple(states) if layer is None else (states[layer],)
