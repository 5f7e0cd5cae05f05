"""One of the processes that train trials together: ``python -m langspec.tuning.trial_rank``.

The worker that started it (:mod:`langspec.tuning.trial_processes`) sends it the configuration and
then the trials. It ends when the worker closes the pipe or is killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from langspec import logs
from langspec.errors import LangspecError
from langspec.tuning.score import Collapsed, Measured, Objective

ADDRESS = "LANGSPEC_TRIALS"
"""The environment variable that names the worker's socket."""
PROGRAM = "langspec.tuning.trial_rank"


class _Pruned(Exception):
    """The worker ends the trial."""


def serve(prepare: Callable[..., Objective]) -> None:
    """Train the trials that the worker sends.

    Every process answers a trial with one message; the first also sends what it measures at rungs.

    Args:
        prepare: makes what trains a trial, from the values that the worker sends first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker gets Ctrl-C and ends this process
    rank = int(os.environ.get("RANK", 0))
    pipe = connection.Client(os.environ[ADDRESS])
    pipe.send((rank, "started", os.getpid()))
    prepared = pipe.recv()
    messages: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_read, args=(pipe, messages), daemon=True).start()

    def report(rung: int, measured: Measured) -> None:
        if rank == 0:
            pipe.send((rank, "measured", (rung, measured)))
        if not messages.get():
            raise _Pruned

    try:
        trainer = prepare(*prepared)
        pipe.send((rank, "prepared", None))
        while True:
            pipe.send((rank, "ended", _result(trainer, messages.get(), report)))
    except Exception as error:
        kind = "" if isinstance(error, LangspecError) else f"{type(error).__name__}: "
        with contextlib.suppress(OSError):
            pipe.send((rank, "failed", (f"{kind}{error}", traceback.format_exc())))
        threading.Event().wait()  # the others may wait for this one: the worker ends them all


def _read(pipe: connection.Connection, messages: queue.Queue[Any]) -> None:
    """Put every message into the queue; end this process as soon as the worker is gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            messages.put(pipe.recv())
    os._exit(0)


def _result(trainer: Objective, paths: Any, report: Any) -> Measured | Collapsed | None:
    """What was measured at the end of a trial; None: it was pruned."""
    try:
        return trainer(paths, report)
    except _Pruned:
        return None
    except Collapsed as collapse:
        return collapse


def _prepare(config: Any, corpora: Any, encoder: Any, level: int) -> Objective:
    from langspec.compute import set_environment

    # All prepare the same: only the first one logs it.
    logs.set_up(level if os.environ.get("RANK", "0") == "0" else logging.ERROR)
    set_environment(config.compute)
    from langspec.tuning.space import with_values
    from langspec.tuning.trial import TrialTrainer

    return TrialTrainer(config, corpora, encoder, with_values)


if __name__ == "__main__":
    serve(_prepare)
