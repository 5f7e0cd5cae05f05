"""MLflow brought up to date with the files of results/, and dead runs marked."""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.paths import paths_of
from langspec.stages.tracker import open_tracker
from langspec.tracking import reap as reaping
from langspec.tracking.replay_runs import replay


def run(config: Config, root: Path) -> str:
    """Add to the store what it lacks; adding nothing the second time."""
    corpora = paths_of(config, root).corpora
    added = replay(open_tracker(config, root), root / "results", config.name, corpora)
    return (
        f"replayed into MLflow: {added.runs} runs, {added.evaluations} evaluations, "
        f"{added.files} files that were not there"
    )


def reap(config: Config, root: Path) -> str:
    """Mark runs whose process is gone."""
    found = reaping.reap(open_tracker(config, root))
    return f"{len(found)} dead runs marked" + "".join(f"\n  {run_id}" for run_id in found)
