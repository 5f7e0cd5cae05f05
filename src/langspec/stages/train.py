"""Stage train: one method on one task, every seed, in one process (or several)."""

from __future__ import annotations

import csv
import logging
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from langspec.config import Config, flatten
from langspec.encoders.load import Encoder, load_encoder
from langspec.encoders.mlm import load_mlm_head
from langspec.errors import LangspecError
from langspec.files import atomic_folder, read_json, sha256_json, write_json
from langspec.modelling.model import freeze_embeddings
from langspec.modelling.saved import RunCard, build_model, copy_encoder, save_run
from langspec.objectives import get_objective
from langspec.stages.common import Paths, code_hash, corpora_hash, paths_of, require
from langspec.stages.tracker import open_tracker
from langspec.tasks import Task, TaskData, get_task
from langspec.tracking.methods import Training, start_method
from langspec.tracking.runs import Tracker
from langspec.training.checkpoint import CheckpointStore
from langspec.training.language import read_language_data, with_mlm_head
from langspec.training.loop import FitOptions, FitResult, fit
from langspec.training.precision import ACCELERATE, resolve_precision
from langspec.training.predict import encode_features
from langspec.training.watch import WatchOptions

logger = logging.getLogger(__name__)

# Two cores of a server processor, fp32; for the estimate of --dry-run only.
FLOPS_A_SECOND = 4e10

_CODE = ("encoders", "tasks", "modelling", "objectives", "training")


def fit_options(config: Config, task: str, method: str, seed: int) -> FitOptions:
    """The loop's options, from the task's section and the method's."""
    section = getattr(config.train, task)
    own = getattr(config.train.methods, method)
    override = own.overrides.get(task)

    def value(key: str) -> Any:
        """Of the method on this task, else of the method, else of the task."""
        found = getattr(override, key, None)
        return getattr(own, key, getattr(section, key)) if found is None else found

    return FitOptions(
        epochs=value("epochs"),
        encoder_lr=value("encoder_lr"),
        head_lr=value("head_lr"),
        batch_tokens=getattr(own, "batch_tokens", section.batch_tokens),
        batch_rows=value("batch_rows"),
        weight_decay=config.train.weight_decay,
        warmup=config.train.warmup,
        schedule=config.train.schedule,
        clip=config.train.clip,
        seed=seed,
        checkpoint_steps=config.train.checkpoint_steps,
        language=config.train.batch.language,
        init=head_init(config, task, method),
    )


def head_init(config: Config, task: str, method: str) -> float:
    """Standard deviation of a head's first weights."""
    override = getattr(config.train.methods, method).overrides.get(task)
    found = getattr(override, "head_init", None)
    return config.train.head_init if found is None else float(found)


def method_options(config: Config, task: str, method: str) -> Any:
    """The method's section with its overrides for the task."""
    return getattr(config.train.methods, method).on(task)


def unlearning(
    config: Config, task: Task, method: str, encoder: Encoder, paths: Paths
) -> dict[str, Any]:
    """What :func:`fit` gets for a method that reads language text: its rows, and what to watch.

    Raises:
        LangspecError: the text corpus or the encoder lacks what the method needs.
    """
    language = read_language_data(paths.corpora, encoder, config.corpora.languages)
    if getattr(config.train.methods, method).retention.kind == "mlm":
        try:
            language = with_mlm_head(language, load_mlm_head(paths.encoder, encoder))
        except LangspecError as error:
            place = f"train.methods.{method}.retention.kind"
            raise LangspecError(str(error), place=place) from None
    rows = config.train.watch.target_rows
    tables = (task.rows(paths.corpora, "dev", [code]) for code in config.corpora.targets)
    targets = [task.data(table[:rows], encoder) for table in tables if len(table[:rows])]
    return {"language": language, "targets": targets}


def source_data(
    config: Config, task: Task, encoder: Encoder, corpora: Path, split: str
) -> TaskData:
    """The source language's rows of a split, tokenised."""
    source = config.corpora.source
    table = task.rows(corpora, split, [source])
    if not len(table):
        raise LangspecError(
            f"no {split} rows of the source language {source!r} for {task.name}; training needs "
            "train and dev of the source",
            place=corpora,
        )
    return task.data(table, encoder)


