"""Command export: a trained or erased encoder as a folder for other libraries."""

from __future__ import annotations

from pathlib import Path

import torch

from langspec.config import Config
from langspec.evaluation.bench import Bench
from langspec.paths import corpora_sources, paths_of, require
from langspec.release.assemble import load_seed
from langspec.release.encoder_folder import write_export
from langspec.release.export_seed import check_export, export_erasers
from langspec.release.model_card import ExportFacts, model_card
from langspec.results import read_training_record
from langspec.tasks import get_task


def run(
    config: Config,
    root: Path,
    *,
    task_name: str,
    method: str,
    seed: int,
    out: Path,
    eraser: str | None = None,
    with_head: bool = False,
) -> Path:
    """Write a seed's encoder to ``out``; returns it.

    Args:
        config: ``params.yaml``.
        root: the project.
        task_name: that it was trained for.
        method: that trained it.
        seed: of the training.
        out: a folder that does not exist or is empty.
        eraser: a name, to be fitted here on the training lines of the language text, or a folder
            that an earlier export wrote (``DIR/eraser``).
        with_head: put the task's head beside the encoder.

    Raises:
        LangspecError: nothing trained there, ``out`` is not empty, an unknown eraser, one that
            treats each language differently, one that was fitted on another encoder, language
            text that no eraser can be fitted on.
    """
    torch.set_num_threads(config.compute.threads)
    check_export(out, eraser)
    paths = paths_of(config, root)
    require(paths.encoder, "encoder")
    task = get_task(task_name, require(paths.corpora, "corpora"))
    bench = Bench(config, paths, task, config.features.cache_gb, "cpu")
    folder = require(
        paths.train(task_name, method) / f"seed-{seed}",
        f"train --task {task_name} --method {method}",
    )
    trained = load_seed(folder, bench.encoder, task)
    languages = config.corpora.languages
    make = config.evaluate.erasers.maker(config.corpora.source)
    erasers = export_erasers(eraser, trained, bench, make, languages, with_head=with_head)
    run_file = folder.parent / "run.json"
    facts = ExportFacts(
        config.corpora,
        trained.card,
        bench.encoder.card,
        run=read_training_record(run_file) if run_file.is_file() else {},
        sources=corpora_sources(paths.corpora),
        eraser=erasers.sentences,
        head_unit=task.unit if with_head else "",
    )
    write_export(
        out, trained.encoder, model_card(facts), eraser=erasers.sentences,
        eraser_options=erasers.options, token_eraser=erasers.tokens,
        head=trained.head if with_head else None,
    )  # fmt: skip
    return out
