"""Entering folders of official files into a project: ``langspec corpora add`` and ``status``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from langspec.corpora.manifest import add_folder, check, entered
from langspec.corpora.recognise import is_archive
from langspec.corpora.sources import Contents, discover
from langspec.errors import LangspecError
from langspec.files import atomic_folder


def _places(root: Path) -> tuple[Path, Path]:
    """The manifest, and this machine's folders."""
    return root / "data" / "sources.json", root / ".langspec" / "sources.json"


def add(
    folder: Path | None, root: Path, patterns: Sequence[re.Pattern[str]], *, copy: bool = False
) -> str:
    """Enter a folder of official files into the manifest; returns what was recognised.

    Args:
        folder: with the files; None: every folder that was entered on this machine, again.
        root: of the project.
        patterns: of names of files that tasks of ``params.yaml`` read.
        copy: first copy the files below ``data/raw``, which DVC then keeps.
    """
    manifest, local = _places(root)
    if folder is None:
        return "\n".join(
            _summary(add_folder(one, manifest, local, patterns), manifest)
            for one in entered(manifest, local)
        )
    left: list[str] = []
    if copy:
        folder, left = _copy(folder, root, patterns)
    contents = add_folder(folder, manifest, local, patterns)
    contents.ignored += left
    text = _summary(contents, manifest)
    if folder.resolve().parent == (root / "data" / "raw").resolve():
        text += "\n  " + _dvc_add(folder, root)
    return text


def _copy(folder: Path, root: Path, patterns: Sequence[re.Pattern[str]]) -> tuple[Path, list[str]]:
    """Copy the recognised files and their licences to a folder of the same name.

    Returns that folder and what was left.
    """
    contents = discover(folder, patterns)
    raw = root / "data" / "raw" / folder.resolve().name
    if raw.resolve().is_relative_to(folder.resolve()) or folder.resolve() == raw.resolve():
        raise LangspecError(
            "holds the project, or is its copy; expected a folder elsewhere", place=folder
        )
    if raw.exists() and (not raw.is_dir() or any(raw.iterdir())):
        raise LangspecError(
            "is there already and is not replaced; remove it to copy the folder again, or give "
            "the folder to copy another name",
            place=raw,
        )
    names = {file.name for file in contents.files} | {
        f.licence for f in contents.files if f.licence
    }
    with atomic_folder(raw) as temporary:
        for name in tqdm(sorted(names), desc="copy", unit=" files", disable=None):
            place = temporary / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(folder / name, place)
            except OSError as error:
                raise LangspecError(
                    f"cannot be copied ({error.strerror})", place=folder / name
                ) from None
    return raw, contents.ignored


def _dvc_add(folder: Path, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--quiet", str(folder.relative_to(root))],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LangspecError(f"dvc add failed: {reason}", place=folder)
    return f"kept by DVC; commit {folder}.dvc, {folder.parent / '.gitignore'} and the manifest"


def status(root: Path) -> tuple[str, bool]:
    """What changed or is gone since the files were entered, and whether nothing did."""
    manifest, local = _places(root)
    faults = check(manifest, local)
    if not faults:
        return "every file is there as it was entered", True
    return "\n".join([*faults, "enter them as they are now: langspec corpora add"]), False


def _summary(contents: Contents, manifest: Path) -> str:
    counts = Counter(file.kind for file in contents.files)
    languages = sorted({file.language for file in contents.files if file.language})
    lines = [
        f"{manifest}: {', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))} files",
        f"  languages: {' '.join(languages)}",
    ]
    if contents.removed:
        lines.append(f"  gone since they were entered: {', '.join(contents.removed)}")
    if contents.changed:
        lines.append(f"  changed since they were entered: {', '.join(contents.changed)}")
    packed = [name for name in contents.ignored if is_archive(name)]
    if packed:
        lines.append(f"  archives, left out until they are unpacked: {', '.join(packed[:8])}")
    if others := [name for name in contents.ignored if name not in packed]:
        lines.append(f"  not recognised, left out: {', '.join(others[:8])}")
    return "\n".join(lines)
