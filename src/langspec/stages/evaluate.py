"""Stage evaluate: every checkpoint of a task, scored and probed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from langspec.config import Config
from langspec.files import atomic_folder, read_json
from langspec.paths import Paths, paths_of, require
from langspec.results import RANDOM, Result, label, results_frame, write_results
from langspec.stages.costs import Shape, evaluation_costs
from langspec.stages.train import path_folder
from langspec.workers import available_cores, crew_of


@dataclass(frozen=True)
class TrainedRun:
    """A trained seed of a method, or a point of its lambda path, in ``folder``."""

    method: str
    seed: int
    folder: Path
    strength: float | None = None


@dataclass(frozen=True)
class Subject:
    """What one worker measures in one go.

    Attributes:
        runs: trained runs. Those that left the encoder as it was come
            together, so that its vectors are made once.
        random: measure the encoder with random weights instead.
        baselines: score the heuristics that see no meaning instead.
        trajectory: follow the training of this run instead.
    """

    runs: tuple[TrainedRun, ...] = ()
    random: bool = False
    baselines: bool = False
    trajectory: tuple[str, int, Path] | None = None


@dataclass
class Measured:
    """Rows and tables of a subject, in the order of its runs."""

    rows: list[Result] = field(default_factory=list)
    geometry: list[Result] = field(default_factory=list)
    trajectory: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[pa.Table] = field(default_factory=list)
    projection: list[pa.Table] = field(default_factory=list)


def _subjects(config: Config, paths: Paths, task: str) -> dict[str, Subject]:
    """Everything to measure, by name, in params.yaml's order."""
    found: dict[str, Subject] = {}
    for method in config.train.run:
        folder = require(paths.train(task, method), f"train --task {task} --method {method}")
        runs = [TrainedRun(method, seed, folder / f"seed-{seed}") for seed in config.train.seeds]
        if read_json(runs[0].folder / "model.json").get("trains_encoder", True):
            found |= {f"{method} seed {run.seed}": Subject(runs=(run,)) for run in runs}
        else:
            found[method] = Subject(runs=tuple(runs))
        for strength in _path(config, method):
            point = require(
                path_folder(folder, strength), f"train --task {task} --method {method}"
            )
            of_path = TrainedRun(method, config.train.seeds[0], point, strength)
            found[label(method, strength=strength)] = Subject(runs=(of_path,))
    for method in config.evaluate.trajectory.of:
        seed = config.train.seeds[0]
        run = (method, seed, paths.train(task, method) / f"seed-{seed}")
        found[f"trajectory of {method}"] = Subject(trajectory=run)
    return found | {RANDOM: Subject(random=True), "baselines": Subject(baselines=True)}


def _path(config: Config, method: str) -> list[float]:
    """Further strengths that a method was trained at."""
    return list(getattr(getattr(config.train.methods, method), "path", []))


def _checkpoints(config: Config, methods: list[str]) -> int:
    """Encoders to measure: one a seed, and one of all seeds that left it as it was."""
    methods_of, seeds = config.train.methods, len(config.train.seeds)
    return sum(
        seeds + len(_path(config, name)) if getattr(methods_of, name).trains_encoder else 1
        for name in methods
    )


def plan(config: Config, root: Path, *, task_name: str) -> str:
    """What :func:`run` would do."""
    from langspec.tasks import get_task

    paths = paths_of(config, root)
    task = get_task(task_name, paths.corpora)  # refuses an unknown one
    seeds, methods = len(config.train.seeds), config.train.run
    layers, languages = config.encoder.pretrain.layers, len(config.corpora.languages)
    card = paths.encoder / "config.json"
    hidden = config.encoder.pretrain.hidden
    if card.exists():
        values = read_json(card)
        layers, hidden = values["num_hidden_layers"], values["hidden_size"]
    leaks = 1 + _checkpoints(config, methods)
    shape = Shape(
        encoders=leaks - sum(len(_path(config, method)) for method in methods),
        leaks=leaks,
        erased=_checkpoints(config, [m for m in methods if m in config.evaluate.erasers.of]),
        layers=layers + 1,
        hidden=hidden,
        languages=languages,
        labels=len(task.labels),
        token=task.unit == "token",
    )
    costs = evaluation_costs(config, shape)
    vectors = languages * config.features.max_tokens_per_language
    disk = leaks * vectors * hidden * 2 * (layers + 1) / 1e6
    passes = leaks + sum(cost.encodings for cost in costs)
    parts = "\n".join(f"  {c.name}: {c.told}, about {c.seconds:.0f} s" for c in costs)
    return (
        f"evaluate {task_name}: {', '.join(methods)} x {seeds} seeds, and a random encoder, on "
        f"{languages} languages -> {paths.evaluate(task_name)}\n{parts}\n"
        f"  in all {passes} encoding passes and about {sum(c.seconds for c in costs):.0f} s of "
        f"one core for the rest, {disk:.0f} MB of feature banks (limit "
        f"{config.features.cache_gb:g} GB), {500 + vectors * hidden * 16 / 1e6:.0f} MB of memory"
    )


def run(config: Config, root: Path, *, task_name: str) -> Path:
    """Measure every checkpoint of a task; returns the folder written."""
    paths = paths_of(config, root)
    require(paths.corpora, "corpora")
    require(paths.encoder, "encoder")
    subjects = _subjects(config, paths, task_name)
    # Subjects are many and small: a worker more than there are cores would only prepare in vain.
    cores = max(1, available_cores() // config.compute.threads)
    count = min(config.compute.workers, len(subjects), cores)
    # A bank that another worker reads must not be evicted: with several, at the end.
    limit_gb = config.features.cache_gb if count == 1 else math.inf
    measurer = "langspec.stages.measure:Measurer"
    with crew_of(measurer, config, root, task_name, limit_gb, count=count) as crew:
        # After the workers: this process imports MLflow while they import PyTorch.
        from langspec.stages.replay import run as replay

        measured = list(crew.run(subjects).values())
    if count > 1:
        from langspec.features.cache import evict  # imports PyTorch

        evict(paths.cache / "banks", config.features.cache_gb)
    out = paths.evaluate(task_name)
    with atomic_folder(out) as temporary:
        write_results(temporary / "results.csv", [row for part in measured for row in part.rows])
        # A table of its own: many layers and no single score, so that none of it is a chart.
        geometry = [row for part in measured for row in part.geometry]
        write_results(temporary / "geometry.csv", geometry)
        moments = [row for part in measured for row in part.trajectory]
        rows = results_frame(
            Result(**{k: v for k, v in m.items() if k != "step"}) for m in moments
        )
        rows.insert(0, "step", [moment["step"] for moment in moments])
        rows.to_csv(temporary / "trajectory.csv", index=False, float_format="%.6g")
        for name in ("predictions", "projection"):
            tables = [table for part in measured for table in getattr(part, name)]
            pq.write_table(
                pa.concat_tables(tables), temporary / f"{name}.parquet", compression="zstd"
            )
    replay(config, root)
    return out
