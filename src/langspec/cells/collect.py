"""From finished cells to the files that stages train and evaluate would have written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langspec.cells.cell import Cell
from langspec.cells.cell_files import (
    ANEW,
    EVALUATE,
    MANIFEST,
    Manifest,
    cells_there,
    read_cells,
)
from langspec.cells.cell_version import check_one_version
from langspec.errors import LangspecError
from langspec.evaluation.write import PARQUET
from langspec.files import (
    CHECKSUMS,
    atomic_folder,
    checked,
    read_json,
    write_checksums,
    write_json,
    write_text,
)
from langspec.results import EVERY, RANDOM, first_seed, path_folder

CARDS = ("card.json", "langspec.json")
"""Copies of the data card and of the encoder's card, beside the cells."""


def collect(folder: Path, results: Path, methods: Sequence[str]) -> dict[Cell, Manifest]:
    """Write ``evaluate/TASK`` and ``train/TASK/METHOD`` (without weights) from finished cells.

    Args:
        folder: of the cells.
        results: folder of the run, which holds ``evaluate`` and ``train``.
        methods: in the order of their rows; others follow.

    Returns:
        The cells, in the order of their rows.

    Raises:
        LangspecError: there is no cell, cells of several versions, or weights in the place.
    """
    cells = read_cells(folder, cells_there(folder))
    if not cells:
        raise LangspecError("no finished cell; run: langspec cells", place=folder)
    check_one_version(cells)
    if weights := sorted(results.glob("train/*/*/seed-*/model.safetensors")):
        raise LangspecError(
            "weights that stage train wrote; the report of these is: dvc repro report. Move the "
            "folder away to draw the cells",
            place=weights[0],
        )
    cells = dict(sorted(cells.items(), key=lambda pair: _place(pair[0], methods)))
    for task in dict.fromkeys(cell.task for cell in cells):
        of_task = {cell: one for cell, one in cells.items() if cell.task == task}
        _write_evaluation(folder, results / "evaluate" / task, list(of_task))
        for method in dict.fromkeys(cell.method for cell in of_task if cell.trains):
            of_method = {cell: one for cell, one in of_task.items() if cell.method == method}
            _write_trainings(folder, results / "train" / task / method, of_method)
    return cells


def _place(cell: Cell, methods: Sequence[str]) -> tuple[Any, ...]:
    """Where the cell's rows are: as stage evaluate has them."""
    known = [*methods, RANDOM, EVERY]
    method = known.index(cell.method) if cell.method in known else len(methods)
    path = (cell.strength is not None, cell.strength or 0.0)
    return cell.task, method, cell.method, path, cell.seed


def _write_evaluation(folder: Path, out: Path, cells: Sequence[Cell]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = [folder / cell.name / EVALUATE for cell in cells]
    with atomic_folder(out) as temporary:
        for name in dict.fromkeys(file.name for place in places for file in place.glob("*.csv")):
            files = [checked(place / name, cure=ANEW) for place in places]
            texts = [file.read_text(encoding="utf-8") for file in files]
            heads = {text.partition("\n")[0] for text in texts}
            if len(heads) > 1:
                raise LangspecError("cells have other columns; make them anew", place=name)
            rows = "".join(text.partition("\n")[2] for text in texts)
            write_text(temporary / name, f"{heads.pop()}\n{rows}")
        for name in PARQUET:
            files = [place / f"{name}.parquet" for place in places]
            tables = [pq.read_table(checked(one, cure=ANEW)) for one in files if one.is_file()]
            if tables:
                file = temporary / f"{name}.parquet"
                pq.write_table(pa.concat_tables(tables), file, compression="zstd")
        write_checksums(temporary)


def _write_trainings(folder: Path, out: Path, cells: Mapping[Cell, Manifest]) -> None:
    """Write ``run.json``, and of each training its histories and its card."""
    run = dict(next(iter(cells.values())).run)
    run["seeds"] = [one.entry for cell, one in cells.items() if cell.strength is None]
    path = [one.entry for cell, one in cells.items() if cell.strength is not None]
    run = {key: value for key, value in run.items() if key != "path"}
    run |= {"path": path} if path else {}
    with atomic_folder(out) as temporary:
        for cell in cells:
            place = temporary / f"seed-{cell.seed}"
            if cell.strength is not None:
                place = path_folder(temporary, cell.strength, cell.seed, first_seed(run))
            place.mkdir(parents=True)
            for file in (folder / cell.name).glob("*"):
                if file.is_file() and file.name not in (MANIFEST, CHECKSUMS):
                    shutil.copy(checked(file, cure=ANEW), place / file.name)
            write_checksums(place)
        write_json(temporary / "run.json", run)


def missing_corpora(folder: Path) -> str:
    """The files that the cells were made from, and where they are published, as text."""
    card = folder / CARDS[0]
    sources = read_json(card).get("sources", []) if card.is_file() else []
    kinds = {str(source["kind"]) for source in sources}
    named = [PUBLISHED[kind] for kind in PUBLISHED if kind in kinds]
    count = f"{len(sources)} files: " if sources else ""
    return count + "; ".join(named or PUBLISHED.values())


PUBLISHED = {
    "ud": "Universal Dependencies (universaldependencies.org)",
    "xnli": "XNLI 1.0 (cims.nyu.edu/~sbowman/xnli)",
    "multinli": "MultiNLI 1.0 (cims.nyu.edu/~sbowman/multinli)",
    "text": "a text a line, such as NTREX-128 (github.com/MicrosoftTranslator/NTREX)",
}
"""Where the official files are published, by their kind."""
