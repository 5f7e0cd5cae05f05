"""Command predict: labels for new text, by a registered model or an exported folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from langspec.config import Config
from langspec.release.predicted_rows import as_jsonl, as_tsv, check_formats, rows_of_file
from langspec.release.predictor import Predictor, load_predictor


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
    check_formats(kind, output)
    predictor = _open(config, root, model)
    rows = rows_of_file(file, kind, predictor.head.columns)
    predictions = predictor.predict(rows, eraser)
    return as_jsonl(predictions) if output == "jsonl" else as_tsv(predictions)


def _open(config: Config | None, root: Path, model: str) -> Predictor:
    """The model; one of the registry's is fetched first."""
    if not model.startswith("models:"):
        return load_predictor(Path(model))
    from langspec.tracking.runs import Tracker
    from langspec.tracking.tracking_section import WITHOUT_PROJECT
    from langspec.tracking.versions import served_folder

    settings = WITHOUT_PROJECT if config is None else config.tracking
    tracker = Tracker.open(settings, root=root)
    return load_predictor(served_folder(tracker, model))
