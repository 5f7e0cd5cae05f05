"""The files of a finished cell: tables, histories, and a manifest of what it was made by."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langspec.cells.cell import Cell
from langspec.evaluation.write import write_findings
from langspec.files import atomic_folder, read_record, write_json
from langspec.measures.base import Findings

SCHEMA = 1
MANIFEST = "cell.json"
_HISTORIES = ("steps.csv", "epochs.csv", "model.json")
EVALUATE = "evaluate"


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
    """

    version: dict[str, str]
    commit: str
    clean: bool
    machine: dict[str, str | int]
    cpu_seconds: dict[str, float]
    run: dict[str, Any] = field(default_factory=dict)

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
            cure = "git checkout it, or remove the cell's folder to make it anew"
            manifests[cell] = read_record(file, Manifest, cure=cure, schema=SCHEMA)
    return manifests


def cells_there(folder: Path) -> list[Cell]:
    """Every cell that has a folder, whatever the configuration says, sorted by name."""
    cells = []
    for file in sorted(folder.glob(f"*/*/seed-*/{MANIFEST}")):
        task, called, seed = file.parent.relative_to(folder).parts
        method, _, strength = called.partition("@")
        number = int(seed.removeprefix("seed-"))
        cells.append(Cell(task, method, number, float(strength) if strength else None))
    return cells
