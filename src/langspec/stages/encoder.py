"""Stage encoder: the starting encoder, as a folder."""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.corpora.generated import pretraining_text
from langspec.encoders import build
from langspec.paths import paths_of


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths = paths_of(config, root)
    cost = build.estimate(config.encoder)
    return (
        f"encoder: {config.encoder.kind} -> {paths.encoder}\n"
        f"  about {cost['seconds']:.0f} s, {cost['disk_mb']:.0f} MB on disk, "
        f"{cost['memory_mb']:.0f} MB of memory"
    )


def run(config: Config, root: Path) -> Path:
    """Build the encoder folder; returns it."""
    import torch

    # One thread: matrices this small gain nothing from a second, and its sums fix their order.
    torch.set_num_threads(1)
    paths = paths_of(config, root)
    section = config.encoder
    text = pretraining_text(section.pretrain.text, root) if section.kind == "demo" else None
    build.build_encoder(section, text, paths.encoder)
    return paths.encoder
