"""A trained run on disk: the trained weights, and a card.

``model.safetensors`` holds the trained tensors only: the head alone for a frozen encoder, all but
the embeddings where these are frozen. ``model.json`` is the card. It names the starting encoder by
its hash; the encoder itself is not copied.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from langspec.encoders.load import Encoder
from langspec.encoders.recipe import check_feature_layer
from langspec.errors import LangspecError
from langspec.files import checked, read_record, write_json
from langspec.modelling.model import EncoderWithHeads, LinearHead, freeze_above
from langspec.tasks.task import Task

SCHEMA = 1
_AGAIN = "run langspec train again"


@dataclass(frozen=True)
class RunCard:
    """The card of a trained run, ``model.json``.

    Attributes:
        task: that the run was trained for.
        method: that trained it.
        seed: of the training.
        labels: of the task; the index of a label is its class.
        pooling: of texts, as the head reads them.
        feature_layer: the layer that the head reads; -1: the last.
        dropout: before the head.
        trains_encoder: was the encoder trained, or the head alone?
        encoder_name: of the starting encoder.
        encoder_sha256: hash of the starting encoder.
        best_epoch: whose weights these are, from 1.
    """

    task: str
    method: str
    seed: int
    labels: tuple[str, ...]
    pooling: str
    feature_layer: int
    dropout: float
    trains_encoder: bool
    encoder_name: str
    encoder_sha256: str
    best_epoch: int


def build_model(
    encoder: Encoder,
    task: Task,
    *,
    feature_layer: int,
    dropout: float,
    init: float,
    with_encoder: bool = True,
    parts: int = 1,
) -> EncoderWithHeads:
    """The encoder with a new task head, whose weights PyTorch's global generator draws.

    Args:
        encoder: to build on; its parameters above ``feature_layer`` are frozen.
        task: whose labels the head predicts.
        feature_layer: the layer that the head reads, 0 the embeddings; -1: the last.
        dropout: before the head.
        init: standard deviation of the initial weights of the head.
        with_encoder: False: the head alone, for vectors that are encoded beforehand.
        parts: of a training step's rows, see :class:`EncoderWithHeads`.

    Raises:
        LangspecError: no such layer, or one that the pooling cannot read.
    """
    layers = encoder.model.config.num_hidden_layers
    check_feature_layer(feature_layer, layers)
    pooler = getattr(encoder.model, "pooler", None)
    if pooler is not None and task.unit == "pair" and feature_layer not in (-1, layers):
        raise LangspecError(
            f"found {feature_layer}, expected -1: encoder.pooling compat reads the last layer",
            place="train.feature_layer",
        )
    if pooler is not None and task.unit != "pair":
        pooler.requires_grad_(False)  # tokens do not pass it: it would never get a gradient
    if with_encoder:
        freeze_above(encoder.model, feature_layer)
    head = LinearHead(
        encoder.model.config.hidden_size, len(task.labels), dropout=dropout, init=init
    )
    return EncoderWithHeads(
        encoder.model if with_encoder else None,
        {"task": head},
        unit=task.unit,
        pooling=encoder.card.pooling,
        feature_layer=-1 if feature_layer == layers else feature_layer,
        parts=parts,
    )


def copy_encoder(encoder: Encoder) -> Encoder:
    """A copy whose weights may be changed; tokenizer and card are shared."""
    return replace(encoder, model=copy.deepcopy(encoder.model))


def save_run(folder: Path, tensors: dict[str, torch.Tensor], card: RunCard) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder`` (the caller renames it)."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = {name: tensors[name].contiguous() for name in sorted(tensors)}
    save_file(ordered, folder / "model.safetensors")
    write_json(folder / "model.json", {"schema": SCHEMA, **asdict(card)})


def read_card(folder: Path) -> RunCard:
    """The card of a trained run.

    Raises:
        LangspecError: no trained run there, one of another version, or a damaged card.
    """
    try:
        return read_record(folder / "model.json", RunCard, cure=_AGAIN, schema=SCHEMA)
    except FileNotFoundError:
        raise LangspecError("no trained run here; run: langspec train", place=folder) from None


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The trained tensors of a run.

    Raises:
        LangspecError: no such file, no safetensors, or other bytes than were written.
    """
    place = folder / "model.safetensors"
    try:
        return load_file(checked(place, cure=_AGAIN))
    except (OSError, SafetensorError) as error:
        raise LangspecError(f"cannot be read ({error}); {_AGAIN}", place=place) from None


def load_run(folder: Path, encoder: Encoder, task: Task) -> EncoderWithHeads:
    """A trained run in eval mode, in a copy of the encoder that it started from.

    Raises:
        LangspecError: the run started from another encoder, has other labels, or is damaged.
    """
    card = read_card(folder)
    if card.encoder_sha256 != encoder.card.sha256:
        raise LangspecError(
            f"trained from encoder {card.encoder_name} ({card.encoder_sha256[:12]}), given "
            f"{encoder.card.name} ({encoder.card.sha256[:12]}); rerun langspec train",
            place=folder,
        )
    if card.labels != task.labels:
        raise LangspecError(
            f"labels are {', '.join(card.labels)}, expected {', '.join(task.labels)}", place=folder
        )
    model = build_model(
        copy_encoder(encoder),
        task,
        feature_layer=card.feature_layer,
        dropout=card.dropout,
        init=0.02,
    )
    tensors = read_tensors(folder)
    unexpected = model.load_state_dict(tensors, strict=False).unexpected_keys
    if unexpected:
        raise LangspecError(f"tensors of another model: {', '.join(unexpected[:3])}", place=folder)
    return model.eval()
