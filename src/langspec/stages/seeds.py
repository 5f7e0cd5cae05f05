"""The part of stage train that calculates: seeds of a method on a task, one after the other.

Apart from the stage, which only keeps records, so that it can run in worker processes.
"""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env

from langspec.config import Config, flatten
from langspec.encoders.load import Encoder, load_encoder
from langspec.encoders.mlm import load_mlm_head
from langspec.errors import LangspecError
from langspec.files import sha256_json
from langspec.launch import check_processes
from langspec.modelling.model import EncoderWithHeads, freeze_embeddings
from langspec.modelling.saved import RunCard, build_model, copy_encoder, save_run
from langspec.modelling.vocabulary import pieces_of, trim_vocabulary
from langspec.objectives import get_objective
from langspec.paths import Paths, corpora_hash, paths_of, require
from langspec.stages.common import code_hash
from langspec.stages.train import SeedJob, TrainingFacts
from langspec.tasks import Task, TaskData, get_task
from langspec.training.checkpoint import CheckpointStore
from langspec.training.language import read_language_data, with_mlm_head
from langspec.training.loop import FitOptions, FitResult, fit
from langspec.training.precision import ACCELERATE, launched_precision, resolve_precision
from langspec.training.predict import encode_features
from langspec.training.selection import get_rule
from langspec.training.watch import WatchOptions
from langspec.workers import Send

logger = logging.getLogger(__name__)

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


def judged_data(
    config: Config, task: Task, encoder: Encoder, corpora: Path, dev: TaskData
) -> dict[str, TaskData]:
    """Rows by language that choose the epoch, where the rule reads more than the source's.

    Args:
        config: the configuration.
        task: the task.
        encoder: for its tokenizer.
        corpora: the prepared corpora.
        dev: of the source language, not tokenised again.
    """
    rule, source = get_rule(config.train.selection), config.corpora.source
    if not rule.pooled:
        return {}
    tables = {
        code: task.rows(corpora, rule.split, [code])
        for code in config.corpora.languages
        if not (code == source and rule.split == rule.source_split)
    }
    known = [code for code, table in tables.items() if len(table)]
    chosen = rule.languages(source, [source, *known])
    return {code: task.data(tables[code], encoder) if code in tables else dev for code in chosen}


def run_settings(config: Config, task: str, method: str) -> dict[str, Any]:
    """Everything in params.yaml that this training depends on, by dotted path."""
    train = config.train
    return flatten(
        {
            "corpora": {"source": config.corpora.source},
            # Not how many seeds are trained side by side, or with how much memory: they are the
            # same seeds. How many processes share a step is told apart from these.
            "compute": config.compute.model_dump(exclude={"workers", "launch", "trim_vocabulary"}),
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
                        "accumulate",
                        "clip",
                    )
                },
                "batch": train.batch.model_dump(),
                "watch": train.watch.model_dump(),
                task: getattr(train, task).model_dump(),
                # Not the other points of its path: they are other runs.
                "methods": {method: getattr(train.methods, method).model_dump(exclude={"path"})},
            },
        }
    )


