"""Signals that ask a run to end, on machines that may be taken away: raised, or kept until safe.

SIGTERM and SIGINT (Ctrl-C) raise :class:`Terminated` in the main thread. Where work must come to a
good end first (a step of training and its checkpoint), they are kept, and asked for.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

WORKER = "langspec-worker"
"""What the names of threads begin with whose work nobody waits for once the main thread ends."""

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
_keepers = 0
_pending: int | None = None


class Terminated(SystemExit):
    """A signal asked this process to end; the exit code is 128 + its number, as in a shell."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(128 + number)
        self.number = number

    @property
    def signal_name(self) -> str:
        """``SIGTERM``, ``SIGINT``."""
        return signal.Signals(self.number).name


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    if not _keepers:
        raise Terminated(number)
    _pending = _pending or number


@contextmanager
def raised(*numbers: int) -> Iterator[None]:
    """Inside, the signals (both, if none is named) raise :class:`Terminated`. May be nested."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers can only be set in the main thread
        return
    before = {number: signal.signal(number, _handle) for number in numbers or _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept() -> Iterator[None]:
    """Inside, a signal that would raise is kept for :func:`asked`; at the end it raises."""
    global _keepers, _pending
    _keepers += 1
    try:
        yield
    finally:
        _keepers -= 1
        number = _pending
        if not _keepers:
            _pending = None
    if number and not _keepers:
        raise Terminated(number)


def asked() -> int | None:
    """The number of a signal that is being kept, if one is."""
    return _pending


def leave(code: int) -> NoReturn:
    """End this process with an exit code, at once even where worker threads are still at work."""
    if any(thread.name.startswith(WORKER) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Python itself would wait for them
    sys.exit(code)
