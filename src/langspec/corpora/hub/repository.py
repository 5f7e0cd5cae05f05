"""A dataset repository of the Hub, or a local folder laid out like one: its section, its files.

``datasets.load_dataset(repository)`` does not open repositories here. Offline it reads only what
it has converted to Arrow before, never the Hub's cache, and it takes the revision that it
converted last, not the one that was asked for. So ``langspec.hub`` brings the files of one
revision into the cache (``HF_HOME``), and ``datasets`` reads them there: the README in
:mod:`langspec.corpora.hub.layout`, the rows in :mod:`langspec.corpora.hub.parquet`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from langspec import hub
from langspec.errors import LangspecError
from langspec.section import Section

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout

README = "README.md"


class HubRepository(Section):
    """A dataset repository at a revision; where ``folder`` is set, that folder is read instead."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")]
    revision: Annotated[str, Field(min_length=1)]
    folder: str | None

    def __str__(self) -> str:
        return str(self._local or self._remote)

    @property
    def _local(self) -> Path | None:
        return None if self.folder is None else Path(self.folder).expanduser()

    @property
    def _remote(self) -> hub.Repository:
        return hub.Repository("dataset", self.repo, self.revision)

    @property
    def title(self) -> str:
        """What the card of the corpora calls it: no path of this machine."""
        return self._local.resolve().name if self._local else str(self._remote)

    def layout(self, *, refresh: bool = False) -> Layout:
        """The files of the repository, and which configuration and split each belongs to.

        Args:
            refresh: ask the Hub which commit the revision names now.

        Raises:
            LangspecError: no such folder or repository, no network, nothing but a script.
        """
        from langspec.corpora.hub.layout import Layout

        local = self._local
        sizes = _walk(local) if local else hub.listing(self._remote, refresh=refresh)
        readme = self.open([README], refresh=refresh)[README] if README in sizes else None
        return Layout(sizes, readme, place=str(self))

    def open(self, names: Sequence[str], *, refresh: bool = False) -> Mapping[str, Path]:
        """The path of each name, downloaded where the cache does not have it."""
        if self._local:
            return {name: self._local / name for name in names}
        return hub.download(self._remote, names, refresh=refresh)

    def missing(self, names: Sequence[str]) -> list[str]:
        """The names that :meth:`open` would have to download."""
        there = names if self._local else hub.cached(self._remote, names)
        return [name for name in names if name not in there]


def _walk(folder: Path) -> dict[str, int]:
    """Every file below a folder, by its relative name, with its size in bytes."""
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
