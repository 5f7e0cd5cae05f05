"""The one error type that a user is meant to see."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(://[^\s/:@]*):(?:[^\s/]*|[^\s@]*)@")  # "@" may stand in a password
_NAMED = re.compile(
    r"([?&;](?:password|passwd|pwd|token|secret|api_?key|access_?key|sas|sig)=)[^&;\s]+", re.I
)


def without_passwords(text: str) -> str:
    """The text with ``***`` for the password of each URL, before its host or in its query.

    What an error, a log line or a traceback's file says goes through here.
    """
    return _NAMED.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


class LangspecError(Exception):
    """Bad input, told in one line: the place, what was expected there, what to do.

    The command line prints ``error: <message>`` and exits with 2, without a traceback.
    """

    def __init__(self, message: str, *, place: object = None) -> None:
        """Join ``place`` (a dotted path, a file or ``file:line``) and the message."""
        text = " ".join(str(message).split())
        super().__init__(without_passwords(f"{place}: {text}" if place is not None else text))


class DamagedFile(LangspecError, ValueError):
    """A file that langspec wrote holds something else now."""