def run_settings(config: Config, task: str, method: str) -> dict[str, Any]:
    """Everything in params.yaml that this training depends on, by dotted path."""
    train = config.train
    return flatten(
        {
            "corpora": {"source": config.corpora.source},
            "compute": config.compute.model_dump(),
            "encoder": {
                key: getattr(config.encoder, key)
                for key in ("kind", "name", "prefix", "pooling", "max_tokens")
            },
            "train": {
                **{
                    key: getattr(train, key)
                    for key in (
                        "selection",
                        "feature_layer",
                        "dropout",
                        "head_init",
                        "weight_decay",
                        "warmup",
                        "schedule",
                        "clip",
                    )
                },
                "batch": train.batch.model_dump(),
                "watch": train.watch.model_dump(),
                task: getattr(train, task).model_dump(),
                "methods": {method: getattr(train.methods, method).model_dump()},
            },
        }
    )


def run(config: Config, root: Path, *, task_name: str, method_name: str) -> Path:
    """Train every seed; returns the folder written (``results/NAME/train/TASK/METHOD``)."""
    paths = paths_of(config, root)
    task = get_task(task_name)
    options = method_options(config, task_name, method_name)
    objective = get_objective(method_name, options)
    require(paths.corpora, "corpora")
    precision = resolve_precision(
        config.compute.precision, "cuda" if torch.cuda.is_available() else "cpu"
    )
    accelerator = Accelerator(mixed_precision=ACCELERATE[precision])
    if accelerator.device.type == "cpu":
        torch.set_num_threads(config.compute.threads)
    encoder = load_encoder(require(paths.encoder, "encoder"))
    train = source_data(config, task, encoder, paths.corpora, "train")
    dev = source_data(config, task, encoder, paths.corpora, "dev")
    settings = run_settings(config, task_name, method_name)
    data_hash = corpora_hash(paths.corpora, task_name)
    extra: dict[str, Any] = {}
    if objective.reads_language:
        extra = unlearning(config, task, method_name, encoder, paths)
        # Two tables, one hash; who reads the task's alone is not told of the other.
        data_hash = sha256_json([data_hash, corpora_hash(paths.corpora, "text")])
        settings |= {"corpora.targets": config.corpora.targets}
    if objective.trains_encoder:
        limits = config.train.watch.model_dump(exclude={"target_rows"})
        extra["watch"] = WatchOptions(**(limits | {"fail": tuple(limits["fail"])}))
    identity = {
        "settings": settings,
        "task": task_name,
        "method": method_name,
        "data": data_hash,
        "encoder": encoder.card.sha256,
        "code": code_hash(*_CODE),
        "precision": precision,
        "processes": accelerator.num_processes,
    }
    train_data: Any = train
    dev_data: Any = dev
    if not objective.trains_encoder:
        model = build_model(
            encoder, task, feature_layer=config.train.feature_layer, dropout=0.0, init=0.02
        ).to(accelerator.device)
        tokens = config.features.batch_tokens
        train_data = encode_features(model, train, tokens, accelerator.device)
        dev_data = encode_features(model, dev, tokens, accelerator.device)

    out = paths.train(task_name, method_name)
    training = Training(
        name=config.name,
        task=task_name,
        method=method_name,
        selection=config.train.selection,
        params=settings,
        data_hash=data_hash,
        encoder_hash=encoder.card.sha256,
        effective_precision=precision,
        processes=accelerator.num_processes,
        run_key=sha256_json(identity),
    )
    stores = {
        seed: CheckpointStore(
            paths.cache / "checkpoints" / sha256_json({**identity, "seed": seed})[:24]
        )
        for seed in config.train.seeds
    }
    entries: list[dict[str, Any]] = []
    with ExitStack() as stack:
        # Only the main process writes; the others train and throw their equal copies away.
        folder = stack.enter_context(atomic_folder(out)) if accelerator.is_main_process else None
        parent = stack.enter_context(start_method(_tracker(config, root, accelerator), training))
        for seed, store in stores.items():
            run_key = sha256_json({**identity, "seed": seed})
            with parent.seed(seed, run_key) as child:
                began = time.perf_counter()
                objective = get_objective(method_name, options)
                torch.manual_seed(seed)  # the head's first weights
                model = build_model(
                    copy_encoder(encoder),
                    task,
                    feature_layer=config.train.feature_layer,
                    dropout=config.train.dropout,
                    init=head_init(config, task_name, method_name),
                    with_encoder=objective.trains_encoder,
                )
                if getattr(options, "freeze_embeddings", False):
                    freeze_embeddings(model.encoder)
                result = fit(
                    model.to(accelerator.device),
                    objective,
                    train_data,
                    dev_data,
                    fit_options(config, task_name, method_name, seed),
                    accelerator,
                    classes=len(task.labels),
                    **extra,
                    checkpoints=store,
                    log=child.log,
                    description=f"{task_name} {method_name} seed {seed}",
                )
                accelerator.free_memory()
                entry = {
                    "seed": seed,
                    "run_key": run_key,
                    "best_epoch": result.best_epoch,
                    "dev": {key: float(f"{value:.6g}") for key, value in result.dev.items()},
                    "skipped_steps": result.skipped_steps,
                    "status": "failed" if result.failure else "finished",
                    "reason": result.failure,
                    "warnings": result.warnings,
                }
                child.finish(entry)
                child.log(0, {"train/seconds": time.perf_counter() - began})
            entries.append(entry)
            if folder is not None:
                card = RunCard(
                    task=task_name,
                    method=method_name,
                    seed=seed,
                    labels=task.labels,
                    pooling=encoder.card.pooling,
                    feature_layer=config.train.feature_layer,
                    dropout=config.train.dropout,
                    trains_encoder=objective.trains_encoder,
                    encoder_name=encoder.card.name,
                    encoder_sha256=encoder.card.sha256,
                    best_epoch=result.best_epoch,
                )
                _write_seed(folder / f"seed-{seed}", result, card)
        parent.finish()
        if folder is not None:
            counts = {"train_rows": len(train), "truncated_rows": train.inputs.truncated}
            values = {"schema": 1, **asdict(training), **counts, "seeds": entries}
            write_json(folder / "run.json", values)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        for store in stores.values():
            store.clear()  # only now: until the out is renamed, finished seeds are kept there
    return out


