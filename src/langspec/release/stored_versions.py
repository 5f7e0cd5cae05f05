"""The versions of a task, kept as stage register wrote them: equal inputs need no encoder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.closure import cache_key
from langspec.compute import precision_here
from langspec.erasure.choice import eraser_classes
from langspec.files import cached_folder, read_json, sha256_file, sha256_folder
from langspec.section import deciding

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths

logger = logging.getLogger(__name__)

RECORD, SCHEMA = "register.json", 1


@dataclass(frozen=True)
class TaskRecord:
    """Content of ``register.json``: the versions of one task.

    Attributes:
        name: that of ``results/<name>``.
        task: the task.
        champion: method of the champion; None: there is none.
        why: reason for either.
        versions: a record a version.
        left_out: why a method has no version, by its name.
    """

    name: str
    task: str
    champion: str | None
    why: str
    versions: list[dict[str, Any]]
    left_out: dict[str, str]


def register_folder(paths: Paths) -> Path:
    """Which seeds are registered and why, their cards and erasers."""
    return paths.results / "register"


def stored_versions(config: Config, paths: Paths, task: str, write: partial[None]) -> Path:
    """The folder with ``register.json``, cards and erasers of a task.

    Args:
        config: the configuration.
        paths: of the run.
        task: name of the task.
        write: writes the folder; called only where nothing was kept of equal code, values,
            trainings, results and text. Code is what the module of its function imports.
    """
    corpora = (f"{task}.parquet", "text.parquet", "card.json")
    key = cache_key(
        "versions",
        code=(write.func, *eraser_classes().values()),
        task=task,
        config=deciding(config),
        trained={m: sha256_folder(paths.train(task, m)) for m in config.train.methods_of(task)},
        results=sha256_file(paths.evaluate(task) / "results.csv"),
        precision=precision_here(config.compute.precision, "cpu"),
        corpora=[sha256_file(paths.corpora / name) for name in corpora],
        encoder=sha256_folder(paths.encoder),
    )
    place = cached_folder(paths.cache / "versions" / key, write)
    _warn(read_json(place / RECORD))
    return place


def _warn(record: dict[str, Any]) -> None:
    """Name the methods without a version, and a task without a champion."""
    for method, refusal in record["left_out"].items():
        logger.warning("%s %s is not registered: %s", record["task"], method, refusal)
    if record["champion"] is None:
        logger.warning("%s has no champion: %s", record["task"], record["why"])
