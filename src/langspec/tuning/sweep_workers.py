"""Worker processes of a sweep. They run the same command and end when this process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from langspec.errors import LangspecError
from langspec.paths import paths_of
from langspec.tuning import claims
from langspec.tuning.fingerprint import STORAGE_VARIABLE, Opened
from langspec.tuning.progress import Progress
from langspec.tuning.trial_processes import trial_trainer
from langspec.tuning.trial_worker import work

if TYPE_CHECKING:
    from langspec.config import Config

_POLL_SECONDS = 2.0


def free_slots(opened: Opened, config: Config) -> int:
    """How many trials of the study no worker has claimed."""
    return claims.free(opened.study.get_trials(deepcopy=False), config.tune.trials)


def work_in_process(config: Config, root: Path, opened: Opened, watch: Progress | None) -> None:
    """Work on trials in this process until no slot is free."""
    with trial_trainer(config, paths_of(config, root)) as trainer:
        work(
            opened.study,
            opened.space,
            config.tune,
            trainer,
            opened.lock,
            slots=config.tune.trials,
            after=watch.update if watch is not None else lambda: None,
        )


class SweepWorkers:
    """Worker processes."""

    def __init__(
        self,
        config: Config,
        root: Path,
        opened: Opened,
        assignments: Sequence[str],
        count: int,
        folder: Path,
    ) -> None:
        self._config, self._root, self._opened = config, root, opened
        self._assignments, self._count = assignments, count
        self._logs = folder / opened.name
        self._processes: list[subprocess.Popen[bytes]] = []
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> SweepWorkers:
        return self

    def __exit__(self, *exception: object) -> None:
        """End all workers; each queues its trial again."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for file in self._files:
            file.close()

    def start(self, free: int) -> None:
        """Start workers, at most one for each of ``free`` trials."""
        self._logs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "langspec", "sweep", "--worker"]
        command += ["--study", self._opened.name]
        for assignment in self._assignments:
            command += ["--set", assignment]
        # Not on the command line, which others on this machine can read: it may hold a password.
        variables = os.environ | {STORAGE_VARIABLE: self._opened.place.full}
        for number in range(min(self._count, free)):
            log = (self._logs / f"worker-{number}.log").open("wb")
            self._files.append(log)
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=self._root.resolve(),
                    env=variables,
                    stdin=subprocess.PIPE,  # closed when this process ends: so ends the worker
                    stdout=log,
                    stderr=log,
                )
            )

    def work(self, watch: Progress) -> None:
        """Wait until no slot is free; other workers are started in place of killed ones.

        Raises:
            LangspecError: all workers ended, and none had ended a trial.
        """
        while True:
            before = watch.ended()
            while any(process.poll() is None for process in self._processes):
                time.sleep(_POLL_SECONDS)
                watch.update()
            with self._opened.lock():
                claims.reap(self._opened.study)
            free = free_slots(self._opened, self._config)
            if not free:
                return
            if watch.ended() == before:
                codes = sorted({str(process.returncode) for process in self._processes})
                raise LangspecError(
                    f"workers ended ({', '.join(codes)}) and {free} trials are left; "
                    f"{self._last_line()}",
                    place=self._logs,
                )
            self.__exit__()
            self._processes, self._files = [], []
            self.start(free)

    def _last_line(self) -> str:
        for log in sorted(self._logs.glob("worker-*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return f"the last line of {log.name}: {lines[-1].strip()[:300]}"
        return "their logs are empty: killed by the system? run the same command again"


def end_with_parent() -> None:
    """End this worker when its parent ends, also where the parent was killed."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)  # the worker queues its trial again
