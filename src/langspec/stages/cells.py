"""Command cells: the trainings and measures of a run, a cell at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langspec.cells.cell import cells_of, selected
from langspec.cells.cell_files import read_cells, to_measure_again
from langspec.cells.cell_version import Versions, check_goes_on
from langspec.cells.cell_writer import require_inputs
from langspec.cells.claim_contrasts import answers, read_contrasts
from langspec.cells.collect import collect as collect_cells
from langspec.cells.make_cells import check_one_process, make_cells
from langspec.cells.plan import describe
from langspec.cells.study_rules import apply_rules, study_text
from langspec.config import Config
from langspec.paths import paths_of
from langspec.stages.report import compare_options
from langspec.stages.report import run as report
from langspec.stages.retrain import retrain


def plan(config: Config, root: Path, **chosen: Any) -> str:
    """Which cells are finished, and what the others may cost."""
    check_one_process(config)
    cells = selected(cells_of(config), **chosen)
    return describe(cells, read_cells(paths_of(config, root).cells, cells))


def run(config: Config, root: Path, **chosen: Any) -> str:
    """Work on the cells that are not finished; each is written as soon as it is.

    Args:
        config: the configuration.
        root: of the project.
        chosen: tasks, methods and seeds, each a sequence; an empty one takes all.
    """
    check_one_process(config)
    paths, every = paths_of(config, root), cells_of(config)
    cells = selected(every, **chosen)
    require_inputs(paths)
    versions = Versions(config, paths)
    finished = read_cells(paths.cells, every)
    check_goes_on(finished, versions)
    left = [cell for cell in cells if cell not in finished]
    make_cells(config, paths, left, versions, retrain)
    again = to_measure_again(config, read_cells(paths.cells, cells))
    make_cells(config, paths, again, versions, retrain)
    return describe(cells, read_cells(paths.cells, cells))


def collect(config: Config, root: Path) -> str:
    """Draw the report from the finished cells; returns the claims' contrasts and the page."""
    paths = paths_of(config, root)
    cells = collect_cells(paths.cells, paths.results, config.train.all_methods)
    tasks = [task for task in config.train.tasks if any(cell.task == task for cell in cells)]
    train = config.train.model_copy(update={"tasks": tasks})
    # The cards beside the cells: the corpora of today may be others.
    page = report(config.model_copy(update={"train": train}), root, cards=paths.cells)
    options, source = compare_options(config), config.corpora.source
    alpha, said = options.judge.alpha, []
    for task in tasks:
        reading = read_contrasts(paths.results, task, options, source)
        rules = apply_rules(paths.results, task, reading)
        said.append(study_text(task, answers(reading), rules, alpha))
    return "\n".join([*said, str(page)])
