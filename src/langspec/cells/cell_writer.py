"""Writes the files of each cell that a worker ends, in the main process."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from langspec.cells.cell import Cell
from langspec.cells.cell_files import Manifest, write_cell
from langspec.cells.cell_version import Versions
from langspec.cells.collect import CARDS, missing_corpora
from langspec.errors import LangspecError
from langspec.tracking.tags import code_differs, git_tags

if TYPE_CHECKING:
    from langspec.cells.cell_worker import CellResult
    from langspec.paths import Paths


class CellWriter:
    """Writes a cell as soon as it is finished, and removes its weights and checkpoints.

    Args:
        paths: of the run.
        cells: that are worked on, by name.
        versions: what they are made by.
    """

    def __init__(self, paths: Paths, cells: Mapping[str, Cell], versions: Versions) -> None:
        self._folder = paths.cells
        # At the start: files of the code may change while cells are worked on.
        self._versions = {name: versions.of(cell) for name, cell in cells.items()}
        self._commit = git_tags().get("mlflow.source.git.commit", "")
        self._clean = bool(self._commit) and not code_differs()
        self._folder.mkdir(parents=True, exist_ok=True)
        for card, place in zip(CARDS, (paths.corpora, paths.encoder), strict=True):
            shutil.copy(place / card, self._folder / card)

    def started(self, name: str) -> None:
        """Nothing is written yet."""

    def message(self, name: str, value: object) -> None:
        """Workers send none."""

    def done(self, name: str, result: CellResult) -> None:
        """Write the cell."""
        made = Manifest(
            self._versions[name],
            self._commit,
            self._clean,
            result.machine,
            result.cpu_seconds,
            result.run,
            result.first,
        )
        write_cell(self._folder / name, made, result.findings, result.trained)
        for folder in (result.trained, result.checkpoints):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def require_inputs(paths: Paths) -> None:
    """Refuse to make cells without the corpora and the encoder.

    Raises:
        LangspecError: one is not there; the message names the files, where they are published,
            and what needs none of them.
    """
    needed = missing_corpora(paths.cells)
    for place in (paths.corpora, paths.encoder):
        if not place.exists():
            raise LangspecError(
                f"not there, so no cell can be made; needed: {needed}. Then: langspec corpora add "
                "DIR && langspec corpora && langspec encoder. Tables and figures of the finished "
                "cells need none of it: langspec cells --collect",
                place=place,
            )
