"""Independent pieces of work side by side, in processes of one machine.

Workers are started by a *fork server* (where there is none: spawned): a process that has only
imported the modules of the work, so that a worker starts at once and inherits neither threads nor
locks nor a GPU. A fork of this process would inherit them: OpenMP hangs in a child whose parent
has used it, and MLflow's database connections must not be shared.

The main process hands out the items, receives the workers' messages, and is the only one that
writes records. No worker outlives it: a worker ends when the main process does, however that ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, partialmethod
from multiprocessing import connection, forkserver
from pkgutil import resolve_name
from typing import Any, Protocol, Self

from langspec import interrupts, logs
from langspec.errors import LangspecError

Send = Callable[[Any], None]
"""Sends a value to the main process."""

_PREPARING = "preparing"
# How long a worker may take to save its work. (`kubectl` and Slurm give 30 s before they kill.)
_STOP_SECONDS = 60


class Worker(Protocol):
    """Works on items: prepared once in every worker process, then called item by item."""

    @property
    def facts(self) -> Any:
        """A result of the preparation, equal in every worker."""
        ...

    def __call__(self, item: Any, send: Send) -> Any:
        """Work on one item and return its result.

        Args:
            item: a value that can be pickled, as must be the result and what is sent.
            send: takes a message to the main process while the work goes on.
        """
        ...


class Listener(Protocol):
    """Callbacks in the main process; each gets the item's name."""

    def started(self, name: str) -> None:
        """A worker was given the item."""

    def message(self, name: str, value: Any) -> None:
        """The item's worker sent ``value``."""

    def done(self, name: str, result: Any) -> None:
        """The item is finished."""


class _NoListener:
    """Ignores every event."""

    def started(self, name: str) -> None:
        pass

    def message(self, name: str, value: Any) -> None:
        pass

    def done(self, name: str, result: Any) -> None:
        pass


_NO_LISTENER = _NoListener()


