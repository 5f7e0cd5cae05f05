"""Everything that one training is, built by one call.

Stage train, the trials of a sweep and the trajectories of stage evaluate all take an
:class:`Experiment` from a :class:`Workbench` and hand it to the same loop. They differ in the
callbacks that they give to it, and in nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from accelerate import Accelerator

from langspec.closure import cache_key
from langspec.compute import device_type, launched_precision, resolve_precision
from langspec.encoders.load import Encoder, load_encoder
from langspec.encoders.mlm import load_mlm_head
from langspec.errors import LangspecError
from langspec.files import sha256_file, sha256_json
from langspec.launch import check_gpus, check_processes
from langspec.modelling.model import EncoderWithHeads, freeze_embeddings
from langspec.modelling.saved import build_model, copy_encoder
from langspec.modelling.vocabulary import pieces_of, trim_vocabulary
from langspec.objectives import Objective, get_method, get_objective
from langspec.tasks import Task, TaskData, get_task
from langspec.training.changes import UNCHANGED, Changes
from langspec.training.identity import TrainingFacts, run_settings, seed_key
from langspec.training.language import LanguageData, read_language_data, with_mlm_head
from langspec.training.loop import FitResult, fit
from langspec.training.scoring import TrainingData, encode_features
from langspec.training.selection import Rule, get_rule
from langspec.training.train_section import Recipe, recipe_of
from langspec.training.watch import WatchOptions

if TYPE_CHECKING:
    from langspec.config import Config

logger = logging.getLogger(__name__)

MIXED = {"fp32": "no", "bf16": "no", "fp16": "fp16"}
"""Accelerate's ``mixed_precision``: autocast for fp16; bf16 weights are :mod:`half_weights`'."""


@dataclass(frozen=True)
class Experiment:
    """One training: a task, a method, a seed, and all that they need.

    Attributes:
        task: what is learned.
        objective: the method, with its options.
        recipe: how long and how fast.
        encoder: the starting encoder; every training gets a copy.
        train: the source language's rows that are learned, tokenised or encoded.
        dev: the source language's rows that are scored after every epoch.
        rule: what chooses the epoch.
        judged: rows by language that the rule reads beside ``dev``.
        language: rows of language text, where the method reads them.
        targets: dev rows of a target language each, watched only.
        watch: when a training has failed; None: it is not watched.
        feature_layer: the layer that the head reads.
        dropout: of the head.
        parts: that a step's rows go through the encoder in.
        accelerator: of this process.
        precision: of the encoder's passes, as resolved.
        facts: the identity, and the keys of checkpoints and runs.
        strength: lambda, where it is another than the method's.
    """

    task: Task
    objective: Objective
    recipe: Recipe
    encoder: Encoder
    train: TrainingData
    dev: TrainingData
    rule: Rule
    judged: Mapping[str, TrainingData]
    language: LanguageData | None
    targets: Sequence[TrainingData]
    watch: WatchOptions | None
    feature_layer: int
    dropout: float
    parts: int
    accelerator: Accelerator
    precision: str
    facts: TrainingFacts
    strength: float | None = None

    @property
    def key(self) -> str:
        """SHA-256 of all that decides the weights at the end."""
        return seed_key(self.facts.run_key, self.recipe.seed, self.strength)

    def model(self) -> EncoderWithHeads:
        """A fresh model; its head's first weights are drawn by the seed."""
        torch.manual_seed(self.recipe.seed)
        model = build_model(
            copy_encoder(self.encoder),
            self.task,
            feature_layer=self.feature_layer,
            dropout=self.dropout,
            init=self.recipe.head_init,
            with_encoder=self.objective.trains_encoder,
            parts=self.parts,
        )
        if getattr(self.objective.options, "freeze_embeddings", False):
            freeze_embeddings(model.encoder)
        return model.to(self.accelerator.device)

    def fit(self, model: EncoderWithHeads, **callbacks: Any) -> FitResult:
        """Train a model of :meth:`model`; ``callbacks`` as :func:`fit` takes them."""
        return fit(
            model,
            self.objective,
            self.train,
            self.dev,
            self.recipe,
            self.accelerator,
            classes=len(self.task.labels),
            precision=self.precision,
            language=self.language,
            targets=self.targets,
            rule=self.rule,
            judged=self.judged,
            watch=self.watch,
            **callbacks,
        )


