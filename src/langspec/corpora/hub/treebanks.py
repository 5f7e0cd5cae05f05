"""Universal Dependencies as parquet: a configuration a treebank (``en_ewt``).

Two forms are read. ``commul/universal_dependencies`` (a revision a UD release) keeps the words of
a sentence, the multi-word ranges beside them (``mwt``) and MISC as text. The Hub's own conversion
of the former script repository (``refs/convert/parquet``, UD 2.7) lists ranges and empty nodes
*among* the words, where only they have no head; MISC is the text of a Python dict.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langspec.corpora.conllu import space_range
from langspec.corpora.filters import Row
from langspec.corpora.hub.parts import HubFile, Part
from langspec.corpora.hub.repository import HubRepository
from langspec.corpora.tables import UPOS
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

if TYPE_CHECKING:
    from langspec.corpora.hub.layout import Layout
    from langspec.corpora.hub.parquet import ParquetTable

_TREEBANK = re.compile(r"(?P<language>[a-z]{2,3})_[a-z0-9]+")
_UNTAGGED = "_"
_PEEK = 200
_NO_HEAD = (None, "None", "_", "")


class HubTreebanks(HubRepository):
    """Words with tags: ``ud`` has a configuration a treebank, ``xtreme`` one a language."""

    reader: Literal["ud", "xtreme"]
    treebanks: list[str]  # only these (en_ewt); none: all of the run's languages


@dataclass(frozen=True)
class _PosSource(ABC):
    """Tagged sentences, some configurations a language.

    Args:
        repository: its section, the revision being the release.
        languages: of the run; the card lists those without a configuration.
        source: the language that is trained on; train splits of others are not read.
    """

    repository: HubTreebanks
    languages: tuple[str, ...]
    source: str

    absent: ClassVar[str]
    """Says that there is nothing for the languages ``{}`` among ``{}`` configurations."""

    @abstractmethod
    def configs(self, layout: Layout) -> Iterator[tuple[str, str]]:
        """Yield configuration and language."""

    @abstractmethod
    def part(self, layout: Layout, config: str, code: str, split: str) -> Part:
        """The files of a split."""

    def select(self, layout: Layout) -> list[Part]:
        """The splits of each configuration; see :class:`~langspec.corpora.hub.parts.Source`."""
        from langspec.corpora.tables import SPLITS

        parts = [
            self.part(layout, config, code, split)
            for config, code in self.configs(layout)
            for split in SPLITS
            if split in layout.splits(config) and (split != "train" or code == self.source)
        ]
        if not parts:
            raise LangspecError(
                self.absent.format(", ".join(self.languages), len(layout.configs)),
                place=str(self.repository),
            )
        return parts


@dataclass(frozen=True)
class UdSource(_PosSource):
    """Treebanks of UD, a configuration each."""

    absent: ClassVar[str] = (
        "no treebank of {} among its {} configurations, which are named like en_ewt"
    )

    def configs(self, layout: Layout) -> Iterator[tuple[str, str]]:
        """Yield every chosen treebank of the run's languages."""
        chosen = self.repository.treebanks
        for name in chosen or layout.configs:
            if name not in layout.configs:
                raise layout.unknown(name)
            match = _TREEBANK.fullmatch(name)
            if match and match["language"] in self.languages:
                yield name, match["language"]
            elif chosen:
                raise LangspecError(
                    f"treebank {name!r} is of no language of the run "
                    f"({', '.join(self.languages)}); remove it, or add its language",
                    place="corpora.hub.pos.treebanks",
                )

    def part(self, layout: Layout, config: str, code: str, split: str) -> Part:
        """The files of a split of a treebank."""
        names = tuple(layout.files(config, split))
        labels = layout.label_names(config, "upos")
        return Part(names, "ud", split, _read_ud, code, config, labels, self._without_text)

    def _without_text(self, table: ParquetTable) -> str | None:
        """Why a treebank released without its text is left out; refused where it was chosen."""
        some = list(islice(table.rows("tokens"), _PEEK))
        if not some or any(form != "_" for row in some for form in row["tokens"] or ()):
            return None
        reason = (
            "every form is '_': this treebank is released without its text for licence reasons"
        )
        if self.repository.treebanks:
            raise LangspecError(
                f"{reason}; remove it from corpora.hub.pos.treebanks", place=table.place
            )
        return reason


@dataclass(frozen=True)
class XtremeSource(_PosSource):
    """XTREME's ``udpos`` (``google/xtreme``): a configuration a language, named in English.

    It keeps words and tags of UD 2.5 and nothing else: no multi-word ranges, no spacing, no
    treebanks. So every word is followed by a space.
    """

    absent: ClassVar[str] = "no configuration udpos.<Language> for {} among its {} configurations"

    def configs(self, layout: Layout) -> Iterator[tuple[str, str]]:
        """Yield the configuration of each language that there is."""
        for code in self.languages:
            if (config := f"udpos.{LANGUAGES[code].name}") in layout.configs:
                yield config, code

    def part(self, layout: Layout, config: str, code: str, split: str) -> Part:
        """The files of a split of a language."""
        names = tuple(layout.files(config, split))
        labels = layout.label_names(config, "pos_tags")
        return Part(names, "ud", split, _read_xtreme, code, "xtreme", labels)


