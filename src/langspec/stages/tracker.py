"""The tracking store that a configuration names."""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.tracking.runs import Tracker


def open_tracker(config: Config, root: Path) -> Tracker:
    """Open the store, with the buffering that params.yaml asks for."""
    return Tracker.open(
        config.tracking.uri,
        root=root.resolve(),
        flush_points=config.tracking.flush_points,
        flush_seconds=config.tracking.flush_seconds,
        system_seconds=config.tracking.system_seconds,
    )
