"""Official files by their names: which corpus a file belongs to, its language and its split.

To add a kind of official file, write a function like those below (a path and its surroundings in,
:class:`Facts` or None out), put it into ``_KINDS``, and read the kind in
:mod:`langspec.corpora.prepare`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from langspec.corpora.lines import without_compression
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES, TAG, language

_UD = re.compile(
    r"(?P<language>[a-z]{2,3})_(?P<name>[a-z0-9]+)-ud-(?P<split>train|dev|test)"
    r"(?:-[a-z0-9-]+)?\.conllu"  # large treebanks are released in parts: train-a, train-b-1
)
_XNLI = re.compile(r"xnli\.(?P<split>dev|test)\.jsonl")
_MULTINLI = "multinli_1.0_train.jsonl"
_CODE_FILE = re.compile(rf"(?P<language>{TAG})\.txt")
_ARCHIVE = re.compile(
    r".*\.(zip|tgz|tar|tar\.(gz|bz2|xz|zst)|gz|bz2|xz|zst|7z|rar)", re.IGNORECASE
)
TEXT_KINDS = ("text", "wiki_extract", "wiki_dump", "wiki_articles")
"""Of language text there is one corpus, whatever its form."""
_EXTRACT = re.compile(r"wiki_\d+(\.bz2)?")
_WIKI = re.compile(r"(?P<wiki>[a-z][a-z_]*)wiki(-(\d{8}|latest))?")
_DUMP = re.compile(
    r"(?P<wiki>[a-z][a-z_]*)wiki-(\d{8}|latest)-pages-articles(-multistream)?\d*"
    r"(\.xml-p\d+p\d+(\.bz2)?|\.xml(\.bz2)?)"
)
_WIKIS = {
    "als": "gsw", "bat_smg": "sgs", "be_x_old": "be", "cbk_zam": "cbk", "fiu_vro": "vro",
    "map_bms": "jv", "nds_nl": "nds-nl", "roa_rup": "rup", "roa_tara": "nap",
    "zh_classical": "lzh", "zh_min_nan": "nan", "zh_yue": "yue",
}  # fmt: skip
"""Wikipedias whose name is no code of their language."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file's name says; see :class:`langspec.corpora.sources.SourceFile`."""

    kind: str
    language: str | None = None
    treebank: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a name is read with.

    Attributes:
        root: the folder that the names are relative to.
        text_folders: names of folders of language text, see :func:`text_folders`.
        patterns: of names of files that a task of ``params.yaml`` reads.
    """

    root: Path
    text_folders: frozenset[str]
    patterns: Sequence[re.Pattern[str]]


def recognise(name: str, around: Surroundings) -> Facts | None:
    """What a file is, by its name relative to the folder; None: not official.

    Raises:
        LangspecError: a dump or an extract of Wikipedia in an unknown language.
    """
    path = PurePosixPath(name)
    return next((facts for kind in _KINDS if (facts := kind(path, around))), None)


def text_folders(names: Iterable[str], root: Path) -> frozenset[str]:
    """Folders in which a file is ``<common code>.txt``; all names of two or three letters must be
    known there. Longer ones are read where they are (``pt-br.txt``), else they are no text.
    """
    codes: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if match := _CODE_FILE.fullmatch(without_compression(path.name)):
            codes.setdefault(path.parent.as_posix(), []).append(match["language"])
    folders = {
        parent
        for parent, some in codes.items()
        if any(code in LANGUAGES and LANGUAGES[code].common for code in some)
    }
    for parent in sorted(folders):
        for code in codes[parent]:
            if len(code) < 4:
                language(code, place=str(root / parent / f"{code}.txt"))
    return frozenset(folders)


def is_archive(name: str) -> bool:
    """Does a name end as those of archives do?"""
    return _ARCHIVE.fullmatch(name) is not None


def part_of(kind: str, name: str) -> tuple[str, str]:
    """Which part of a corpus a file is, in any folder: by its name, or the language text."""
    if kind in TEXT_KINDS:
        return "text", ""
    # Only releases promise that a name says what a file is.
    release = without_compression(PurePosixPath(name).name)
    return kind, name if kind == "custom" else release


def _treebank(path: PurePosixPath, around: Surroundings) -> Facts | None:
    if match := _UD.fullmatch(without_compression(path.name)):
        code = match["language"]
        return Facts("ud", code, f"{code}_{match['name']}", match["split"])
    return None


def _xnli(path: PurePosixPath, around: Surroundings) -> Facts | None:
    match = _XNLI.fullmatch(without_compression(path.name))
    return Facts("xnli", split=match["split"]) if match else None


def _multinli(path: PurePosixPath, around: Surroundings) -> Facts | None:
    same = without_compression(path.name) == _MULTINLI
    return Facts("multinli", "en", split="train") if same else None


def _text(path: PurePosixPath, around: Surroundings) -> Facts | None:
    match = _CODE_FILE.fullmatch(without_compression(path.name))
    if match and path.parent.as_posix() in around.text_folders and match[1] in LANGUAGES:
        return Facts("text", match["language"])
    return None


def _dump(path: PurePosixPath, around: Surroundings) -> Facts | None:
    if match := _DUMP.fullmatch(path.name):
        code = _WIKIS.get(match["wiki"], match["wiki"])
        if len(code) < 4:
            language(code, place=str(around.root / path))
        return Facts("wiki_dump", code) if code in LANGUAGES else None
    return None


def _extract(path: PurePosixPath, around: Surroundings) -> Facts | None:
    if _EXTRACT.fullmatch(path.name):
        code = _extract_language(path, around.root)
        return Facts("wiki_extract", code) if code else None
    return None


def _custom(path: PurePosixPath, around: Surroundings) -> Facts | None:
    named = any(pattern.fullmatch(path.as_posix()) for pattern in around.patterns)
    return Facts("custom") if named else None


def _extract_language(path: PurePosixPath, root: Path) -> str | None:
    """The language that the nearest folder around WikiExtractor's ``AA``, ``AB``, ... is named by.

    That is a code, or a Wikipedia (``dewiki``, ``zh_yuewiki-20240101``); never the beginning of a
    name. None: a Wikipedia of no known language (``simplewiki``).
    """
    around = [*(parent.name for parent in path.parents), root.resolve().name]
    for name in around:
        if match := _WIKI.fullmatch(name):
            code = _WIKIS.get(match["wiki"], match["wiki"])
            return code if code in LANGUAGES else None
        code = _WIKIS.get(name, name) if "_" in name else name
        if code in LANGUAGES and LANGUAGES[code].common:
            return code
    raise LangspecError(
        "output of WikiExtractor in folders that name no language; expected for example "
        "en/AA/wiki_00 or enwiki/AA/wiki_00",
        place=root / path,
    )


_KINDS: tuple[Callable[[PurePosixPath, Surroundings], Facts | None], ...] = (
    _treebank,
    _xnli,
    _multinli,
    _text,
    _dump,
    _extract,
    _custom,
)
"""The first that knows a file has it."""
