"""Command cells: the trainings and measures of a run, a cell at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langspec.accelerate_launch import asked_for
from langspec.cells.cell import Cell, cells_of, selected
from langspec.cells.cell_files import read_cells, to_measure_again
from langspec.cells.cell_version import Versions, check_goes_on
from langspec.cells.cell_writer import CellWriter, require_inputs
from langspec.cells.claim_contrasts import answers, claims_text
from langspec.cells.collect import collect as collect_cells
from langspec.cells.plan import describe
from langspec.config import Config
from langspec.errors import LangspecError
from langspec.features.cache import evict
from langspec.paths import Paths, paths_of
from langspec.stages.report import compare_options
from langspec.stages.report import run as report
from langspec.stages.retrain import retrain
from langspec.workers import crew_of, launched_processes

WORKER = "langspec.cells.cell_worker:CellWorker"


def plan(config: Config, root: Path, **chosen: Any) -> str:
    """Which cells are finished, and what the others may cost."""
    _check_one_process(config)
    cells = selected(cells_of(config), **chosen)
    return describe(cells, read_cells(paths_of(config, root).cells, cells))


def _check_one_process(config: Config) -> None:
    """Refuse a launcher: the processes that it starts would all make the same cells."""
    if config.compute.launch is not None or asked_for() is not None or launched_processes() > 1:
        raise LangspecError(
            "langspec cells trains each cell in one process, and compute.workers cells at a time; "
            "set compute.launch to null, and start it without a launcher",
            place="compute.launch",
        )


def run(config: Config, root: Path, **chosen: Any) -> str:
    """Work on the cells that are not finished; each is written as soon as it is.

    Args:
        config: the configuration.
        root: of the project.
        chosen: tasks, methods and seeds, each a sequence; an empty one takes all.
    """
    _check_one_process(config)
    paths, every = paths_of(config, root), cells_of(config)
    cells = selected(every, **chosen)
    require_inputs(paths)
    versions = Versions(config, paths)
    finished = read_cells(paths.cells, every)
    check_goes_on(finished, versions)
    _work(config, paths, [cell for cell in cells if cell not in finished], versions)
    _work(config, paths, to_measure_again(config, read_cells(paths.cells, cells)), versions)
    return describe(cells, read_cells(paths.cells, cells))


def _work(config: Config, paths: Paths, cells: Sequence[Cell], versions: Versions) -> None:
    """Make cells, in as many processes as there are workers."""
    named = {cell.name: cell for cell in cells}
    writer = CellWriter(paths, named, versions)
    if not named:
        return
    count = min(config.compute.workers, len(named))
    # A bank that another worker reads must not be evicted: with several, at the end.
    limit_gb = config.features.cache_gb if count == 1 else math.inf
    with crew_of(WORKER, config, paths, retrain, limit_gb, count=count) as crew:
        crew.run(named, writer)
    if count > 1:
        evict(paths.cache / "banks", config.features.cache_gb)


def collect(config: Config, root: Path) -> str:
    """Draw the report from the finished cells; returns the claims' contrasts and the page."""
    paths = paths_of(config, root)
    cells = collect_cells(paths.cells, paths.results, config.train.all_methods)
    tasks = [task for task in config.train.tasks if any(cell.task == task for cell in cells)]
    train = config.train.model_copy(update={"tasks": tasks})
    # The cards beside the cells: the corpora of today may be others.
    page = report(config.model_copy(update={"train": train}), root, cards=paths.cells)
    options, source = compare_options(config), config.corpora.source
    contrasts = {task: answers(paths.results, task, options, source) for task in tasks}
    alpha = options.judge.alpha
    said = [claims_text(task, present, alpha) for task, present in contrasts.items()]
    return "\n".join([*said, str(page)])
