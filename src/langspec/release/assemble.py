"""The folder that a version serves: encoder and head of a seed as one, its card, its erasers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from langspec.encoders.load import Encoder
from langspec.files import atomic_folder
from langspec.modelling.saved import load_run, read_card
from langspec.release.encoder_folder import ExportedHead, write_export
from langspec.release.predictor import ERASERS
from langspec.tasks import Task


def assemble(
    folder: Path, run: Path, encoder: Encoder, task: Task, card: str, erasers: Path | None = None
) -> None:
    """Write ``folder``, whole or not at all; equal arguments give equal bytes.

    Args:
        folder: must not exist, or be empty.
        run: a trained seed.
        encoder: that it started from.
        task: that it was trained for.
        card: text of README.md.
        erasers: a folder of fitted erasers, each in a folder of its name.

    Raises:
        LangspecError: the seed is of another encoder or task.
    """
    trained = read_card(run)
    model = load_run(run, encoder, task)
    own: Any = model.encoder
    linear: Any = model.heads["task"].linear
    head = ExportedHead(
        task=task.name,
        unit=task.unit,
        labels=task.labels,
        layer=head_layer(model),
        weight=linear.weight.detach().numpy(),
        bias=linear.bias.detach().numpy(),
        single=getattr(task, "single", False),
    )
    start = encoder.card
    name = f"{start.name}-{task.name}-{trained.method}-{trained.seed}"
    source = f"{start.name}, {trained.method}"
    exported = Encoder(
        own, encoder.tokenizer, replace(start, name=name, kind="folder", sha256="", source=source)
    )
    with atomic_folder(folder) as temporary:
        write_export(temporary, exported, card, head=head)
        if erasers is not None and erasers.is_dir():
            shutil.copytree(erasers, temporary / ERASERS)


def head_layer(model: Any) -> int:
    """The layer that a model's head reads, counted from the embeddings."""
    layers = int(model.encoder.config.num_hidden_layers)
    layer = int(model.feature_layer)
    return layer if layer >= 0 else layer + layers + 1
