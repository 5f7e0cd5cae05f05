"""Fetching an encoder from MLflow's registry into a folder."""

from __future__ import annotations

from pathlib import Path

from langspec.errors import LangspecError
from langspec.tracking.store import open_client, tracking_store

PREFIX = "models:/"
_MARKS = ("modules.json", "config.json")


def registered_encoder(uri: str, folder: Path) -> Path:
    """Fetch a registered model and find the encoder's folder in it.

    Args:
        uri: ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        folder: an empty folder that takes the files.

    Returns:
        The folder with ``modules.json`` (sentence-transformers) or ``config.json`` nearest to the
        top.

    Raises:
        LangspecError: no such model, or one that holds no encoder.
    """
    # Only after the store, which sets what MLflow reads when it is imported.
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    store = tracking_store()
    open_client(store)
    try:
        local = mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=str(folder), tracking_uri=store.uri
        )
    except (MlflowException, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise LangspecError(
            f"cannot be fetched from {store} ({first}); expected models:/NAME@ALIAS or "
            "models:/NAME/VERSION of a registered model (MLFLOW_TRACKING_URI names another store)",
            place=uri,
        ) from error
    encoder = encoder_folder(Path(local))
    if encoder is None:
        raise LangspecError(
            "holds no folder with config.json or modules.json; expected a model with an encoder",
            place=uri,
        )
    return encoder


def encoder_folder(root: Path) -> Path | None:
    """The folder of an encoder that is nearest to ``root``; None: there is none."""
    for mark in _MARKS:
        folders = [path.parent for path in root.rglob(mark) if _is_encoder(path.parent)]
        if folders:
            return min(folders, key=lambda path: (len(path.parts), str(path)))
    return None


def _is_encoder(folder: Path) -> bool:
    return (folder / _MARKS[0]).is_file() or any(folder.glob("*.safetensors"))
