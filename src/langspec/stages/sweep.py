"""Command sweep: workers on a study of a method's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langspec.config import Config
from langspec.tuning import sweeping


def run(
    config: Config,
    root: Path,
    *,
    assignments: Sequence[str] = (),
    study: str | None = None,
    storage: str | None = None,
    workers: int = 1,
    lost: Sequence[str] = (),
) -> str:
    """Work on a study until it has ``tune.trials`` trials; what it found, in words.

    Raises:
        LangspecError: as :func:`langspec.tuning.sweeping.run`.
    """
    return sweeping.run(
        config,
        root,
        assignments=assignments,
        study=study,
        storage=storage,
        workers=workers,
        lost=lost,
    )


def worker(config: Config, root: Path, *, study: str) -> None:
    """One worker process."""
    sweeping.worker(config, root, study=study)


def plan(
    config: Config, root: Path, *, study: str | None, storage: str | None, workers: int
) -> str:
    """What :func:`run` would do; nothing is made, no storage is opened."""
    return sweeping.plan(config, root, study=study, storage=storage, workers=workers)
