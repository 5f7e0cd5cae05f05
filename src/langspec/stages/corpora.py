"""Stage corpora: official files, or the demo's own, to tables with a card."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from langspec.config import Config, HubRepository
from langspec.corpora import sources
from langspec.corpora.demo import generate
from langspec.corpora.hub.multinli import MultinliSource
from langspec.corpora.hub.parts import Source, demand, locate
from langspec.corpora.hub.place import Place
from langspec.corpora.hub.ud import UdSource
from langspec.corpora.hub.wikipedia import WikipediaSource
from langspec.corpora.hub.xnli import XnliSource
from langspec.corpora.hub.xtreme import XtremeSource
from langspec.corpora.prepare import PrepareOptions, prepare
from langspec.files import atomic_folder
from langspec.stages.common import paths_of


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
        text_splits=(splits.train, splits.dev, splits.test),
        seed=corpora.seed,
    )


def hub_sources(config: Config) -> list[Source]:
    """What the tasks of a run read from the Hub, from the ``corpora.hub`` section."""
    corpora = config.corpora
    section, languages = corpora.hub, tuple(corpora.languages)

    def place(one: HubRepository) -> Place:
        return Place(one.repo, one.revision, one.folder)

    found: list[Source] = []
    if "pos" in config.train.tasks:
        pos = section.pos
        found.append(
            UdSource(place(pos), languages, corpora.source, tuple(pos.treebanks))
            if pos.reader == "ud"
            else XtremeSource(place(pos), languages, corpora.source)
        )
    if "nli" in config.train.tasks:
        found += [
            XnliSource(place(section.xnli), languages),
            MultinliSource(place(section.multinli)),
        ]
    if text := section.text:
        found.append(WikipediaSource(place(text), languages, text.dump, text.files, corpora.seed))
    return found


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths, corpora = paths_of(config, root), config.corpora
    if corpora.kind == "demo":
        sizes = corpora.demo
        rows = sizes.train_sentences + sizes.nli_train
        rows += len(corpora.languages) * sum(
            value for key, value in sizes.model_dump().items() if not key.endswith("train")
        )
        what, megabytes = f"{rows} generated rows", rows * 3e-4
    elif corpora.kind == "hub":
        needed = [demand(source, refresh=False) for source in hub_sources(config)]
        megabytes = sum(sum(one.sizes.values()) for one in needed) / 1e6
        absent = sum(one.missing_bytes for one in needed) / 1e6
        what = f"{len(needed)} repositories, {megabytes:.0f} MB, {absent:.0f} MB to download"
    else:
        files = sources.locate(paths.manifest, paths.cache / "sources.json")
        megabytes = sum(file.source.bytes for file in files) / 1e6
        what = f"{len(files)} files, {megabytes:.0f} MB"
    return (
        f"corpora: {what}, {len(corpora.languages)} languages -> {paths.corpora}\n"
        f"  about {5 + megabytes / 3:.0f} s, {megabytes / 4 + 1:.0f} MB on disk, "
        "500 MB of memory"
    )


def run(config: Config, root: Path) -> Path:
    """Write the prepared corpora; returns their folder."""
    paths, corpora = paths_of(config, root), config.corpora
    with atomic_folder(paths.corpora) as folder:
        if corpora.kind == "demo":
            raw = folder / "raw"
            generate.generate(
                raw,
                languages=corpora.languages,
                source=corpora.source,
                sizes=generate.Sizes(**corpora.demo.model_dump()),
                seed=corpora.seed,
            )
            files = sources.files_in(raw)
        elif corpora.kind == "hub":
            files = locate(hub_sources(config))
        else:
            files = sources.locate(paths.manifest, paths.cache / "sources.json")
        prepare(files, folder, options_of(config))
    return paths.corpora


def add(folder: Path, root: Path) -> str:
    """Enter a folder of official files into the manifest; returns what was recognised."""
    manifest = root / "data" / "sources.json"
    found = sources.add_folder(folder, manifest, root / ".langspec" / "sources.json")
    counts = Counter(file.kind for file in found.files)
    languages = sorted({file.language for file in found.files if file.language})
    lines = [
        f"{manifest}: {', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))} files",
        f"  languages: {' '.join(languages)}",
    ]
    if found.removed:
        lines.append(f"  gone since they were entered: {', '.join(found.removed)}")
    if found.changed:
        lines.append(f"  changed since they were entered: {', '.join(found.changed)}")
    if found.ignored:
        lines.append(f"  not recognised, left out: {', '.join(found.ignored[:8])}")
    return "\n".join(lines)
