"""Stage register: the best seed of every method, its card and erasers, and the champion."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from langspec.config import Config
from langspec.files import atomic_folder, read_record
from langspec.paths import Paths, paths_of, require
from langspec.release import stored_versions as kept


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths = paths_of(config, root)
    versions = sum(len(config.train.methods_of(task)) for task in config.train.tasks)
    weights = paths.encoder / "model.safetensors"
    size = weights.stat().st_size / 1e6 if weights.is_file() else 0
    return (
        f"register: the best seed of {', '.join(config.train.all_methods)} on "
        f"{', '.join(config.train.tasks)} -> {kept.register_folder(paths)}, and langspec-TASK in "
        "MLflow's registry\n"
        f"  about {10 + 4 * versions} s, {versions * (size + 4):.0f} MB in MLflow's artifacts, "
        f"{800 + 3 * size:.0f} MB of memory"
    )


def run(config: Config, root: Path) -> str:
    """Choose, write the cards and fit the erasers, register; returns what was done."""
    from langspec.stages.replay import run as replay

    paths = paths_of(config, root)
    stages = [(paths.evaluate(name), f"evaluate --task {name}") for name in config.train.tasks]
    for place, stage in ((paths.corpora, "corpora"), (paths.encoder, "encoder"), *stages):
        require(place, stage)
    with atomic_folder(kept.register_folder(paths)) as temporary:
        for name in config.train.tasks:
            write = partial(_write, config, paths, name)
            shutil.copytree(kept.stored_versions(config, paths, name, write), temporary / name)
    replay(config, root, required=True)  # the runs that versions belong to
    return restore(config, root, take_over=True)


def _write(config: Config, paths: Paths, name: str, folder: Path) -> None:
    from langspec.evaluation.bench import Bench
    from langspec.release.write_versions import Versions
    from langspec.tasks import get_task

    text = Bench(config, paths, get_task(name, paths.corpora), config.features.cache_gb, "cpu")
    Versions(config, paths, text.task, text).write(folder)


def restore(config: Config, root: Path, *, take_over: bool = False) -> str:
    """Register the versions of the files that the registry lacks; nothing the second time.

    ``take_over``: give the alias ``champion`` to this run where another run has it.
    """
    from langspec.tracking.runs import Tracker
    from langspec.tracking.versions import register_task

    paths = paths_of(config, root)
    lines = []
    tracker: Tracker | None = None
    for file in sorted(kept.register_folder(paths).glob(f"*/{kept.RECORD}")):

        def folder(version: dict[str, Any], place: Path = file.parent) -> Any:
            from langspec.release.write_versions import assembled_version  # imports PyTorch

            return assembled_version(paths, version, place)

        tracker = tracker or Tracker.open(config.tracking, root=root, required=True)
        record = read_record(
            file, kept.TaskRecord, cure="run: langspec register", schema=kept.SCHEMA
        )
        lines.append(register_task(tracker, asdict(record), folder, take_over=take_over).summary)
    return "\n".join(lines)
