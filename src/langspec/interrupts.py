"""The signals that ask a run to end: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (a closed terminal).

Inside :func:`raised` a signal raises :class:`Terminated` in the main thread. Inside
:func:`delayed` it waits until the work is in a safe state, such as the end of a training step and
its checkpoint; :func:`pending` says whether one waits.
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
"""Prefix of the names of worker threads. The program does not wait for them when it ends."""

_NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_delaying = 0  # how many bodies of delayed() are open
_pending: int | None = None


class Terminated(SystemExit):
    """A signal asked this process to end. The exit code is 128 + its number, as in a shell."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(128 + number)
        self.number = number

    @property
    def signal_name(self) -> str:
        """``SIGTERM``, ``SIGINT`` or ``SIGHUP``."""
        return signal.Signals(self.number).name


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    if not _delaying:
        raise Terminated(number)
    _pending = _pending or number


@contextmanager
def raised(*numbers: int) -> Iterator[None]:
    """While the body runs, the signals raise :class:`Terminated`. May be nested.

    Args:
        numbers: of the signals; none: all three. SIGHUP stays ignored where it is (``nohup``).
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers can only be set in the main thread
        return
    before = {
        number: signal.signal(number, _handle)
        for number in numbers or _NUMBERS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def delayed() -> Iterator[None]:
    """While the body runs, a signal waits; at its end the signal raises. May be nested."""
    global _delaying, _pending
    _delaying += 1
    try:
        yield
    finally:
        _delaying -= 1
        number = _pending
        if not _delaying:
            _pending = None
    if number and not _delaying:
        raise Terminated(number)


def pending() -> int | None:
    """The number of the signal that waits inside :func:`delayed`; None: none waits."""
    return _pending


def leave(code: int) -> NoReturn:
    """End this process with an exit code. Worker threads that still run are not waited for."""
    if any(thread.name.startswith(WORKER) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # sys.exit would wait for them
    sys.exit(code)
