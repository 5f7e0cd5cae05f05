"""The last resort: an error that no code foresaw ends in one line, its traceback in a file.

Errors of the disk and of its rights need no traceback: their line says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from langspec import __version__
from langspec.errors import without_passwords

_CURES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or ask for a larger quota",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: "name a place that can be written",
    errno.EACCES: "change its rights, or name another place",
    errno.EPERM: "change its rights, or name another place",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EISDIR: "expected a file; move the folder away",
    errno.ENOTDIR: "expected a folder; move the file away",
}


def one_line(error: Exception) -> str:
    """Say what happened, where it happened, and where its traceback was written.

    Args:
        error: any exception but those that end a command on purpose.
    """
    if isinstance(error, OSError) and error.errno in _CURES:
        place = f"{_shown(error.filename)}: " if error.filename is not None else ""
        what = f"{place}{error.strerror}; {_CURES[error.errno]}, then run the same command again"
        return without_passwords(" ".join(what.split()))
    said = without_passwords(" ".join(str(error).split()))[:300]
    kind = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        place = f"{_shown(error.filename)}: " if error.filename is not None else ""
        what = f"{place}{error.strerror} ({kind})"
    else:
        what = f"unforeseen {kind}{_place(error)}: {said or 'no message'}"
    file = _write(error)
    where = f"its traceback is in {file}" if file else "its traceback could not be written"
    return f"{without_passwords(what)}; {where}, and `langspec --debug COMMAND` shows it"


def _shown(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else str(name)


def _place(error: Exception) -> str:
    """The line of this package that was being run last."""
    package = str(Path(__file__).parents[1])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(package) and frame.filename != __file__:
            return f" at {Path(frame.filename).relative_to(package)}:{frame.lineno}"
    return ""


def _write(error: Exception) -> Path | None:
    """Write the traceback into the project, else into the folder for temporary files."""
    text = "".join(
        [
            f"langspec {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n",
            f"{' '.join(sys.argv)}\n\n",
            *traceback.format_exception(error),
        ]
    )
    folders = [Path(tempfile.gettempdir())]
    if Path("params.yaml").is_file():
        folders.insert(0, Path(".langspec", "errors"))
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"langspec-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
            file.write_text(without_passwords(text), encoding="utf-8", errors="backslashreplace")
            return file
    return None
