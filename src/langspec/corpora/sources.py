"""Folders of official files: what is recognised in them, the manifest, and finding them again.

The manifest (committed) knows files by relative name and hash; where their folders are on this
machine stands in a local file (never committed) or in the variable ``LANGSPEC_CORPORA``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from langspec.corpora.lines import without_compression
from langspec.errors import LangspecError
from langspec.files import read_json, sha256_file, sha256_json, write_json
from langspec.languages import LANGUAGES, language

VARIABLE = "LANGSPEC_CORPORA"
"""Names the folder (several, separated as in PATH) that holds the manifest's files."""

ADD = "langspec corpora add DIR"
_SCHEMA = 1
_UD = re.compile(
    r"(?P<language>[a-z]{2,3})_(?P<name>[a-z0-9]+)-ud-(?P<split>train|dev|test)"
    r"(?:-[a-z0-9-]+)?\.conllu"  # large treebanks are released in parts: train-a, train-b-1
)
_XNLI = re.compile(r"xnli\.(?P<split>dev|test)\.jsonl")
_MULTINLI = "multinli_1.0_train.jsonl"
_CODE_FILE = re.compile(r"(?P<language>[a-z]{2,3})\.txt")
_ARCHIVE = re.compile(
    r".*\.(zip|tgz|tar|tar\.(gz|bz2|xz|zst)|gz|bz2|xz|zst|7z|rar)", re.IGNORECASE
)
TEXT_KINDS = ("text", "wiki_extract", "wiki_dump", "wiki_articles")
"""Of language text there is one corpus, whatever its form."""
_EXTRACT = re.compile(r"wiki_\d+(\.bz2)?")
_EXTRACT_FOLDER = re.compile(r"(?P<language>[a-z]{2,3})(wiki)?([-_].*)?")
_DUMP = re.compile(
    r"(?P<language>[a-z]{2,3})wiki-(\d{8}|latest)-pages-articles(-multistream)?\d*"
    r"(\.xml-p\d+p\d+(\.bz2)?|\.xml(\.bz2)?)"
)
_LICENCE = re.compile(r"(licen[cs]e|copying)(\.(txt|md))?", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(
    r"\bCC[ -](?P<short>BY(?:-NC)?(?:-SA|-ND)?)[ -](?P<version>\d\.\d)"
    r"|creativecommons\.org/licenses/(?P<link>by[a-z-]*)/(?P<link_version>\d\.\d)",
)
_ATTRIBUTION = re.compile(
    r"Attribution(?P<nc>[ -]NonCommercial)?(?P<sa>[ -]ShareAlike)? (?P<version>\d\.\d)"
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A recognised file. ``name`` is relative to the folder it was found in, with slashes.

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
class Found:
    """What a folder holds: recognised files, and the names of those that were not."""

    files: list[SourceFile]
    ignored: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Names that the manifest had with another content."""
    removed: list[str] = field(default_factory=list)
    """Names that the manifest had and that are gone."""

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """Rows (kind, corpus, languages or splits, size, licence), a treebank or folder each."""
        groups: dict[tuple[str, str], list[SourceFile]] = {}
        for file in self.files:
            corpus = file.treebank or PurePosixPath(file.name).parent.as_posix()
            groups.setdefault((file.kind, corpus), []).append(file)
        rows = []
        for (kind, corpus), files in sorted(groups.items()):
            values = {file.split or file.language or "-" for file in files}
            size = sum(file.bytes for file in files) / 1e6
            licences = {file.licence_name or file.licence or "not found" for file in files}
            rows.append(
                (
                    kind,
                    corpus,
                    " ".join(sorted(values)),
                    f"{size:.1f} MB",
                    ", ".join(sorted(licences)),
                )
            )
        return rows


def discover(folder: Path, patterns: Sequence[re.Pattern[str]] = ()) -> Found:
    """Recognise official files anywhere below ``folder`` by their names, and hash them.

    Args:
        folder: to look in.
        patterns: of names, relative to any folder on the way, of files that are not official but
            that a task of ``params.yaml`` reads.

    Raises:
        LangspecError: not a folder, an archive, a link out of the folder, an unknown language
            code in a text folder, one part found twice, or nothing recognised.
    """
    folder = Path(folder)
    _check_folder(folder)
    names = _walk(folder)
    plain = set(names)
    text_folders = _text_folders(names, folder)
    recognised: list[tuple[str, dict[str, str | None]]] = []
    ignored: list[str] = []
    for name in names:
        facts = _recognise(PurePosixPath(name), text_folders, folder, patterns)
        # Of a file that lies there compressed, too, the plain one is read.
        if facts is None or without_compression(name) in plain - {name}:
            ignored.append(name)
        else:
            recognised.append((name, facts))
    if not recognised:
        archives = [name for name in ignored if _ARCHIVE.fullmatch(name)]
        raise LangspecError(
            "no file with an official name below this folder; expected for example "
            "en_ewt-ud-train.conllu, xnli.test.jsonl, multinli_1.0_train.jsonl or en.txt"
            + (f"; unpack its archives first ({', '.join(archives[:3])})" if archives else ""),
            place=folder,
        )
    licences = {name for name in names if _LICENCE.fullmatch(PurePosixPath(name).name)}
    files = []
    with tqdm(total=len(recognised), unit=" files", desc="hash", disable=None) as bar:
        for name, facts in recognised:
            path = folder / name
            try:
                size, digest = path.stat().st_size, sha256_file(path)
            except OSError as error:
                raise LangspecError(f"cannot be read ({error.strerror})", place=path) from None
            licence = _licence_beside(name, licences)
            files.append(
                SourceFile(
                    name=name,
                    kind=facts["kind"] or "",
                    language=facts["language"],
                    treebank=facts["treebank"],
                    split=facts["split"],
                    bytes=size,
                    sha256=digest,
                    licence=licence,
                    licence_name=_licence_name(folder / licence) if licence else None,
                )
            )
            bar.update()
    _check_once(files, folder)
    return Found(files, [name for name in ignored if name not in licences])


def add_folder(
    directory: Path,
    manifest_path: Path,
    local_path: Path,
    patterns: Sequence[re.Pattern[str]] = (),
) -> Found:
    """Enter the recognised files of a folder into the manifest, and remember where they are.

    Files of other folders stay in the manifest, but not what this folder has too: release files
    of the same name, and language text, of which there is one corpus. Adding a folder again
    takes up what changed in it and what is gone from it.

    Args:
        directory: a folder with official files.
        manifest_path: ``data/sources.json``.
        local_path: ``.langspec/sources.json``, this machine's folders by hash of the manifest.
        patterns: as of :func:`discover`.

    Raises:
        LangspecError: as :func:`discover`; nothing is written then.
    """
    found = discover(directory, patterns)
    old = read_manifest(manifest_path) if manifest_path.exists() else []
    places = _read_local(local_path)
    known = places.get(_key(old), []) if old else []
    folder = str(Path(directory).resolve())
    parts = {_part(file) for file in found.files}
    names = {file.name for file in found.files}
    hashes = {file.sha256 for file in found.files}
    files = list(found.files)
    for file in old:
        if file.name in names or _part(file) in parts:
            if file.sha256 not in hashes:
                found.changed.append(file.name)
        # On another machine the other folders may not be known, and nothing is gone.
        elif folder in known and not any((Path(one) / file.name).is_file() for one in known):
            found.removed.append(file.name)
        else:
            files.append(file)
    files.sort(key=lambda file: file.name)
    folders = [folder, *(one for one in known if one != folder)]
    # This machine first: were the second write to fail, the manifest would still be the old one.
    write_json(local_path, places | {_key(files): folders})
    write_json(manifest_path, _manifest(files))
    return found


def locate(
    manifest_path: Path, local_path: Path, environ: Mapping[str, str] = os.environ
) -> list[LocatedFile]:
    """Find every file of the manifest on this machine and check that its content is the same.

    Searched are the folders that ``LANGSPEC_CORPORA`` names, else those that were added.

    Raises:
        LangspecError: an empty manifest, an unknown or vanished folder, a file that is missing or
            has changed; the message says which and what to run.
    """
    files, folders = _folders(manifest_path, local_path, environ)
    located = []
    total = sum(file.bytes for file in files)
    with tqdm(total=total, unit="B", unit_scale=True, desc="check", disable=None) as bar:
        for file in files:
            located.append(LocatedFile(file, _find(file, folders)))
            bar.update(file.bytes)
    return located


def _folders(
    manifest_path: Path, local_path: Path, environ: Mapping[str, str]
) -> tuple[list[SourceFile], list[str]]:
    """The manifest's files and the folders to look in."""
    files = read_manifest(manifest_path)
    if not files:
        raise LangspecError(
            f"lists no files; enter a folder with official files: {ADD}", place=manifest_path
        )
    named = [part for part in environ.get(VARIABLE, "").split(os.pathsep) if part]
    folders = named or _read_local(local_path).get(_key(files), [])
    if not folders:
        raise LangspecError(
            "its files are in a folder that this machine does not know yet; run "
            f"{ADD} with that folder, or set {VARIABLE}",
            place=manifest_path,
        )
    if not any(Path(folder).is_dir() for folder in folders):
        origin = f"named by {VARIABLE}" if named else "that was added"
        raise LangspecError(
            f"the folder {origin} is gone; put it back, or run {ADD} with its new place",
            place=folders[0],
        )
    return files, folders


def entered(manifest_path: Path, local_path: Path) -> list[Path]:
    """The folders on this machine that hold the manifest's files.

    Raises:
        LangspecError: no manifest, or none of its folders is known.
    """
    _, folders = _folders(manifest_path, local_path, os.environ)
    return [Path(folder) for folder in folders]


def check(
    manifest_path: Path, local_path: Path, environ: Mapping[str, str] = os.environ
) -> list[str]:
    """One line for each file of the manifest that is gone or has changed.

    Raises:
        LangspecError: as :func:`locate`, where no folder is known.
    """
    files, folders = _folders(manifest_path, local_path, environ)
    faults = []
    for file in files:
        try:
            _find(file, folders)
        except LangspecError as error:
            faults.append(str(error))
    return faults


def is_archive(name: str) -> bool:
    """Does a name end as those of archives do?"""
    return _ARCHIVE.fullmatch(name) is not None


def _find(file: SourceFile, folders: Sequence[str]) -> Path:
    for folder in folders:
        path = Path(folder) / file.name
        if path.is_file():
            break
    else:
        raise LangspecError(
            f"the file is missing, below {' and '.join(folders)}; put it back, or enter the "
            f"folder as it is now: {ADD}",
            place=file.name,
        )
    try:
        size = path.stat().st_size
        same = size == file.bytes and sha256_file(path) == file.sha256
    except OSError as error:
        raise LangspecError(f"cannot be read ({error.strerror})", place=path) from None
    if not same:
        detail = f"{size} bytes, not {file.bytes}" if size != file.bytes else "another SHA-256"
        raise LangspecError(
            f"has changed since it was entered ({detail}); put the old file back, or enter the "
            f"new one: {ADD}",
            place=path,
        )
    return path


def _check_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    if folder.is_file():
        if _ARCHIVE.fullmatch(folder.name):
            tool = "unzip" if folder.name.lower().endswith(".zip") else "tar -xf"
            raise LangspecError(
                f"is an archive; unpack it ({tool} {folder.name}) and give the folder",
                place=folder,
            )
        raise LangspecError("is a file; expected the folder that holds it", place=folder)
    raise LangspecError("no such folder; expected a folder with official files", place=folder)


def _walk(folder: Path) -> list[str]:
    """Relative names of all files below ``folder``, sorted; hidden ones are left out."""

    def refuse(error: OSError) -> None:
        raise LangspecError(f"cannot be read ({error.strerror})", place=error.filename)

    root = folder.resolve()
    names = []
    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
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
    return sorted(names)


def _text_folders(names: Iterable[str], root: Path) -> set[str]:
    """Folders in which at least one file is ``<known code>.txt``; all such names must be known."""
    codes: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        if match := _CODE_FILE.fullmatch(without_compression(path.name)):
            codes.setdefault(path.parent.as_posix(), []).append(match["language"])
    folders = {parent for parent, found in codes.items() if any(c in LANGUAGES for c in found)}
    for parent in sorted(folders):
        for code in codes[parent]:
            language(code, place=str(root / parent / f"{code}.txt"))
    return folders


def _recognise(
    path: PurePosixPath, text_folders: set[str], root: Path, patterns: Sequence[re.Pattern[str]]
) -> dict[str, str | None] | None:
    facts: dict[str, str | None] = {"language": None, "treebank": None, "split": None}
    name = without_compression(path.name)
    if match := _UD.fullmatch(name):
        treebank = f"{match['language']}_{match['name']}"
        return {
            "kind": "ud",
            "language": match["language"],
            "treebank": treebank,
            "split": match["split"],
        }
    if match := _XNLI.fullmatch(name):
        return facts | {"kind": "xnli", "split": match["split"]}
    if name == _MULTINLI:
        return facts | {"kind": "multinli", "language": "en", "split": "train"}
    if path.parent.as_posix() in text_folders and (match := _CODE_FILE.fullmatch(name)):
        return facts | {"kind": "text", "language": match["language"]}
    if match := _DUMP.fullmatch(path.name):
        code = language(match["language"], place=str(root / path)).code
        return facts | {"kind": "wiki_dump", "language": code}
    if _EXTRACT.fullmatch(path.name):
        return facts | {"kind": "wiki_extract", "language": _extract_language(path, root)}
    if any(pattern.fullmatch(path.as_posix()) for pattern in patterns):
        return facts | {"kind": "custom"}
    return None


def _extract_language(path: PurePosixPath, root: Path) -> str:
    """What the nearest folder around WikiExtractor's ``AA``, ``AB``, ... is called."""
    around = [*(parent.name for parent in path.parents), root.resolve().name]
    for name in around:
        match = _EXTRACT_FOLDER.fullmatch(name)
        if match and match["language"] in LANGUAGES:
            return match["language"]
    raise LangspecError(
        "output of WikiExtractor in folders that name no language; expected for example "
        "en/AA/wiki_00 or enwiki/AA/wiki_00",
        place=root / path,
    )


def _part(file: SourceFile) -> tuple[str, str]:
    """What a file is, wherever it lies: a release file by its name, or the language text."""
    if file.kind in TEXT_KINDS:
        return "text", ""
    name = PurePosixPath(file.name)
    # Only releases promise that a name says what a file is.
    return file.kind, file.name if file.kind == "custom" else without_compression(name.name)


def _check_once(files: Iterable[SourceFile], place: Path) -> None:
    """One release file under two names would count its rows twice."""
    first: dict[tuple[str, str], str] = {}
    for file in files:
        if file.kind in TEXT_KINDS:
            continue
        key = _part(file)
        if key in first:
            raise LangspecError(
                f"the same file twice: {first[key]} and {file.name}; keep one of them", place=place
            )
        first[key] = file.name


def _licence_beside(name: str, licences: set[str]) -> str | None:
    """The licence file in the file's folder or the nearest folder above it."""
    for parent in PurePosixPath(name).parents:
        beside = sorted(one for one in licences if PurePosixPath(one).parent == parent)
        if beside:
            return beside[0]
    return None


def _licence_name(path: Path) -> str | None:
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


def _manifest(files: Sequence[SourceFile]) -> dict[str, Any]:
    return {"schema": _SCHEMA, "files": [asdict(file) for file in files]}


def _key(files: Sequence[SourceFile]) -> str:
    return sha256_json(_manifest(files))


def read_manifest(path: Path) -> list[SourceFile]:
    """The files that a manifest lists.

    Raises:
        LangspecError: no such file, or no manifest.
    """
    try:
        value = read_json(path)
        if value["schema"] != _SCHEMA:
            raise LangspecError(
                f"has schema {value['schema']!r}; expected {_SCHEMA}; remove it and run {ADD}",
                place=path,
            )
        files = [SourceFile(**entry) for entry in value["files"]]
    except FileNotFoundError:
        raise LangspecError(f"no such manifest; make it: {ADD}", place=path) from None
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise LangspecError(
            f"is no manifest of source files ({error}); remove it and run {ADD}", place=path
        ) from None
    for file in files:
        pure = PurePosixPath(file.name)
        if pure.is_absolute() or ".." in pure.parts:
            raise LangspecError(
                f"names {file.name!r}; expected names below the folder; remove it and run {ADD}",
                place=path,
            )
    return files


def _read_local(path: Path) -> dict[str, list[str]]:
    try:
        value = read_json(path)
        return {str(key): [str(one) for one in folders] for key, folders in value.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise LangspecError(f"is not readable ({error}); remove it", place=path) from None
