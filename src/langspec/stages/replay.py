"""MLflow brought up to date with the files of results/, and dead runs marked."""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.paths import paths_of
from langspec.tracking.reap import reap as reap_runs
from langspec.tracking.replay_runs import replay
from langspec.tracking.runs import Tracker


def run(config: Config, root: Path, *, required: bool = False) -> str:
    """Add to the store what it lacks; adding nothing the second time.

    ``required``: losing the store meanwhile is an error, and not only a warning.
    """
    corpora = paths_of(config, root).corpora
    added = replay(
        Tracker.open(config.tracking, root=root, required=required),
        root / "results",
        config.name,
        corpora,
    )
    return (
        f"replayed into MLflow: {added.runs} runs, {added.evaluations} evaluations, "
        f"{added.files} files that were not there"
    )


def reap(config: Config, root: Path) -> str:
    """Mark runs whose process is gone."""
    dead = reap_runs(Tracker.open(config.tracking, root=root, required=True).client)
    return f"{len(dead)} dead runs marked" + "".join(f"\n  {run_id}" for run_id in dead)
