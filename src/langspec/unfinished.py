"""Names of what is being written, which say whose it is.

``.NAME.MACHINE-PROCESS.RANDOM.part`` becomes ``NAME`` once it is whole. A folder
``.NAME.MACHINE-PROCESS.RANDOM.old`` holds what ``NAME`` was, between two renames. So what a killed
process left can be told from what a living one writes.
"""

from __future__ import annotations

import os
import re

from langspec.processes import machine, process_exists

_UNFINISHED = re.compile(r"\..+\.(?:part|old)(?:-[a-z]+)?")  # SQLite adds -journal, -wal or -shm
_OWNED = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)\.[^.]+\.[a-z]+(?:-[a-z]+)?")


def prefix_of(name: str) -> str:
    """How the name of what this process writes as ``name`` begins."""
    return f".{name}.{machine()}-{os.getpid()}."


def is_unfinished(name: str) -> bool:
    """Whether a name is one of what is being written."""
    return _UNFINISHED.fullmatch(name) is not None


def writer_lives(name: str) -> bool | None:
    """Whether the process that writes this still runs; None: of another machine, or not known."""
    owned = _OWNED.fullmatch(name)
    if owned is None or owned["machine"] != machine():
        return None
    return process_exists(int(owned["process"]))
