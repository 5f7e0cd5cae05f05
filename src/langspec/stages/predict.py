"""Command predict: labels for new text, by a registered model or an exported folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.release.predicted_rows import (
    FORMATS,
    OUTPUTS,
    as_jsonl,
    as_tsv,
    conllu_rows,
    format_of,
    read_rows,
)
from langspec.release.predictor import Predictor, load_predictor

if TYPE_CHECKING:
    from langspec.tracking.runs import Tracker

STANDARD_INPUT = Path("/dev/stdin")


def run(
    config: Config | None,
    root: Path,
    model: str,
    file: Path | None,
    *,
    kind: str | None,
    output: str,
    eraser: str,
) -> Iterator[str]:
    """Lines of predictions, all of them or, on bad input, none.

    Args:
        config: ``params.yaml``, whose store is asked; None outside a project.
        root: the project, or where one works.
        model: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, or a folder.
        file: rows to predict; None: standard input.
        kind: format of the rows; None: by the file's name.
        output: ``jsonl`` or ``tsv``.
        eraser: one of the model's; "" for none.

    Raises:
        LangspecError: no such model, format or eraser; rows that the model does not read.
    """
    for option, value, known in (("--format", kind, FORMATS), ("--output", output, OUTPUTS)):
        if value is not None and value not in known:
            raise LangspecError(
                f"found {value!r}, expected one of {', '.join(known)}", place=option
            )
    predictor = _open(config, root, model)
    columns = predictor.head.columns
    kind = kind or format_of(file, columns)
    if kind == "conllu":
        rows = conllu_rows(file or STANDARD_INPUT, columns)
    else:
        rows = read_rows(_read(file), kind, columns, place=file or "standard input")
    found = predictor.predict(rows, eraser)
    return as_jsonl(found) if output == "jsonl" else as_tsv(found)


def _open(config: Config | None, root: Path, model: str) -> Predictor:
    if not model.startswith("models:"):
        return load_predictor(Path(model))
    from langspec.tracking.versions import served_folder

    return load_predictor(served_folder(_tracker(config, root), model))


def _tracker(config: Config | None, root: Path) -> Tracker:
    if config is not None:
        from langspec.stages.tracker import open_tracker

        return open_tracker(config, root)
    from langspec.tracking.runs import Tracker

    return Tracker.open(root=root.resolve())


def _read(file: Path | None) -> str:
    try:
        raw = sys.stdin.buffer.read() if file is None else file.read_bytes()
    except OSError as error:
        raise LangspecError(f"cannot be read ({error.strerror or error})", place=file) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LangspecError(
            f"not UTF-8 at byte {error.start}; save it as UTF-8", place=file or "standard input"
        ) from None