def _read_ud(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield rows of table ``pos``, words spaced as the treebank has them."""
    source = file.source
    known = (*UPOS, _UNTAGGED)
    label = table.decoder("upos", known, file.part.labels)
    ranged = "mwt" in table.schema.names
    ident = next((name for name in ("sent_id", "idx") if name in table.schema.names), None)
    columns = ["tokens", "upos", "misc", *(["mwt"] if ranged else ["head", "text"])]
    for number, row in enumerate(
        table.rows(*columns, *([ident] if ident else [])), start=file.first_row
    ):
        tokens, tags, misc = row["tokens"], row["upos"], row["misc"]
        if not tokens or len(tokens) != len(tags) or len(tokens) != len(misc):
            raise LangspecError(
                f"{len(tokens or ())} tokens, {len(tags or ())} tags and {len(misc or ())} MISC; "
                "expected as many of each, at least one",
                place=f"{file.place}, row {number}",
            )
        labels = [label(tag, number) for tag in tags]
        spaces = [_space(value) for value in misc]
        if ranged:
            words = list(tokens)
            for entry in row["mwt"] or ():
                first, last = _ends(entry, len(words), f"{file.place}, row {number}")
                space_range(words, spaces, first, last, entry["form"], _space(entry["misc"]))
        else:
            words, labels, spaces = _without_ranges(row, labels, spaces)
        if _UNTAGGED in labels:
            raise LangspecError(
                f"word {words[labels.index(_UNTAGGED)]!r} has no UPOS tag; remove the treebank "
                "(list the others in corpora.hub.pos.treebanks)",
                place=f"{file.place}, row {number}",
            )
        if not words:
            continue  # nothing but empty nodes
        yield {
            "id": f"{source.treebank}-ud-{source.split}/{row.get(ident or '') or f'row-{number}'}",
            "language": source.language,
            "treebank": source.treebank,
            "split": source.split,
            "words": words,
            "labels": labels,
            "space_after": spaces,
        }


def _space(misc: str | None) -> bool:
    """Is there a space after it? MISC as ``SpaceAfter=No|...`` or ``{'SpaceAfter': 'No'}``."""
    if not misc or "SpaceAfter" not in misc:
        return True
    return "SpaceAfter=No" not in misc.split("|") and "'SpaceAfter': 'No'" not in misc


def _ends(entry: Any, words: int, place: str) -> tuple[int, int]:
    first, _, last = str(entry["id"]).partition("-")
    if first.isdigit() and last.isdigit() and 1 <= int(first) < int(last) <= words:
        return int(first), int(last)
    raise LangspecError(
        f"multi-word range {entry['id']!r} in a sentence of {words} words; expected two ids of it",
        place=place,
    )


def _without_ranges(
    row: Row, labels: Sequence[str], spaces: Sequence[bool]
) -> tuple[list[str], list[str], list[bool]]:
    """Take ranges and empty nodes out from among the words; ranges decide the spacing.

    The data do not say how many words a range covers. It covers at least two, and all words before
    the next one that continues the text of the sentence.
    """
    items = [
        (form, tag, space, head not in _NO_HEAD)
        for form, tag, space, head in zip(row["tokens"], labels, spaces, row["head"], strict=True)
    ]
    # An empty node has a tag and no head; a range has neither.
    items = [item for item in items if item[3] or item[1] == _UNTAGGED]
    text, at = row["text"] or "", 0

    def goes_on(form: str, position: int) -> int:
        """Where the text is after ``form``, -1 if it does not go on with it."""
        position += len(text[position:]) - len(text[position:].lstrip())
        return position + len(form) if text.startswith(form, position) else -1

    words: list[str] = []
    tags: list[str] = []
    after: list[bool] = []
    index = 0
    while index < len(items):
        form, tag, space, is_word = items[index]
        index += 1
        end = goes_on(form, at)
        at = end if end >= 0 else at
        if is_word:
            words.append(form)
            tags.append(tag)
            after.append(space)
            continue
        first = len(words) + 1
        while index < len(items) and items[index][3]:
            covered = len(words) + 1 - first
            if covered >= 2 and (end < 0 or goes_on(items[index][0], at) >= 0):
                break
            words.append(items[index][0])
            tags.append(items[index][1])
            after.append(items[index][2])
            index += 1
        if len(words) > first:
            space_range(words, after, first, len(words), form, space)
    return words, tags, after


def _read_xtreme(file: HubFile, table: ParquetTable) -> Iterator[Row]:
    """Yield rows of table ``pos``."""
    source = file.source
    label = table.decoder("pos_tags", UPOS, file.part.labels)
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
