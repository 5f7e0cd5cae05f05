"""The part of stage evaluate that measures as published; one call a checkpoint."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from langspec.encoders.inputs import Inputs
from langspec.errors import LangspecError
from langspec.features.bank import BankOptions, BankRows
from langspec.features.sample import lowest_per_group, unit_ranks
from langspec.measurement.compat import v_measure as clusters
from langspec.measurement.compat.chunks import ChunkScorer
from langspec.measurement.compat.paper_probe import (
    Texts,
    fit_paper_probe,
    own_setting,
    published_settings,
)
from langspec.measurement.compat.scores import error_correlation, union_macro_f1, whole_texts
from langspec.measurement.probe import ProbeOptions, fit_probe
from langspec.measurement.rows import Origin
from langspec.measurement.scores import accuracy, macro_f1
from langspec.results import EVERY, Result

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.stages.measure import Evaluation

logger = logging.getLogger(__name__)
PLACE = "evaluate.compat.run"
SETTINGS = "tanti2021_hyperparameters.csv"
SPLITS = ("train", "dev", "test")
DECILES = tuple(range(5, 100, 10))  # of sentence lengths: 5 %, 15 % ... 95 %


@dataclass(frozen=True)
class _Corpora:
    """Vectors of one encoder: language text by split, the task's test split."""

    text: dict[str, Texts]
    task: Texts


