"""Wikipedia (``wikimedia/wikipedia``): a configuration a dump and language (``20231101.de``).

A text is a line of an article, which is a paragraph, a heading or an item of a list; a filter on
the least number of characters leaves the paragraphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile, Part
from langspec.corpora.hub.repository import HubRepository
from langspec.corpora.splits import rank
from langspec.errors import LangspecError
from langspec.section import Limit

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout
    from langspec.corpora.hub.parquet import ParquetTable

KIND = "wiki_articles"


class HubWikipedia(HubRepository):
    """Articles, of which paragraphs are drawn (``limits.text`` a language)."""

    dump: str  # the date in the names of the configurations
    files: Limit  # parquet files a language, drawn by the seed; null: all


@dataclass(frozen=True)
class WikipediaSource:
    """Articles of every language of the run.

    Args:
        repository: its section.
        languages: of the run; one that it lacks is an error.
        seed: of the draw of files.
    """

    repository: HubWikipedia
    languages: tuple[str, ...]
    seed: int

    def select(self, layout: Layout) -> list[Part]:
        """The chosen files of each language; see :class:`~langspec.corpora.hub.parts.Source`."""
        parts, limit = [], self.repository.files
        for code in self.languages:
            names = layout.files(f"{self.repository.dump}.{code}", "train")
            if limit is not None:
                names = sorted(sorted(names, key=lambda name: rank(self.seed, name))[:limit])
            parts.append(Part(tuple(names), KIND, None, _read, code))
        return parts


def _read(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield ``{language, document, text}``, a row each line of an article that is not blank."""
    for number, row in enumerate(table.rows("id", "text"), start=file.first_row):
        if not isinstance(row["text"], str):
            raise LangspecError(
                f"column 'text' holds {row['text']!r}; expected an article",
                place=f"{file.place}, row {number}",
            )
        article = str(row["id"])
        # Line feeds alone: other Unicode separators stay inside, as in text files.
        for line in row["text"].split("\n"):
            if text := line.strip():
                yield {"language": file.source.language, "document": article, "text": text}
