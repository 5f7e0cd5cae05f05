"""Stage evaluate: every trained run of a task, scored and probed."""

from __future__ import annotations

import math
from pathlib import Path

from langspec.config import Config
from langspec.evaluation.work import all_work, costs, describe, shape_of
from langspec.paths import paths_of, require
from langspec.stages.retrain import retrain
from langspec.workers import available_cores, crew_of


def plan(config: Config, root: Path, *, task_name: str) -> str:
    """What :func:`run` would do."""
    from langspec.tasks import get_task

    paths = paths_of(config, root)
    task = get_task(task_name, paths.corpora)  # refuses an unknown one
    shape = shape_of(config, paths, task)
    return describe(config, paths, task, costs(config, shape), shape)


def run(config: Config, root: Path, *, task_name: str) -> Path:
    """Measure every trained run of a task; returns the folder written."""
    paths = paths_of(config, root)
    require(paths.corpora, "corpora")
    require(paths.encoder, "encoder")
    work = all_work(config, paths, task_name)
    # Works are many and small: a worker more than there are cores would only prepare in vain.
    cores = max(1, available_cores() // config.compute.threads)
    count = min(config.compute.workers, len(work), cores)
    # A bank that another worker reads must not be evicted: with several, at the end.
    limit_gb = config.features.cache_gb if count == 1 else math.inf
    runner = "langspec.evaluation.runner:Runner"
    with crew_of(runner, config, paths, task_name, limit_gb, retrain, count=count) as crew:
        # After the workers: this process imports MLflow while they import PyTorch.
        from langspec.stages.replay import run as replay

        findings = list(crew.run(work).values())
    if count > 1:
        from langspec.features.cache import evict  # imports PyTorch

        evict(paths.cache / "banks", config.features.cache_gb)
    from langspec.evaluation.write import write_findings

    write_findings(paths.evaluate(task_name), findings)
    replay(config, root)
    return paths.evaluate(task_name)
