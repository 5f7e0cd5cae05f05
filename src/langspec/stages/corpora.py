"""Stage corpora: official files, or the demo's own, to tables with a card."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from langspec.config import Config
from langspec.corpora import sources
from langspec.corpora.demo import generate
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
