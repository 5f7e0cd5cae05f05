"""The trainings of stage train, and the runs of MLflow in which they are recorded."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.results import TRAINING_SCHEMA, path_folder
from langspec.training.identity import SeedJob, TrainingFacts

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.tracking.training_runs import MethodRun, SeedRun


def path_points(config: Config, method: str) -> list[tuple[float, int]]:
    """Lambda and seed of the trainings of a method's path; none where it has no path."""
    options = getattr(config.train.methods, method)
    seeds = config.train.seeds[: getattr(options, "path_seeds", 0)]
    return [(strength, seed) for strength in getattr(options, "path", []) for seed in seeds]


def jobs_of(config: Config, method: str, folder: Path | None) -> dict[str, SeedJob]:
    """Every seed, and the first ones again at each lambda of the path."""
    seeds = config.train.seeds_of(method)
    jobs = [SeedJob(seed, folder and folder / f"seed-{seed}") for seed in seeds]
    for strength, seed in path_points(config, method):
        place = folder and path_folder(folder, strength, seed, seeds[0])
        jobs.append(SeedJob(seed, place, strength))
    return {job.name: job for job in jobs}


class Record:
    """Keeps a run of MLflow for every seed, from what the workers tell."""

    def __init__(self, parent: MethodRun, jobs: dict[str, SeedJob], facts: TrainingFacts) -> None:
        self._parent, self._jobs, self._facts = parent, jobs, facts
        self._stack = ExitStack()  # what a failure ends
        self._open: dict[str, tuple[ExitStack, SeedRun]] = {}

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def started(self, name: str) -> None:
        """Start the seed's run."""
        stack = self._stack.enter_context(ExitStack())
        job = self._jobs[name]
        run = self._parent.seed(job.seed, self._facts.key(job), strength=job.strength)
        self._open[name] = stack, stack.enter_context(run)

    def message(self, name: str, value: tuple[int, dict[str, float]]) -> None:
        """Log metrics of a step."""
        self._open[name][1].log(*value)

    def done(self, name: str, entry: dict[str, Any]) -> None:
        """End the seed's run."""
        stack, child = self._open.pop(name)
        child.finish(entry)
        stack.close()


def common_values(config: Config, facts: TrainingFacts) -> dict[str, Any]:
    """What ``run.json`` and the runs of MLflow say of all seeds of a method."""
    identity = facts.identity
    return {
        "name": config.name,
        "task": identity["task"],
        "method": identity["method"],
        "selection": config.train.selection,
        "params": identity["settings"],
        "data_hash": identity["data"],
        "encoder_hash": identity["encoder"],
        "effective_precision": identity["precision"],
        "processes": identity["processes"],
        "run_key": facts.run_key,
    }


def run_values(
    common: dict[str, Any], facts: TrainingFacts, entries: list[dict[str, Any]]
) -> dict[str, Any]:
    """What ``run.json`` holds.

    Args:
        common: as :func:`common_values` gives it.
        facts: of the trainings.
        entries: of the seeds, and of the points of the path (with a ``strength``).
    """
    values = {
        "schema": TRAINING_SCHEMA,
        **common,
        "train_rows": facts.rows,
        "truncated_rows": facts.truncated,
        "selection_languages": list(facts.selection_languages),
        "seeds": [entry for entry in entries if "strength" not in entry],
    }
    path = [entry for entry in entries if "strength" in entry]
    return values | ({"path": path} if path else {})
