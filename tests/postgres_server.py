"""A real PostgreSQL server of a test's own: on loopback, in a folder of its own, no root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> str:
    """A PATH with PostgreSQL's programs on it; Debian keeps them off."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return os.pathsep.join([os.environ["PATH"], *folders])


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running() -> Iterator[str]:
    """The URL of its database ``postgres``, whose user ``me`` may do anything."""
    initdb, pg_ctl = (shutil.which(name, path=programs()) for name in ("initdb", "pg_ctl"))
    if not initdb or not pg_ctl:
        pytest.skip("PostgreSQL is not installed")
    # It refuses to run as root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="studies-"))
    if as_user:
        shutil.chown(folder, "postgres")
    port, data = free_port(), folder / "data"
    subprocess.run(
        [*as_user, initdb, "-D", str(data), "-A", "trust", "-U", "me"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
    control = [*as_user, pg_ctl, "-D", str(data), "-w"]
    log = str(folder / "log")
    subprocess.run([*control, "-l", log, "-o", options, "start"], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        yield f"postgresql://me@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
