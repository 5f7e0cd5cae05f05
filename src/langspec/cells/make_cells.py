"""Cells are handed out to workers, and written in this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from langspec.accelerate_launch import asked_for
from langspec.cells.cell import Cell
from langspec.cells.cell_version import Versions
from langspec.cells.cell_writer import CellWriter
from langspec.errors import LangspecError
from langspec.features.cache import evict
from langspec.workers import crew_of, launched_processes

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths

WORKER = "langspec.cells.cell_worker:CellWorker"


def check_one_process(config: Config) -> None:
    """Refuse a launcher: the processes that it starts would all make the same cells.

    Raises:
        LangspecError: there is one, or ``compute.launch`` asks for one.
    """
    if config.compute.launch is not None or asked_for() is not None or launched_processes() > 1:
        raise LangspecError(
            "langspec cells trains each cell in one process, and compute.workers cells at a time; "
            "set compute.launch to null, and start it without a launcher",
            place="compute.launch",
        )


def make_cells(
    config: Config,
    paths: Paths,
    cells: Sequence[Cell],
    versions: Versions,
    retrain: Callable[..., Any],
) -> None:
    """Make cells in as many processes as there are workers; each is written as soon as it is made.

    Args:
        config: the configuration.
        paths: of the run.
        cells: that are made, or made again.
        versions: what they are made by.
        retrain: as :class:`langspec.evaluation.runner.Runner` has it.
    """
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