class Workbench:
    """What the trainings of one task in one process share: each table is tokenised once.

    Args:
        config: the configuration.
        task: the name of the task.
        corpora: folder of the prepared corpora.
        encoder: folder of the starting encoder.
    """

    def __init__(self, config: Config, task: str, corpora: Path, encoder: Path) -> None:
        self.corpora, self.encoder_folder = corpora, encoder
        self.task = get_task(task, corpora)
        check_gpus()
        requested = launched_precision(config.compute.precision)
        self.precision = resolve_precision(requested, device_type())
        self.accelerator = Accelerator(mixed_precision=MIXED[self.precision])
        check_processes(self.accelerator.num_processes)
        if self.accelerator.device.type == "cpu":
            torch.set_num_threads(config.compute.threads)
        self.encoder = load_encoder(encoder)
        self._tables: dict[tuple[Any, ...], TaskData | None] = {}
        self._encoded: dict[int, tuple[TaskData, TrainingData]] = {}
        self._languages: dict[tuple[Any, ...], LanguageData] = {}
        self._hashes: dict[str, str] = {}
        self._trimmed = False

    # Rows.

    def rows(
        self, split: str, language: str, limit: int | None = None, seed: int | None = None
    ) -> TaskData | None:
        """Tokenised rows of the task; None where the language has none of the split.

        Args:
            split: train, dev, val or test.
            language: its code.
            limit: the first so many rows; with a ``seed``, so many drawn by it.
            seed: of the draw; the rows stay in prepared order.
        """
        key = (split, language, limit, seed if limit is not None else None)
        if key not in self._tables:
            table = self.task.rows(self.corpora, split, [language])
            if limit is not None:
                table = table[:limit] if seed is None else _drawn(table, limit, seed)
            self._tables[key] = self.task.data(table, self.encoder) if len(table) else None
        return self._tables[key]

    def source_rows(
        self, source: str, split: str, limit: int | None = None, seed: int | None = None
    ) -> TaskData:
        """Tokenised rows of the source language.

        Raises:
            LangspecError: there are none.
        """
        data = self.rows(split, source, limit, seed)
        if data is None:
            raise LangspecError(
                f"no {split} rows of the source language {source!r} for {self.task.name}; "
                "training needs train and dev of the source",
                place=self.corpora,
            )
        return data

    def judged_rows(self, config: Config, dev: TaskData) -> dict[str, TaskData]:
        """Rows by language that choose the epoch, where the rule reads more than the source's.

        Args:
            config: the configuration.
            dev: of the source language, not tokenised again.
        """
        rule, source = get_rule(config.train.selection), config.corpora.source
        if not rule.pooled:
            return {}
        known = {
            code: dev if code == source and rule.split == rule.source_split else rows
            for code in config.corpora.languages
            if (rows := self.rows(rule.split, code)) is not None
        }
        return {code: known.get(code, dev) for code in rule.languages(source, [source, *known])}

    def language_rows(self, config: Config, objective: Objective) -> LanguageData:
        """The language text that the method reads, with the masked-language head if it asks.

        Raises:
            LangspecError: the text corpus or the encoder lacks what the method needs.
        """
        languages, asking = config.corpora.languages, objective.asks_for_mlm_head
        split = config.train.language_split
        key = (*languages, split, bool(asking))
        if key not in self._languages:
            data = read_language_data(self.corpora, self.encoder, languages, split)
            if asking:
                try:
                    data = with_mlm_head(data, load_mlm_head(self.encoder_folder, self.encoder))
                except LangspecError as error:
                    place = f"train.methods.{objective.name}.{asking}"
                    raise LangspecError(str(error), place=place) from None
            self._languages[key] = data
        return self._languages[key]

    def target_rows(self, config: Config) -> list[TaskData]:
        """The first dev rows of every target language that has any: they are watched."""
        limit = config.train.watch.target_rows
        rows = (self.rows("dev", code, limit) for code in config.corpora.targets)
        return [data for data in rows if data is not None]

    def as_read(self, config: Config, method: str, data: TaskData) -> TrainingData:
        """Rows as the method's model reads them: tokenised, or encoded once where it is frozen."""
        if get_method(method).trains_encoder:
            return data
        if id(data) not in self._encoded:
            device = self.accelerator.device
            model = self._encoding_model(config).to(device)
            tokens = config.features.batch_tokens
            rows = encode_features(model, data, tokens, device, self.precision)
            self._encoded[id(data)] = data, rows
        return self._encoded[id(data)][1]

    def _encoding_model(self, config: Config) -> EncoderWithHeads:
        layer = config.train.feature_layer
        return build_model(self.encoder, self.task, feature_layer=layer, dropout=0.0, init=0.02)

    # The training.

    def frozen_facts(self, config: Config, method: str, seed: int) -> TrainingFacts:
        """The facts of a training that leaves the encoder as it is; nothing is encoded.

        Raises:
            LangspecError: as :meth:`experiment`.
        """
        self._encoding_model(config)  # refuses a layer that there is not
        train, dev = self._source(config, seed)
        judged = tuple(self.judged_rows(config, dev))
        return self._facts(config, get_method(method), train, judged)

    def _source(
        self, config: Config, seed: int, limit: int | None = None
    ) -> tuple[TaskData, TaskData]:
        """Rows of the source language that are learned, and those that are scored."""
        source, rule = config.corpora.source, get_rule(config.train.selection)
        train = self.source_rows(source, "train", limit, seed)
        return train, self.source_rows(source, rule.source_split)

    def experiment(
        self,
        config: Config,
        method: str,
        seed: int,
        changes: Changes = UNCHANGED,
        *,
        also_read: Sequence[np.ndarray] = (),
    ) -> Experiment:
        """One training.

        Args:
            config: the configuration.
            method: the name of the method.
            seed: of the training.
            changes: to the configuration.
            also_read: token ids that the caller will encode with the trained encoder.

        Raises:
            LangspecError: rows, or something else that the method needs, are not there.
        """
        options = getattr(config.train.methods, method).for_task(self.task.name)
        if changes.strength is not None:
            options = options.model_copy(update={"strength": changes.strength})
        objective = get_objective(method, options)
        recipe = recipe_of(config.train, self.task.name, method, seed)
        if changes.epochs is not None:
            recipe = replace(recipe, epochs=changes.epochs)
        train, dev = self._source(config, seed, changes.rows)
        judged = self.judged_rows(config, dev)
        language = self.language_rows(config, objective) if objective.reads_language else None
        targets = self.target_rows(config) if objective.reads_language else []
        facts = self._facts(config, type(objective), train, tuple(judged))
        if config.compute.trim_vocabulary and not self._trimmed:
            rows = [data.inputs.ids for data in (train, dev, *judged.values(), *targets)]
            rows += [] if language is None else [language.inputs.ids]
            self._trim(objective, [*rows, *also_read])
        return Experiment(
            task=self.task,
            objective=objective,
            recipe=recipe,
            encoder=self.encoder,
            train=self.as_read(config, method, train),
            dev=self.as_read(config, method, dev),
            rule=get_rule(config.train.selection),
            judged={code: self.as_read(config, method, data) for code, data in judged.items()},
            language=language,
            targets=targets,
            watch=config.train.watch if objective.trains_encoder else None,
            feature_layer=config.train.feature_layer,
            dropout=config.train.dropout,
            parts=config.train.accumulate,
            accelerator=self.accelerator,
            precision=self.precision,
            facts=facts,
            strength=changes.strength,
        )

    def _facts(
        self, config: Config, method: type[Objective], train: TaskData, judged: tuple[str, ...]
    ) -> TrainingFacts:
        settings = run_settings(config, self.task.name, method.name)
        data = self._hash(self.task.name)
        if method.reads_language:
            # Two tables, one hash; a method that reads the task's alone does not depend on both.
            data = sha256_json([data, self._hash("text")])
        if method.reads_language or judged:
            settings |= {"corpora.targets": config.corpora.targets}
        identity = {
            "settings": settings,
            "task": self.task.name,
            "method": method.name,
            "data": data,
            "encoder": self.encoder.card.sha256,
            "precision": self.precision,
            "processes": self.accelerator.num_processes,
        }
        return TrainingFacts(
            identity=identity,
            run_key=cache_key("training", code=training_code(method.name), **identity),
            main_process=self.accelerator.is_main_process,
            rows=len(train),
            truncated=train.inputs.truncated,
            selection_languages=judged or (config.corpora.source,),
        )

    def _hash(self, table: str) -> str:
        if table not in self._hashes:
            self._hashes[table] = sha256_file(self.corpora / f"{table}.parquet")
        return self._hashes[table]

    def _trim(self, objective: Objective, rows: Sequence[np.ndarray]) -> None:
        """Leave out the word embeddings that nothing here reads."""
        frozen = getattr(objective.options, "freeze_embeddings", False)
        if objective.trains_encoder and not frozen:
            raise LangspecError(
                "found true, which leaves out embeddings of unused tokens, and what is left out "
                f"cannot be trained; set train.methods.{objective.name}."
                "freeze_embeddings to true, or this to false",
                place="compute.trim_vocabulary",
            )
        pieces = pieces_of(rows, self.encoder.tokenizer.all_special_ids)
        saved = trim_vocabulary(self.encoder.model, pieces)
        self._trimmed = True
        logger.info("%d pieces are read; %.0f MB of embeddings left out", len(pieces), saved / 1e6)


def training_code(method: str) -> tuple[type, ...]:
    """Classes whose source code is hashed into the cache key of a training of ``method``."""
    return (Experiment, get_method(method))


def _drawn(table: pa.Table, rows: int, seed: int) -> pa.Table:
    """``rows`` of the rows, drawn by ``seed``, in prepared order."""
    if rows >= len(table):
        return table
    rng = np.random.default_rng(seed)
    return table.take(pa.array(np.sort(rng.choice(len(table), rows, replace=False))))
