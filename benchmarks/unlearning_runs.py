"""One short training with its measures: what the grid and the stability benchmark share."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared import accuracies, code_hashes, token_leak

from langspec.config import Config, parse_config, read_values, set_values
from langspec.files import read_json, sha256_file, sha256_json, write_json


def configuration(params: Path, assignments: Sequence[str] = ()) -> Config:
    """params.yaml with assignments over it."""
    return parse_config(set_values(read_values(params), list(assignments)), place=params)


def measure(config: Config, root: Path, task_name: str, method: str, seed: int) -> dict[str, Any]:
    """Train one seed and measure it, on one thread.

    Returns test accuracies of the source and of the targets (mean), the accuracy of a fresh,
    converged linear language probe on last-layer tokens of text with that of its majority class,
    the last window's means of what the adversary showed, and how the run ended.
    """
    import numpy as np
    import torch

    from langspec.paths import paths_of
    from langspec.training.experiment import Workbench
    from langspec.training.scoring import predict

    torch.set_num_threads(1)
    paths = paths_of(config, root)
    bench = Workbench(config, task_name, paths.corpora, paths.encoder)
    experiment = bench.experiment(config, method, seed)
    task, encoder, accelerator = bench.task, bench.encoder, bench.accelerator
    model = experiment.model()
    began = time.process_time()
    result = experiment.fit(model, description=f"{task_name} {method} seed {seed}")
    seconds = time.process_time() - began
    accelerator.free_memory()
    model.load_state_dict(result.tensors, strict=False)
    languages = config.corpora.languages
    test = task.data(task.rows(paths.corpora, "test", languages), encoder)
    predicted = predict(model, test, config.features.batch_tokens, accelerator.device, "fp32")
    by = accuracies(test, predicted)
    last = [row for row in result.steps if "adversary_cross_entropy" in row][-25:]
    shown = {
        key: float(np.mean([row[key] for row in last])) if last else float("nan")
        for key in ("adversary_accuracy", "adversary_cross_entropy")
    }
    trained = replace(encoder, model=model.encoder)
    leak, majority = token_leak(trained, paths.corpora, config)
    return {
        "task": task_name,
        "method": method,
        "seed": seed,
        "source": by[config.corpora.source],
        "targets": float(np.mean([by[name] for name in config.corpora.targets])),
        "token_leak": leak,
        "token_majority": majority,
        **shown,
        "status": "failed" if result.failure else "finished",
        "reason": result.failure["name"] if result.failure else "",
        "warnings": " ".join(warning["name"] for warning in result.warnings),
        "cpu_seconds": round(seconds, 1),
    }


def _job(
    name: str,
    params: Path,
    changes: tuple[str, ...],
    root: Path,
    task: str,
    method: str,
    seed: int,
    cache: Path,
) -> dict[str, Any]:
    """One row: from the cache, or trained and measured."""
    config = configuration(params, changes)
    place = cache / f"{_identity(config, root, task, method, seed)[:24]}.json"
    if place.is_file():
        row: dict[str, Any] = read_json(place)
    else:
        row = measure(config, root, task, method, seed)
        write_json(place, row)
    return {"run": name, **row}


def _identity(config: Config, root: Path, task: str, method: str, seed: int) -> str:
    from langspec.paths import paths_of

    paths = paths_of(config, root)
    own = getattr(config.train.methods, method).model_dump()
    train = config.train.model_dump(exclude={"methods", "run", "seeds"})
    return sha256_json(
        {
            "run": [task, method, seed, own, train, config.features.model_dump()],
            "data": [sha256_file(paths.corpora / f"{table}.parquet") for table in (task, "text")],
            "encoder": sha256_file(paths.encoder / "model.safetensors"),
            "code": code_hashes(),
        }
    )


Job = tuple[str, tuple[str, ...], str, str, int]  # name, changes, task, method, seed


def run_all(
    jobs: Sequence[Job], params: Path, root: Path, cache: Path, workers: int
) -> Iterator[dict[str, Any]]:
    """Rows as they come; what is done already is read back. One thread a worker."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers, which start afresh
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [
            pool.submit(_job, name, params, changes, root, task, method, seed, cache)
            for name, changes, task, method, seed in jobs
        ]
        for future in as_completed(futures):
            yield future.result()
