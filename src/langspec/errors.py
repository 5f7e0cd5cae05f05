"""The one error type that a user is meant to see."""

from __future__ import annotations

from pathlib import Path


class LangspecError(Exception):
    """Bad input, told in one line: the place, what was expected there, what to do.

    The command line prints ``error: <message>`` and exits with 2, without a traceback.
    """

    def __init__(self, message: str, *, place: str | Path | None = None) -> None:
        """Join ``place`` (a dotted path, a file or ``file:line``) and the message."""
        text = " ".join(str(message).split())
        super().__init__(f"{place}: {text}" if place is not None else text)


class DamagedFile(LangspecError, ValueError):
    """A file that langspec wrote holds something else now."""
