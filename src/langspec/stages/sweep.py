"""A sweep: workers side by side on one study, here and on other machines, told to MLflow.

This process starts workers (processes of the same command), shows how far they are, marks trials
of killed ones, and is the only one here that writes to MLflow. A worker is never left behind: it
ends when this process does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tqdm import tqdm

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.files import atomic_folder
from langspec.paths import paths_of
from langspec.stages.outcome import write_study
from langspec.stages.study import (
    STORAGE_VARIABLE,
    Opened,
    data_hash,
    default_name,
    open_for,
    place_for,
    space_for,
    studies_folder,
)
from langspec.tuning import claims
from langspec.tuning.outcome import draw, records
from langspec.tuning.records import TrialRecord, best, front, table, write_trials
from langspec.tuning.space import starting_points, with_values
from langspec.tuning.study import UID
from langspec.tuning.work import work

if TYPE_CHECKING:
    from langspec.tracking.sweep_runs import SweepRuns

_POLL_SECONDS = 2.0


def run(
    config: Config,
    root: Path,
    *,
    assignments: Sequence[str] = (),
    study: str | None = None,
    storage: str | None = None,
    workers: int = 1,
    lost: Sequence[str] = (),
) -> str:
    """Work on a study until it has ``tune.trials`` trials; what it found, in words.

    Args:
        config: the configuration, with ``assignments`` already in it.
        root: of the project.
        assignments: what workers have to put over params.yaml, too.
        study: its name; None: of the run, the task and the method.
        storage: URL or file; None: a journal in the main checkout.
        workers: processes.
        lost: hosts whose trials will not come back.

    Raises:
        LangspecError: the study is of something else, its storage cannot be reached, workers
            cannot work, or no trial was complete.
    """
    if not config.tune.trials:
        raise LangspecError("found 0, expected the number of trials", place="--trials")
    name = study or default_name(config)
    folder = studies_folder(root)
    opened = open_for(config, root, name, place_for(name, storage, folder))
    if opened.untried:
        tqdm.write(f"not tried first, outside the space: {opened.untried}")
    with opened.lock():
        claims.reap(opened.study, lost)
    with _sigterm_exits(), contextlib.ExitStack() as stack:
        crew = None
        if workers > 1 and _free(opened, config):
            crew = stack.enter_context(_Crew(config, root, opened, assignments, workers, folder))
            crew.start(_free(opened, config))
        runs = stack.enter_context(_runs(config, root, opened))
        watch = stack.enter_context(_Watch(config, opened, runs))
        if crew is not None:
            crew.work(watch)
        elif _free(opened, config):
            _alone(config, root, opened, watch)
        watch.look()
        trials = records(opened.study)
        files = write_outcome(folder / name, trials, opened, config)
        runs.files(files)
    _keep(root, config, opened, trials, files)
    return told(config, opened, trials, folder / name)


def worker(config: Config, root: Path, *, study: str) -> None:
    """One worker process: its study is named by the process that started it, which made it.

    Raises:
        LangspecError: as :func:`run`.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    place = place_for(study, os.environ[STORAGE_VARIABLE], root)
    with _sigterm_exits():
        _alone(config, root, open_for(config, root, study, place), None)


def plan(
    config: Config, root: Path, *, study: str | None, storage: str | None, workers: int
) -> str:
    """What :func:`run` would do; nothing is made, no storage is opened."""
    tune = config.tune
    name = study or default_name(config)
    place = place_for(name, storage, studies_folder(root))
    space = space_for(config, root)
    points, untried = starting_points(config, space)
    epochs = tune.epochs or "its"
    lines = [
        f"sweep {tune.task} {tune.method}: {tune.trials} trials, {workers} workers -> study "
        f"{name} in {place}",
        f"  a trial: {epochs} epochs on {tune.rows or 'all'} rows, measured {tune.rungs} times; "
        + (
            "transfer and leak each for itself"
            if tune.pareto
            else f"score = {tune.selection} macro-F1 - {tune.penalty:g} x leak"
        ),
        *(f"  {parameter.path}: {parameter.told()}" for parameter in space.parameters),
        *(f"  first: {origin}" for origin, _ in points),
    ]
    return "\n".join(lines + ([f"  not tried: {untried}"] if untried else []))


