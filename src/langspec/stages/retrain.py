"""A training of stage train, run once more for the measures that follow it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from langspec.config import Config


def retrain(
    config: Config,
    root: Path,
    task: str,
    method: str,
    seed: int,
    look: Callable[[int, Any], None],
) -> dict[str, Any]:
    """Train a seed again; returns the tensors at the end.

    Args:
        config: the configuration.
        root: the project.
        task: name of the task.
        method: that trains.
        seed: of the training.
        look: is given the step and the model at the start (step 0) and after every step.
    """
    from types import SimpleNamespace

    from langspec.stages.seeds import SeedTrainer
    from langspec.stages.train import SeedJob

    trainer = SeedTrainer(config, root, task, method)
    look(0, SimpleNamespace(encoder=trainer.encoder.model.to(trainer.accelerator.device)))
    result = trainer.train_seed(
        SeedJob(seed, None), lambda step, metrics, model: look(step, model), None
    )
    return dict(result.tensors)
