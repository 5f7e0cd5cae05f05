"""Where a source's files lie: a repository of the Hub, or a folder laid out like one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from langspec import hub
from langspec.corpora.hub.layout import Layout
from langspec.errors import LangspecError
from langspec.files import sha256_file

README = "README.md"


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset repository at a revision; ``folder``, where it is not None, is read instead."""

    repo: str
    revision: str
    folder: str | None = None

    def __str__(self) -> str:
        return self.folder or str(self.repository)

    @property
    def repository(self) -> hub.Repository:
        """The repository, for the Hub."""
        return hub.Repository("dataset", self.repo, self.revision)

    @property
    def name(self) -> str:
        """What the card calls it: no path of this machine."""
        return Path(self.folder).resolve().name if self.folder else str(self.repository)

    def layout(self, *, refresh: bool = False) -> Layout:
        """Its files and what its README says of them.

        Args:
            refresh: ask the Hub at which commit the revision is now.

        Raises:
            LangspecError: no such folder or repository, no network, nothing but a script.
        """
        if self.folder:
            sizes = _walk(Path(self.folder))
        else:
            sizes = hub.listing(self.repository, refresh=refresh)
        readme = self.open([README], refresh=refresh)[README] if README in sizes else None
        return Layout(sizes, readme, place=str(self))

    def open(self, names: Sequence[str], *, refresh: bool = False) -> Mapping[str, Path]:
        """The path of each name, downloaded where the cache does not have it."""
        if self.folder:
            return {name: Path(self.folder) / name for name in names}
        return hub.download(self.repository, names, refresh=refresh)

    def missing(self, names: Sequence[str]) -> list[str]:
        """What :meth:`open` would have to download."""
        return [] if self.folder else hub.missing(self.repository, names)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, from the name the cache gave it where that is its hash."""
    return hub.known_sha256(path) or sha256_file(path)


def _walk(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        raise LangspecError(
            "no such folder; expected a copy of a Hub repository (README.md and parquet files)",
            place=folder,
        )
    sizes = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(files):
            path = Path(parent) / name
            if not path.exists():
                raise LangspecError("a link to nothing; remove it", place=path)
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    return sizes
