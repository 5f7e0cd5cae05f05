"""Command compare: two methods of this run, of other runs below results/, or runs of MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.config import Config
from langspec.paths import paths_of
from langspec.report.compare_runs import Runs, compare_methods
from langspec.stages.report import compare_options

if TYPE_CHECKING:
    from langspec.tracking.find import FoundTraining


def run(
    config: Config, root: Path, first: str, second: str, *, margin: float | None, **asked: Any
) -> str:
    """The comparison as text; see :func:`langspec.report.compare_runs.compare_methods`.

    Args:
        config: the configuration.
        root: of the project.
        first: the method that verdicts are about.
        second: what it is held against.
        margin: a difference that would not matter; None: ``report.margin``.
        asked: task, metric, seed and form, as the command names them.
    """

    def in_mlflow(text: str, task: str | None) -> FoundTraining:
        from langspec.tracking.find import find_training  # MLflow takes seconds to import
        from langspec.tracking.runs import Tracker

        return find_training(Tracker.open(config.tracking, root=root), text, task)

    name = paths_of(config, root).results.name
    runs = Runs(root / "results", name, in_mlflow, config.corpora.source)
    return compare_methods(runs, first, second, compare_options(config, margin), **asked)
