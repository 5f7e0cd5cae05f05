"""The one error type that a user is meant to see."""

from __future__ import annotations

import re
from pathlib import Path

_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s@]*@")


def without_passwords(text: str) -> str:
    """The text with ``***`` for the password of each URL.

    What an error, a log line or a traceback's file says goes through here.
    """
    return _PASSWORD.sub(r"\1:***@", text)


class LangspecError(Exception):
    """Bad input, told in one line: the place, what was expected there, what to do.

    The command line prints ``error: <message>`` and exits with 2, without a traceback.
    """

    def __init__(self, message: str, *, place: str | Path | None = None) -> None:
        """Join ``place`` (a dotted path, a file or ``file:line``) and the message."""
        text = " ".join(str(message).split())
        super().__init__(without_passwords(f"{place}: {text}" if place is not None else text))


class DamagedFile(LangspecError, ValueError):
    """A file that langspec wrote holds something else now."""
