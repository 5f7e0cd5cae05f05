"""What every source of the Hub gives: which files it reads, and the rows in them.

To add a source: one file here with a class that is a :class:`Source`, and a line for it in
:mod:`langspec.corpora.hub.chosen`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from langspec import hub
from langspec.corpora.filters import Row
from langspec.corpora.hub.repository import README, HubRepository
from langspec.corpora.sources import LocatedFile, SourceFile

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout
    from langspec.corpora.hub.parquet import ParquetTable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one configuration: its files, and how they are read.

    Attributes:
        names: of the parquet files, in the order of their rows.
        kind: as of :class:`langspec.corpora.sources.SourceFile`.
        split: train, dev or test; None where rows are split later.
        read: yields the rows of a file.
        language: code; None where the rows name it.
        treebank: that the files are of.
        labels: class names by their numbers, as the README has them.
        useless: says why a file that is there is left out; None: it is read.
    """

    names: tuple[str, ...]
    kind: str
    split: str | None
    read: Callable[[HubFile, ParquetTable], Iterator[Row]]
    language: str | None = None
    treebank: str | None = None
    labels: tuple[str, ...] | None = None
    useless: Callable[[ParquetTable], str | None] = lambda table: None


class Source(Protocol):
    """A dataset of the Hub."""

    @property
    def repository(self) -> HubRepository:
        """The section that says where its files are."""
        ...

    def select(self, layout: Layout) -> list[Part]:
        """What a run reads of the repository.

        Raises:
            LangspecError: a configuration, split or file that has to be there is not.
        """
        ...


@dataclass(frozen=True, slots=True)
class HubFile(LocatedFile):
    """A located parquet file of a part.

    ``first_row`` is the number of its first row in its split, which counts on over shards.
    """

    part: Part
    first_row: int
    place: str

    def rows(self) -> Iterator[Row]:
        """Yield its rows with the columns of the table it is for.

        Raises:
            LangspecError: a broken file, a missing column, an unknown label; with file and row.
        """
        from langspec.corpora.hub.parquet import ParquetTable

        return self.part.read(self, ParquetTable(self.path, self.place))


def locate(sources: Sequence[Source]) -> list[LocatedFile]:
    """The files that a run reads, in the cache or downloaded into it.

    Raises:
        LangspecError: a file that a source needs is not there and cannot be downloaded.
    """
    from tqdm import tqdm

    located: list[LocatedFile] = []
    for source in sources:
        repository = source.repository
        layout = repository.layout()
        parts = source.select(layout)
        paths = repository.open(_names(parts))
        for part in tqdm(parts, desc=repository.title, unit=" parts", disable=None):
            located += _located(repository, layout, part, paths)
    return located


def _names(parts: Sequence[Part]) -> list[str]:
    """The files of all parts, sorted."""
    return sorted({name for part in parts for name in part.names})


def _located(
    repository: HubRepository, layout: Layout, part: Part, paths: Mapping[str, Path]
) -> Iterator[HubFile]:
    """The files of one part, without those that are useless."""
    from langspec.corpora.hub.parquet import ParquetTable

    row = 0
    for name in part.names:
        place = f"{repository}/{name}"
        source = SourceFile(
            name=f"{repository.title}/{name}",
            kind=part.kind,
            language=part.language,
            treebank=part.treebank,
            split=part.split,
            bytes=paths[name].stat().st_size,
            sha256=hub.sha256_of(paths[name]),
            licence=README if README in layout.sizes else None,
            licence_name=layout.licence,
        )
        table = ParquetTable(paths[name], place)
        if reason := part.useless(table):
            log.warning("%s: %s; left out", place, reason)
        else:
            yield HubFile(source, paths[name], part, row, place)
        row += table.count


@dataclass(frozen=True, slots=True)
class Demand:
    """What one source needs: every file with its size, and which of them the cache lacks."""

    repository: HubRepository
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
        refresh: ask the Hub which commit the revision names now.
    """
    layout = source.repository.layout(refresh=refresh)
    names = _names(source.select(layout))
    sizes = {name: layout.sizes[name] for name in names}
    return Demand(source.repository, sizes, tuple(source.repository.missing(names)))
