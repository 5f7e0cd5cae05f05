"""The part of stage evaluate that calculates: a task's checkpoints, measured one by one.

Apart from the stage, which puts the results together, so that it can run in worker processes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from langspec.config import Config
from langspec.corpora.tables import read_table
from langspec.encoders.inputs import Inputs, text_inputs
from langspec.encoders.load import load_encoder, random_encoder
from langspec.features.bank import Bank, BankOptions, BankRows, bank_key
from langspec.features.encode import build_bank
from langspec.files import read_json, sha256_json, write_json
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.leak import LeakOptions, language_leak
from langspec.measurement.probe import ProbeOptions
from langspec.measurement.projection import ProjectionOptions, projection
from langspec.measurement.rows import Origin
from langspec.measurement.task_scores import task_scores
from langspec.modelling.saved import build_model, load_run, read_card
from langspec.paths import checkpoint_hash, corpora_hash, paths_of, require
from langspec.results import EVERY, RANDOM, Result
from langspec.stages.common import code_hash
from langspec.stages.compat import Compat
from langspec.stages.erase import Erasing
from langspec.stages.evaluate import Measured, Subject, TrainedRun
from langspec.stages.geometry import Geometry
from langspec.stages.probing import Probing
from langspec.stages.trajectory import Trajectory
from langspec.tasks import Task, TaskData, get_task
from langspec.tasks.heuristics import heuristic_predictions
from langspec.training.predict import encode_features, head_classes
from langspec.workers import Tell

logger = logging.getLogger(__name__)

_CODE = ("encoders", "tasks", "modelling", "features", "measurement", "training")


class Evaluation:
    """What all checkpoints of a task are measured on, tokenised once."""

    def __init__(self, config: Config, root: Path, task: Task, limit_gb: float) -> None:
        self.config = config
        self.task = task
        self.limit_gb = limit_gb  # of the folder of banks
        self.paths = paths_of(config, root)
        self.encoder = load_encoder(require(self.paths.encoder, "encoder"))
        corpora = require(self.paths.corpora, "corpora")
        languages = config.corpora.languages
        self.train_table = task.rows(corpora, "train", [config.corpora.source])
        self.test_table = task.rows(corpora, "test", languages)
        self.test = task.data(self.test_table, self.encoder)
        text = read_table(corpora, "text", languages=languages)
        text = text.filter(pc.not_equal(text["split"], "val"))  # the part that is left unread
        self.texts: list[str] = text["text"].to_pylist()
        self.text_inputs = text_inputs(
            self.encoder.tokenizer,
            self.texts,
            max_tokens=self.encoder.card.max_tokens,
            prefix=self.encoder.card.prefix,
        )
        self.text_rows = BankRows(
            languages=text["language"].to_pylist(),
            splits=text["split"].to_pylist(),
            lines=text["line"].to_numpy(),
        )
        self.text_hash = corpora_hash(corpora, "text")
        self.task_hash = corpora_hash(corpora, task.name)
        self.bootstrap = BootstrapOptions(
            resamples=config.evaluate.bootstrap, seed=config.evaluate.seed
        )
        self._vectors: tuple[str, np.ndarray] | None = None  # of the encoder used last
        self.code = code_hash(*_CODE)

    def cached(self, kind: str, key: dict[str, Any], compute: Callable[[], Any]) -> Any:
        """A JSON-able value from the cache, or computed and kept: an interrupted stage goes on."""
        place = self.paths.cache / kind / f"{sha256_json({**key, 'code': self.code})}.json"
        if place.exists():
            try:
                return read_json(place)
            except ValueError:
                logger.warning("%s: unreadable; measured again", place)
        value = compute()
        write_json(place, value)
        return value

    def unit_columns(self, data: TaskData) -> tuple[np.ndarray, np.ndarray]:
        """Language and item of each scored unit."""
        if data.unit == "pair":
            return data.languages, data.items
        counts = np.diff(data.inputs.unit_starts)
        return np.repeat(data.languages, counts), np.repeat(data.items, counts)

    def predictions(self, checkpoint: str, state: str, model: Any) -> np.ndarray:
        """Class indices of the test units of a checkpoint, cached by its hash."""

        def compute() -> Any:
            vectors = self.test_vectors(state, model)
            return head_classes(model.heads["task"], vectors).tolist()

        key = {"checkpoint": checkpoint, "corpus": self.task_hash, "split": "test"}
        found = self.cached(
            "predictions", key | {"languages": self.config.corpora.languages}, compute
        )
        return np.asarray(found, dtype=np.int64)

    def test_vectors(self, state: str, model: Any) -> np.ndarray:
        """What a head reads of the test units: float32 ``[N, H]``, of one encoder at a time.

        ``state`` names the encoder: heads on a frozen one, and on erased vectors, share them.
        """
        if self._vectors is None or self._vectors[0] != state:
            device = next(model.parameters()).device
            tokens = self.config.features.batch_tokens
            found = encode_features(model, self.test, tokens, device).vectors
            self._vectors = (state, found)
        return self._vectors[1]

    def score_rows(self, run: TrainedRun, predicted: np.ndarray, layer: int) -> list[Result]:
        """Task scores of predictions, per language and means, with intervals."""
        language, item = self.unit_columns(self.test)
        return task_scores(
            Origin(
                self.task.name,
                run.method,
                run.seed,
                self.task.name,
                "test",
                "task",
                strength=run.strength,
            ),
            language,
            item,
            self.test.labels,
            predicted,
            classes=len(self.task.labels),
            unit=self.task.unit,
            source=self.config.corpora.source,
            options=self.bootstrap,
            layer=layer,
        )

    def bank(
        self,
        model: Any,
        checkpoint: str,
        corpus: str,
        inputs: Inputs,
        rows: BankRows,
        options: BankOptions,
        progress: str,
    ) -> Bank:
        """The feature bank of a checkpoint on a corpus."""
        card = self.encoder.card
        return build_bank(
            model,
            int(self.encoder.tokenizer.pad_token_id),
            inputs,
            rows,
            options=options,
            key=bank_key(
                checkpoint=checkpoint,
                corpus=corpus,
                prefix=card.prefix,
                max_tokens=card.max_tokens,
                options=options,
            ),
            root=self.paths.cache / "banks",
            limit_gb=self.limit_gb,
            progress=progress,
        )

    @property
    def text_bank_options(self) -> BankOptions:
        """What is kept of the language text."""
        features = self.config.features
        return BankOptions(
            max_tokens_per_language=features.max_tokens_per_language,
            max_sentences_per_language=features.max_sentences_per_language,
            pooling=self.encoder.card.pooling,  # type: ignore[arg-type]
            seed=self.config.evaluate.seed,
            tokens_per_batch=features.batch_tokens,
        )

    def text_bank(self, encoder: Any, state: str, title: str) -> Bank:
        """The bank of the language text: one for all that is measured on it."""
        return self.bank(
            encoder,
            state,
            self.text_hash,
            self.text_inputs,
            self.text_rows,
            self.text_bank_options,
            f"encode text: {title}",
        )

    @property
    def leak_options(self) -> LeakOptions:
        """The linear probe and its intervals."""
        probe = self.config.evaluate.probe
        return LeakOptions(
            probe=ProbeOptions(
                strengths=tuple(probe.strengths),
                max_iterations=probe.max_iterations,
                tolerance=probe.tolerance,
            ),
            bootstrap=self.bootstrap,
        )

    def leak_rows(
        self, method: str, seed: int, model: Any, checkpoint: str, strength: float | None = None
    ) -> list[Result]:
        """The linear language probe at every layer, on language text."""
        leak_options = self.leak_options

        def measure() -> list[dict[str, Any]]:
            bank = self.text_bank(model, checkpoint, f"{method} {seed}")
            origin = Origin(self.task.name, method, seed, "text", "test", "leak")
            rows = language_leak(bank, origin, leak_options, progress=f"probe: {method} {seed}")
            return [asdict(row) for row in rows]

        key = {
            "checkpoint": checkpoint,
            "corpus": self.text_hash,
            "languages": self.config.corpora.languages,
            "card": [self.encoder.card.prefix, self.encoder.card.max_tokens],
            "bank": asdict(self.text_bank_options),
            "leak": asdict(leak_options),
        }
        found = [Result(**row) for row in self.cached("leaks", key, measure)]
        # Another task's evaluation may have measured the same encoder: same numbers, own name.
        return [
            replace(row, task=self.task.name, method=method, seed=seed, strength=strength)
            for row in found
        ]

    def projection(
        self, method: str, seed: int, model: Any, checkpoint: str
    ) -> tuple[pa.Table, list[Result]]:
        """t-SNE of a balanced sample of the last layer, and how pure neighbourhoods are."""
        wanted = self.config.evaluate.projection
        token = self.task.unit == "token"
        # Several candidates for each class and language, so that rare classes are met too.
        candidates = wanted.per_class * len(self.task.labels) * 8
        options = BankOptions(
            max_tokens_per_language=candidates if token else 0,
            max_sentences_per_language=0 if token else candidates,
            whole_rows=True,
            pooling=self.encoder.card.pooling,  # type: ignore[arg-type]
            layers=(-1,),
            seed=self.config.evaluate.seed,
            tokens_per_batch=self.config.features.batch_tokens,
        )
        rows = BankRows(
            languages=self.test.languages.tolist(),
            token_labels=self.test.labels if token else None,
            row_labels=None if token else self.test.labels,
        )
        title = f"encode task text: {method} {seed}"
        bank = self.bank(model, checkpoint, self.task_hash, self.test.inputs, rows, options, title)
        origin = Origin(self.task.name, method, seed, self.task.name, "test", "projection")
        table, results = projection(
            bank.tokens(-1) if token else bank.sentences(-1),
            bank.token_meta if token else bank.sentence_meta,
            bank.languages,
            self.task.labels,
            origin,
            layer=bank.layers[-1],
            unit=self.task.unit,
            options=ProjectionOptions(
                per_class=wanted.per_class,
                max_points=wanted.max_points,
                perplexity=wanted.perplexity,
                seed=self.config.evaluate.seed,
            ),
        )
        found = pa.Table.from_pandas(
            table[["language", "label", "x", "y"]], preserve_index=False
        ).replace_schema_metadata()
        for column, value in (("corpus", origin.corpus), ("seed", seed), ("method", method)):
            found = found.add_column(0, column, pa.array([value] * len(found)))
        return found, results


class Measurer:
    """Measures one subject a call."""

    facts = None

    def __init__(self, config: Config, root: Path, task: str, limit_gb: float) -> None:
        torch.set_num_threads(config.compute.threads)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        corpora = paths_of(config, root).corpora
        self.evaluation = Evaluation(config, root, get_task(task, corpora), limit_gb)
        self.erasing = Erasing(self.evaluation)
        self.probing = Probing(self.evaluation)
        self.compat = Compat(self.evaluation)
        self.geometry = Geometry(self.evaluation)
        self.trajectory = Trajectory(self.evaluation, root)

    def __call__(self, subject: Subject, tell: Tell) -> Measured:
        """Rows and tables of the subject; nothing is told meanwhile."""
        evaluation, found = self.evaluation, Measured()
        for run in subject.runs:
            self._run(run, found)
        if subject.random:
            seed = evaluation.config.evaluate.seed
            model: Any = random_encoder(evaluation.encoder, seed).model
            key = f"random-{seed}-{evaluation.encoder.card.sha256}"
            found.rows += evaluation.leak_rows(RANDOM, 0, model.to(self.device), key)
            found.rows += self.probing.rows(RANDOM, 0, model, key)
            found.rows += self.probing.text_rows(model, key)
            found.rows += self.compat.encoder_rows(RANDOM, 0, self._headed(model), key)
            found.geometry += self.geometry.rows(RANDOM, 0, model, key, trained=False)
        if subject.trajectory is not None:
            found.trajectory += self.trajectory.rows(*subject.trajectory)
        if subject.baselines:
            found.rows += _baseline_rows(evaluation)
            found.rows.append(_unscored(evaluation))
            found.rows += self.compat.lengths()
        return found

    def _headed(self, encoder: Any) -> Any:
        """The encoder with an unused head, which says what a head would read of it."""
        evaluation = self.evaluation
        return build_model(
            replace(evaluation.encoder, model=encoder),
            evaluation.task,
            feature_layer=evaluation.config.train.feature_layer,
            dropout=0.0,
            init=1.0,
        )

    def _run(self, run: TrainedRun, found: Measured) -> None:
        evaluation, method, seed, folder = self.evaluation, run.method, run.seed, run.folder
        first = seed == evaluation.config.train.seeds[0]
        card = read_card(folder)
        model = load_run(folder, evaluation.encoder, evaluation.task).to(self.device)
        checkpoint = checkpoint_hash(folder)
        # A frozen run's encoder is the starting one whatever its seed: encoded and probed once.
        state = checkpoint if card.trains_encoder else evaluation.encoder.card.sha256
        predicted = evaluation.predictions(checkpoint, state, model)
        found.rows += evaluation.score_rows(run, predicted, model.head_layer)
        found.predictions.append(_prediction_table(evaluation, run, predicted))
        measured = card.trains_encoder or first
        leak_seed = seed if card.trains_encoder else 0
        if measured:
            found.rows += evaluation.leak_rows(
                method, leak_seed, model.encoder, state, run.strength
            )
        if run.strength is not None:  # a point of a curve of transfer against leak, and no more
            return
        if measured:
            found.rows += self.probing.rows(method, leak_seed, model.encoder, state)
            found.geometry += self.geometry.rows(
                method, leak_seed, model.encoder, state, trained=card.trains_encoder
            )
        found.rows += self.erasing.rows(method, seed, model, checkpoint, state, leak=measured)
        found.rows += self.compat.rows(
            method, seed, model, checkpoint, state, predicted, measured=measured
        )
        if first:
            table, purity = evaluation.projection(method, seed, model.encoder, state)
            found.projection.append(table)
            found.rows += purity


def _prediction_table(evaluation: Evaluation, run: TrainedRun, predicted: np.ndarray) -> pa.Table:
    language, item = evaluation.unit_columns(evaluation.test)
    count = len(predicted)
    return pa.table(
        {
            "task": pa.array([evaluation.task.name] * count).dictionary_encode(),
            "method": pa.array([run.method] * count).dictionary_encode(),
            "seed": pa.array(np.full(count, run.seed, np.int32)),
            "strength": pa.array([run.strength] * count, pa.float64()),
            "language": pa.array(language.tolist()).dictionary_encode(),
            "item": pa.array(item.astype(np.int32)),
            "unit": pa.array(np.arange(count, dtype=np.int32)),
            "gold": pa.array(evaluation.test.labels.astype(np.int16)),
            "predicted": pa.array(predicted.astype(np.int16)),
        }
    ).unify_dictionaries()


def _baseline_rows(evaluation: Evaluation) -> list[Result]:
    """Heuristics that see no meaning, scored as the methods are."""
    task, table = evaluation.task, evaluation.test_table
    gold, table_rows = task.gold(table)
    language = np.asarray(table["language"].to_pylist())[table_rows]
    item = evaluation.test.items[table_rows]
    rows: list[Result] = []
    found = heuristic_predictions(task, evaluation.train_table, table)
    for name, predicted in found.items():
        rows += task_scores(
            Origin(task.name, name, 0, task.name, "test", "baseline"),
            language,
            item,
            gold,
            predicted,
            classes=len(task.labels),
            unit=task.unit,
            source=evaluation.config.corpora.source,
            options=evaluation.bootstrap,
        )
    return rows


def _unscored(evaluation: Evaluation) -> Result:
    """How many gold units no method was scored on: words that truncation cut off."""
    total = len(evaluation.task.gold(evaluation.test_table)[0])
    return Result(
        task=evaluation.task.name,
        method=EVERY,
        seed=0,
        corpus=evaluation.task.name,
        split="test",
        language="all",
        layer=-1,
        measure="task",
        probe="",
        unit=evaluation.task.unit,
        metric="unscored",
        value=float(total - len(evaluation.test.labels)),
        n=total,
    )
