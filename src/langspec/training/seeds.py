"""A worker of stage train: trains the seeds of a method on a task, one after the other.

Apart from the stage, which only keeps records, so that it can run in worker processes.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.files import write_checksums
from langspec.modelling.saved import RunCard, save_run
from langspec.objectives import get_method
from langspec.training.changes import Changes
from langspec.training.checkpoint import CheckpointStore
from langspec.training.experiment import Experiment, Workbench
from langspec.training.identity import SeedJob

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.training.callbacks import FitResult
    from langspec.workers import Send


class SeedTrainer:
    """Data and encoder of a method's trainings, prepared once; trains one seed a call.

    Args:
        config: the configuration.
        task: the name of the task.
        method: the name of the method.
        corpora: folder of the prepared corpora.
        encoder: folder of the starting encoder.
        cache: folder of the checkpoints.
    """

    def __init__(
        self, config: Config, task: str, method: str, corpora: Path, encoder: Path, cache: Path
    ) -> None:
        self.config, self.method, self.cache = config, method, cache
        self.bench = Workbench(config, task, corpora, encoder)
        seed = config.train.seeds[0]
        if get_method(method).trains_encoder:
            self.facts = self.experiment(SeedJob(seed, None)).facts
        else:  # the stage may have its heads already: nothing is encoded for them yet
            self.facts = self.bench.frozen_facts(config, method, seed)

    def experiment(self, job: SeedJob) -> Experiment:
        """What the job trains."""
        changes = Changes(strength=job.strength)
        return self.bench.experiment(self.config, self.method, job.seed, changes)

    def __call__(self, job: SeedJob, send: Send) -> dict[str, Any]:
        """Train a seed, sending ``(step, metrics)``; returns its entry of ``run.json``."""
        began = time.perf_counter()
        experiment = self.experiment(job)
        result = experiment.fit(
            experiment.model(),
            checkpoints=CheckpointStore(self.facts.checkpoints(self.cache, job)),
            log=lambda step, metrics: send((step, metrics)),
            description=f"{experiment.task.name} {self.method} {job.name}",
        )
        accelerator = experiment.accelerator
        accelerator.free_memory()
        if job.folder is not None:
            _write_seed(job.folder, result, _card(experiment, result))
        accelerator.wait_for_everyone()
        send((0, {"train/seconds": time.perf_counter() - began}))
        return {
            "seed": job.seed,
            **({} if job.strength is None else {"strength": job.strength}),
            "run_key": experiment.key,
            "best_epoch": result.best_epoch,
            "dev": {key: float(f"{value:.6g}") for key, value in result.dev.items()},
            "skipped_steps": result.skipped_steps,
            "status": "failed" if result.failure else "finished",
            "reason": result.failure,
            "warnings": result.warnings,
        }


def _card(experiment: Experiment, result: FitResult) -> RunCard:
    encoder = experiment.encoder.card
    return RunCard(
        task=experiment.task.name,
        method=experiment.objective.name,
        seed=experiment.recipe.seed,
        labels=experiment.task.labels,
        pooling=encoder.pooling,
        feature_layer=experiment.feature_layer,
        dropout=experiment.dropout,
        trains_encoder=experiment.objective.trains_encoder,
        encoder_name=encoder.name,
        encoder_sha256=encoder.sha256,
        best_epoch=result.best_epoch,
    )


def _write_seed(folder: Path, result: FitResult, card: RunCard) -> None:
    save_run(folder, result.tensors, card)
    for name, rows in (("steps", result.steps), ("epochs", result.epochs)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            # All columns of all rows, in an order that does not depend on where a run resumed.
            names = {key for row in rows for key in row} - {"step", "epoch"}
            columns = ["step", "epoch", *sorted(names)]
            writer = csv.DictWriter(handle, columns, restval="", lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow(
                    {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
                )
    write_checksums(folder)
