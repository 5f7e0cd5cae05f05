"""Stage evaluate: every trained run of a task, scored and probed."""

from __future__ import annotations

import math
from pathlib import Path

from langspec.config import Config
from langspec.evaluation.finished_work import RUNNER, FinishedWork
from langspec.evaluation.planned_bounds import checked_plan
from langspec.evaluation.work import Work, all_work
from langspec.evaluation.write import write_findings
from langspec.features.cache import evict
from langspec.measures.base import Findings
from langspec.paths import Paths, paths_of, require
from langspec.stages.retrain import retrain
from langspec.workers import available_cores, crew_of


def plan(config: Config, root: Path, *, task_name: str) -> str:
    """What :func:`run` would do. Refuses what it would refuse."""
    from langspec.tasks import get_task

    paths = paths_of(config, root)
    task = get_task(task_name, paths.corpora)  # refuses an unknown one
    return checked_plan(config, paths, task)


def run(config: Config, root: Path, *, task_name: str) -> Path:
    """Measure every trained run of a task; returns the folder written."""
    paths = paths_of(config, root)
    require(paths.corpora, "corpora")
    require(paths.encoder, "encoder")
    work = all_work(config, paths, task_name)
    finished = FinishedWork(config, paths, task_name)
    parts = {name: finished.read(one) for name, one in work.items()}
    left = {name: one for name, one in work.items() if parts[name] is None}
    if left:
        parts |= _measure(config, paths, task_name, left, finished)
    from langspec.stages.replay import run as replay

    write_findings(paths.evaluate(task_name), [one for one in parts.values() if one is not None])
    replay(config, root)
    return paths.evaluate(task_name)


def _measure(
    config: Config, paths: Paths, task: str, work: dict[str, Work], finished: FinishedWork
) -> dict[str, Findings]:
    """Have workers measure what is left, each work kept as soon as it is finished."""
    # Works are many and small: a worker more than there are cores would only prepare in vain.
    cores = max(1, available_cores() // config.compute.threads)
    count = min(config.compute.workers, len(work), cores)
    # A bank that another worker reads must not be evicted: with several, at the end.
    limit_gb = config.features.cache_gb if count == 1 else math.inf
    with crew_of(RUNNER, config, paths, task, limit_gb, retrain, count=count) as crew:
        import langspec.tracking.runs  # noqa: F401 - while the workers import PyTorch

        parts = crew.run(work, _Keeper(work, finished))
    if count > 1:
        evict(paths.cache / "banks", config.features.cache_gb)
    return parts


class _Keeper:
    """Writes the findings of a work to the cache when a worker ends it."""

    def __init__(self, work: dict[str, Work], finished: FinishedWork) -> None:
        self._work, self._finished = work, finished

    def started(self, name: str) -> None:
        """Nothing is kept of it yet."""

    def message(self, name: str, value: object) -> None:
        """Workers send none."""

    def done(self, name: str, result: Findings) -> None:
        """Keep it."""
        self._finished.write(self._work[name], result)
