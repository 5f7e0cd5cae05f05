"""One trial of a sweep: a short training, measured on dev rows at rungs and at its end.

Nothing here reads a test row. ``dev_macro_f1`` is scored on dev rows of the task. ``dev_leak`` is
what a fresh, converged linear probe reads on dev lines of the language text: it is fitted on train
lines, a part of which chooses its regularisation.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from langspec.corpora.tables import read_table
from langspec.encoders.inputs import text_inputs
from langspec.errors import LangspecError
from langspec.features.bank import BankOptions, BankRows
from langspec.features.encode import build_bank
from langspec.measurement.moves import drift
from langspec.measurement.probe import fit_probe_on
from langspec.measurement.scores import macro_f1
from langspec.training.callbacks import Callback, Run
from langspec.training.changes import Changes
from langspec.training.experiment import Experiment, Workbench
from langspec.training.loop import Batches
from langspec.training.scoring import TrainingData, dev_scores
from langspec.tuning.score import Collapsed, Measured, Report

if TYPE_CHECKING:
    from langspec.config import Config

_CHOICE_LINES = 5  # every fifth train line chooses the probe's regularisation


class Rungs(Callback):
    """Measures the model at the rungs of a trial and reports it; the report may prune the trial.

    Args:
        measure: of a model.
        report: of a rung, counted from 1.
        steps: the rung by step.
    """

    def __init__(
        self, measure: Callable[[Any], Measured], report: Report, steps: Mapping[int, int]
    ) -> None:
        self._measure, self._report, self._steps = measure, report, steps

    def step_ended(self, run: Run, metrics: dict[str, float]) -> None:
        """Measure, if the step is a rung."""
        if run.step in self._steps:
            with run.full_precision():
                measured = self._measure(run.model)
            self._report(self._steps[run.step], measured)


@dataclass(frozen=True)
class TextVectors:
    """Token vectors of language text from one encoder.

    Attributes:
        vectors: ``[N, H]``.
        labels: int64 ``[N]``, the language of each.
        part: positions in them by part: ``fit``, ``choose`` and ``dev``.
        languages: how many there are.
    """

    vectors: np.ndarray
    labels: np.ndarray
    part: Mapping[str, np.ndarray]
    languages: int


class TrialTrainer:
    """Trains and measures one trial a call; data and encoder are prepared once.

    Args:
        config: the configuration.
        corpora: folder of the prepared corpora.
        encoder: folder of the starting encoder.
        with_values: the configuration with a trial's values, by their keys of params.yaml.
    """

    def __init__(
        self,
        config: Config,
        corpora: Path,
        encoder: Path,
        with_values: Callable[[Config, Mapping[str, Any]], Config],
    ) -> None:
        self.config, self._with_values = config, with_values
        self.bench = Workbench(config, config.tune.task, corpora, encoder)
        self.encoder = self.bench.encoder
        source = config.corpora.source
        codes = [source] if config.tune.selection == "source_dev" else config.corpora.languages
        dev = {code: self.bench.rows("dev", code) for code in codes}
        self._dev = {code: rows for code, rows in dev.items() if rows is not None}
        if source not in self._dev:
            raise LangspecError(
                f"no dev rows of {source} for {self.bench.task.name}", place=corpora
            )
        self._text(corpora)
        self._start: TextVectors | None = None

    def experiment(self, config: Config) -> Experiment:
        """The training of a trial with this configuration.

        With ``tune.selection: source_dev`` no dev row of a target language is read, not even to
        be watched.
        """
        tune = config.tune
        if tune.selection == "source_dev":
            config = self._with_values(config, {"train.watch.target_rows": 0})
        changes = Changes(epochs=tune.epochs, rows=tune.rows)
        also_read = [data.inputs.ids for data in self._dev.values()]
        return self.bench.experiment(
            config,
            tune.method,
            tune.train_seed,
            changes,
            also_read=[*also_read, self.text_inputs.ids],
        )

    def _text(self, corpora: Path) -> None:
        """Tokenise the language text; its splits get the names of the probe's parts."""
        text = read_table(corpora, "text", languages=self.config.corpora.languages)
        split = np.asarray(text["split"].to_pylist())
        lines = text["line"].to_numpy()
        train = np.unique(lines[split == "train"])
        choosing = np.isin(lines, train[::_CHOICE_LINES]) & (split == "train")
        role = np.where(choosing, "choose", np.where(split == "train", "fit", split))
        chosen = np.flatnonzero(np.isin(role, ("fit", "choose", "dev")))
        text = text.take(pa.array(chosen))
        self.text_inputs = text_inputs(
            self.encoder.tokenizer,
            text["text"].to_pylist(),
            max_tokens=self.encoder.card.max_tokens,
            prefix=self.encoder.card.prefix if self.config.features.prefix_tokens else "",
        )
        self.text_rows = BankRows(
            languages=text["language"].to_pylist(),
            splits=role[chosen].tolist(),
            lines=lines[chosen],
        )

    def text_vectors(self, encoder: Any) -> TextVectors:
        """Vectors of a small sample of the text's tokens, the same ones of every encoder.

        Raises:
            LangspecError: a part of the probe has no tokens.
        """
        config = self.config
        layer = config.train.feature_layer
        with tempfile.TemporaryDirectory() as folder:
            bank = build_bank(
                encoder,
                int(self.encoder.tokenizer.pad_token_id),
                self.text_inputs,
                self.text_rows,
                options=BankOptions.of(
                    config.features,
                    pooling="mean",  # of sentences, of which the bank holds none
                    seed=config.evaluate.seed,
                    precision=self.bench.precision,
                    max_tokens_per_language=config.tune.tokens_per_language,
                    max_sentences_per_language=0,
                    whole_rows=True,
                    layers=(layer,),
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
        return TextVectors(vectors, meta.language.astype(np.int64), part, len(bank.languages))

    def leak(self, text: TextVectors) -> float:
        """The leak (:func:`langspec.results.leak_rows`), read on dev lines."""
        dev, options = text.part["dev"], self.config.evaluate.probe
        probe = fit_probe_on(
            text.part["fit"],
            text.part["choose"],
            text.vectors,
            text.labels,
            text.languages,
            options,
        )
        predicted = probe.predict(text.vectors[dev])
        return macro_f1(text.labels[dev], predicted, text.languages)

    @property
    def start(self) -> TextVectors:
        """The text's vectors from the starting encoder."""
        if self._start is None:
            self._start = self.text_vectors(self.encoder.model)
        return self._start

    def measure(self, model: Any, dev: Mapping[str, TrainingData]) -> Measured:
        """Measure a model as it is; afterwards it is in training mode again if it was before.

        Of processes that train together, each scores a part of the dev rows; only the first one
        measures the leak, which is NaN in the others.
        """
        was_training = model.training
        bench = self.bench
        options = (self.config.features.batch_tokens, bench.accelerator, len(bench.task.labels))
        scores = {code: dev_scores(model, rows, *options) for code, rows in dev.items()}
        leak = moved = math.nan
        if bench.accelerator.is_main_process:
            text = self.start if model.encoder is None else self.text_vectors(model.encoder)
            leak, read = self.leak(text), text.part["dev"]
            moved = drift(self.start.vectors[read], text.vectors[read])
        model.train(was_training)
        f1 = {code: score["macro_f1"] for code, score in scores.items()}
        return Measured(
            dev_macro_f1=float(np.mean(list(f1.values()))),
            dev_leak=leak,
            more={f"dev_{code}": value for code, value in f1.items()},
            dev_source_accuracy=scores[self.config.corpora.source]["accuracy"],
            dev_drift=moved,
        )

    def __call__(self, paths: Mapping[str, Any], report: Report) -> Measured:
        """Train with ``paths`` over the configuration, reporting every rung but the last.

        Raises:
            Collapsed: the watch failed the training.
        """
        config = self._with_values(self.config, paths)
        tune = config.tune
        experiment = self.experiment(config)
        dev = {
            code: self.bench.as_read(config, tune.method, data) for code, data in self._dev.items()
        }
        model = experiment.model()

        def measure(model: Any) -> Measured:
            return self.measure(model, dev)

        try:
            result = experiment.fit(
                model,
                callbacks=[Rungs(measure, report, rung_steps(experiment, tune.rungs))],
                description=f"trial of {tune.task} {tune.method}",
            )
        finally:
            experiment.accelerator.free_memory()
        if result.failure is not None:
            raise Collapsed("{name}: {text} (step {step})".format(**result.failure))
        # The weights of the best epoch, which stage train would save.
        model.load_state_dict(result.tensors, strict=False)
        end = measure(model)
        more = {**end.more, "best_epoch": float(result.best_epoch)}
        return replace(end, more=more)


def rung_steps(experiment: Experiment, count: int) -> dict[int, int]:
    """Rung by step, evenly over a training's steps, without the last (its end is measured)."""
    total = Batches(experiment.train, experiment.recipe).total
    steps = {round(total * rung / count): rung for rung in range(1, count)}
    return {step: rung for step, rung in steps.items() if 0 < step < total}
