"""The link to the store of runs: work goes on when the store is lost, and without it.

What a run logs is a copy. The files of its results hold the same, and ``langspec replay`` brings
them over. So a store that stops answering in the middle of a training ends nothing: the first
failure is a warning, then nothing is sent for a while, then the store is tried again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from langspec.errors import LangspecError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""How long a store that did not answer is left alone.

After each further failure it is twice as long for what waits, such as metrics.
"""

_LONGEST_SECONDS = 600.0

_TROUBLE = (MlflowException, SQLAlchemyError, OSError)  # errors of requests are OSErrors

Answer = TypeVar("Answer")
Otherwise = TypeVar("Otherwise")


class Link:
    """Sends calls to one store.

    Attributes:
        whole: whether everything that was sent has reached the store.
    """

    def __init__(self, uri: str, *, required: bool = False) -> None:
        """Link to a store.

        Args:
            uri: of the store, for messages.
            required: whether a store that is lost is an error: for commands that do nothing else.
        """
        self.whole = True
        self._uri, self._required = uri, required
        self._lost: float | None = None  # when it last did not answer
        self._failures = 0  # since it last answered

    def send(
        self, call: Callable[[], Answer], otherwise: Otherwise, *, waits: bool = False
    ) -> Answer | Otherwise:
        """Make a call of the store.

        Args:
            call: sends something, or asks for something.
            otherwise: what is returned if the store does not answer.
            waits: what is sent is held back and sent again later, so that nothing is missing yet.

        Raises:
            LangspecError: the store does not answer, and is required.
        """
        longer = 2.0 ** (self._failures - 1) if waits else 1.0
        pause = min(RETRY_SECONDS * longer, _LONGEST_SECONDS)
        if self._lost is not None and time.monotonic() - self._lost < pause:
            self.whole &= waits
            return otherwise
        lost = self._lost
        try:
            answer = call()
        except _TROUBLE as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # of a file on this machine, such as one of the results that are replayed
            self._note(error)
            self.whole &= waits
            return otherwise
        if lost is not None and lost == self._lost:  # a call inside this one may have lost it
            logger.warning("%s: the store of runs answers again", self._uri)
            self._lost, self._failures = None, 0
        return answer

    def retry(self) -> None:
        """Let the next call try a lost store at once: for the last calls of a run."""
        if self._lost is not None:
            self._lost = -math.inf

    def _note(self, error: Exception) -> None:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        if self._required:
            cure = "run the same command again once it answers"
            raise LangspecError(
                f"the store of runs was lost ({first}); {cure}", place=self._uri
            ) from error
        if self._lost is None:
            logger.warning(
                "%s: the store of runs was lost (%s); the work goes on without it",
                self._uri,
                first,
            )
        self._lost = time.monotonic()
        self._failures += 1

    def report(self) -> None:
        """Say what to do, if something did not reach the store."""
        if not self.whole:
            logger.warning(
                "%s: the store of runs lacks a part of this command's runs; once it answers, run "
                "langspec replay (after a sweep: the same command again)",
                self._uri,
            )