class Compat:
    """The published measure for one evaluation; refuses at once what it cannot be taken on.

    Raises:
        LangspecError: no table of the published settings, a language of the task without text, or
            a split of the text without lines.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        config: Config = evaluation.config
        self.values = config.evaluate.compat
        self.token = evaluation.task.unit == "token"
        self.text_unit = "token" if self.token else "sentence"
        self.settings = {}
        if not self.values.run:
            return
        rows = evaluation.text_rows
        self.languages = tuple(sorted(set(rows.languages)))
        if lacking := sorted(set(config.corpora.languages) - set(self.languages)):
            raise LangspecError(
                f"the language text lacks {', '.join(lacking)}, which the published probe must "
                "name; add text files for them, or empty this list",
                place=PLACE,
            )
        for split in SPLITS:
            if split not in rows.splits:
                raise LangspecError(f"the language text has no {split} lines", place=PLACE)
        if "paper_probe" in self.values.run:
            place = evaluation.paths.root / "data" / "published" / SETTINGS
            self.settings = published_settings(place, evaluation.task.unit)
        self.inputs, self.rows_of_text = self._texts()
        self.scorer = ChunkScorer(self.languages)

    def rows(
        self,
        method: str,
        seed: int,
        model: Any,
        checkpoint: str,
        state: str,
        predicted: np.ndarray,
        *,
        measured: bool,
    ) -> list[Result]:
        """Rows of one checkpoint, probes ``compat/...``.

        Args:
            method: of the checkpoint.
            seed: of the checkpoint.
            model: the trained encoder with its head.
            checkpoint: hash of the checkpoint, head included.
            state: hash of the encoder alone.
            predicted: classes of the task's test units.
            measured: measure the encoder too (once for all seeds of a frozen one, as seed 0).
        """
        found: list[Result] = []
        if "seqeval" in self.values.run:
            found += self._label_rows(method, seed, predicted)
        if measured and self.values.run:
            of_encoder = seed if state == checkpoint else 0
            found += self._encoder_rows(method, of_encoder, model, state)
        return found

    def encoder_rows(self, method: str, seed: int, model: Any, state: str) -> list[Result]:
        """Rows of an encoder whose head nothing trained: languages and clusters.

        Args:
            method: its name.
            seed: of its rows.
            model: the encoder with any head.
            state: hash of the encoder.
        """
        return self._encoder_rows(method, seed, model, state) if self.values.run else []

    def lengths(self) -> list[Result]:
        """Ten quantiles of how many units a test text has, of the language text and the task."""
        if not (self.token and "seqeval" in self.values.run):
            return []
        evaluation = self.evaluation
        tests = np.asarray(self.rows_of_text.splits) == "test"
        counts = {
            "text": np.diff(self.inputs.unit_starts)[tests],
            evaluation.task.name: np.diff(evaluation.test.inputs.unit_starts),
        }
        return [
            Origin(evaluation.task.name, EVERY, 0, corpus, "test", "published").row(
                f"length_{share:02d}",
                np.quantile(sizes, share / 100, method="nearest"),
                language="all",
                unit="sentence",
                n=len(sizes),
                probe="compat/seqeval",
            )
            for corpus, sizes in counts.items()
            for share in DECILES
        ]

    # --- what is read ------------------------------------------------------------------------

    def _texts(self) -> tuple[Inputs, BankRows]:
        """The language texts that are read: of each language and split at most so many."""
        evaluation, most = self.evaluation, self.values.texts
        inputs, rows = evaluation.text_inputs, evaluation.text_rows
        if most is None:
            return inputs, rows
        lines = rows.lines if rows.lines is not None else np.arange(len(inputs))
        language = np.asarray([self.languages.index(code) for code in rows.languages])
        split = np.asarray([SPLITS.index(name) for name in rows.splits])
        same = np.zeros(len(inputs), np.int64)
        # One language for the ranks: lines that are translations are drawn together.
        ranks = unit_ranks(evaluation.config.evaluate.seed, ("",), same, lines, same)
        kept = lowest_per_group(ranks, language * len(SPLITS) + split, most)
        return _subset(inputs, kept), BankRows(
            languages=[rows.languages[i] for i in kept],
            splits=[rows.splits[i] for i in kept],
            lines=np.asarray(lines)[kept],
        )

    def _read(self, method: str, seed: int, model: Any, state: str) -> _Corpora:
        evaluation = self.evaluation
        layer = model.head_layer
        options = BankOptions(
            max_tokens_per_language=None if self.token else 0,
            max_sentences_per_language=0 if self.token else None,
            pooling=evaluation.encoder.card.pooling,  # type: ignore[arg-type]
            layers=(layer,),
            seed=evaluation.config.evaluate.seed,
            tokens_per_batch=evaluation.config.features.batch_tokens,
        )
        bank = evaluation.bank(
            model.encoder,
            state,
            f"{evaluation.text_hash}-{self.values.texts}",
            self.inputs,
            self.rows_of_text,
            options,
            f"encode whole texts: {method} {seed}",
        )
        units = bank.token_meta if self.token else bank.sentence_meta
        vectors = bank.tokens(layer) if self.token else bank.sentences(layer)
        places = np.asarray([self.languages.index(code) for code in bank.languages])
        text = {}
        for split in SPLITS:
            rows = np.flatnonzero(units.split == bank.splits.index(split))
            # Texts without a scored unit are in no bank.
            _, counts = np.unique(units.row[rows], return_counts=True)
            text[split] = Texts(vectors[rows], places[units.language[rows]], counts)
        codes, _ = evaluation.unit_columns(evaluation.test)
        task = Texts(
            evaluation.test_vectors(state, model),
            np.asarray([self.languages.index(code) for code in codes]),
            self._task_lengths(),
        )
        return _Corpora(text, task)

    def _task_lengths(self) -> np.ndarray:
        """Scored units of each test row, of those that have any."""
        test = self.evaluation.test
        if not self.token:
            return np.ones(len(test), np.int64)
        lengths = np.diff(test.inputs.unit_starts)
        return lengths[lengths > 0]

    # --- labels ------------------------------------------------------------------------------

    def _label_rows(self, method: str, seed: int, predicted: np.ndarray) -> list[Result]:
        """The task's score as published: of all languages together, and within each."""
        evaluation = self.evaluation
        task, test = evaluation.task, evaluation.test
        origin = Origin(task.name, method, seed, task.name, "test", "published")
        lengths = self._task_lengths()
        ends = np.cumsum(lengths)
        codes = evaluation.unit_columns(test)[0][ends - 1]  # of each text
        rows = []
        for code in ("all", *sorted(set(codes))):
            texts = np.ones(len(codes), bool) if code == "all" else codes == code
            units = np.repeat(texts, lengths)
            gold, found = test.labels[units], predicted[units]
            if self.token:
                scored = ChunkScorer(task.labels)(gold, found, lengths[texts])
                scores = {"macro_f1": scored.macro_f1, "micro_f1": scored.micro_f1}
            else:
                scores = {
                    "macro_f1": union_macro_f1(gold, found),
                    "micro_f1": accuracy(gold, found),
                }
            rows += [
                origin.row(
                    metric,
                    value,
                    language=code,
                    unit=task.unit,
                    n=len(gold),
                    probe="compat/seqeval" if self.token else "compat/pooled",
                )
                for metric, value in scores.items()
            ]
        return rows

    # --- languages and clusters --------------------------------------------------------------

    def _encoder_rows(self, method: str, seed: int, model: Any, state: str) -> list[Result]:
        """What depends on the encoder alone: cached by it."""
        evaluation = self.evaluation
        own = own_setting(method)
        names = sorted(self.settings) if self.values.settings == "all" else [own]
        key = {
            "state": state,
            "layer": model.head_layer,
            "unit": evaluation.task.unit,
            "run": sorted(self.values.run),
            "settings": {name: asdict(self.settings[name]) for name in names if self.settings},
            "epochs": self.values.epochs,
            "texts": self.values.texts,
            "text": evaluation.text_hash,
            "task": evaluation.task_hash,
            "languages": evaluation.config.corpora.languages,
            "card": [evaluation.encoder.card.prefix, evaluation.encoder.card.max_tokens],
            "bank": asdict(evaluation.text_bank_options),
            "probe": asdict(self._probe_options()),
            "batch_tokens": evaluation.config.features.batch_tokens,
            "seed": evaluation.config.evaluate.seed,
        }

        def measure() -> list[dict[str, Any]]:
            corpora = self._read(method, seed, model, state)
            rows: list[Result] = []
            if self.settings:
                rows += self._paper_probes(names, corpora)
            if "seqeval" in self.values.run:
                rows += self._converged_probe(model, state, corpora)
            if "v_measure" in self.values.run:
                rows += self._clusters(corpora)
            return [asdict(row) for row in rows]

        found = [Result(**row) for row in evaluation.cached("compat", key, measure)]
        name = evaluation.task.name
        rows = [replace(row, task=name, method=method, seed=seed) for row in found]
        mine = f"compat/paper_probe/{own}"
        return [
            *(replace(row, probe="compat/paper_probe") for row in rows if row.probe == mine),
            *rows,
        ]

    def _paper_probes(self, names: list[str], corpora: _Corpora) -> list[Result]:
        rows = []
        for name in names:
            probe = fit_paper_probe(
                corpora.text["train"],
                corpora.text["dev"],
                len(self.languages),
                self.settings[name],
                self._published_score,
                epochs=self.values.epochs,
                seed=self.evaluation.config.evaluate.seed,
            )
            title = f"compat/paper_probe/{name}"
            rows += self._language_rows(title, corpora, probe.predict)
            texts = len(corpora.text["train"].lengths)
            fit = {
                "epoch": probe.epoch,
                "steps": self.values.epochs * math.ceil(texts / self.settings[name].minibatch),
            }
            rows += [
                self._origin("text").row(
                    metric, value, language="all", unit=self.text_unit, n=texts, probe=title
                )
                for metric, value in fit.items()
            ]
        return rows

    def _probe_options(self) -> ProbeOptions:
        probe = self.evaluation.config.evaluate.probe
        return ProbeOptions(
            strengths=tuple(probe.strengths),
            max_iterations=probe.max_iterations,
            tolerance=probe.tolerance,
        )

    def _converged_probe(self, model: Any, state: str, corpora: _Corpora) -> list[Result]:
        """The probe behind the leak, fitted as there, told to name every unit of whole texts."""
        bank = self.evaluation.text_bank(model.encoder, state, "converged probe")
        units = bank.token_meta if self.token else bank.sentence_meta
        layer = model.head_layer
        vectors = bank.tokens(layer) if self.token else bank.sentences(layer)
        rows = {name: units.split == bank.splits.index(name) for name in ("train", "dev")}
        label = units.language.astype(np.int64)
        probe = fit_probe(
            vectors[rows["train"]],
            label[rows["train"]],
            vectors[rows["dev"]],
            label[rows["dev"]],
            len(bank.languages),
            self._probe_options(),
        )
        return self._language_rows("compat/linear", corpora, probe.predict)

    def _published_score(self, texts: Texts, predicted: np.ndarray) -> float:
        """Of named languages: seqeval's macro-F1 of tokens, scikit-learn's of texts."""
        if self.token:
            return self.scorer(texts.languages, predicted, texts.lengths).macro_f1
        return union_macro_f1(texts.languages, predicted)

    def _language_rows(self, probe: str, corpora: _Corpora, predict: Any) -> list[Result]:
        """Scores of a language probe on text and on the task's test split."""
        rows = []
        parts = (
            ("text", self.text_unit, corpora.text["test"]),
            (self.evaluation.task.name, self.evaluation.task.unit, corpora.task),
        )
        for corpus, unit, texts in parts:
            predicted = predict(texts.vectors)
            right = predicted == texts.languages
            scores = {
                "published_macro_f1": self._published_score(texts, predicted),
                "accuracy": accuracy(texts.languages, predicted),
                "macro_f1": macro_f1(texts.languages, predicted, len(self.languages)),
            }
            if self.token:
                scores["whole_texts"] = whole_texts(right, texts.lengths)
                correlation = error_correlation(right, texts.lengths)
                if np.isfinite(correlation):  # no errors, no correlation
                    scores["error_correlation"] = correlation
            rows += [
                self._origin(corpus).row(
                    metric, value, language="all", unit=unit, n=len(predicted), probe=probe
                )
                for metric, value in scores.items()
            ]
        return rows

    def _clusters(self, corpora: _Corpora) -> list[Result]:
        """V-measures as published, and adjusted information at the true number of classes."""
        evaluation = self.evaluation
        seed = evaluation.config.evaluate.seed
        test, task = corpora.text["test"], corpora.task
        position = np.arange(len(test.languages))
        row = np.repeat(np.arange(len(test.lengths)), test.lengths)
        ranks = unit_ranks(seed, self.languages, test.languages, row, position)
        one = lowest_per_group(ranks, row, 1)  # a unit of each text
        of_language = test.languages[one]
        sample = one[lowest_per_group(ranks[one], of_language, clusters.TEXTS_PER_LANGUAGE)]
        labels = evaluation.test.labels
        position = np.arange(len(labels))
        ranks = unit_ranks(seed, self.languages, task.languages, position, position)
        most = clusters.TOKENS_PER_LABEL if self.token else clusters.PAIRS_PER_LABEL
        group = task.languages * len(evaluation.task.labels) + labels
        chosen = lowest_per_group(ranks, group, most)
        wanted = (
            ("text", self.text_unit, "language", test.vectors[sample], test.languages[sample]),
            (evaluation.task.name, evaluation.task.unit, "language", task.vectors[chosen],
             task.languages[chosen]),
            (evaluation.task.name, evaluation.task.unit, "label", task.vectors[chosen],
             labels[chosen]),
        )  # fmt: skip
        rows = []
        for corpus, unit, what, vectors, classes in wanted:
            k = clusters.LANGUAGE_CLUSTERS if what == "language" else len(evaluation.task.labels)
            found = {
                "v_measure": clusters.published_v_measure(vectors, classes, k),
                "ami": clusters.adjusted_information(vectors, classes),
            }
            for metric, value in found.items():
                if not np.isfinite(value):
                    logger.warning(
                        "%s of %s in %s: not measured, %d vectors are too few for %d clusters",
                        metric, what, corpus, len(vectors), k,
                    )  # fmt: skip
                    continue
                rows.append(
                    self._origin(corpus).row(
                        f"{metric}_{what}",
                        value,
                        language="all",
                        unit=unit,
                        n=len(vectors),
                        probe="compat/v_measure",
                    )
                )
        return rows

    def _origin(self, corpus: str) -> Origin:
        """Method and seed are put in when rows come out of the cache."""
        return Origin(self.evaluation.task.name, "", 0, corpus, "test", "published")


def _subset(inputs: Inputs, rows: np.ndarray) -> Inputs:
    """Some rows of tokenised inputs, in order."""

    def part(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return np.concatenate([values[starts[r] : starts[r + 1]] for r in rows])

    def starts(of: np.ndarray) -> np.ndarray:
        return np.cumsum([0, *np.diff(of)[rows]], dtype=np.int64)

    return Inputs(
        part(inputs.ids, inputs.starts),
        starts(inputs.starts),
        part(inputs.segments, inputs.starts),
        part(inputs.units, inputs.unit_starts),
        starts(inputs.unit_starts),
        part(inputs.unit_words, inputs.unit_starts),
    )
