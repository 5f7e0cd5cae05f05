"""What a project holds that can be removed: caches, checkpoints, half-written files."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from langspec.errors import LangspecError
from langspec.unfinished import is_unfinished, writer_lives

CACHES, CHECKPOINTS, UNFINISHED = "caches", "checkpoints", "unfinished"
KINDS = {
    CACHES: "vectors and findings in .langspec, which the next run computes again",
    CHECKPOINTS: "of trainings that were stopped, which then start anew",
    UNFINISHED: "files and folders that a killed process left half-written",
}
"""What can be removed, and what that costs."""

DVC_LOCK = Path(".dvc", "tmp", "rwlock")
"""Where DVC notes which process reads and writes what. It refuses to start where this is no JSON,
as a kill in the middle of a write leaves it."""

_STAY = {"sources.json", "studies", "errors"}  # of .langspec: facts and studies, no caches
_SEARCHED = ("data", "results", ".langspec")
_PROGRAMS = {"langspec", "dvc"}
_YOUNG = 600.0  # seconds: a younger unfinished file of another machine may still be written


@dataclass(frozen=True)
class Leftover:
    """A file or folder that can be removed.

    Attributes:
        kind: one of :data:`KINDS`.
        path: where it is.
        size: bytes of all its files.
    """

    kind: str
    path: Path
    size: int


def leftovers(root: Path) -> list[Leftover]:
    """What can be removed from the project in ``root``, by kind and path."""
    cache = root / ".langspec"
    paths = [(UNFINISHED, path) for path in _unfinished(root)]
    if is_damaged_lock(root / DVC_LOCK):
        paths.append((UNFINISHED, root / DVC_LOCK))
    for path in sorted(cache.iterdir()) if cache.is_dir() else ():
        if path.name == "checkpoints":
            paths += [(CHECKPOINTS, one) for one in sorted(path.iterdir())]
        elif path.name not in _STAY and not is_unfinished(path.name):
            paths.append((CACHES, path))
    removable = [Leftover(kind, path, _size(path)) for kind, path in paths]
    return sorted(removable, key=lambda one: (list(KINDS).index(one.kind), one.path))


def is_damaged_lock(path: Path) -> bool:
    """Did a kill leave DVC's file of locks such that `dvc repro` refuses to start?"""
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return True
    except OSError:  # not there
        return False
    return False


def remove(root: Path, chosen: list[Leftover]) -> int:
    """Remove leftovers of the project in ``root``; returns how many bytes that freed.

    Raises:
        LangspecError: a process of langspec works in the project.
    """
    if pids := working_processes(root):
        raise LangspecError(
            f"processes of langspec work here ({', '.join(map(str, pids))}); wait until they end, "
            "or stop them",
            place=root.resolve(),
        )
    for one in chosen:
        _delete(one.path)
    return sum(one.size for one in chosen)


def sweep(root: Path) -> None:
    """Remove what killed processes of this machine left half-written.

    A folder that a process was replacing when it was killed is put back.
    """
    for path in list(_unfinished(root)):
        if writer_lives(path.name) is not False:
            continue
        with suppress(OSError):  # another process sweeps here, too
            inside = list(path.iterdir()) if path.name.endswith(".old") else []
            if len(inside) == 1 and not (place := path.parent / inside[0].name).exists():
                inside[0].rename(place)
            _delete(path)


def sweep_beside(out: Path) -> None:
    """Remove what killed processes of this machine left of a file or folder, beside it."""
    beside = out.resolve().parent
    with suppress(OSError):  # no such folder, or another process sweeps here, too
        for path in list(beside.iterdir()):
            ours = path.name.startswith(f".{out.name}.") and path.name.endswith(".part")
            if ours and writer_lives(path.name) is False:
                _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def working_processes(root: Path) -> list[int]:
    """Ids of processes of langspec or DVC in ``root``, but of this one and its parents."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    place, pids = root.resolve(), []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        facts = process.info
        if (
            facts["pid"] not in ours
            and facts["cwd"]
            and Path(facts["cwd"]) == place
            and _PROGRAMS & _programs(facts["cmdline"] or ())
        ):
            pids.append(int(facts["pid"]))
    return sorted(pids)


def _programs(words: Sequence[str]) -> set[str]:
    """What a command line runs: its program, the script of Python, and modules after ``-m``."""
    names = [Path(word).name for word in words[:1]]
    if names and names[0].lower().startswith("python"):
        names += [Path(word).name for word in words[1:] if not word.startswith("-")][:1]
    names += [module.partition(".")[0] for option, module in pairwise(words) if option == "-m"]
    return set(names)


def _unfinished(root: Path) -> Iterator[Path]:
    """What was being written when its process was killed, without what lies inside of that."""
    places = [root, *(root / name for name in _SEARCHED)]
    for place in places:
        for folder, folders, files in os.walk(place):
            names = [name for name in (*folders, *files) if is_unfinished(name)]
            folders[:] = [] if place == root else [one for one in folders if one not in names]
            for name in names:
                path = Path(folder, name)
                if _is_left(path):
                    yield path


def _is_left(path: Path) -> bool:
    """Whether what writes an unfinished file has ended; of an unknown process, by its age."""
    lives = writer_lives(path.name)
    if lives is not None:
        return not lives
    try:
        return time.time() - path.lstat().st_mtime > _YOUNG
    except FileNotFoundError:  # it has just been finished
        return False


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count as what they are."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum(one.lstat().st_size for one in path.rglob("*") if not one.is_dir())
