"""The files of a finished cell: tables, histories, and a manifest of what it was made by."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.cells.cell import Cell
from langspec.evaluation.write import write_findings
from langspec.files import atomic_folder, checked, read_record, write_checksums, write_json
from langspec.measures.base import Findings

if TYPE_CHECKING:
    from langspec.config import Config

SCHEMA = 1
MANIFEST = "cell.json"
_HISTORIES = ("steps.csv", "epochs.csv", "model.json")
EVALUATE = "evaluate"
ANEW = "git checkout it, or remove the cell's folder to make it anew"


@dataclass(frozen=True)
class Manifest:
    """What a cell was made by.

    Attributes:
        version: hashes of code, settings and inputs, by what they are of.
        commit: of the code; "" outside of git.
        clean: was the code (``src``) as the commit has it?
        machine: processor, kernels and libraries.
        cpu_seconds: of ``train`` and of ``evaluate``; of a training that was stopped, the seconds
            after it went on.
        run: what ``run.json`` of a stage has of this training alone; empty where nothing trains.
        first: was it measured as the first seed of its method that did not fail? None: unknown.
    """

    version: dict[str, str]
    commit: str
    clean: bool
    machine: dict[str, str | int]
    cpu_seconds: dict[str, float]
    run: dict[str, Any] = field(default_factory=dict)
    first: bool | None = None

    @property
    def entry(self) -> Mapping[str, Any]:
        """The entry of the training in ``run.json``; empty where nothing trains."""
        entries = [*self.run.get("seeds", ()), *self.run.get("path", ())]
        return entries[0] if entries else {}

    @property
    def failed(self) -> bool:
        """Did the watch mark the training as failed?"""
        return self.entry.get("status") == "failed"


def write_cell(place: Path, manifest: Manifest, findings: Findings, trained: Path | None) -> None:
    """Write the folder of a cell, whole or not at all.

    Args:
        place: the folder.
        manifest: what it was made by.
        findings: what was measured.
        trained: folder of the trained run, whose histories and card are copied, and no weights.
    """
    with atomic_folder(place) as folder:
        write_findings(folder / EVALUATE, [findings])
        if trained is not None:
            for name in _HISTORIES:
                shutil.copy(trained / name, folder / name)
        write_json(folder / MANIFEST, {"schema": SCHEMA, **asdict(manifest)})
        write_checksums(folder)


def read_cells(folder: Path, cells: Iterable[Cell]) -> dict[Cell, Manifest]:
    """The manifests of those cells that are finished, in their order.

    Args:
        folder: of the run's cells.
        cells: to look for.

    Raises:
        DamagedFile: a manifest that is none.
    """
    manifests = {}
    for cell in cells:
        file = folder / cell.name / MANIFEST
        if file.is_file():
            whole = checked(file, cure=ANEW)
            manifests[cell] = read_record(whole, Manifest, cure=ANEW, schema=SCHEMA)
    return manifests


def is_first(cell: Cell, seeds: Sequence[int], manifests: Mapping[Cell, Manifest]) -> bool:
    """Did every seed before this one fail?

    Args:
        cell: that trains.
        seeds: of its method, in their order.
        manifests: of the finished cells; of one that is not finished nothing is known.
    """
    before = [Cell(cell.task, cell.method, seed) for seed in seeds[: seeds.index(cell.seed)]]
    return all(one in manifests and manifests[one].failed for one in before)


def to_measure_again(config: Config, manifests: Mapping[Cell, Manifest]) -> list[Cell]:
    """Cells that turned out to be the first of their method after they had been measured.

    An earlier seed was still being trained then, and failed later. What is measured of first seeds
    alone is missing.
    """
    return [
        cell
        for cell, manifest in manifests.items()
        if cell.trains
        and cell.strength is None
        and manifest.first is False
        and not manifest.failed
        and cell.seed in config.train.seeds_of(cell.method)
        and is_first(cell, config.train.seeds_of(cell.method), manifests)
    ]


def cells_there(folder: Path) -> list[Cell]:
    """Every cell that has a folder, whatever the configuration says, sorted by name."""
    cells = []
    for file in sorted(folder.glob(f"*/*/seed-*/{MANIFEST}")):
        task, called, seed = file.parent.relative_to(folder).parts
        method, _, strength = called.partition("@")
        number = int(seed.removeprefix("seed-"))
        cells.append(Cell(task, method, number, float(strength) if strength else None))
    return cells
