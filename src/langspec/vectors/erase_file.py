"""Erasing language from a file of vectors, block by block, into a file of the same form."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from langspec.errors import LangspecError
from langspec.files import atomic_file, file_above
from langspec.progress_bar import Progress, going
from langspec.upkeep.leftovers import sweep_beside
from langspec.vectors.applied_map import AppliedEraser
from langspec.vectors.open_vectors import open_vectors
from langspec.vectors.vector_checks import check_rows
from langspec.vectors.vector_eraser import VectorEraser, load_vector_eraser
from langspec.vectors.vector_file import Block, Columns, VectorFile

logger = logging.getLogger(__name__)

_ROWS = 2048  # of a block: larger ones are slower to allocate
_FEWEST = 64  # vectors whose spread is compared: single ones of a new language differ as much


def erase_file(
    eraser: Path, path: Path, out: Path, columns: Columns, *, force: bool = False
) -> str:
    """Write the vectors of a file with language erased, whole or not at all.

    Args:
        eraser: folder of a fitted eraser.
        path: file of vectors.
        out: file to write, of the same format.
        columns: where the parts of a row are.
        force: also vectors that do not look like those that the eraser was fitted on, and over a
            file that exists.

    Returns:
        What was done, in a line.

    Raises:
        LangspecError: anything that a user can put right.
    """
    fitted, file = load_vector_eraser(eraser), open_vectors(path, columns)
    _check_out(out, path, force=force)
    fitted.check(np.zeros((0, file.width)), place=path, force=True)  # the width, before any work
    gold = fitted.eraser.gold
    if gold and not file.has_languages:
        raise LangspecError(
            f"{fitted.eraser.name} is given the language of each vector: name them, "
            "--languages FILE or --language-column NAME",
            place=path,
        )
    sweep_beside(out)
    applied, unseen = AppliedEraser(fitted.eraser), dict[str, int]()
    with (
        going("erasing"),
        atomic_file(out) as temporary,
        file.writer(temporary) as writer,
        Progress(file.count, "erasing", "vector") as progress,
    ):
        for block in _checked(file, fitted, force=force):
            writer.write(block, applied.apply(block.vectors, block.languages))
            _count_unseen(unseen, block.languages, fitted.eraser.languages)
            progress.update(len(block.vectors))
    if unseen:
        what = "left as they are" if gold else "erased like the others"
        listed = ", ".join(f"{code} ({count:,})" for code, count in sorted(unseen.items())[:12])
        logger.warning("%s: languages it was not fitted on, %s: %s", eraser, what, listed)
    return f"erased {file.count:,} vectors of {file.width} dimensions -> {out}"


def _checked(file: VectorFile, fitted: VectorEraser, *, force: bool) -> Iterator[Block]:
    """The blocks, each of which says whether the eraser is for its vectors.

    Raises:
        LangspecError: a row that no encoder writes; vectors that look like another encoder's.
    """
    for block in file.blocks(_ROWS):
        lengths = check_rows(file, block)
        if not force and (row := fitted.guard.other_length(lengths)) is not None:
            raise file.refuse_row(
                block.start + row,
                f"not like the vectors of this eraser: its length is {lengths[row]:.3g}, it was "
                "fitted on vectors of length 1; give all vectors length 1, or say --force",
            )
        first, last = block.start + 1, block.start + len(block.vectors)
        if not block.start or len(block.vectors) >= _FEWEST:
            place = f"{file.path}: vectors {first:,} to {last:,}"
            fitted.check(block.vectors, place=place, force=force)
        yield block


def _count_unseen(
    unseen: dict[str, int], codes: np.ndarray | None, known: tuple[str, ...]
) -> None:
    if codes is None:
        return
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        if str(code) not in known:
            name = str(code) or "no language"
            unseen[name] = unseen.get(name, 0) + int(count)


def _check_out(out: Path, path: Path, *, force: bool) -> None:
    """Refuse a place that is in use, or whose name says another format.

    Raises:
        LangspecError: it is.
    """
    if (file := file_above(out)) is not None or out.is_dir():
        what = f"{file} is a file" if file is not None else f"{out} is a folder"
        raise LangspecError(f"{what}; name another file", place="--out")
    if out.suffix != path.suffix:
        raise LangspecError(
            f"{out}: the format is that of the file that is read; end the name in {path.suffix}",
            place="--out",
        )
    if out.exists() and out.samefile(path):
        raise LangspecError(f"{out} is the file that is read; name another", place="--out")
    if out.exists() and not force:
        raise LangspecError(f"{out} exists; name another, or say --force", place="--out")
