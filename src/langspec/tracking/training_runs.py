"""The runs of one training: a parent for the method, a child for every seed.

``langspec train`` logs through these while it runs; the replay makes the same calls with what the
files hold, so both leave equal runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from itertools import groupby
from statistics import fmean
from typing import Any

from langspec.files import sha256_json
from langspec.precedence import trained_value
from langspec.tracking import tags as names
from langspec.tracking.history import STEP_GROUP, Point, seed_points
from langspec.tracking.runs import RunLogger, Tracker


@dataclass(frozen=True, slots=True)
class Training:
    """The facts that all runs of one method share: the keys of ``run.json`` without its seeds.

    ``name`` is that of ``results/<name>``; ``run_key`` the SHA-256 of all that the training is
    made of; ``effective_precision`` what was computed in, not what was asked for.
    """

    name: str
    task: str
    method: str
    selection: str
    params: Mapping[str, Any]
    data_hash: str
    encoder_hash: str
    effective_precision: str
    processes: int
    run_key: str

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Training:
        """Read them from the content of ``run.json``.

        Raises:
            KeyError: one of the keys is missing.
        """
        return cls(**{field.name: run[field.name] for field in fields(cls)})

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment: one a task."""
        return names.experiment_name(self.task)

    @property
    def strength(self) -> float:
        """How strongly language is unlearned: lambda, w, or 0, as one parameter for all methods.

        So that one row of MLflow's compare page tells methods apart.
        """
        for name in ("strength", "weight"):
            value = trained_value(self.params, self.task, self.method, name)
            if value is not None:
                return float(value)
        return 0.0

    def tags(self) -> dict[str, Any]:
        """Tags of the parent and of every seed."""
        return {
            names.NAME: self.name,
            "langspec.task": self.task,
            "langspec.method": self.method,
            "langspec.selection": self.selection,
            names.PARAMS_HASH: sha256_json(names.flatten(self.params)),
            "langspec.data_hash": self.data_hash,
            "langspec.encoder_hash": self.encoder_hash,
            "langspec.effective_precision": self.effective_precision,
            "langspec.processes": self.processes,
        }


class SeedRun:
    """The run of one seed."""

    def __init__(self, logger: RunLogger) -> None:
        self.logger = logger
        self.entry: Mapping[str, Any] | None = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics of a step. Names start with their group (``train/loss``, ``val/accuracy``).

        Those of ``train`` become means over windows; metrics that belong to no step have step 0.
        """
        of_step = {k: v for k, v in metrics.items() if step > 0 and k.startswith(STEP_GROUP)}
        if of_step:
            self.logger.log_step(of_step, step)
        if len(of_step) < len(metrics):
            self.logger.log_metrics({k: v for k, v in metrics.items() if k not in of_step}, step)

    def log_points(self, points: Iterable[Point]) -> None:
        """Log the points of a history that was read from a file, in the order of its steps."""
        for step, of_step in groupby(points, key=lambda point: point.step):
            self.log(step, {point.name: point.value for point in of_step})

    def finish(self, entry: Mapping[str, Any]) -> None:
        """Log the chosen epoch and its scores.

        Args:
            entry: the seed's entry of ``run.json``: ``best_epoch`` and ``dev``
                (metric -> value) are read.
        """
        self.log_points(seed_points(entry))
        self.entry = entry


class MethodRun:
    """The parent run of a method."""

    def __init__(self, tracker: Tracker, training: Training, logger: RunLogger) -> None:
        self.logger = logger
        self._tracker = tracker
        self._training = training
        self._entries: list[Mapping[str, Any]] = []

    @contextmanager
    def seed(
        self,
        seed: int,
        run_key: str,
        *,
        strength: float | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Iterator[SeedRun]:
        """Start the run of a seed. End it with :meth:`SeedRun.finish`.

        ``strength``: of a point of the lambda path, which is in no mean.
        """
        parent = self.logger.run_id
        with start_seed(
            self._tracker, self._training, seed, run_key, parent, strength=strength, tags=tags
        ) as run:
            yield run
        if run.entry is not None and strength is None:
            self._entries.append(run.entry)

    def finish(self, entries: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Log the means over the finished seeds (or over ``entries`` of ``run.json``).

        A seed that failed (collapsed, diverged) is in no mean, only in ``train/failed_seeds``.
        """
        chosen = list(self._entries if entries is None else entries)
        good = [entry for entry in chosen if entry.get("status") != "failed"]
        self.logger.log_metrics(mean_points(seed_points(entry) for entry in good))
        if len(good) < len(chosen):
            self.logger.log_metrics({"train/failed_seeds": float(len(chosen) - len(good))})
        self.logger.flush()


@contextmanager
def start_method(
    tracker: Tracker, training: Training, *, tags: Mapping[str, Any] | None = None
) -> Iterator[MethodRun]:
    """Start the parent run of a method, to be finished with :meth:`MethodRun.finish`."""
    with tracker.start_run(
        experiment=training.experiment,
        name=f"{training.name}-{training.method}",
        stage=f"train@{training.task}-{training.method}",
        tags=training.tags() | {names.RUN_KEY: training.run_key} | dict(tags or {}),
        params={**training.params, "lambda": training.strength},
    ) as logger:
        logger.log_data(f"{training.name}/{training.task}", training.data_hash)
        replayed = names.REPLAYED in dict(tags or {})
        with nullcontext() if replayed else tracker.watch_system(logger.run_id):
            yield MethodRun(tracker, training, logger)


@contextmanager
def start_seed(
    tracker: Tracker,
    training: Training,
    seed: int,
    run_key: str,
    parent_run_id: str,
    *,
    strength: float | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Iterator[SeedRun]:
    """Start the run of one seed below its method's run; ``strength``: of a point of its path."""
    seed_tags: dict[str, Any] = {names.RUN_KEY: run_key, "langspec.seed": seed}
    params, point = dict(training.params), ""
    lambda_ = training.strength if strength is None else strength
    if strength is not None:
        seed_tags["langspec.path"] = f"{strength:g}"
        params[f"train.methods.{training.method}.strength"] = strength
        point = f"-lambda-{strength:g}"
    with tracker.start_run(
        experiment=training.experiment,
        name=f"{training.name}-{training.method}{point}-seed-{seed}",
        stage=f"train@{training.task}-{training.method}",
        parent_run_id=parent_run_id or None,
        tags=training.tags() | seed_tags | dict(tags or {}),
        params={**params, "lambda": lambda_, "seed": seed},
    ) as logger:
        logger.log_data(f"{training.name}/{training.task}", training.data_hash)
        yield SeedRun(logger)


def mean_points(seeds: Iterable[Iterable[Point]]) -> dict[str, float]:
    """Mean over the seeds of every metric that has one value a seed."""
    values: dict[str, list[float]] = defaultdict(list)
    for points in seeds:
        for point in points:
            values[point.name].append(point.value)
    return {name: fmean(numbers) for name, numbers in values.items()}
