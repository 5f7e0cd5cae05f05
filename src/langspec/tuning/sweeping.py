"""A sweep: workers side by side on one study, here and on other machines, logged to MLflow.

This process starts workers (processes of the same command), draws the progress bar and retries
trials of killed workers. It alone writes to MLflow. A worker ends when this process ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.files import atomic_folder
from langspec.tuning import claims
from langspec.tuning.best_trial import best
from langspec.tuning.fingerprint import (
    STORAGE_VARIABLE,
    Opened,
    default_name,
    open_for,
    place_for,
    space_for,
    studies_folder,
)
from langspec.tuning.outcome import draw, records
from langspec.tuning.progress import Progress, open_runs
from langspec.tuning.records import TrialRecord, front, table, write_study, write_trials
from langspec.tuning.space import sized, starting_points
from langspec.tuning.storage import check_place
from langspec.tuning.study import UID
from langspec.tuning.sweep_workers import (
    SweepWorkers,
    end_with_parent,
    free_slots,
    work_in_process,
)
from langspec.tuning.trial_processes import launch_of

if TYPE_CHECKING:
    from langspec.config import Config


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
    """Work on a study until it has ``tune.trials`` trials; returns the outcome as text.

    Args:
        config: the configuration, with ``assignments`` already in it.
        root: of the project.
        assignments: ``KEY=VALUE`` over params.yaml, which workers need too.
        study: its name; None: :func:`default_name`.
        storage: URL or file; None: a journal in the main checkout.
        workers: number of worker processes.
        lost: hosts whose processes have all ended; their trials are tried again.

    Raises:
        LangspecError: the study has another fingerprint, its storage or compute.launch cannot be
            used, all workers ended early, or no trial is complete.
    """
    config = sized(config)
    if not config.tune.trials:
        raise LangspecError("found 0, expected the number of trials", place="--trials")
    launch_of(config)  # refuses what it cannot use before a study is made
    name = default_name(config) if study is None else study
    folder = studies_folder(root)
    opened = open_for(config, root, name, place_for(name, storage, folder))
    if opened.untried:
        tqdm.write(f"not tried first, outside the space: {opened.untried}")
    with opened.lock():
        claims.reap(opened.study, lost)
    with interrupts.raised(signal.SIGTERM), contextlib.ExitStack() as stack:
        crew = None
        if workers > 1 and free_slots(opened, config):
            crew = stack.enter_context(
                SweepWorkers(config, root, opened, assignments, workers, folder)
            )
            crew.start(free_slots(opened, config))
        runs = stack.enter_context(open_runs(config, root, opened))
        watch = stack.enter_context(Progress(config, opened, runs))
        if crew is not None:
            crew.work(watch)
        elif free_slots(opened, config):
            work_in_process(config, root, opened, watch)
        watch.update()
        trials = records(opened.study)
        files = write_outcome(folder / name, trials, opened, config)
        runs.files(files)
    write_for_report(root, config, opened, trials, files)
    return describe(config, opened, trials, folder / name)


def worker(config: Config, root: Path, *, study: str) -> None:
    """One worker process. The process that started it has made the study.

    Raises:
        LangspecError: as :func:`run`.
    """
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    config = sized(config)
    place = place_for(study, os.environ[STORAGE_VARIABLE], root)
    with interrupts.raised(signal.SIGTERM):
        work_in_process(config, root, open_for(config, root, study, place), None)


def plan(
    config: Config, root: Path, *, study: str | None, storage: str | None, workers: int
) -> str:
    """What :func:`run` would do, as text. Nothing is written, and no database is opened."""
    config = sized(config)
    tune = config.tune
    name = default_name(config) if study is None else study
    place = place_for(name, storage, studies_folder(root))
    check_place(place)
    space = space_for(config, root)
    points, untried = starting_points(config, space)
    epochs, launch = tune.epochs or "its", launch_of(config)
    processes = f" in {launch.processes} processes ({launch.path})" if launch else ""
    lines = [
        f"sweep {tune.task} {tune.method}: {tune.trials} trials, {workers} workers -> study "
        f"{name} in {place}",
        f"  a trial: {epochs} epochs on {tune.rows or 'all'} rows{processes}, "
        f"measured {tune.rungs} times; "
        + (
            f"dev_macro_f1 ({tune.selection}) and dev_leak each for itself"
            if tune.pareto
            else f"score = dev_macro_f1 ({tune.selection}) - {tune.penalty:g} x dev_leak"
        ),
        f"  the best: {_rule(config)}",
        *(f"  {parameter.path}: {parameter.in_words()}" for parameter in space.parameters),
        *(f"  first: {origin}" for origin, _ in points if space.grid is None),
    ]
    return "\n".join(lines + ([f"  not tried: {untried}"] if untried else []))


def _rule(config: Config) -> str:
    tune = config.tune
    if tune.pareto:
        return "none; the front"
    if tune.rule == "score":
        return "the highest score"
    return (
        f"the least dev_leak, at a dev_source_accuracy at most {tune.bounds.source_loss:g} below "
        f"that of the training without unlearning and at most {tune.bounds.drift:g} times its "
        "dev_drift"
    )


def write_outcome(
    folder: Path, trials: Sequence[TrialRecord], opened: Opened, config: Config
) -> list[Path]:
    """Write tables and figures of a study; returns the files."""
    files = [folder / "trials.csv"]
    write_trials(files[0], trials)
    if config.tune.pareto and any(trial.state == "COMPLETE" for trial in trials):
        files.append(folder / "front.csv")
        write_trials(files[1], front(trials, opened.name))
    return files + draw(opened.study, folder)


def write_for_report(
    root: Path, config: Config, opened: Opened, trials: Sequence[TrialRecord], files: list[Path]
) -> None:
    """Write the outcome to ``data/sweeps``, where stage report reads it."""
    attributes = opened.study.user_attrs
    with atomic_folder(root / "data" / "sweeps" / config.name / opened.name) as folder:
        write_study(
            folder,
            trials,
            uid=attributes[UID],
            parts=opened.identity.parts,
            code=opened.identity.code,
        )
        (folder / "figures").mkdir()
        for file in files:
            if file.suffix == ".png":
                shutil.copy(file, folder / "figures")


def describe(config: Config, opened: Opened, trials: Sequence[TrialRecord], folder: Path) -> str:
    """The outcome as text: the first trials, and the best one or the front.

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
        chosen = [best(trials, opened.name, config.tune.model_dump())]
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
