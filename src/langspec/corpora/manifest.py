"""The manifest of official files: entering folders into it, finding its files again.

The manifest (``data/sources.json``, committed) knows files by relative name and hash. Where their
folders are on this machine is written in a local file (never committed) or in the variable
``LANGSPEC_CORPORA``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from langspec.corpora.recognise import part_of
from langspec.corpora.sources import Contents, LocatedFile, SourceFile, discover
from langspec.errors import LangspecError
from langspec.files import read_json, read_record, sha256_file, sha256_json, write_json

VARIABLE = "LANGSPEC_CORPORA"
"""Names the folder (several, separated as in PATH) that holds the manifest's files."""

ADD = "langspec corpora add DIR"
_SCHEMA = 1


@dataclass(frozen=True)
class _Manifest:
    """What the file says."""

    files: list[SourceFile]


def add_folder(
    directory: Path,
    manifest_path: Path,
    local_path: Path,
    patterns: Sequence[re.Pattern[str]] = (),
) -> Contents:
    """Enter the recognised files of a folder into the manifest, and remember where they are.

    Files of other folders stay in the manifest, but not what this folder has too: release files
    of the same name, and language text, of which there is one corpus. Adding a folder again
    takes up what changed in it and what is gone from it.

    Args:
        directory: a folder with official files.
        manifest_path: ``data/sources.json``.
        local_path: ``.langspec/sources.json``, this machine's folders by hash of the manifest.
        patterns: as of :func:`~langspec.corpora.sources.discover`.

    Raises:
        LangspecError: as :func:`~langspec.corpora.sources.discover`; nothing is written then.
    """
    contents = discover(directory, patterns)
    old = read_manifest(manifest_path) if manifest_path.exists() else []
    places = _read_local(local_path)
    known = places.get(_key(old), []) if old else []
    folder = str(Path(directory).resolve())
    parts = {part_of(file.kind, file.name) for file in contents.files}
    names = {file.name for file in contents.files}
    hashes = {file.sha256 for file in contents.files}
    files = list(contents.files)
    for file in old:
        if file.name in names or part_of(file.kind, file.name) in parts:
            if file.sha256 not in hashes:
                contents.changed.append(file.name)
        # On another machine the other folders may not be known, and nothing is gone.
        elif folder in known and not any((Path(one) / file.name).is_file() for one in known):
            contents.removed.append(file.name)
        else:
            files.append(file)
    files.sort(key=lambda file: file.name)
    folders = [folder, *(one for one in known if one != folder)]
    # This machine first: were the second write to fail, the manifest would still be the old one.
    write_json(local_path, places | {_key(files): folders})
    write_json(manifest_path, _manifest(files))
    return contents


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


def _manifest(files: Sequence[SourceFile]) -> dict[str, Any]:
    return {"schema": _SCHEMA, "files": [asdict(file) for file in files]}


def _key(files: Sequence[SourceFile]) -> str:
    return sha256_json(_manifest(files))


def read_manifest(path: Path) -> list[SourceFile]:
    """The files that a manifest lists.

    Raises:
        LangspecError: no such file, or no manifest.
    """
    cure = f"remove it and run {ADD}"
    try:
        files = read_record(path, _Manifest, cure=cure, schema=_SCHEMA).files
    except FileNotFoundError:
        raise LangspecError(f"no such manifest; make it: {ADD}", place=path) from None
    for file in files:
        pure = PurePosixPath(file.name)
        if pure.is_absolute() or ".." in pure.parts:
            raise LangspecError(
                f"names {file.name!r}; expected names below the folder; {cure}", place=path
            )
    return files


def _read_local(path: Path) -> dict[str, list[str]]:
    try:
        value = read_json(path)
        return {str(key): [str(one) for one in folders] for key, folders in value.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, OSError):
        reason = "cannot be read as the folders that were added; remove it"
        raise LangspecError(reason, place=path) from None
