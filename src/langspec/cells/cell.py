"""What a cell is, and in which order the cells of a run are worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langspec.errors import LangspecError
from langspec.results import EVERY, RANDOM, label
from langspec.training.jobs import path_points

if TYPE_CHECKING:
    from langspec.config import Config


@dataclass(frozen=True)
class Cell:
    """One training of a run with all that is measured of it.

    Attributes:
        task: the task.
        method: that trains; ``random`` or ``all``: the encoder with random weights, or the texts,
            which are measured once and train nothing.
        seed: of the training; 0 where nothing is trained.
        strength: lambda, where it is one of the method's path; else None.
    """

    task: str
    method: str
    seed: int = 0
    strength: float | None = None

    @property
    def trains(self) -> bool:
        """Is there a training?"""
        return self.method not in (RANDOM, EVERY)

    @property
    def name(self) -> str:
        """Its folder below ``cells/``, which is what people read: ``pos/grl@0.1/seed-2``."""
        return f"{self.task}/{label(self.method, strength=self.strength)}/seed-{self.seed}"


def cells_of(config: Config) -> list[Cell]:
    """Every cell, in the order in which they are worked on.

    Whole comparisons exist at any moment: task by task, the first seed of every method, then the
    second, then the lambda paths in the same way.

    Raises:
        LangspecError: ``evaluate.trajectory`` asks for a training to be followed by step.
    """
    if config.evaluate.trajectory.of:
        raise LangspecError(
            "a cell follows no training by step; set it to [], or use the stage evaluate",
            place="evaluate.trajectory.of",
        )
    cells: list[Cell] = []
    for task in config.train.tasks:
        methods = config.train.methods_of(task)
        seeds = {method: config.train.seeds_of(method) for method in methods}
        trained = [
            Cell(task, method, of_method[turn])
            for turn in range(max(map(len, seeds.values())))
            for method, of_method in seeds.items()
            if turn < len(of_method)
        ]
        points = [
            Cell(task, method, seed, strength)
            for method in methods
            for strength, seed in path_points(config, method)
        ]
        points.sort(key=lambda cell: config.train.seeds.index(cell.seed))
        first = len(seeds)
        cells += [Cell(task, EVERY), *trained[:first], Cell(task, RANDOM), *trained[first:]]
        cells += points
    return cells


def selected(
    cells: Sequence[Cell], tasks: Sequence[str], methods: Sequence[str], seeds: Sequence[int]
) -> list[Cell]:
    """The cells of these tasks, methods and seeds; an empty selection takes all.

    Raises:
        LangspecError: there is none.
    """
    chosen = [
        cell
        for cell in cells
        if (not tasks or cell.task in tasks)
        and (not methods or cell.method in methods)
        and (not seeds or cell.seed in seeds)
    ]
    if not chosen:
        raise LangspecError(
            "no such cell; langspec cells --dry-run lists all", place="--task, --method, --seed"
        )
    return chosen
