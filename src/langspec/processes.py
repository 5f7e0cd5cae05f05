"""Which process is meant, long after it has ended: an id alone is used again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Hash of this machine since it was started, and of its name space of process ids.

    So it differs between two containers, and before and after a restart.
    """
    facts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # Linux alone has them
        facts += [Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")]
        facts += [str(Path("/proc/self/ns/pid").readlink())]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def start_of(pid: int) -> str | None:
    """When a process started, as text that no other process of this id has; None: it has ended.

    On Linux the time is counted from the start of the machine: a clock that is set, or slewed
    during a long training, does not change it.
    """
    if not sys.platform.startswith("linux"):
        import psutil

        try:
            process = psutil.Process(pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            return None if ended else f"{machine()}-{process.create_time():.2f}"
        except psutil.NoSuchProcess:
            return None
    try:
        facts = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # Behind the program's name, which may hold spaces and brackets: state, ..., starttime.
    state, *numbers = facts.rpartition(b")")[2].split()
    return None if state in b"ZX" else f"{machine()}-{int(numbers[18])}"


def is_alive(pid: int, started: str) -> bool:
    """Whether the process of this id that :func:`start_of` gave ``started`` for still runs."""
    return start_of(pid) == started


def process_exists(pid: int) -> bool:
    """Whether any process of this machine has the id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
