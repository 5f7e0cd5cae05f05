"""Official files of corpora in folders of this machine: what is there, recognised and hashed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from langspec.corpora.lines import without_compression
from langspec.corpora.recognise import (
    TEXT_KINDS,
    Facts,
    Surroundings,
    is_archive,
    part_of,
    recognise,
    text_folders,
)
from langspec.errors import LangspecError
from langspec.files import sha256_file

_LICENCE = re.compile(r"(licen[cs]e|copying)(\.(txt|md))?", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(
    r"\bCC[ -](?P<short>BY(?:-NC)?(?:-SA|-ND)?)[ -](?P<version>\d\.\d)"
    r"|creativecommons\.org/licenses/(?P<link>by[a-z-]*)/(?P<link_version>\d\.\d)",
)
_ATTRIBUTION = re.compile(
    r"Attribution(?P<nc>[ -]NonCommercial)?(?P<sa>[ -]ShareAlike)? (?P<version>\d\.\d)"
)
_UNRELEASED = "not-to-release"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A recognised file. ``name`` is relative to the folder that holds it, with slashes.

    ``kind`` is ud, xnli, multinli, text, wiki_extract, wiki_dump, wiki_articles (of the Hub) or
    custom (named by a task of ``params.yaml``). ``language`` is None where the rows say it.
    ``licence_name`` is read from the licence file beside it, where that names MIT or a Creative
    Commons licence.
    """

    name: str
    kind: str
    language: str | None
    treebank: str | None
    split: str | None
    bytes: int
    sha256: str
    licence: str | None
    licence_name: str | None


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """A source file and where it is on this machine."""

    source: SourceFile
    path: Path


@dataclass
class Contents:
    """What a folder holds: recognised files, and the names of those that were not."""

    files: list[SourceFile]
    ignored: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Names that the manifest had with another content."""
    removed: list[str] = field(default_factory=list)
    """Names that the manifest had and that are gone."""


def discover(folder: Path, patterns: Sequence[re.Pattern[str]] = ()) -> Contents:
    """Recognise official files anywhere below ``folder`` by their names, and hash them.

    Args:
        folder: to look in.
        patterns: of names, relative to any folder on the way, of files that are not official but
            that a task of ``params.yaml`` reads.

    Raises:
        LangspecError: not a folder, an archive, a link out of the folder, an unknown language
            code in a text folder, one part in two files, or nothing recognised.
    """
    folder = Path(folder)
    _check_folder(folder)
    names, ignored = _walk(folder)
    plain = set(names)
    around = Surroundings(folder, text_folders(names, folder), patterns)
    recognised: list[tuple[str, Facts]] = []
    for name in names:
        facts = recognise(name, around)
        # Of a file that lies there compressed, too, the plain one is read.
        if facts is None or without_compression(name) in plain - {name}:
            ignored.append(name)
        else:
            recognised.append((name, facts))
    if not recognised:
        archives = [name for name in ignored if is_archive(name)]
        raise LangspecError(
            "no file with an official name below this folder; expected for example "
            "en_ewt-ud-train.conllu, xnli.test.jsonl, multinli_1.0_train.jsonl or en.txt"
            + (f"; unpack its archives first ({', '.join(archives[:3])})" if archives else ""),
            place=folder,
        )
    licences = _licence_files(names)
    files = []
    with tqdm(total=len(recognised), unit=" files", desc="hash", disable=None) as bar:
        for name, facts in recognised:
            files.append(_source_file(folder, name, facts, licences))
            bar.update()
    _check_once(files, folder)
    return Contents(files, [name for name in ignored if name not in licences])


def _source_file(folder: Path, name: str, facts: Facts, licences: set[str]) -> SourceFile:
    path = folder / name
    try:
        size, digest = path.stat().st_size, sha256_file(path)
    except OSError as error:
        raise LangspecError(f"cannot be read ({error.strerror})", place=path) from None
    licence = _licence_beside(name, licences)
    return SourceFile(
        name=name,
        kind=facts.kind,
        language=facts.language,
        treebank=facts.treebank,
        split=facts.split,
        bytes=size,
        sha256=digest,
        licence=licence,
        licence_name=_licence_name(folder / licence) if licence else None,
    )


def _check_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    if folder.is_file():
        if is_archive(folder.name):
            tool = "unzip" if folder.name.lower().endswith(".zip") else "tar -xf"
            raise LangspecError(
                f"is an archive; unpack it ({tool} {folder.name}) and give the folder",
                place=folder,
            )
        raise LangspecError("is a file; expected the folder that holds it", place=folder)
    raise LangspecError("no such folder; expected a folder with official files", place=folder)


def _walk(folder: Path) -> tuple[list[str], list[str]]:
    """Relative names of all files below ``folder``, and of folders that are left out, sorted.

    Hidden files are left out, and the folder ``not-to-release`` that checkouts of UD's
    repositories have.
    """

    def refuse(error: OSError) -> None:
        raise LangspecError(f"cannot be read ({error.strerror})", place=error.filename)

    root = folder.resolve()
    names, left = [], []
    for parent, folders, files in os.walk(folder, onerror=refuse):
        if _UNRELEASED in folders:
            left.append((Path(parent) / _UNRELEASED).relative_to(folder).as_posix() + "/")
        folders[:] = sorted(o for o in folders if not o.startswith(".") and o != _UNRELEASED)
        for name in [*folders, *files]:
            path = Path(parent) / name
            if not path.is_symlink():
                continue
            if not path.exists():
                raise LangspecError("a link to nothing; remove it", place=path)
            if not path.resolve().is_relative_to(root):
                raise LangspecError(
                    "a link out of the folder, which would not travel with it; copy what it "
                    "points to",
                    place=path,
                )
        names += [
            (Path(parent) / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".")
        ]
    return sorted(names), sorted(left)


def _check_once(files: Iterable[SourceFile], place: Path) -> None:
    """One release file under two names would count its rows twice."""
    first: dict[tuple[str, str], str] = {}
    for file in files:
        if file.kind in TEXT_KINDS:
            continue
        key = part_of(file.kind, file.name)
        if key in first:
            raise LangspecError(
                f"the same file twice: {first[key]} and {file.name}; keep one of them", place=place
            )
        first[key] = file.name


def _licence_files(names: Iterable[str]) -> set[str]:
    """Those of ``names`` that are licences."""
    return {name for name in names if _LICENCE.fullmatch(PurePosixPath(name).name)}


def _licence_beside(name: str, licences: set[str]) -> str | None:
    """The licence file in the file's folder or the nearest folder above it."""
    for parent in PurePosixPath(name).parents:
        beside = sorted(one for one in licences if PurePosixPath(one).parent == parent)
        if beside:
            return beside[0]
    return None


def _licence_name(path: Path) -> str | None:
    """The licence that a file names: MIT or one of Creative Commons; None: another, or unread."""
    try:
        with path.open("rb") as handle:
            text = handle.read(1 << 16).decode("utf-8", errors="replace")
    except OSError:
        return None
    if match := _CREATIVE_COMMONS.search(text):
        kind = match["short"] or match["link"].upper()
        return f"CC {kind} {match['version'] or match['link_version']}"
    if match := _ATTRIBUTION.search(text):
        kind = "BY" + ("-NC" if match["nc"] else "") + ("-SA" if match["sa"] else "")
        return f"CC {kind} {match['version']}"
    if "MIT License" in text:
        return "MIT"
    return None
