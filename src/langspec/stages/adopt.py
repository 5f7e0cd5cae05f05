"""Command adopt: a study's winner, taken over into params.yaml."""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.tuning.adoption import take_over


def run(
    config: Config,
    root: Path,
    *,
    study: str,
    storage: str | None = None,
    trial: int | None = None,
    place_on_front: int | None = None,
) -> str:
    """Write a trial's values into params.yaml, and where they are from; returns the changes.

    Raises:
        LangspecError: as :func:`langspec.tuning.adoption.take_over`.
    """
    return take_over(
        config, root, study=study, storage=storage, trial=trial, place_on_front=place_on_front
    )
