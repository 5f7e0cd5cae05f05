"""The folder that an audit writes, and the cache of its vectors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from langspec.errors import LangspecError
from langspec.files import file_above, read_json

FACTS = "audit.json"
"""What marks a folder as an audit; lists the files that the audit wrote."""


def out_folder(out: Path | None, names: Sequence[str]) -> Path:
    """The folder that was asked for, or ``audit-NAME`` in the working folder."""
    return out if out is not None else Path("audit-" + "-and-".join(names))


def check_out(folder: Path, *, force: bool) -> None:
    """Refuse to write over anything but an earlier audit.

    With ``force``, an earlier audit is replaced even where files were added to it.

    Raises:
        LangspecError: a file, a folder with other content.
    """
    if folder.is_symlink() and not folder.exists():
        raise LangspecError(
            f"{folder} is a link to nothing; remove it, or name another folder", place="--out"
        )
    if folder.resolve() == Path.cwd():
        # It is replaced as a whole, and a shell would stand in a folder that is gone.
        raise LangspecError(
            f"{folder} is the working folder; name a folder below it", place="--out"
        )
    file = file_above(folder) if not folder.is_dir() else None
    if file is not None or (folder.exists() and not folder.is_dir()):
        raise LangspecError(f"{file or folder} is a file; name another folder", place="--out")
    _check_writable(folder.resolve())
    if not folder.exists():
        return
    inside = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if not inside:
        return
    try:
        written = set(read_json(folder / FACTS)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise LangspecError(
            f"{folder} exists and holds something else than an audit; name another folder, or "
            "remove it",
            place="--out",
        ) from None
    added = sorted(inside - written - {FACTS})
    if added and not force:
        raise LangspecError(
            f"{folder} holds an audit and also {added[0]}, which would be lost; move it away, "
            "name another folder, or say --force",
            place="--out",
        )


def _check_writable(folder: Path) -> None:
    """Try to write beside the folder, where it is put together, or in the folders above it.

    Raises:
        LangspecError: nothing can be written there.
    """
    above = next(parent for parent in folder.parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=above):
            pass
    except OSError as error:
        raise LangspecError(
            f"nothing can be written in {above} ({error.strerror}); name another folder",
            place="--out",
        ) from None


def bank_root() -> Path:
    """The folder of feature banks: ``LANGSPEC_CACHE``, else the user's cache folder.

    Raises:
        LangspecError: a file is in the place of the folder.
    """
    named = os.environ.get("LANGSPEC_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = (Path(named).expanduser() if named else base / "langspec") / "banks"
    if (file := file_above(root / "bank")) is not None:
        place = "LANGSPEC_CACHE" if named else "XDG_CACHE_HOME"
        raise LangspecError(f"{file} is a file; name a folder for feature banks", place=place)
    return root
