"""A training of stage train, run once more for the measures that follow it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from langspec.config import Config
from langspec.paths import paths_of


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

    from langspec.training.callbacks import Look
    from langspec.training.experiment import Workbench

    # Whole, since measures read other text than the training does: the weights are the same.
    whole = config.compute.model_copy(update={"trim_vocabulary": False})
    paths = paths_of(config, root)
    bench = Workbench(config, task, paths.corpora, paths.encoder)
    experiment = bench.experiment(config.model_copy(update={"compute": whole}), method, seed)
    encoder = experiment.encoder.model.to(experiment.accelerator.device)
    look(0, SimpleNamespace(encoder=encoder))
    result = experiment.fit(
        experiment.model(), callbacks=[Look(look)], description=f"{task} {method} seed {seed}"
    )
    return dict(result.tensors)