def _tracker(config: Config, root: Path, accelerator: Accelerator) -> Tracker:
    return open_tracker(config, root) if accelerator.is_main_process else Tracker.disabled()


def plan(config: Config, root: Path, *, task_name: str, method_name: str) -> str:
    """What :func:`run` would do."""
    task, objective = get_task(task_name), get_objective(method_name)
    paths = paths_of(config, root)
    options = fit_options(config, task_name, method_name, 0)
    card = read_json(require(paths.encoder, "encoder") / "config.json")
    hidden, layers = card["hidden_size"], card["num_hidden_layers"]
    source = config.corpora.source
    train = task.data(
        task.rows(require(paths.corpora, "corpora"), "train", [source]),
        load_encoder(paths.encoder),
    )
    pieces = int(train.lengths.sum())
    weights = layers * 12 * hidden * hidden + hidden * len(task.labels)
    passes = 3 * options.epochs if objective.trains_encoder else 1  # backward costs two forwards
    flops = 2 * weights * pieces * passes * (len(config.train.seeds) if passes > 1 else 1)
    megabytes = 4 * weights / 1e6
    memory = 800 + 5 * megabytes + options.batch_tokens * hidden * layers * 80 / 1e6
    return (
        f"train {task_name} {method_name}: {len(train)} rows, {pieces} pieces, "
        f"{options.epochs} epochs, seeds {config.train.seeds} -> "
        f"{paths.train(task_name, method_name)}\n"
        f"  about {10 + flops / FLOPS_A_SECOND:.0f} s on this kind of processor, "
        f"{megabytes * len(config.train.seeds):.0f} MB on disk and {megabytes * 4:.0f} MB of "
        f"checkpoints while it runs, {memory:.0f} MB of memory"
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
