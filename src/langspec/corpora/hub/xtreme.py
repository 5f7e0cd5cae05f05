"""XTREME's part-of-speech data (``google/xtreme``): configurations ``udpos.English``.

UD words and tags without spacing: every word is followed by a space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile, Part
from langspec.corpora.hub.treebanks import HubTreebanks
from langspec.corpora.tables import UPOS
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout
    from langspec.corpora.hub.parquet import ParquetTable

PREFIX = "udpos."


@dataclass(frozen=True)
class XtremeSource:
    """One configuration a language, named in English.

    Args:
        repository: its section.
        languages: of the run; those that XTREME lacks are left to the card to tell.
        source: the language that is trained on.
    """

    repository: HubTreebanks
    languages: tuple[str, ...]
    source: str

    def select(self, layout: Layout) -> list[Part]:
        """The splits of each language; see :class:`~langspec.corpora.hub.parts.Source`."""
        from langspec.corpora.tables import SPLITS

        parts = []
        for code in self.languages:
            config = PREFIX + LANGUAGES[code].name
            if config not in layout.configs:
                continue
            for split in SPLITS:
                if split in layout.splits(config) and (split != "train" or code == self.source):
                    names = tuple(layout.files(config, split))
                    labels = layout.label_names(config, "pos_tags")
                    parts.append(Part(names, "ud", code, "xtreme", split, read, labels))
        if not parts:
            raise LangspecError(
                f"no configuration {PREFIX}<Language> for {', '.join(self.languages)} among its "
                f"{len(layout.configs)} configurations",
                place=str(self.repository),
            )
        return parts


def read(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield rows of table ``pos``."""
    source = file.source
    label = table.decoder("pos_tags", UPOS, file.labels)
    for number, row in enumerate(table.rows("tokens", "pos_tags"), start=file.first_row):
        words = row["tokens"]
        if not words or len(words) != len(row["pos_tags"]):
            raise LangspecError(
                f"{len(words or ())} tokens and {len(row['pos_tags'] or ())} tags; expected as "
                "many of each, at least one",
                place=f"{file.place}, row {number}",
            )
        yield {
            "id": f"xtreme-{source.language}-{source.split}/{number}",
            "language": source.language,
            "treebank": source.treebank,
            "split": source.split,
            "words": words,
            "labels": [label(tag, number) for tag in row["pos_tags"]],
            "space_after": [True] * len(words),
        }
