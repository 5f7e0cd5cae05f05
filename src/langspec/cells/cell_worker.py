"""A worker that trains and measures one cell after the other."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from langspec.cells.cell import Cell
from langspec.cells.cell_files import is_first, read_cells
from langspec.evaluation.runner import Runner
from langspec.evaluation.work import TrainedRun, Work
from langspec.measures.base import Findings
from langspec.results import EVERY, RANDOM
from langspec.training.identity import SeedJob
from langspec.training.jobs import common_values, run_values
from langspec.training.seeds import SeedTrainer

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.paths import Paths
    from langspec.workers import Send


@dataclass(frozen=True)
class CellResult:
    """What a worker gives.

    Attributes:
        findings: what was measured.
        run: as ``run.json`` has it, of this training alone; empty where nothing trains.
        trained: folder of the trained run; None where nothing trains.
        checkpoints: folder of its checkpoints.
        cpu_seconds: of ``train`` and ``evaluate``.
        machine: processor, kernels and libraries.
        first: was it measured as the first seed of its method that did not fail?
    """

    findings: Findings
    run: dict[str, Any]
    trained: Path | None
    checkpoints: Path | None
    cpu_seconds: dict[str, float]
    machine: dict[str, str | int]
    first: bool


class CellWorker:
    """Made once a process, then called for one cell after the other.

    Args:
        config: the configuration.
        paths: of the run.
        retrain: as :class:`langspec.evaluation.runner.Runner` has it.
        limit_gb: gigabytes of banks to keep; infinite where another worker may read one of them.
    """

    facts = None

    def __init__(
        self, config: Config, paths: Paths, retrain: Callable[..., Any], limit_gb: float
    ) -> None:
        torch.set_num_threads(config.compute.threads)
        self._config, self._paths, self._retrain, self._limit_gb = config, paths, retrain, limit_gb
        # One of each: a second one would double the memory of a real encoder.
        self._trainer: tuple[tuple[str, str], SeedTrainer] | None = None
        self._runner: tuple[str, Runner] | None = None

    def __call__(self, cell: Cell, send: Send) -> CellResult:
        """Train and measure a cell; ``send`` is not used."""
        began = time.process_time()
        work = Work(random=cell.method == RANDOM, texts=cell.method == EVERY)
        run: dict[str, Any] = {}
        trained = checkpoints = None
        first = False
        if cell.trains:
            trainer = self._trainer_of(cell)
            trained = self._paths.cache / "cells" / self._config.name / cell.name
            job = SeedJob(cell.seed, trained, cell.strength)
            entry = trainer(job, lambda message: None)
            checkpoints = trainer.facts.checkpoints(self._paths.cache, job)
            common = common_values(self._config, trainer.facts)
            run = run_values(common, trainer.facts, [entry])
            where = (cell.method, cell.seed, trained, cell.strength)
            first = entry["status"] != "failed" and self._is_first(cell)
            work = Work(runs=(TrainedRun(*where, first=first),))
        ended = time.process_time()
        findings = self._runner_of(cell.task)(work, send)
        seconds = {"train": ended - began, "evaluate": time.process_time() - ended}
        if not cell.trains:
            del seconds["train"]
        rounded = {name: round(value, 1) for name, value in seconds.items()}
        return CellResult(findings, run, trained, checkpoints, rounded, machine_facts(), first)

    def _trainer_of(self, cell: Cell) -> SeedTrainer:
        of = cell.task, cell.method
        if self._trainer is None or self._trainer[0] != of:
            paths = self._paths
            where = (paths.corpora, paths.encoder, paths.cache)
            self._trainer = of, SeedTrainer(self._config, *of, *where)
        return self._trainer[1]

    def _runner_of(self, task: str) -> Runner:
        if self._runner is None or self._runner[0] != task:
            runner = Runner(self._config, self._paths, task, self._limit_gb, self._retrain)
            self._runner = task, runner
        return self._runner[1]

    def _is_first(self, cell: Cell) -> bool:
        """Is it the first seed of its method that did not fail, as far as cells are finished?"""
        seeds = self._config.train.seeds_of(cell.method)
        cells = [Cell(cell.task, cell.method, seed) for seed in seeds]
        return is_first(cell, seeds, read_cells(self._paths.cells, cells))


@cache
def machine_facts() -> dict[str, str | int]:
    """What of the machine may move a last digit or a second, without its name."""
    import numpy as np

    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    """The processor's model, where the system says it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
