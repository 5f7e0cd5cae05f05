"""What every source of the Hub gives: which files it reads, and the rows in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from langspec.corpora.filters import Row
from langspec.corpora.hub.layout import Layout
from langspec.corpora.hub.parquet import ParquetTable
from langspec.corpora.hub.place import README, Place, sha256_of
from langspec.corpora.sources import LocatedFile, SourceFile

log = logging.getLogger(__name__)

Reader = Callable[["HubFile", ParquetTable], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one configuration: its files, and how they are read.

    ``kind``, ``language``, ``treebank``, ``split`` mean what they mean to
    :class:`langspec.corpora.sources.SourceFile`; ``labels`` are class names by the README;
    ``useless`` says why a file that is there is left out.
    """

    names: tuple[str, ...]
    kind: str
    language: str | None
    treebank: str | None
    split: str | None
    read: Reader
    labels: tuple[str, ...] | None = None
    useless: Callable[[ParquetTable], str | None] = lambda table: None


class Source(Protocol):
    """A dataset of the Hub."""

    @property
    def place(self) -> Place:
        """Where its files lie."""
        ...

    def select(self, layout: Layout) -> list[Part]:
        """What of the repository a run reads.

        Raises:
            LangspecError: a configuration, split or file that has to be there is not.
        """
        ...


@dataclass(frozen=True, slots=True)
class HubFile(LocatedFile):
    """A located parquet file that its source knows to read.

    ``first_row`` is the number of its first row in its split, which counts on over shards.
    """

    read: Reader
    labels: tuple[str, ...] | None
    first_row: int
    place: str

    def rows(self) -> Iterator[Row]:
        """Yield its rows with the columns of the table it is for.

        Raises:
            LangspecError: a broken file, a missing column, an unknown label; with file and row.
        """
        return self.read(self, ParquetTable(self.path, self.place))


def locate(sources: Sequence[Source]) -> list[LocatedFile]:
    """The files that a run reads, in the cache or downloaded into it.

    Raises:
        LangspecError: what a source needs is not there or cannot be had.
    """
    located: list[LocatedFile] = []
    for source in sources:
        layout = source.place.layout()
        parts = source.select(layout)
        paths = source.place.open(wanted(parts))
        licence = README if README in layout.sizes else None
        for part in tqdm(parts, desc=source.place.name, unit=" parts", disable=None):
            row = 0
            for name in part.names:
                place = f"{source.place}/{name}"
                file = HubFile(
                    source=SourceFile(
                        name=f"{source.place.name}/{name}",
                        kind=part.kind,
                        language=part.language,
                        treebank=part.treebank,
                        split=part.split,
                        bytes=paths[name].stat().st_size,
                        sha256=sha256_of(paths[name]),
                        licence=licence,
                        licence_name=layout.licence,
                    ),
                    path=paths[name],
                    read=part.read,
                    labels=part.labels,
                    first_row=row,
                    place=place,
                )
                table = ParquetTable(file.path, place)
                row += table.count
                if reason := part.useless(table):
                    log.warning("%s: %s; left out", place, reason)
                else:
                    located.append(file)
    return located


def wanted(parts: Sequence[Part]) -> list[str]:
    """Names of all files of ``parts``, sorted."""
    return sorted({name for part in parts for name in part.names})


@dataclass(frozen=True, slots=True)
class Demand:
    """What one source needs: every file with its size, and which of them the cache lacks."""

    place: Place
    sizes: dict[str, int]
    missing: tuple[str, ...]

    @property
    def missing_bytes(self) -> int:
        """How much there is to download."""
        return sum(self.sizes[name] for name in self.missing)


def demand(source: Source, *, refresh: bool) -> Demand:
    """What a source needs; only its README is downloaded for that.

    Args:
        source: which.
        refresh: ask the Hub at which commit the revision is now.
    """
    layout = source.place.layout(refresh=refresh)
    names = wanted(source.select(layout))
    sizes = {name: layout.sizes[name] for name in names}
    return Demand(source.place, sizes, tuple(source.place.missing(names)))


def prefetch(needed: Demand) -> Path | None:
    """Download what a source needs, at the commit that its revision is at now.

    Returns the folder of its files; None if it needs none.
    """
    paths = needed.place.open(sorted(needed.sizes), refresh=True)
    return next(iter(paths.values())).parent if paths else None
