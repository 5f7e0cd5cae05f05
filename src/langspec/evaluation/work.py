"""The works of an evaluation, which workers share, and their costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langspec.errors import LangspecError
from langspec.files import read_object
from langspec.measures.base import Cost, Shape
from langspec.measures.discovery import measures
from langspec.objectives import get_method
from langspec.paths import require
from langspec.results import RANDOM, label, path_folder, read_training_record
from langspec.training.jobs import path_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langspec.config import Config
    from langspec.paths import Paths
    from langspec.tasks import Task


@dataclass(frozen=True)
class TrainedRun:
    """A trained run.

    Attributes:
        method: that trained it.
        seed: of the training.
        folder: with its weights.
        strength: its lambda, where the run is one of the method's lambda path (further lambdas
            that the method is trained at); None for the method's own lambda.
        first: is it the first seed of its method that did not fail?
    """

    method: str
    seed: int
    folder: Path
    strength: float | None = None
    first: bool = True


@dataclass(frozen=True)
class Work:
    """What one worker measures in one call.

    Attributes:
        runs: trained runs. All seeds of a method that did not change the encoder are one work, so
            that its vectors are computed once.
        random: measure the encoder with random weights?
        texts: measure the texts, whatever encoder reads them?
        training: run whose training is measured once more; None: no run.
    """

    runs: tuple[TrainedRun, ...] = ()
    random: bool = False
    texts: bool = False
    training: TrainedRun | None = None


def all_work(config: Config, paths: Paths, task: str) -> dict[str, Work]:
    """Everything to measure, by name, in params.yaml's order.

    Raises:
        LangspecError: a method that was not trained yet.
    """
    works: dict[str, Work] = {}
    of_task = config.train.methods_of(task)
    for method in of_task:
        seeds = config.train.seeds_of(method)
        stage = f"train --task {task} --method {method}"
        folder = require(paths.train(task, method), stage)
        first = first_seed(seeds, folder)
        runs = [
            TrainedRun(method, seed, folder / f"seed-{seed}", first=seed == first)
            for seed in seeds
        ]
        card = require(runs[0].folder / "model.json", stage)
        if read_object(card, cure=f"run: langspec {stage}").get("trains_encoder", True):
            works |= {f"{method} seed {run.seed}": Work(runs=(run,)) for run in runs}
        else:
            works[method] = Work(runs=tuple(runs))
        for strength, seed in path_points(config, method):
            point = require(path_folder(folder, strength, seed, seeds[0]), stage)
            run = TrainedRun(method, seed, point, strength)
            works[f"{label(method, strength=strength)} seed {seed}"] = Work(runs=(run,))
    for method in (one for one in config.evaluate.trajectory.of if one in of_task):
        folder = paths.train(task, method)
        first = first_seed(config.train.seeds_of(method), folder)
        run = TrainedRun(method, first, folder / f"seed-{first}")
        works[f"trajectory of {method}"] = Work(training=run)
    return works | {RANDOM: Work(random=True), "baselines": Work(texts=True)}


def first_seed(seeds: Sequence[int], folder: Path) -> int:
    """The first seed of a method that did not fail; of all seeds where every one did.

    Args:
        seeds: of the trainings.
        folder: of the method; its ``run.json`` says which seeds failed.
    """
    file = folder / "run.json"
    entries = read_training_record(file).get("seeds", ()) if file.exists() else ()
    failed = {entry["seed"] for entry in entries if entry.get("status") == "failed"}
    return next((seed for seed in seeds if seed not in failed), seeds[0])


def _encoders(config: Config, methods: list[str]) -> int:
    """The number of encoders to measure; a method that did not change its encoder has one."""
    return sum(
        len(config.train.seeds_of(name)) + len(path_points(config, name))
        if get_method(name).trains_encoder
        else 1
        for name in methods
    )


def shape_of(config: Config, paths: Paths, task: Task) -> Shape:
    """How much an evaluation of a task measures."""
    methods = config.train.methods_of(task.name)
    layers, hidden = config.encoder.pretrain.layers, config.encoder.pretrain.hidden
    card = paths.encoder / "config.json"
    if card.exists():
        values = read_object(
            card, "num_hidden_layers", "hidden_size", cure="build the encoder again"
        )
        layers, hidden = values["num_hidden_layers"], values["hidden_size"]
    check_layers(config, layers)
    leaks = 1 + _encoders(config, methods)
    return Shape(
        encoders=leaks - sum(len(path_points(config, method)) for method in methods),
        leaks=leaks,
        erased=_encoders(config, [m for m in methods if m in config.evaluate.erasers.of]),
        layers=layers + 1,
        hidden=hidden,
        languages=len(config.corpora.languages),
        labels=len(task.labels),
        token=task.unit == "token",
        passes=1 + bool(config.encoder.prefix and not config.features.prefix_tokens),
    )


def check_layers(config: Config, top: int) -> None:
    """Refuse layers that the encoder has not, before anything is encoded.

    Args:
        config: the configuration.
        top: number of the encoder's last layer.

    Raises:
        LangspecError: naming the first such layer.
    """
    chosen = config.evaluate
    for key, wanted in (
        ("beyond.layers", chosen.beyond.layers),
        ("conditional.layers", chosen.conditional.layers),
        ("leak.curve", chosen.leak.curve),
    ):
        for layer in wanted or ():
            if layer > top:
                raise LangspecError(
                    f"found {layer}, expected at most {top}, the encoder's last layer",
                    place=f"evaluate.{key}",
                )


def costs(config: Config, shape: Shape) -> list[Cost]:
    """The costs of the measures that ``evaluate`` asks for, in the order they are taken."""
    of_measures = (one.cost(config, shape) for one in measures() if one.enabled(config.evaluate))
    return [cost for cost in of_measures if cost is not None]


def describe(config: Config, paths: Paths, task: Task, costs: list[Cost], shape: Shape) -> str:
    """Say in words what an evaluation would do and cost."""
    vectors = shape.languages * config.features.tokens.total
    disk = shape.leaks * vectors * shape.hidden * 2 * shape.layers / 1e6
    passes = shape.leaks * shape.passes + sum(cost.encodings for cost in costs)
    parts = "\n".join(f"  {c.name}: {c.work}, about {c.seconds:.0f} s" for c in costs)
    methods = ", ".join(config.train.methods_of(task.name))
    return (
        f"evaluate {task.name}: {methods} x {len(config.train.seeds)} seeds, "
        f"and a random encoder, on {shape.languages} languages -> {paths.evaluate(task.name)}\n"
        f"{parts}\n"
        f"  in all {passes} encoding passes and about {sum(c.seconds for c in costs):.0f} s of "
        f"one core for the rest, {disk:.0f} MB of feature banks (limit "
        f"{config.features.cache_gb:g} GB), {500 + vectors * shape.hidden * 16 / 1e6:.0f} MB of "
        "memory"
    )
