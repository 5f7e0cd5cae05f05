"""A trained run on disk: the weights that changed, and what they change.

``model.safetensors`` holds trained tensors only (a frozen run: the head; with frozen embeddings:
all but them), ``model.json`` the rest; the starting encoder is named by its hash, not copied.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from langspec.encoders.load import Encoder
from langspec.errors import LangspecError
from langspec.files import read_record, write_json
from langspec.modelling.model import EncoderWithHeads, LinearHead, freeze_above
from langspec.tasks.task import Task

SCHEMA = 1
_AGAIN = "run langspec train again"


@dataclass(frozen=True)
class RunCard:
    """What ``model.json`` says."""

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
    """The encoder with a fresh task head (drawn from torch's global generator).

    ``parts``: of a training step's rows, see :class:`EncoderWithHeads`.
    """
    layers = encoder.model.config.num_hidden_layers
    if not -(layers + 1) <= feature_layer <= layers:
        raise LangspecError(
            f"found {feature_layer}, expected -{layers + 1} to {layers}: the encoder has {layers} "
            "layers over its embeddings",
            place="train.feature_layer",
        )
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
    try:
        tensors = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        place = folder / "model.safetensors"
        raise LangspecError(f"cannot be read ({error}); {_AGAIN}", place=place) from None
    unexpected = model.load_state_dict(tensors, strict=False).unexpected_keys
    if unexpected:
        raise LangspecError(f"tensors of another model: {', '.join(unexpected[:3])}", place=folder)
    return model.eval()
