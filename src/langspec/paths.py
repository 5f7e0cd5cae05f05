"""Where the files of a run are, and the hashes of what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.errors import LangspecError
from langspec.files import read_json, sha256_file, sha256_folder

if TYPE_CHECKING:
    from langspec.config import Config


@dataclass(frozen=True)
class Paths:
    """Folders of the run called ``name`` below a project's root."""

    root: Path
    name: str
    encoder_name: str

    @property
    def corpora(self) -> Path:
        """Prepared corpora and their card."""
        return self.root / "data" / "corpora" / self.name

    @property
    def encoder(self) -> Path:
        """The starting encoder."""
        return self.root / "data" / "encoders" / self.encoder_name

    @property
    def manifest(self) -> Path:
        """Outside files by name, size and hash."""
        return self.root / "data" / "sources.json"

    @property
    def results(self) -> Path:
        """Everything that the run measured."""
        return self.root / "results" / self.name

    def train(self, task: str, method: str) -> Path:
        """Weights and histories of a method's seeds."""
        return self.results / "train" / task / method

    def evaluate(self, task: str) -> Path:
        """Tidy results, predictions and projections of a task."""
        return self.results / "evaluate" / task

    @property
    def cells(self) -> Path:
        """Finished cells of a study, and copies of the cards of corpora and encoder."""
        return self.results / "cells"

    def with_card(self, folder: Path) -> Path:
        """The folder of corpora or of the encoder; where it is not, that of the cells."""
        return folder if folder.is_dir() else self.cells

    @property
    def report(self) -> Path:
        """The page, its tables and figures."""
        return self.results / "report"

    @property
    def cache(self) -> Path:
        """Checkpoints, banks and machine-bound facts; never committed, safe to delete."""
        return self.root / ".langspec"


def paths_of(config: Config, root: Path) -> Paths:
    """The folders of a configuration."""
    return Paths(root, config.name, config.encoder.name)


def require(path: Path, stage: str) -> Path:
    """``path`` if it exists; otherwise say which stage writes it."""
    if not path.exists():
        raise LangspecError(f"not there yet; run: langspec {stage} (or dvc repro)", place=path)
    return path


def corpora_hash(corpora: Path, table: str) -> str:
    """SHA-256 of one prepared table."""
    return sha256_file(require(corpora / f"{table}.parquet", "corpora"))


def corpora_sources(corpora: Path) -> list[dict[str, Any]]:
    """The files that prepared corpora were made from, as their card lists them.

    Raises:
        LangspecError: the card is missing or damaged.
    """
    place = require(corpora / "card.json", "corpora")
    card = read_json(place)
    if not isinstance(card, dict) or not isinstance(card.get("sources"), list):
        raise LangspecError("lists no sources; run: dvc repro -f corpora", place=place)
    return list(card["sources"])


def checkpoint_hash(folder: Path) -> str:
    """SHA-256 of a trained seed's folder."""
    return sha256_folder(folder)
