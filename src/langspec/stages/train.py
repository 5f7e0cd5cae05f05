"""Stage train: one method on one task, every seed, side by side where there are workers."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from langspec.config import Config
from langspec.files import atomic_folder, write_json
from langspec.objectives import get_method
from langspec.paths import paths_of, require
from langspec.training.identity import TrainingFacts
from langspec.training.jobs import Record, common_values, jobs_of, run_values
from langspec.training.kept_heads import KeptHeads
from langspec.workers import crew_of, launched_processes


def run(config: Config, root: Path, *, task_name: str, method_name: str) -> Path:
    """Train every seed; returns the folder written (``results/NAME/train/TASK/METHOD``)."""
    paths = paths_of(config, root)
    out = paths.train(task_name, method_name)
    corpora, encoder = require(paths.corpora, "corpora"), require(paths.encoder, "encoder")
    launched = launched_processes() > 1
    count = len(jobs_of(config, method_name, None))
    count = 1 if launched else min(config.compute.workers, count)
    # Heads on a frozen encoder cost little beside encoding the corpus, which one worker does once.
    apart = count > 1
    trains_encoder = get_method(method_name).trains_encoder
    count = count if trains_encoder else 1
    with ExitStack() as stack:
        trainer = "langspec.training.seeds:SeedTrainer"
        where = (corpora, encoder, paths.cache)
        crew = crew_of(trainer, config, task_name, method_name, *where, count=count, apart=apart)
        stack.enter_context(crew)
        # After the workers: this process imports MLflow while they import PyTorch.
        from langspec.tracking.runs import Tracker
        from langspec.tracking.training_runs import Training, start_method

        # Only the main process writes; others train and throw their equal copies away.
        writes = not launched or crew.facts.main_process
        tracker = Tracker.open(config.tracking, root=root) if writes else Tracker.disabled()
        facts: TrainingFacts = crew.facts
        folder = stack.enter_context(atomic_folder(out)) if writes else None
        common = common_values(config, facts)
        jobs = jobs_of(config, method_name, folder)
        heads = None if trains_encoder or folder is None else KeptHeads(paths.cache, facts)
        # Heads that are found have runs in MLflow, or stage evaluate brings them there.
        entries = None if heads is None else heads.restore(jobs.values())
        if entries is None:
            parent = stack.enter_context(start_method(tracker, Training.of(common)))
            record = stack.enter_context(Record(parent, jobs, facts))
            stack.enter_context(crew)  # once more: on failure workers end before the folder goes
            trained = crew.run(jobs, record)
            entries = list(trained.values())
            parent.finish([entry for entry in entries if "strength" not in entry])
            if heads is not None:
                heads.keep(jobs, trained)
        if folder is not None:
            write_json(folder / "run.json", run_values(common, facts, entries))
    if writes:
        for job in jobs.values():
            # Only now: until the out is renamed, finished seeds are kept there.
            shutil.rmtree(facts.checkpoints(paths.cache, job), ignore_errors=True)
    return out


def plan(config: Config, root: Path, *, task_name: str, method_name: str) -> str:
    """What :func:`run` would do. Refuses what it would refuse."""
    from langspec.training.estimate import estimate

    paths = paths_of(config, root)
    trainings, seeds = len(jobs_of(config, method_name, None)), config.train.seeds_of(method_name)
    places = {"corpora": require(paths.corpora, "corpora")}
    places["encoder"] = require(paths.encoder, "encoder")
    reads, cost = estimate(config, task_name, method_name, **places, seeds=trainings)
    out = paths.train(task_name, method_name)
    return f"train {task_name} {method_name}: {reads}, seeds {seeds} -> {out}\n  {cost}"
