"""Training every trial in the processes that ``compute.launch`` asks for.

A worker of a sweep starts the processes once and sends every trial to all of them. They train it
together, as stage train does. The first one sends the worker what it measures; the worker asks
Optuna and sends the answer to all. The processes end when the worker does, however that ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import optuna
import psutil

from langspec.errors import LangspecError
from langspec.launch import Launch, read_launch
from langspec.tuning.score import Measured, NotStarted, Objective, ProcessLost, Report
from langspec.tuning.space import with_values
from langspec.tuning.trial_rank import ADDRESS, PROGRAM
from langspec.workers import launched_processes

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths

_POLL_SECONDS = 0.5
_END_SECONDS = 10


def launch_of(config: Config) -> Launch | None:
    """What ``compute.launch`` asks for; None: a trial trains in the process of its worker.

    Raises:
        LangspecError: a file that cannot be used, or one for several machines; or a launcher
            started this process several times.
    """
    if launched_processes() > 1:
        raise LangspecError(
            f"a launcher started {launched_processes()} processes; start the command once, "
            "and name the launcher's file in compute.launch",
            place="sweep",
        )
    if config.compute.launch is None:
        return None
    launch = read_launch(Path(config.compute.launch))
    if launch.machines > 1:
        raise LangspecError(
            f"num_machines: found {launch.machines}, expected 1: every machine claims trials of "
            "its own; run the sweep on each of them with a file for one machine",
            place=f"compute.launch: {launch.path}",
        )
    return launch


@contextlib.contextmanager
def trial_trainer(config: Config, paths: Paths) -> Iterator[Objective]:
    """What trains the trials of a worker: this process, or those of ``compute.launch``.

    Raises:
        LangspecError: as :func:`launch_of`; or data and encoder cannot be prepared.
    """
    launch = launch_of(config)
    if launch is not None:
        level = logging.getLogger().getEffectiveLevel()
        with TrialProcesses(launch, (config, paths.corpora, paths.encoder, level)) as processes:
            yield processes
        return
    from langspec.tuning.trial import TrialTrainer

    yield TrialTrainer(config, paths.corpora, paths.encoder, with_values)


class TrialProcesses:
    """Processes that train one trial after the other, all of them together.

    After an error they are ended, and the next trial starts others.

    Args:
        launch: how they are started, and how many.
        prepared: what each of them gets first: configuration, folders of corpora and encoder,
            level of the log.
        program: the module that they run.
    """

    def __init__(self, launch: Launch, prepared: Any, program: str = PROGRAM) -> None:
        self._launch, self._prepared, self._program = launch, prepared, program
        self._launcher: subprocess.Popen[bytes] | None = None
        self._pipes: dict[connection.Connection, psutil.Process | None] = {}

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def __call__(self, paths: Mapping[str, Any], report: Report) -> Measured:
        """Train and measure a trial.

        Raises:
            Collapsed: the watch failed the training.
            ProcessLost: one of the processes was killed.
            NotStarted: after one was killed, others could not be started.
            LangspecError: an error in one of the processes.
        """
        if self._launcher is None:
            try:
                self._start()
            except LangspecError as error:
                raise NotStarted(str(error)) from error
        try:
            result = self._train(paths, report)
        except BaseException as error:
            self._end(killed=isinstance(error, ProcessLost))
            raise
        if isinstance(result, Exception):
            raise result
        assert result is not None
        return result

    def _train(self, paths: Mapping[str, Any], report: Report) -> Measured | Exception | None:
        """What the first process measured in the end, or why the trial was ended early."""
        self._send(paths)
        results: dict[int, Measured | Exception | None] = {}
        pruned: optuna.TrialPruned | None = None
        while len(results) < self._launch.processes:
            rank, kind, value = self._receive()
            if kind == "ended":
                results[rank] = value
                continue
            try:
                report(*value)
            except optuna.TrialPruned as error:
                pruned = error
            self._send(pruned is None)
        return pruned or results[0]

    def _send(self, message: Any) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # a killed process: the next _receive raises
                pipe.send(message)

    def _receive(self) -> tuple[int, str, Any]:
        """The next message: rank, kind, value. Connects processes that have just started."""
        while True:
            waiting = connection.wait([self._server, *self._pipes], _POLL_SECONDS)
            for ready in waiting:
                if ready is self._server:
                    pipe = connection.Connection(self._server.accept()[0].detach())
                    self._pipes[pipe] = None
                    pipe.send(self._prepared)
                else:
                    assert isinstance(ready, connection.Connection)
                    return self._read(ready)
            code = self._launcher.poll() if self._launcher else None
            if not waiting and code is not None and len(self._pipes) < self._launch.processes:
                raise LangspecError(
                    f"the launcher ended with {code} before its processes had started; its "
                    "messages stand above",
                    place=f"compute.launch: {self._launch.path}",
                )

    def _read(self, pipe: connection.Connection) -> tuple[int, str, Any]:
        count = self._launch.processes
        try:
            rank, kind, value = pipe.recv()
        except (EOFError, OSError):
            raise self._lost(pipe) from None
        if kind == "failed":
            # Where a process was killed, the others raise too: the killed one is the reason.
            for other in connection.wait([one for one in self._pipes if one is not pipe], 0.2):
                assert isinstance(other, connection.Connection)
                if _is_closed(other):
                    raise self._lost(other)
            text, traceback = value
            error = LangspecError(text)
            error.add_note(f"in process {rank + 1} of {count}:\n{traceback}")
            raise error
        if kind == "started":
            self._pipes[pipe] = psutil.Process(value)
        return rank, kind, value

    def _lost(self, pipe: connection.Connection) -> ProcessLost:
        process, count = self._pipes[pipe], self._launch.processes
        which = f"process {process.pid}" if process else "a process"
        return ProcessLost(f"{which} of the {count} that train together ended without a result")

    def _start(self) -> None:
        """Start the processes and wait until they have prepared data and encoder."""
        # Their temporary files lie in this folder too: nothing is left of a killed one.
        self._folder = tempfile.TemporaryDirectory(prefix="trials-", ignore_cleanup_errors=True)
        address = str(Path(self._folder.name) / "s")
        self._server = socket.socket(socket.AF_UNIX)
        try:
            self._server.bind(address)
            self._server.listen(self._launch.processes)
            environment = {**os.environ, **self._launch.variables()}
            self._launcher = subprocess.Popen(
                self._launch.command([self._program]),
                env=environment | {ADDRESS: address, "TMPDIR": self._folder.name},
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches this process, which ends them
            )
            started = 0
            while started < self._launch.processes:
                started += self._receive()[1] == "prepared"
        except (ProcessLost, OSError) as error:
            self._end()
            more = "; set a shorter TMPDIR" if "too long" in str(error) else ""
            place = f"compute.launch: {self._launch.path}"
            raise LangspecError(f"{error}{more}", place=place) from None
        except BaseException:
            self._end()
            raise

    def _end(self, killed: bool = False) -> None:
        """End the processes and their launcher: a closed pipe ends a process.

        Args:
            killed: a process was killed; the launcher need not report it.
        """
        launcher, self._launcher = self._launcher, None
        processes = [process for process in self._pipes.values() if process]
        whole = len(processes) == self._launch.processes
        for pipe in self._pipes:
            pipe.close()
        self._pipes = {}
        self._server.close()
        if launcher is not None:
            if killed:
                launcher.kill()
            elif not whole:
                launcher.terminate()
            for process in psutil.wait_procs(processes, _END_SECONDS)[1]:
                process.kill()
            try:
                launcher.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                launcher.kill()
                launcher.wait()
        self._folder.cleanup()


def _is_closed(pipe: connection.Connection) -> bool:
    """Has the process at the other end closed its pipe? What it sent before is discarded."""
    try:
        while pipe.poll():
            pipe.recv()
    except (EOFError, OSError):
        return True
    return False
