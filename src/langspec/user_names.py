"""A name and a home for a user who has none: containers often run under an unlisted id."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


def name_user() -> None:
    """Set ``USER`` and ``HOME`` where the system knows none; libraries ask for both at import.

    The home is a folder below the one for temporary files, which this user alone can read.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())
    try:
        Path.home()
    except (KeyError, RuntimeError):
        os.environ["HOME"] = str(_temporary_home())


def _temporary_home() -> Path:
    home = Path(tempfile.gettempdir(), f"langspec-home-{os.getuid()}")
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        facts = home.lstat()
        if home.is_dir() and facts.st_uid == os.getuid() and not facts.st_mode & 0o077:
            return home
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="langspec-home-"))  # another user holds that name
