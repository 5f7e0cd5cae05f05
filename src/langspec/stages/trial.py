"""One trial of a sweep: a short training, measured on dev rows at rungs and at its end.

Nothing here sees a test row: transfer is measured on dev rows of the task, leak by a fresh,
converged linear probe that is fitted on train lines of the language text (a part of them chooses
its regularisation) and read on dev lines.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from accelerate import Accelerator

from langspec.config import Config
from langspec.corpora.tables import read_table
from langspec.encoders.inputs import text_inputs
from langspec.encoders.load import load_encoder
from langspec.errors import LangspecError
from langspec.features.bank import BankOptions, BankRows
from langspec.features.encode import build_bank
from langspec.measurement.probe import fit_probe
from langspec.modelling.model import freeze_embeddings
from langspec.modelling.saved import build_model, copy_encoder
from langspec.objectives import get_objective
from langspec.paths import paths_of, require
from langspec.stages.seeds import (
    fit_options,
    head_init,
    method_options,
    unlearning,
)
from langspec.tasks import TaskData, get_task
from langspec.training.loop import FitOptions, FitResult, fit
from langspec.training.precision import ACCELERATE, resolve_precision
from langspec.training.predict import TrainingData, dev_scores, encode_features
from langspec.training.sampler import epoch_batches
from langspec.training.selection import get_rule
from langspec.training.watch import WatchOptions
from langspec.tuning.score import Collapsed, Measured, Report
from langspec.tuning.space import with_values

_CHOICE_LINES = 5  # every fifth train line chooses the probe's regularisation


class TrialTrainer:
    """Data and starting encoder, prepared once; a trial a call."""

    def __init__(self, config: Config, root: Path) -> None:
        self.config = config
        self.paths = paths_of(config, root)
        self.task = get_task(config.tune.task, self.paths.corpora)
        self.encoder = load_encoder(require(self.paths.encoder, "encoder"))
        precision = resolve_precision(
            config.compute.precision, "cuda" if torch.cuda.is_available() else "cpu"
        )
        self.accelerator = Accelerator(mixed_precision=ACCELERATE[precision])
        if self.accelerator.device.type == "cpu":
            torch.set_num_threads(config.compute.threads)
        corpora = require(self.paths.corpora, "corpora")
        source = config.corpora.source
        table = self.task.rows(corpora, "train", [source])
        self.train: Any = self._data(_drawn(table, config), "train")
        self.select: Any = self._data(
            self.task.rows(corpora, get_rule(config.train.selection).source_split, [source]), "dev"
        )
        codes = [source] if config.tune.selection == "source_dev" else config.corpora.languages
        found = {code: self.task.rows(corpora, "dev", [code]) for code in codes}
        self.dev: dict[str, Any] = {
            code: self.task.data(rows, self.encoder) for code, rows in found.items() if len(rows)
        }
        if source not in self.dev:
            raise LangspecError(f"no dev rows of {source} for {self.task.name}", place=corpora)
        self._text(corpora)
        self._frozen_leak: float | None = None
        self._language: dict[str, dict[str, Any]] = {}

    def _data(self, table: pa.Table, split: str) -> TaskData:
        if not len(table):
            raise LangspecError(
                f"no {split} rows of the source language for {self.task.name}",
                place=self.paths.corpora,
            )
        return self.task.data(table, self.encoder)

    def _text(self, corpora: Path) -> None:
        """The language text, its splits renamed to what the probe does with them."""
        text = read_table(corpora, "text", languages=self.config.corpora.languages)
        split = np.asarray(text["split"].to_pylist())
        lines = text["line"].to_numpy()
        train = np.unique(lines[split == "train"])
        choosing = np.isin(lines, train[::_CHOICE_LINES]) & (split == "train")
        role = np.where(choosing, "choose", np.where(split == "train", "fit", split))
        kept = np.flatnonzero(np.isin(role, ("fit", "choose", "dev")))
        text = text.take(pa.array(kept))
        self.text_inputs = text_inputs(
            self.encoder.tokenizer,
            text["text"].to_pylist(),
            max_tokens=self.encoder.card.max_tokens,
            prefix=self.encoder.card.prefix,
        )
        self.text_rows = BankRows(
            languages=text["language"].to_pylist(), splits=role[kept].tolist(), lines=lines[kept]
        )

    def leak(self, encoder: Any) -> float:
        """Language read off token vectors of the layer that heads read: 0 at chance, 1: all.

        The accuracy of the probe on dev lines, from that of the majority of its training tokens
        to 1; below the majority it is 0.
        """
        config = self.config
        layer = config.train.feature_layer
        with tempfile.TemporaryDirectory() as folder:
            bank = build_bank(
                encoder,
                int(self.encoder.tokenizer.pad_token_id),
                self.text_inputs,
                self.text_rows,
                options=BankOptions(
                    max_tokens_per_language=config.tune.tokens_per_language,
                    max_sentences_per_language=0,
                    whole_rows=True,
                    layers=(layer,),
                    seed=config.evaluate.seed,
                    tokens_per_batch=config.features.batch_tokens,
                ),
                key="trial",
                root=Path(folder),
            )
            meta, vectors = bank.token_meta, bank.tokens(-1)
        part = {name: np.flatnonzero(meta.split == i) for i, name in enumerate(bank.splits)}
        missing = {"fit", "choose", "dev"} - {name for name in part if len(part[name])}
        if missing:
            raise LangspecError(
                "the text corpus has too few train or dev lines for the probe of a trial; raise "
                "tune.tokens_per_language, or corpora.text_splits",
                place="tune",
            )
        label = meta.language.astype(np.int64)
        probe = fit_probe(
            vectors[part["fit"]],
            label[part["fit"]],
            vectors[part["choose"]],
            label[part["choose"]],
            len(bank.languages),
            config.evaluate.probe,
        )
        gold = label[part["dev"]]
        read = float((probe.predict(vectors[part["dev"]]) == gold).mean())
        majority = float((gold == np.bincount(label[part["fit"]]).argmax()).mean())
        return max(0.0, (read - majority) / (1.0 - majority))

    def measure(self, model: Any, dev: Mapping[str, TrainingData]) -> Measured:
        """Transfer and leak of a model as it is; its mode is put back."""
        was_training = model.training
        options = (self.config.features.batch_tokens, self.accelerator, len(self.task.labels))
        scores = {code: dev_scores(model, rows, *options) for code, rows in dev.items()}
        if model.encoder is not None:
            leak = self.leak(model.encoder)
        else:
            if self._frozen_leak is None:
                self._frozen_leak = self.leak(self.encoder.model)
            leak = self._frozen_leak
        model.train(was_training)
        f1 = {code: found["macro_f1"] for code, found in scores.items()}
        return Measured(
            transfer=float(np.mean(list(f1.values()))),
            leak=leak,
            more={f"dev_{code}": value for code, value in f1.items()},
        )

    def __call__(self, paths: Mapping[str, Any], report: Report) -> Measured:
        """Train with ``paths`` over the configuration, telling every rung but the last.

        Raises:
            Collapsed: the watch failed the training.
        """
        config = with_values(self.config, paths)
        tune = config.tune
        options = fit_options(config, tune.task, tune.method, tune.train_seed)
        if tune.epochs is not None:
            options = replace(options, epochs=tune.epochs)
        own = method_options(config, tune.task, tune.method)
        objective = get_objective(tune.method, own)
        torch.manual_seed(tune.train_seed)  # the head's first weights
        model = build_model(
            copy_encoder(self.encoder),
            self.task,
            feature_layer=config.train.feature_layer,
            dropout=config.train.dropout,
            init=head_init(config, tune.task, tune.method),
            with_encoder=objective.trains_encoder,
        )
        if getattr(own, "freeze_embeddings", False):
            freeze_embeddings(model.encoder)
        model.to(self.accelerator.device)
        train, select, dev = self._read_by(objective.trains_encoder)
        extra: dict[str, Any] = {}
        if objective.reads_language:
            kind = own.retention.kind  # the language rows differ by nothing else
            if kind not in self._language:
                self._language[kind] = unlearning(
                    config, self.task, tune.method, self.encoder, self.paths
                )
            extra |= self._language[kind]
        if objective.trains_encoder:
            limits = config.train.watch.model_dump(exclude={"target_rows"})
            extra["watch"] = WatchOptions(**(limits | {"fail": tuple(limits["fail"])}))
        rungs = _rungs(train, options, tune.rungs)

        def log(step: int, metrics: dict[str, float]) -> None:
            # Each step is told once with what it trained on, and epochs' ends once more.
            if step in rungs and any(name.startswith("train/") for name in metrics):
                report(rungs[step], self.measure(model, dev))

        try:
            result = fit(
                model,
                objective,
                train,
                select,
                options,
                self.accelerator,
                classes=len(self.task.labels),
                log=log,
                description=f"trial of {tune.task} {tune.method}",
                **extra,
            )
        finally:
            self.accelerator.free_memory()
        if result.failure is not None:
            raise Collapsed("{name}: {text} (step {step})".format(**result.failure))
        return self._final(model, result, dev)

    def _final(self, model: Any, result: FitResult, dev: Mapping[str, TrainingData]) -> Measured:
        """The best epoch's weights, measured: what the stage train would keep."""
        model.load_state_dict(result.tensors, strict=False)
        found = self.measure(model, dev)
        more = {**found.more, "best_epoch": float(result.best_epoch)}
        return Measured(found.transfer, found.leak, more)

    def _read_by(self, trains_encoder: bool) -> tuple[Any, Any, dict[str, Any]]:
        """Train, selection and dev rows as the model reads them: tokenised, or encoded once."""
        if trains_encoder:
            return self.train, self.select, dict(self.dev)
        if isinstance(self.train, TaskData):
            model = build_model(
                self.encoder,
                self.task,
                feature_layer=self.config.train.feature_layer,
                dropout=0.0,
                init=0.02,
            ).to(self.accelerator.device)
            tokens, device = self.config.features.batch_tokens, self.accelerator.device

            def encoded(data: Any) -> Any:
                return encode_features(model, data, tokens, device)

            self.train, self.select = encoded(self.train), encoded(self.select)
            self.dev = {code: encoded(data) for code, data in self.dev.items()}
        return self.train, self.select, dict(self.dev)


def _drawn(table: pa.Table, config: Config) -> pa.Table:
    """``tune.rows`` of the training rows, drawn by ``tune.train_seed``, in prepared order."""
    rows = config.tune.rows
    if rows is None or rows >= len(table):
        return table
    rng = np.random.default_rng(config.tune.train_seed)
    return table.take(pa.array(np.sort(rng.choice(len(table), rows, replace=False))))


def _rungs(train: TrainingData, options: FitOptions, count: int) -> dict[int, int]:
    """Rung by step, evenly over a training's steps, without the last (its end is measured)."""
    sizes = train.lengths if options.batch_rows is None else np.ones(len(train), np.int64)
    budget = options.batch_rows or options.batch_tokens
    total = sum(
        len(epoch_batches(sizes, budget, seed=options.seed, epoch=epoch))
        for epoch in range(1, options.epochs + 1)
    )
    steps = {round(total * rung / count): rung for rung in range(1, count)}
    return {step: rung for step, rung in steps.items() if 0 < step < total}