def _free(opened: Opened, config: Config) -> int:
    return claims.free(opened.study.get_trials(deepcopy=False), config.tune.trials)


def _alone(config: Config, root: Path, opened: Opened, watch: _Watch | None) -> None:
    """Work on trials in this process."""
    from langspec.tuning.trial import TrialTrainer

    paths = paths_of(config, root)
    work(
        opened.study,
        opened.space,
        config.tune,
        TrialTrainer(config, paths.corpora, paths.encoder, with_values),
        opened.lock,
        slots=config.tune.trials,
        after=watch.look if watch is not None else lambda: None,
    )


class _Crew:
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

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *exception: object) -> None:
        """End all workers: they put their trials up once more."""
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
        """Start as many workers as there is work for."""
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

    def work(self, watch: _Watch) -> None:
        """Wait until no slot is free; where workers were killed, others take their places.

        Raises:
            LangspecError: workers ended without having ended a trial.
        """
        while True:
            before = watch.finished()
            while any(process.poll() is None for process in self._processes):
                time.sleep(_POLL_SECONDS)
                watch.look()
            with self._opened.lock():
                claims.reap(self._opened.study)
            free = _free(self._opened, self._config)
            if not free:
                return
            if watch.finished() == before:
                codes = sorted({str(process.returncode) for process in self._processes})
                raise LangspecError(
                    f"workers ended ({', '.join(codes)}) and {free} trials are left; "
                    f"{self._last_words()}",
                    place=self._logs,
                )
            self.__exit__()
            self._processes, self._files = [], []
            self.start(free)

    def _last_words(self) -> str:
        for log in sorted(self._logs.glob("worker-*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return f"the last line of {log.name}: {lines[-1].strip()[:300]}"
        return "their logs are empty: killed by the system? run the same command again"


class _Watch:
    """Looks after the study: the progress bar, killed workers, MLflow."""

    def __init__(self, config: Config, opened: Opened, runs: SweepRuns) -> None:
        self._config, self._opened, self._runs = config, opened, runs

    def __enter__(self) -> _Watch:
        self._bar = tqdm(
            total=self._config.tune.trials,
            initial=min(self.finished(), self._config.tune.trials),
            desc=self._opened.name,
            unit="trial",
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def finished(self) -> int:
        """Slots whose trials ended."""
        return _finished(records(self._opened.study))

    def look(self) -> None:
        """Bring the bar and MLflow up to date; trials of killed workers are put up again."""
        with self._opened.lock():
            claims.reap(self._opened.study)
            trials = records(self._opened.study)
            # Under the lock: on another machine another process may do the same.
            self._runs.update(trials)
        self._bar.n = min(_finished(trials), self._config.tune.trials)
        if any(trial.state == "COMPLETE" for trial in trials):
            if self._config.tune.pareto:
                self._bar.set_postfix_str(f"front of {len(front(trials, ''))}", refresh=False)
            else:
                found = best(trials, "")
                self._bar.set_postfix_str(
                    f"best {found.score:.4f} (trial {found.number})", refresh=False
                )
        self._bar.refresh()


def _finished(trials: Sequence[TrialRecord]) -> int:
    return sum(trial.finished and trial.retried_by is None for trial in trials)


@contextlib.contextmanager
def _runs(config: Config, root: Path, opened: Opened) -> Iterator[SweepRuns]:
    """The runs of MLflow; the parent ends as what happened."""
    from langspec.tracking.runs import open_tracker
    from langspec.tracking.sweep_runs import SweepRuns

    tracker = open_tracker(config.tracking, root)
    with opened.lock():
        runs = SweepRuns(tracker, sweep_of(config, opened))
    try:
        yield runs
    except BaseException as error:
        signalled = isinstance(error, SystemExit | KeyboardInterrupt)
        reason = f"{type(error).__name__}: {error}"
        with opened.lock():
            runs.update(records(opened.study))
        runs.close("KILLED" if signalled else "FAILED", {}, reason)
        raise
    trials = records(opened.study)
    ended = _finished(trials) >= config.tune.trials
    reason = "" if ended else "trials are still at work elsewhere"
    runs.close("FINISHED" if ended else "KILLED", summary(trials, config), reason)


def sweep_of(config: Config, opened: Opened) -> Any:
    """What the runs of a study have in common."""
    from langspec.tracking.sweep_runs import Sweep

    return Sweep(
        uid=opened.study.user_attrs[UID],
        study=opened.name,
        name=config.name,
        task=config.tune.task,
        method=config.tune.method,
        place=str(opened.place),
        params={"tune": config.tune.model_dump(), "space": opened.space.told()},
        data_hash=data_hash(opened.identity),
    )


def summary(trials: Sequence[TrialRecord], config: Config) -> dict[str, float]:
    """Numbers of a study for its parent run."""
    found = {
        state.lower(): float(sum(trial.state == state for trial in trials))
        for state in ("COMPLETE", "PRUNED", "FAIL")
    }
    if found["complete"]:
        if config.tune.pareto:
            found["front"] = float(len(front(trials, "")))
        else:
            chosen = best(trials, "")
            found["best_score"] = chosen.score or 0.0
            found["best_trial"] = float(chosen.number)
    return found


def write_outcome(
    folder: Path, trials: Sequence[TrialRecord], opened: Opened, config: Config
) -> list[Path]:
    """Tables and figures of a study; the files written."""
    files = [folder / "trials.csv"]
    write_trials(files[0], trials)
    if config.tune.pareto and any(trial.state == "COMPLETE" for trial in trials):
        files.append(folder / "front.csv")
        write_trials(files[1], front(trials, opened.name))
    return files + draw(opened.study, folder)


def _keep(
    root: Path, config: Config, opened: Opened, trials: Sequence[TrialRecord], files: list[Path]
) -> None:
    """Leave the outcome where the stage report reads it."""
    own = opened.study.user_attrs
    with atomic_folder(root / "data" / "sweeps" / config.name / opened.name) as folder:
        write_study(
            folder, trials, uid=own[UID], parts=opened.identity.parts, code=opened.identity.code
        )
        (folder / "figures").mkdir()
        for file in files:
            if file.suffix == ".png":
                shutil.copy(file, folder / "figures")


def told(config: Config, opened: Opened, trials: Sequence[TrialRecord], folder: Path) -> str:
    """The outcome in words: what was tried first, and the best or the front.

    Raises:
        LangspecError: no trial is complete.
    """
    counts = {
        state: sum(trial.state == state for trial in trials)
        for state in ("COMPLETE", "PRUNED", "FAIL", "RUNNING")
    }
    retried = sum(trial.retried_by is not None for trial in trials)
    words = f"{counts['COMPLETE']} complete, {counts['PRUNED']} pruned, {counts['FAIL']} failed"
    words += f" ({retried} of them tried again)" if retried else ""
    words += f", {counts['RUNNING']} still at work elsewhere" if counts["RUNNING"] else ""
    first = [trial for trial in trials if trial.origin and trial.state == "COMPLETE"]
    chosen = front(trials, opened.name)
    if not config.tune.pareto:
        chosen = [best(trials, opened.name)]
    shown = first + [trial for trial in chosen if trial not in first]
    prefix = f"train.methods.{config.tune.method}."
    which = "--front I (its rows, counted from 0), or --trial N" if config.tune.pareto else ""
    return "\n".join(
        [
            f"study {opened.name}: {words}",
            table(shown, prefix),
            f"tables and figures: {folder}",
            f"take it over: langspec adopt {opened.name} {which}".rstrip(),
        ]
    )


def _end_with_parent() -> None:
    """Where it was killed, too: nobody would look after the study."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)  # puts the trial up once more


def _exit(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _sigterm_exits() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
