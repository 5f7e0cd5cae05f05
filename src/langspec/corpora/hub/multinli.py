"""MultiNLI (``nyu-mll/multi_nli``): the English training pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile, Part
from langspec.corpora.hub.repository import HubRepository
from langspec.corpora.xnli import LABELS, NO_GOLD
from langspec.errors import LangspecError

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout
    from langspec.corpora.hub.parquet import ParquetTable

LANGUAGE = "en"


@dataclass(frozen=True)
class MultinliSource:
    """The train split of the only configuration."""

    repository: HubRepository

    def select(self, layout: Layout) -> list[Part]:
        """The train split; see :class:`~langspec.corpora.hub.parts.Source`."""
        if len(layout.configs) != 1:
            raise LangspecError(
                f"{len(layout.configs)} configurations ({', '.join(layout.configs[:6])}); "
                "expected one",
                place=str(self.repository),
            )
        (config,) = layout.configs
        names = tuple(layout.files(config, "train"))
        labels = layout.label_names(config, "label")
        return [Part(names, "multinli", LANGUAGE, None, "train", read, labels)]


def read(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield rows of table ``nli``; the ids are those of the official file."""
    label = table.decoder("label", (*LABELS, NO_GOLD), file.labels, none=NO_GOLD)
    columns = ("premise", "hypothesis", "label", "pairID", "promptID")
    for number, row in enumerate(table.rows(*columns), start=file.first_row):
        for column in columns:
            if row[column] is None:
                raise LangspecError(
                    f"column {column!r} is empty; expected a value",
                    place=f"{file.place}, row {number}",
                )
        yield {
            "id": f"multinli-train/{LANGUAGE}/{row['pairID']}",
            "language": LANGUAGE,
            "split": "train",
            "premise": row["premise"].strip(),
            "hypothesis": row["hypothesis"].strip(),
            "label": label(row["label"], number),
            "group": f"multinli-train/{row['promptID']}",
        }
