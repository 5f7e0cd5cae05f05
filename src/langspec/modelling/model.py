"""An encoder with its heads, as one module that DDP wraps: one forward pass a step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Self

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from langspec.encoders.forward import hidden_states
from langspec.encoders.inference import encoding_model
from langspec.modelling.pooling import float32, pool, units

PADDED = ("input_ids", "attention_mask", "token_type_ids")  # [B, T] each
_WASTE = 1.05
"""Task rows and language rows go through the encoder in two passes where one padded batch of both
would be larger than two by this factor. Below it one large pass is cheaper."""


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
    """An encoder, and heads on the units of a task: tokens, or rows of one or two texts.

    A batch with ``features`` (vectors that were encoded beforehand) does not use the encoder,
    which may then be None. In a batch with ``task_rows`` the first so many rows are the task's;
    the others are further rows that a method reads, and their states are returned too, so that a
    step has one forward pass. ``widths``, the longest row of both kinds, lets the encoder take the
    two kinds one after the other where that saves padding.

    With ``parts`` > 1 a training batch goes through the encoder in so many micro-batches of equal
    numbers of rows. Only the last hidden states of all are stored. What the backward pass of a
    micro-batch needs is computed again (Chen et al. 2016, section 4), a third more arithmetic. A
    method gets one batch for any number of parts.

    States have the precision of the encoder's weights; heads read them as float32.

    Attributes:
        encoder: the bare encoder; None where batches carry ``features``.
        heads: by name.
        unit: ``token``, or ``pair`` for rows.
        pooling: of rows (:func:`langspec.modelling.pooling.pool`).
        feature_layer: the layer that heads read, 0 the embeddings; -1: the last.
        parts: micro-batches of a training step.
        passes: makes the context of the encoder's forward passes (see
            :class:`~langspec.modelling.quick_dropout.QuickDropout`).
        boundary: what the heads read of the task's rows in the last step, ``[N, H]``.
    """

    def __init__(
        self,
        encoder: Any | None,
        heads: Mapping[str, nn.Module],
        *,
        unit: Literal["token", "pair"],
        pooling: str,
        feature_layer: int = -1,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)
        self.unit = unit
        self.pooling = pooling
        self.feature_layer = feature_layer
        self.parts = parts
        self.passes: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.boundary: torch.Tensor | None = None  # of the last step, for the norm of its gradient

    @property
    def head_layer(self) -> int:
        """The layer that heads read: 0 for the embeddings, the number of layers for the last."""
        return layer_index(self.encoder, self.feature_layer)

    def for_encoding(self, precision: str) -> Self:
        """This model with its encoder as :func:`encoding_model` gives it; heads are shared."""
        model = copy.copy(self)
        encoder: Any = encoding_model(self.encoder, precision)
        model._modules = {**self._modules, "encoder": encoder}
        return model

    def vectors(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vectors ``[N, H]`` of the units of a batch."""
        if "features" in batch:
            return batch["features"].float()
        return self._select(self._encode(batch), batch)

    def states(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """States ``[B, T, H]`` of padded rows at the layer that heads read, in one pass."""
        with self.passes():
            return hidden_states(self.encoder, batch, self.feature_layer)[0]

    def _encode(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """States ``[B, T, H]`` of the layer that heads read."""
        rows, width = batch["input_ids"].shape
        if self.parts == 1 or not torch.is_grad_enabled():
            cuts = self._cuts(batch, rows, width)
            states = [
                self.states({key: batch[key][begin:end, :longest] for key in PADDED})
                for begin, end, longest in cuts
            ]
            if len(states) == 1:
                return states[0]
            return torch.cat(
                [functional.pad(hidden, (0, 0, 0, width - hidden.shape[1])) for hidden in states]
            )
        parts = zip(*(batch[key].chunk(self.parts) for key in PADDED), strict=True)
        return torch.cat(
            [self._part(dict(zip(PADDED, part, strict=True)), width) for part in parts]
        )

    def _cuts(self, batch: Mapping[str, Any], rows: int, width: int) -> list[tuple[int, int, int]]:
        """The first row, the end and the width of each pass of the encoder.

        There is one pass, or one of the task's rows and one of the others.
        """
        whole = [(0, rows, width)]
        task = batch.get("task_rows", rows)
        if not 0 < task < rows or "widths" not in batch:
            return whole
        apart = [(0, task, batch["widths"][0]), (task, rows, batch["widths"][1])]
        area = sum((end - begin) * longest for begin, end, longest in apart)
        return apart if rows * width > _WASTE * area else whole

    def _part(self, rows: Mapping[str, torch.Tensor], width: int) -> torch.Tensor:
        """States ``[b, width, H]`` of the ``b`` rows of a micro-batch; stores no activations.

        The encoder reads the rows without the padding that all of them have.
        """
        longest = int(rows["attention_mask"].sum(1).max())
        unpadded = {key: value[:, :longest] for key, value in rows.items()}
        hidden = checkpoint(self.states, unpadded, use_reentrant=False)
        padded: torch.Tensor = functional.pad(hidden, (0, 0, 0, width - longest))
        return padded

    def _select(self, hidden: torch.Tensor, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if self.unit == "token":
            return float32(units(hidden, batch["unit_rows"], batch["unit_columns"]))
        return self.pooled(hidden, batch["attention_mask"][: len(hidden)])

    def pooled(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What heads read of rows, ``[B, H]``: of states ``[B, T, H]`` with mask ``[B, T]``."""
        pooler = getattr(self.encoder, "pooler", None)
        if self.pooling != "compat" or pooler is None:
            return float32(pool(hidden, mask, self.pooling))
        with torch.autocast(hidden.device.type, enabled=False):  # as banks are pooled
            hidden = hidden.to(next(pooler.parameters()).dtype)
            return float32(pool(hidden, mask, self.pooling, pooler))

    def forward(self, batch: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """The logits of every head by its name.

        With ``task_rows`` also ``states`` ``[B - task_rows, T, H]`` of the further rows; then
        ``boundary`` is set and its gradient is stored.
        """
        if "task_rows" not in batch:
            vectors = self.vectors(batch)
            return {name: head(vectors) for name, head in self.heads.items()}
        rows = batch["task_rows"]
        hidden = self._encode(batch)
        vectors = self._select(hidden[:rows], batch)
        if vectors.requires_grad:
            vectors.retain_grad()
        self.boundary = vectors
        return {name: head(vectors) for name, head in self.heads.items()} | {
            "states": hidden[rows:]
        }


def layer_index(encoder: Any, layer: int) -> int:
    """A layer of an encoder, counted from the embeddings; -1 stands for the last one."""
    return layer if layer >= 0 else layer + int(encoder.config.num_hidden_layers) + 1


def freeze_embeddings(encoder: Any) -> None:
    """Leave the word embeddings out of training: they are most of the parameters."""
    encoder.get_input_embeddings().weight.requires_grad_(False)


def freeze_above(encoder: Any, layer: int) -> None:
    """Leave the parameters after hidden state ``layer`` out of training.

    They get no gradient, and DDP waits for the gradient of every trained parameter. A backward
    pass shows which they are, because architectures name their layers differently.
    """
    if layer in (-1, encoder.config.num_hidden_layers):
        return
    parameters = [p for p in encoder.parameters() if p.requires_grad]
    if not parameters:
        return
    mode = encoder.training
    encoder.eval()  # no dropout: the run's random numbers stay where they are
    zeros = torch.zeros(1, 2, dtype=torch.long, device=parameters[0].device)
    batch = {"input_ids": zeros, "attention_mask": zeros + 1, "token_type_ids": zeros}
    with torch.enable_grad():
        (hidden,) = hidden_states(encoder, batch, layer)
        gradients = torch.autograd.grad(hidden.sum(), parameters, allow_unused=True)
    encoder.train(mode)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            parameter.requires_grad_(False)
