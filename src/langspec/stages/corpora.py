"""Stage corpora: official files to tables with a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langspec.config import Config, load_config
from langspec.corpora import enter
from langspec.corpora.custom import name_pattern
from langspec.corpora.origins import described_files, located_files
from langspec.corpora.prepare import prepare
from langspec.encoders.download import tokenizer_file
from langspec.files import atomic_folder
from langspec.paths import paths_of


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    what, megabytes = described_files(**_origin(config, root))
    return (
        f"corpora: {what}, {len(config.corpora.languages)} languages -> "
        f"{paths_of(config, root).corpora}\n"
        f"  about {5 + megabytes / 3:.0f} s, {megabytes / 4 + 1:.0f} MB on disk, "
        "500 MB of memory"
    )


def run(config: Config, root: Path) -> Path:
    """Write the prepared corpora; returns their folder."""
    out, tasks = paths_of(config, root).corpora, config.train.tasks
    # A tokenizer that cannot be had is refused before anything is read.
    tokenizer = tokenizer_file(config.encoder) if config.corpora.drop_unknown else None
    with atomic_folder(out) as folder:
        prepare(
            located_files(**_origin(config, root)),
            folder,
            config.corpora,
            tasks=tasks,
            custom={name: config.tasks[name] for name in tasks if name in config.tasks},
            tokenizer=tokenizer,
        )
    return out


def _origin(config: Config, root: Path) -> dict[str, Any]:
    paths = paths_of(config, root)
    return {
        "section": config.corpora,
        "tasks": config.train.tasks,
        "manifest": paths.manifest,
        "local": paths.cache / "sources.json",
    }


def add(folder: Path | None, root: Path, *, copy: bool = False) -> str:
    """Enter a folder of official files into the manifest: see :func:`enter.add`."""
    path = root / "params.yaml"
    if not path.is_file():
        return enter.add(folder, root, [], copy=copy)
    config = load_config(path)
    patterns = [name_pattern(task.path) for task in config.tasks.values()]
    summary = enter.add(folder, root, patterns, copy=copy)
    if config.corpora.kind == "files" and config.corpora.files == "added":
        return summary
    return f"{summary}\n  params.yaml reads other files; for these: kind: files, files: added"
