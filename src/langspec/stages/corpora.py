"""Stage corpora: official files to tables with a card."""

from __future__ import annotations

import re
from pathlib import Path

from langspec import hub
from langspec.config import Config, load_config
from langspec.corpora import enter, manifest
from langspec.corpora.custom import name_pattern
from langspec.corpora.hub.parts import demand, locate
from langspec.corpora.origins import generated_files
from langspec.corpora.prepare import PrepareOptions, prepare
from langspec.corpora.sources import LocatedFile
from langspec.errors import LangspecError
from langspec.files import atomic_folder
from langspec.paths import paths_of


def options_of(config: Config) -> PrepareOptions:
    """What is taken from the files, from the corpora section."""
    corpora = config.corpora
    splits = corpora.text_splits
    return PrepareOptions(
        source=corpora.source,
        targets=tuple(corpora.targets),
        tasks=tuple(config.train.tasks),
        join=corpora.join,
        min_characters=corpora.min_characters,
        max_words=corpora.max_words,
        limits=corpora.limits.model_dump(),
        text_splits=(splits.train, splits.dev, splits.test, splits.val),
        seed=corpora.seed,
        val=corpora.val,
        split_rule=corpora.split_rule,
        stripped=corpora.stripped,
        parallel_text=corpora.parallel_text,
        near_duplicates=corpora.near_duplicates.threshold,
        drop_near_duplicates=corpora.near_duplicates.drop,
        drop_unknown=corpora.drop_unknown,
        custom={name: config.tasks[name] for name in config.train.tasks if name in config.tasks},
    )


def tokenizer_of(config: Config) -> Path | None:
    """The encoder's ``tokenizer.json``, where ``corpora.drop_unknown`` needs it.

    Raises:
        LangspecError: the encoder's tokenizer is only made after the corpora.
    """
    if not config.corpora.drop_unknown:
        return None
    if config.encoder.repo is not None and config.encoder.revision is not None:
        model = hub.Repository("model", config.encoder.repo, config.encoder.revision)
        return hub.download(model, ["tokenizer.json"])["tokenizer.json"]
    if config.encoder.kind != "folder" or config.encoder.folder is None:
        raise LangspecError(
            f"the tokenizer of an encoder of kind {config.encoder.kind!r} is no file before the "
            "corpora are there; expected encoder.kind folder or hub, or drop_unknown: false",
            place="corpora.drop_unknown",
        )
    path = Path(config.encoder.folder).expanduser() / "tokenizer.json"
    if not path.is_file():
        raise LangspecError(
            "no such file; expected the encoder's folder to hold its tokenizer so", place=path
        )
    return path


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths, corpora = paths_of(config, root), config.corpora
    if corpora.kind == "hub":
        needed = [
            demand(source, refresh=False) for source in corpora.hub_sources(config.train.tasks)
        ]
        megabytes = sum(sum(one.sizes.values()) for one in needed) / 1e6
        absent = sum(one.missing_bytes for one in needed) / 1e6
        what = f"{len(needed)} repositories, {megabytes:.0f} MB, {absent:.0f} MB to download"
    else:
        files = _files(config, root)
        megabytes = sum(file.source.bytes for file in files) / 1e6
        what = f"{len(files)} files, {megabytes:.0f} MB"
    return (
        f"corpora: {what}, {len(corpora.languages)} languages -> {paths.corpora}\n"
        f"  about {5 + megabytes / 3:.0f} s, {megabytes / 4 + 1:.0f} MB on disk, "
        "500 MB of memory"
    )


def _files(config: Config, root: Path) -> list[LocatedFile]:
    paths, name = paths_of(config, root), config.corpora.files
    if name == "added":
        return manifest.locate(paths.manifest, paths.cache / "sources.json")
    return generated_files(name)


def run(config: Config, root: Path) -> Path:
    """Write the prepared corpora; returns their folder."""
    paths, corpora = paths_of(config, root), config.corpora
    tokenizer = tokenizer_of(config)
    with atomic_folder(paths.corpora) as folder:
        if corpora.kind == "hub":
            files = locate(corpora.hub_sources(config.train.tasks))
        else:
            files = _files(config, root)
        prepare(
            files,
            folder,
            options_of(config),
            tokenizer=tokenizer,
            generated=corpora.generated,
        )
    return paths.corpora


def _patterns(root: Path) -> list[re.Pattern[str]]:
    """Names of files that a task of params.yaml reads; none where there is no params.yaml."""
    path = root / "params.yaml"
    if not path.is_file():
        return []
    return [name_pattern(task.path) for task in load_config(path).tasks.values()]


def add(folder: Path | None, root: Path, *, copy: bool = False) -> str:
    """Enter a folder of official files into the manifest; returns what was recognised.

    Args:
        folder: with the files; None: every folder that was entered on this machine, again.
        root: of the project.
        copy: first copy the files below ``data/raw``, which DVC then keeps.
    """
    return enter.add(folder, root, _patterns(root), copy=copy)
