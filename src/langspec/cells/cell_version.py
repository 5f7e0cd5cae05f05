"""What a cell was made by: hashes of code, settings and inputs. Cells of two are in no mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from langspec.closure import code_hash
from langspec.compute import precision_here
from langspec.errors import LangspecError
from langspec.evaluation.finished_work import FinishedWork
from langspec.files import sha256_json
from langspec.objectives import get_method
from langspec.section import Decides, deciding
from langspec.training.identity import run_settings

if TYPE_CHECKING:
    from langspec.cells.cell import Cell
    from langspec.cells.cell_files import Manifest
    from langspec.config import Config
    from langspec.paths import Paths

TRAINER = "langspec.training.experiment"
_OF_TRAINING = ("training code", "training settings")


class Versions:
    """What cells would be made by now, by the code, the settings and the files that there are.

    Args:
        config: the configuration.
        paths: of the run; its corpora and its encoder exist.
    """

    def __init__(self, config: Config, paths: Paths) -> None:
        self._config, self._paths = config, paths
        self._measured: dict[str, dict[str, str]] = {}

    def of(self, cell: Cell) -> dict[str, str]:
        """Hashes by what they are of, for people: ``evaluation code``, ``corpora``, ..."""
        measured = self._of_task(cell.task)
        if not cell.trains:
            return measured
        method = get_method(cell.method)
        settings = run_settings(self._config, cell.task, cell.method)
        return measured | {
            "training code": code_hash(TRAINER, method),
            "training settings": sha256_json(settings),
        }

    def _of_task(self, task: str) -> dict[str, str]:
        if task not in self._measured:
            config = self._config
            settings = deciding(config, Decides.RUNS)
            del settings["train"]  # each method's: below
            finished = FinishedWork(config, self._paths, task)
            self._measured[task] = {
                "evaluation code": code_hash(*finished.code),
                "evaluation settings": sha256_json([settings, config.train.feature_layer]),
                "inputs": sha256_json(finished.inputs),
                "precision": precision_here(config.compute.precision),
            }
        return self._measured[task]


def check_goes_on(cells: Mapping[Cell, Manifest], versions: Versions) -> None:
    """Refuse to go on with cells of another version than the cells that would be added.

    Raises:
        LangspecError: naming the first such cell, what differs, and what to do.
    """
    for cell, manifest in cells.items():
        if differing := _differing(manifest.version, versions.of(cell)):
            commit = manifest.commit[:12]
            if manifest.clean:
                made = f"at commit {commit}; go on there: git worktree add ../going-on {commit}, "
                made += "and copy the folder of the cells into it. Or move that folder away"
            else:
                made = "by code that no commit holds; move the folder of the cells away"
            raise LangspecError(
                f"was made with other {differing}, {made} to begin anew", place=cell.name
            )


def check_one_version(cells: Mapping[Cell, Manifest]) -> None:
    """Refuse cells that may not be in one mean.

    All cells of a task are measured by one version, all of a method are trained by one.

    Raises:
        LangspecError: naming two cells and what differs.
    """
    for task in dict.fromkeys(cell.task for cell in cells):
        of_task = [cell for cell in cells if cell.task == task]
        _check_equal(cells, of_task, leave_out=_OF_TRAINING)
        for method in dict.fromkeys(cell.method for cell in of_task):
            _check_equal(cells, [cell for cell in of_task if cell.method == method])


def _check_equal(
    cells: Mapping[Cell, Manifest], group: Iterable[Cell], leave_out: Iterable[str] = ()
) -> None:
    first, *others = group
    for other in others:
        a, b = cells[first], cells[other]
        if differing := _differing(a.version, b.version, leave_out):
            raise LangspecError(
                f"differs from {first.name} in {differing} (commits {b.commit[:12]} and "
                f"{a.commit[:12]}), and numbers of both may be in no mean; remove the cells of "
                "one of them",
                place=other.name,
            )


def _differing(a: Mapping[str, str], b: Mapping[str, str], leave_out: Iterable[str] = ()) -> str:
    names = sorted({*a, *b} - {*leave_out})
    return ", ".join(name for name in names if a.get(name) != b.get(name))
