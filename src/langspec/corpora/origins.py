"""Which files the corpora of a run are read from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from langspec.corpora.corpora_section import Corpora
from langspec.corpora.generated import FOLDER, check_file
from langspec.corpora.hub.parts import demand, locate
from langspec.corpora.manifest import locate as locate_added
from langspec.corpora.manifest import read_manifest
from langspec.corpora.sources import LocatedFile


def generated_files(name: str) -> list[LocatedFile]:
    """The official files of the data set ``demo`` or ``tiny``, as its manifest lists them.

    Raises:
        LangspecError: a file is missing or is not the one that was generated.
    """
    folder = FOLDER / name
    files = read_manifest(folder / "sources.json")
    for file in files:
        check_file(folder / file.name, file.sha256)
    return [LocatedFile(file, folder / file.name) for file in files]


def located_files(
    section: Corpora, tasks: Collection[str], *, manifest: Path, local: Path
) -> list[LocatedFile]:
    """The files that a run reads, each checked.

    Args:
        section: their kind.
        tasks: names of the labelled corpora.
        manifest: of the folders that were added (``data/sources.json``).
        local: where these folders are on this machine (``.langspec/sources.json``).

    Raises:
        LangspecError: a file is missing, has changed, or is not in the Hub's cache.
    """
    if section.kind == "hub":
        return locate(section.hub_sources(tasks))
    if section.files == "added":
        return locate_added(manifest, local)
    return generated_files(section.files)


def described_files(
    section: Corpora, tasks: Collection[str], *, manifest: Path, local: Path
) -> tuple[str, float]:
    """What :func:`located_files` would give, in words, and its megabytes; downloads nothing."""
    if section.kind == "hub":
        needed = [demand(source, refresh=False) for source in section.hub_sources(tasks)]
        megabytes = sum(sum(one.sizes.values()) for one in needed) / 1e6
        absent = sum(one.missing_bytes for one in needed) / 1e6
        what = f"{len(needed)} repositories, {megabytes:.0f} MB, {absent:.0f} MB to download"
        return what, megabytes
    files = located_files(section, tasks, manifest=manifest, local=local)
    megabytes = sum(file.source.bytes for file in files) / 1e6
    return f"{len(files)} files, {megabytes:.0f} MB", megabytes
