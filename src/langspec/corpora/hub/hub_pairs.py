"""XNLI (``facebook/xnli``) and MultiNLI (``nyu-mll/multi_nli``): pairs with labels.

XNLI has a configuration a language, or ``all_languages`` in one. Neither says which pairs share a
premise or are translations: a pair's row number is the same in every language, and pairs of one
prompt follow each other. Of MultiNLI, which says both, the English training pairs are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile, Part
from langspec.corpora.hub.repository import HubRepository
from langspec.corpora.xnli import LABELS, NO_GOLD
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout
    from langspec.corpora.hub.parquet import ParquetTable

_ALL = "all_languages"
_ENGLISH = "en"


@dataclass(frozen=True)
class XnliSource:
    """Dev and test data. Configurations of the languages come before ``all_languages``.

    Args:
        repository: its section.
        languages: of the run; the card lists those that XNLI lacks.
    """

    repository: HubRepository
    languages: tuple[str, ...]

    def select(self, layout: Layout) -> list[Part]:
        """Dev and test of each language; see :class:`~langspec.corpora.hub.parts.Source`."""
        chosen: dict[str, str | None] = {c: c for c in self.languages if c in layout.configs}
        if not chosen and _ALL in layout.configs:
            chosen = {_ALL: None}
        if not chosen:
            raise LangspecError(
                f"no configuration for {', '.join(self.languages)}, nor {_ALL}; there are "
                f"{', '.join(layout.configs) or 'none'}",
                place=str(self.repository),
            )
        return [
            Part(
                tuple(layout.files(config, split)),
                "xnli",
                split,
                _read_xnli,
                language=code,
                labels=layout.label_names(config, "label"),
            )
            for config, code in chosen.items()
            for split in ("dev", "test")
        ]


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
        return [Part(names, "multinli", "train", _read_multinli, _ENGLISH, labels=labels)]


def _read_xnli(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield rows of table ``nli``, all languages of a row together."""
    split, code = file.source.split, file.source.language
    label = table.decoder("label", (*LABELS, NO_GOLD), file.part.labels, none=NO_GOLD)
    group, before = -1, None
    for number, row in enumerate(
        table.rows("premise", "hypothesis", "label"), start=file.first_row
    ):
        place = f"{file.place}, row {number}"
        if row["premise"] != before or group < 0:
            group, before = number, row["premise"]
        premises = _texts(row["premise"], code, "premise", place)
        hypotheses = _texts(row["hypothesis"], code, "hypothesis", place)
        if premises.keys() != hypotheses.keys():
            raise LangspecError(
                "premise and hypothesis are in different languages "
                f"({', '.join(sorted(premises.keys() ^ hypotheses.keys()))})",
                place=place,
            )
        name = label(row["label"], number)
        for language in sorted(premises):
            yield {
                "id": f"xnli-{split}/{language}/{number}",
                "language": language,
                "split": split,
                "premise": premises[language].strip(),
                "hypothesis": hypotheses[language].strip(),
                "label": name,
                "group": f"xnli-{split}/{group}",
            }


def _texts(value: Any, code: str | None, column: str, place: str) -> Mapping[str, str]:
    """Texts by language: one; a struct of them; or lists of languages and translations."""
    if code is not None and isinstance(value, str):
        return {code: value}
    if code is None and isinstance(value, dict):
        if isinstance(value.get("language"), list) and isinstance(value.get("translation"), list):
            value = dict(zip(value["language"], value["translation"], strict=True))
        unknown = sorted(set(value) - LANGUAGES.keys())
        if unknown:
            raise LangspecError(
                f"language {unknown[0]!r} in column {column!r} is unknown; expected an ISO 639 "
                "code",
                place=place,
            )
        if all(isinstance(text, str) for text in value.values()):
            return value
    expected = "a text" if code is not None else "a text for each language"
    raise LangspecError(
        f"column {column!r} holds a {type(value).__name__}; expected {expected}", place=place
    )


def _read_multinli(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield rows of table ``nli``; the ids are those of the official file."""
    label = table.decoder("label", (*LABELS, NO_GOLD), file.part.labels, none=NO_GOLD)
    columns = ("premise", "hypothesis", "label", "pairID", "promptID")
    for number, row in enumerate(table.rows(*columns), start=file.first_row):
        for column in columns:
            if row[column] is None:
                raise LangspecError(
                    f"column {column!r} is empty; expected a value",
                    place=f"{file.place}, row {number}",
                )
        yield {
            "id": f"multinli-train/{_ENGLISH}/{row['pairID']}",
            "language": _ENGLISH,
            "split": "train",
            "premise": row["premise"].strip(),
            "hypothesis": row["hypothesis"].strip(),
            "label": label(row["label"], number),
            "group": f"multinli-train/{row['promptID']}",
        }
