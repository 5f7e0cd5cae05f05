"""Progress of long work: a bar on a terminal, and a line every few seconds where there is none."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

logger = logging.getLogger(__name__)

SILENT = 8.0
"""Seconds after which work that shows no bar says that it goes on."""
_FORM_AT_FIRST = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}]"  # nothing is counted
_FORM = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, until {eta:%H:%M}]"
_shown: list[Progress] = []  # the work that counts now, the innermost last


class Progress:
    """Counts units of work: a bar with the time of its end on a terminal, else for ``going``.

    Args:
        total: number of units.
        desc: what is done.
        unit: what is counted.
    """

    def __init__(self, total: int, desc: str, unit: str) -> None:
        self.total, self.desc, self.unit = total, desc, unit
        self.done, self.began = 0, time.time()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self.total,
                desc=self.desc,
                unit=self.unit,
                leave=False,
                bar_format=_FORM_AT_FIRST,
            )
        self.began = time.time()
        _shown.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _shown.remove(self)
        if self._bar is not None:
            self._bar.close()

    def update(self, count: int = 1) -> None:
        """Count units that are done."""
        self.done += count
        if self._bar is not None:
            if self.done:
                self._bar.bar_format = _FORM
            self._bar.update(count)

    @property
    def on_terminal(self) -> bool:
        """Is there a bar?"""
        return self._bar is not None

    def __str__(self) -> str:
        text = f"{self.desc}, {self.done:,} of {self.total:,} {self.unit}s"
        if not self.done:
            return text
        left = (time.time() - self.began) / self.done * (self.total - self.done)
        return f"{text}, {until(left)}"


def until(seconds: float) -> str:
    """``about 4 min, until 14:32``, from now."""
    end = time.strftime("%H:%M", time.localtime(time.time() + seconds))
    return f"about {span(seconds)}, until {end}"


def span(seconds: float) -> str:
    """Seconds in words: ``40 s``, ``4 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def going(what: str) -> Iterator[None]:
    """Log every few seconds that work goes on, unless a bar shows it.

    Args:
        what: the work, for a line before anything is counted.
    """
    over, began = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(SILENT):
            shown = [*_shown]  # the other thread may empty the list at any time
            counted = shown[-1] if shown else None
            if counted is None:
                logger.info("%s: %s so far", what, span(time.monotonic() - began))
            elif not counted.on_terminal:
                logger.info("%s", counted)

    thread = threading.Thread(target=tell, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
