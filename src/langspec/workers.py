"""Independent pieces of work side by side, in processes of one machine.

Workers are started by a *fork server* (where there is none: spawned): a process that has only
imported the modules of the work, so that a worker starts at once and inherits neither threads nor
locks nor a GPU. A fork of this process would inherit them: OpenMP hangs in a child whose parent
has used it, and MLflow's database connections must not be shared.

This process hands out the items, hears what the workers tell, and is the only one that keeps
records. A worker is never left behind: it ends when this process does, however that ends.
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

Tell = Callable[[Any], None]
_PREPARING = "preparing"
# So long may a worker save what it has done. (`kubectl` and Slurm give 30 s before they kill.)
_STOP_SECONDS = 60


class Worker(Protocol):
    """Prepared once a process, then called with one item after the other."""

    @property
    def facts(self) -> Any:
        """What the preparation found, the same in every worker."""
        ...

    def __call__(self, item: Any, tell: Tell) -> Any:
        """Do one item; ``tell`` what happens meanwhile. Values that can be pickled."""
        ...


class Listener(Protocol):
    """What is called in this process, each time with the item's name."""

    def started(self, name: str) -> None:
        """An item was handed to a worker."""

    def told(self, name: str, value: Any) -> None:
        """A worker told something."""

    def done(self, name: str, result: Any) -> None:
        """An item is finished."""


class _Deaf:
    """Listens to nothing."""

    def started(self, name: str) -> None:
        pass

    def told(self, name: str, value: Any) -> None:
        pass

    def done(self, name: str, result: Any) -> None:
        pass


_DEAF = _Deaf()


class Crew(Protocol):
    """Workers; a context that ends them."""

    @property
    def facts(self) -> Any:
        """What a worker's preparation found; waits for it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def run(self, items: Mapping[str, Any], listener: Listener = ...) -> dict[str, Any]:
        """Results by the name of the item, in the order of the items, which workers share out.

        Raises:
            LangspecError: what a worker raised, or that it was ended.
        """
        ...


def crew_of(worker: str, *arguments: Any, count: int, apart: bool = False) -> Crew:
    """``count`` workers; one alone works in this process, or ``apart`` from it.

    Args:
        worker: ``module:class``. Named, not given: only processes that work import the module.
        arguments: of the class, called once in every worker; they are pickled.
        count: number of workers.
        apart: leave this process free, to import and keep records meanwhile.
    """
    return _Processes(worker, arguments, count) if count > 1 or apart else _Here(worker, arguments)


def available_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def launched_processes() -> int:
    """How many processes a launcher (``accelerate launch``, ``torchrun``, MPI) started for this.

    They share every step of one training, so that none of them may start workers of its own.
    """
    names = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
    return max(int(os.environ.get(name) or 1) for name in names)


class _Here:
    """One worker, in this process."""

    def __init__(self, worker: str, arguments: tuple[Any, ...]) -> None:
        self._worker: Worker = resolve_name(worker)(*arguments)
        self.facts = self._worker.facts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def run(self, items: Mapping[str, Any], listener: Listener = _DEAF) -> dict[str, Any]:
        results = {}
        for name, item in items.items():
            listener.started(name)
            results[name] = self._worker(item, partial(listener.told, name))
            listener.done(name, results[name])
        return results


class _Processes:
    """Workers in processes of their own."""

    def __init__(self, worker: str, arguments: tuple[Any, ...], count: int) -> None:
        kind = "forkserver" if sys.platform.startswith("linux") else "spawn"
        self._context: Any = multiprocessing.get_context(kind)
        self._lock = self._context.RLock()  # one progress bar at a time is drawn
        self._start = partial(self._start_all, worker, arguments, count)
        self._processes: dict[connection.Connection, Any] = {}
        self._ready: list[connection.Connection] = []
        self._facts: Any = None
        if kind == "forkserver":
            self._context.set_forkserver_preload([__name__, worker.partition(":")[0]])
            # It imports while this process goes on; starting a worker would wait until it has.
            forkserver.ensure_running()
        else:
            self._start()

    def _start_all(self, worker: str, arguments: tuple[Any, ...], count: int) -> None:
        """Start the workers, if they are not at work yet."""
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
                theirs.close()  # or its end would go unnoticed
                self._processes[ours] = process
        except BaseException:
            self.__exit__()
            raise

    @property
    def facts(self) -> Any:
        self._start()
        while not self._ready and self._facts is None:
            for worker in connection.wait(list(self._processes)):
                self._hear(worker, _PREPARING)
        return self._facts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Ask all workers to end, which first save what they have done; wait until they are."""
        with interrupts.kept():  # nobody is left behind by a second signal
            for process in self._processes.values():
                process.terminate()
            end = time.monotonic() + _STOP_SECONDS
            self._listen_no_more(end)
            for process in self._processes.values():
                process.join(max(1.0, end - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()

    def _listen_no_more(self, end: float) -> None:
        """Take what workers still tell, or they would wait to tell it instead of ending."""
        speaking = set(self._processes)
        while speaking and (left := end - time.monotonic()) > 0:
            for worker in connection.wait(list(speaking), left):
                assert isinstance(worker, connection.Connection)
                try:
                    worker.recv_bytes()
                except (EOFError, OSError):
                    speaking.discard(worker)

    def run(self, items: Mapping[str, Any], listener: Listener = _DEAF) -> dict[str, Any]:
        self._start()
        waiting = deque(items.items())
        results: dict[str, Any] = {}
        at_work: dict[Any, str] = {}
        while len(results) < len(items):
            while self._ready and waiting:
                worker, (name, item) = self._ready.pop(), waiting.popleft()
                listener.started(name)
                at_work[worker] = name
                worker.send(item)
            for speaker in connection.wait(list(self._processes)):
                name = at_work.get(speaker, _PREPARING)
                kind, value = self._hear(speaker, name)
                if kind == "told":
                    listener.told(name, value)
                elif kind == "done":
                    results[name] = value
                    listener.done(name, value)
        return {name: results[name] for name in items}

    def _hear(self, worker: Any, place: str) -> tuple[str, Any]:
        """The next message of a worker; what went wrong there is raised here."""
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
    """The life of a worker."""
    import traceback

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logs.set_up(level)
    _own_line(number, lock)
    try:
        with interrupts.raised(signal.SIGTERM):
            # All prepare the same: one is heard.
            logging.getLogger().setLevel(level if number == 0 else logging.ERROR)
            worker: Worker = resolve_name(name)(*arguments)
            logging.getLogger().setLevel(level)
            pipe.send(("ready", worker.facts))
            while True:
                item = pipe.recv()
                pipe.send(("done", worker(item, lambda value: pipe.send(("told", value)))))
    except (EOFError, BrokenPipeError):
        return  # the main process is gone
    except Exception as error:
        with suppress(BrokenPipeError):
            pipe.send(("failed", (_portable(error), traceback.format_exc())))


def _end_with_parent() -> None:
    """Also where it was killed: nobody would take the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _own_line(number: int, lock: Any) -> None:
    """Progress bars of worker ``number`` are drawn on a line of their own."""
    from tqdm import tqdm

    tqdm.set_lock(lock)
    tqdm.__init__ = partialmethod(tqdm.__init__, position=number)  # type: ignore[assignment]


def _portable(error: Exception) -> Exception:
    """An error that can be pickled and says the same."""
    if isinstance(error, LangspecError):
        return LangspecError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")