class Crew(Protocol):
    """Workers. Leaving the context ends them."""

    @property
    def facts(self) -> Any:
        """The workers' :attr:`Worker.facts`; waits until one worker is prepared."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def run(self, items: Mapping[str, Any], listener: Listener = ...) -> dict[str, Any]:
        """Have the workers work on all items.

        Args:
            items: by name; each is given to the next free worker.
            listener: receives the events.

        Returns:
            The results by the items' names, in the order of the items.

        Raises:
            LangspecError: the error that a worker raised, or a worker was ended from outside.
        """
        ...


def crew_of(worker: str, *arguments: Any, count: int, apart: bool = False) -> Crew:
    """``count`` workers. A single one works in this process, unless ``apart`` is set.

    Args:
        worker: a :class:`Worker` class as ``module:class``: only the worker processes import it.
        arguments: of the class, which every worker calls once; they are pickled.
        count: number of workers.
        apart: start a process even for one worker, so that this one can import and write records.
    """
    return _Processes(worker, arguments, count) if count > 1 or apart else _Here(worker, arguments)


def available_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def launched_processes() -> int:
    """How many processes a launcher (``accelerate launch``, ``torchrun``, MPI) started.

    They share every step of one training, so none of them may start workers.
    """
    names = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
    return max(map(_counted, names))


def _counted(name: str) -> int:
    """The number of processes that a variable of a launcher says; 1 where it is not set."""
    value = os.environ.get(name) or "1"
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        raise LangspecError(
            f"found {value!r}, expected the number of processes that a launcher started; unset it "
            "to train in one",
            place=f"environment variable {name}",
        )
    return int(value)


class _Here:
    """One worker, in this process."""

    def __init__(self, worker: str, arguments: tuple[Any, ...]) -> None:
        self._worker: Worker = resolve_name(worker)(*arguments)
        self.facts = self._worker.facts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def run(self, items: Mapping[str, Any], listener: Listener = _NO_LISTENER) -> dict[str, Any]:
        results = {}
        for name, item in items.items():
            listener.started(name)
            results[name] = self._worker(item, partial(listener.message, name))
            listener.done(name, results[name])
        return results


class _Processes:
    """Workers in processes of their own."""

    def __init__(self, worker: str, arguments: tuple[Any, ...], count: int) -> None:
        kind = "forkserver" if sys.platform.startswith("linux") else "spawn"
        self._context: Any = multiprocessing.get_context(kind)
        self._lock = self._context.RLock()  # one progress bar is drawn at a time
        self._start = partial(self._start_all, worker, arguments, count)
        self._processes: dict[connection.Connection, Any] = {}
        self._ready: list[connection.Connection] = []
        self._facts: Any = None
        if kind == "forkserver":
            self._context.set_forkserver_preload(
                ["langspec.garbage", __name__, worker.partition(":")[0]]
            )
            # The server imports in the background; starting a worker would wait for it.
            forkserver.ensure_running()
        else:
            self._start()

    def _start_all(self, worker: str, arguments: tuple[Any, ...], count: int) -> None:
        """Start the workers, unless they run already."""
        if self._processes:
            return
        level = logging.getLogger().getEffectiveLevel()
        try:
            for number in range(count):
                ours, theirs = self._context.Pipe()
                process = self._context.Process(
                    target=_work,
                    args=(theirs, worker, arguments, number, level, self._lock),
                    daemon=True,
                )
                process.start()
                theirs.close()  # else the end of the worker would not be noticed
                self._processes[ours] = process
        except BaseException:
            self.__exit__()
            raise

    @property
    def facts(self) -> Any:
        self._start()
        while not self._ready and self._facts is None:
            for worker in connection.wait(list(self._processes)):
                self._receive(worker, _PREPARING)
        return self._facts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Ask the workers to end and wait for them; each saves its work first."""
        with interrupts.delayed():  # a second signal must not leave a worker behind
            for process in self._processes.values():
                process.terminate()
            end = time.monotonic() + _STOP_SECONDS
            self._drain(end)
            for process in self._processes.values():
                process.join(max(1.0, end - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()

    def _drain(self, end: float) -> None:
        """Discard the workers' messages: a worker whose pipe is full could not end."""
        open_pipes = set(self._processes)
        while open_pipes and (left := end - time.monotonic()) > 0:
            for worker in connection.wait(list(open_pipes), left):
                assert isinstance(worker, connection.Connection)
                try:
                    worker.recv_bytes()
                except (EOFError, OSError):
                    open_pipes.discard(worker)

    def run(self, items: Mapping[str, Any], listener: Listener = _NO_LISTENER) -> dict[str, Any]:
        self._start()
        waiting = deque(items.items())
        results: dict[str, Any] = {}
        assigned: dict[Any, str] = {}
        while len(results) < len(items):
            while self._ready and waiting:
                worker, (name, item) = self._ready.pop(), waiting.popleft()
                listener.started(name)
                assigned[worker] = name
                with suppress(OSError):  # it was killed: reading from it says so
                    worker.send(item)
            for sender in connection.wait(list(self._processes)):
                name = assigned.get(sender, _PREPARING)
                kind, value = self._receive(sender, name)
                if kind == "message":
                    listener.message(name, value)
                elif kind == "done":
                    results[name] = value
                    listener.done(name, value)
        return {name: results[name] for name in items}

    def _receive(self, worker: Any, place: str) -> tuple[str, Any]:
        """The next message of a worker; an error that it met is raised here."""
        try:
            kind, value = worker.recv()
        except (EOFError, OSError):
            process = self._processes[worker]
            process.join(5)
            code = process.exitcode
            how = f"was ended by signal {-code}" if code and code < 0 else f"ended with {code}"
            raise LangspecError(
                f"a worker process {how} ({place}); if memory ran out, lower compute.workers; "
                "then run the stage again",
                place="compute.workers",
            ) from None
        if kind == "failed":
            error, traceback = value
            error.add_note(f"in a worker process ({place}):\n{traceback}")
            raise error
        if kind in ("ready", "done"):
            self._ready.append(worker)
        if kind == "ready":
            self._facts = value
        return kind, value


def _work(
    pipe: Any, name: str, arguments: tuple[Any, ...], number: int, level: int, lock: Any
) -> None:
    """What a worker process runs."""
    import traceback

    for ignored in (signal.SIGINT, signal.SIGHUP):  # the main process gets them and ends us
        signal.signal(ignored, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logs.set_up(level)
    _set_progress_line(number, lock)
    try:
        with interrupts.raised(signal.SIGTERM):
            # All workers prepare the same: only the first one logs it.
            logging.getLogger().setLevel(level if number == 0 else logging.ERROR)
            worker: Worker = resolve_name(name)(*arguments)
            logging.getLogger().setLevel(level)
            pipe.send(("ready", worker.facts))
            while True:
                item = pipe.recv()
                pipe.send(("done", worker(item, lambda value: pipe.send(("message", value)))))
    except (EOFError, BrokenPipeError):
        return  # the main process is gone
    except Exception as error:
        with suppress(BrokenPipeError):
            pipe.send(("failed", (_portable(error), traceback.format_exc())))


def _end_with_parent() -> None:
    """End this worker as soon as the main process ends, also where that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _set_progress_line(number: int, lock: Any) -> None:
    """Draw the progress bars of worker ``number`` on their separate line."""
    from tqdm import tqdm

    tqdm.set_lock(lock)
    tqdm.__init__ = partialmethod(tqdm.__init__, position=number)  # type: ignore[assignment]


def _portable(error: Exception) -> Exception:
    """An error with the same message that can be pickled."""
    if isinstance(error, LangspecError):
        return LangspecError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")
