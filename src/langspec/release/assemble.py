"""A trained seed as a model for others, and the folder that a registered version serves."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from langspec.encoders.load import Encoder
from langspec.features.bank import Bank, BankRows
from langspec.files import atomic_folder
from langspec.modelling.saved import RunCard, load_run, read_card
from langspec.paths import checkpoint_hash
from langspec.release.encoder_folder import ExportedHead, write_export
from langspec.release.predictor import ERASERS
from langspec.results import read_training_record
from langspec.tasks import Task


@dataclass(frozen=True)
class TrainedSeed:
    """A trained seed, loaded.

    Attributes:
        encoder: the trained encoder; its card names the task, the method and the seed.
        head: the task's linear head.
        card: what the seed's folder says of its training.
        state: hash that names the encoder's weights in the cache of feature banks.
    """

    encoder: Encoder
    head: ExportedHead
    card: RunCard
    state: str

    def language_bank(self, text: LanguageText) -> Bank:
        """The vectors of the language text in this encoder, encoded unless the cache has them."""
        return text.text_bank(
            self.encoder.model, self.state, f"{self.card.method} {self.card.seed}"
        )

    def head_bank(self, text: LanguageText) -> Bank:
        """The same at the layer of the head, words as the head reads them."""
        title = f"{self.card.method} {self.card.seed}"
        return text.head_text_bank(self.encoder.model, self.state, title, self.head.layer)


class LanguageText(Protocol):
    """The language text of a run: erasers are fitted on it."""

    encoder: Encoder
    text_rows: BankRows

    def text_bank(self, encoder: Any, state: str, title: str) -> Bank:
        """The feature bank of an encoder; ``state`` names its weights, ``title`` its progress."""

    def head_text_bank(self, encoder: Any, state: str, title: str, layer: int) -> Bank:
        """The same at one layer, words as a head reads them."""


def load_seed(run: Path, encoder: Encoder, task: Task) -> TrainedSeed:
    """Load a trained seed.

    Args:
        run: the seed's folder.
        encoder: the encoder that the training started from.
        task: the task that it was trained for.

    Raises:
        LangspecError: the seed is of another encoder or task.
    """
    card = read_card(run)
    model: Any = load_run(run, encoder, task)
    linear = model.heads["task"].linear
    head = ExportedHead(
        task=task.name,
        unit=task.unit,
        labels=task.labels,
        layer=model.head_layer,
        weight=linear.weight.detach().numpy(),
        bias=linear.bias.detach().numpy(),
        single=getattr(task, "single", False),
        precision=_precision(run.parent / "run.json"),
    )
    start = encoder.card
    name = f"{start.name}-{task.name}-{card.method}-{card.seed}"
    source = f"{start.name}, {card.method}"
    trained = replace(start, name=name, kind="folder", sha256="", source=source)
    state = checkpoint_hash(run) if card.trains_encoder else start.sha256
    return TrainedSeed(Encoder(model.encoder, encoder.tokenizer, trained), head, card, state)


def _precision(facts: Path) -> str:
    """What the seed was trained in; fp32 where there are no facts of the training."""
    if not facts.is_file():
        return "fp32"
    return str(read_training_record(facts).get("effective_precision", "fp32"))


def assemble(folder: Path, seed: TrainedSeed, card: str, erasers: Path | None = None) -> None:
    """Write the folder that is served, whole or not at all; equal arguments give equal bytes.

    Args:
        folder: must not exist, or be empty.
        seed: the trained seed.
        card: text of README.md.
        erasers: a folder of fitted erasers, each in a folder of its name.
    """
    with atomic_folder(folder) as temporary:
        write_export(temporary, seed.encoder, card, head=seed.head)
        if erasers is not None and erasers.is_dir():
            shutil.copytree(erasers, temporary / ERASERS)