class SeedTrainer:
    """Data and encoder of a training, prepared once; trains one seed a call."""

    def __init__(self, config: Config, root: Path, task: str, method: str) -> None:
        self.config, self.method = config, method
        self.paths = paths_of(config, root)
        self.task = get_task(task, self.paths.corpora)
        self.options = method_options(config, task, method)
        self.objective = get_objective(method, self.options)
        on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU")
        precision = resolve_precision(
            launched_precision(config.compute.precision),
            "cuda" if torch.cuda.is_available() and not on_cpu else "cpu",
        )
        self.accelerator = Accelerator(mixed_precision=ACCELERATE[precision])
        check_processes(self.accelerator.num_processes)
        if self.accelerator.device.type == "cpu":
            torch.set_num_threads(config.compute.threads)
        corpora = require(self.paths.corpora, "corpora")
        self.encoder = load_encoder(require(self.paths.encoder, "encoder"))
        train = source_data(config, self.task, self.encoder, corpora, "train")
        rule = get_rule(config.train.selection)
        dev = source_data(config, self.task, self.encoder, corpora, rule.source_split)
        judged: dict[str, Any] = {**judged_data(config, self.task, self.encoder, corpora, dev)}
        settings = run_settings(config, task, method)
        data_hash = corpora_hash(corpora, task)
        self.extra: dict[str, Any] = {}
        if self.objective.reads_language:
            self.extra = unlearning(config, self.task, method, self.encoder, self.paths)
            # Two tables, one hash; who reads the task's alone is not told of the other.
            data_hash = sha256_json([data_hash, corpora_hash(corpora, "text")])
            settings |= {"corpora.targets": config.corpora.targets}
        if rule.pooled:
            settings |= {"corpora.targets": config.corpora.targets}
            self.extra |= {"rule": rule, "judged": judged}
        if self.objective.trains_encoder:
            limits = config.train.watch.model_dump(exclude={"target_rows"})
            self.extra["watch"] = WatchOptions(**(limits | {"fail": tuple(limits["fail"])}))
        self.facts = TrainingFacts(
            identity={
                "settings": settings,
                "task": task,
                "method": method,
                "data": data_hash,
                "encoder": self.encoder.card.sha256,
                "code": code_hash(*_CODE),
                "precision": precision,
                "processes": self.accelerator.num_processes,
            },
            main_process=self.accelerator.is_main_process,
            rows=len(train),
            truncated=train.inputs.truncated,
            selection_languages=tuple(judged) or (config.corpora.source,),
        )
        if config.compute.trim_vocabulary:
            self._trim([train, dev, *judged.values()])
        self.train: Any = train
        self.dev: Any = dev
        if not self.objective.trains_encoder:
            model = build_model(
                self.encoder,
                self.task,
                feature_layer=config.train.feature_layer,
                dropout=0.0,
                init=0.02,
            ).to(self.accelerator.device)
            tokens = config.features.batch_tokens
            self.train = encode_features(model, train, tokens, self.accelerator.device)
            self.dev = encode_features(model, dev, tokens, self.accelerator.device)
            for code, rows in judged.items():
                found = self.dev
                if rows is not dev:
                    found = encode_features(model, rows, tokens, self.accelerator.device)
                judged[code] = found

    def _trim(self, task_rows: list[TaskData]) -> None:
        """Leave out the word embeddings that nothing here reads."""
        trains = self.objective.trains_encoder
        if trains and not getattr(self.options, "freeze_embeddings", False):
            raise LangspecError(
                f"found true, but train.methods.{self.method}.freeze_embeddings is false; what is "
                "left out cannot be trained",
                place="compute.trim_vocabulary",
            )
        rows = [data.inputs.ids for data in [*task_rows, *self.extra.get("targets", ())]]
        if "language" in self.extra:
            rows.append(self.extra["language"].inputs.ids)
        pieces = pieces_of(rows, self.encoder.tokenizer.all_special_ids)
        saved = trim_vocabulary(self.encoder.model, pieces)
        logger.info("%d pieces are read; %.0f MB of embeddings left out", len(pieces), saved / 1e6)

    def train_seed(
        self,
        job: SeedJob,
        log: Callable[[int, dict[str, float], EncoderWithHeads], None],
        checkpoints: CheckpointStore | None,
    ) -> FitResult:
        """Train a seed; ``log`` is called after every step, and may look at the model."""
        config, seed = self.config, job.seed
        options = self.options
        if job.strength is not None:
            options = options.model_copy(update={"strength": job.strength})
        objective = get_objective(self.method, options)
        torch.manual_seed(seed)  # the head's first weights
        model = build_model(
            copy_encoder(self.encoder),
            self.task,
            feature_layer=config.train.feature_layer,
            dropout=config.train.dropout,
            init=head_init(config, self.task.name, self.method),
            with_encoder=objective.trains_encoder,
            parts=config.train.accumulate,
        )
        if getattr(self.options, "freeze_embeddings", False):
            freeze_embeddings(model.encoder)
        return fit(
            model.to(self.accelerator.device),
            objective,
            self.train,
            self.dev,
            fit_options(config, self.task.name, self.method, seed),
            self.accelerator,
            classes=len(self.task.labels),
            **self.extra,
            checkpoints=checkpoints,
            log=lambda step, metrics: log(step, metrics, model),
            description=f"{self.task.name} {self.method} {job.name}",
        )

    def __call__(self, job: SeedJob, send: Send) -> dict[str, Any]:
        """Train a seed, telling ``(step, metrics)``; returns its entry of ``run.json``."""
        config, seed = self.config, job.seed
        began = time.perf_counter()
        checkpoints = CheckpointStore(self.facts.checkpoints(self.paths.cache, job))
        result = self.train_seed(
            job, lambda step, metrics, model: send((step, metrics)), checkpoints
        )
        self.accelerator.free_memory()
        if job.folder is not None:
            card = RunCard(
                task=self.task.name,
                method=self.method,
                seed=seed,
                labels=self.task.labels,
                pooling=self.encoder.card.pooling,
                feature_layer=config.train.feature_layer,
                dropout=config.train.dropout,
                trains_encoder=self.objective.trains_encoder,
                encoder_name=self.encoder.card.name,
                encoder_sha256=self.encoder.card.sha256,
                best_epoch=result.best_epoch,
            )
            _write_seed(job.folder, result, card)
        self.accelerator.wait_for_everyone()
        send((0, {"train/seconds": time.perf_counter() - began}))
        return {
            "seed": seed,
            **({} if job.strength is None else {"strength": job.strength}),
            "run_key": self.facts.key(job),
            "best_epoch": result.best_epoch,
            "dev": {key: float(f"{value:.6g}") for key, value in result.dev.items()},
            "skipped_steps": result.skipped_steps,
            "status": "failed" if result.failure else "finished",
            "reason": result.failure,
            "warnings": result.warnings,
        }


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
