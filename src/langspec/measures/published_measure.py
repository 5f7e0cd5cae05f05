"""The published measure (docs/compat.md) on the language text and the task's test split."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from langspec.measurement.compat.published_scale import PUBLISHED_TEXTS, published_updates
from langspec.measures.base import (
    KMEANS_ROUNDS,
    SMALL_RATE,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
)
from langspec.measures.published_clusters import cluster_rows
from langspec.measures.published_settings import SETTINGS_TABLE
from langspec.measures.spec import TableSpec
from langspec.results import Result
from langspec.section import Count, Limit, Section, unique

if TYPE_CHECKING:
    import numpy as np

    from langspec.evaluation.bench import Bench
    from langspec.features.bank import BankOptions
    from langspec.measurement.compat.paper_probe import ProbeSetting, Texts

logger = logging.getLogger(__name__)
PLACE = "evaluate.compat.run"
SETTINGS = "tanti2021_hyperparameters.csv"
SPLITS = ("train", "dev", "test")
_MINIBATCH = 32  # of the published probe's settings: 16 to 64
# Seconds of one update of the published probe, and for each entry of its vectors
# (benchmarks/published_probe.py).
_UPDATE, _ENTRY = 1e-4, 4e-9


class CompatOptions(Section):
    """Section ``evaluate.compat``: the published measure, on language text and the task's test.

    Attributes:
        run: its parts that are measured.
        settings: ``all``: a probe with each of the four published settings, for every checkpoint;
            ``own``: one with the setting of the checkpoint's method.
        epochs: of the published probe; it is scored after each.
        updates: ``published``: an epoch has as many updates as the published one, whose texts were
            115,500, and the texts are read again and again; ``epochs``: an epoch is one pass.
        texts: language texts at most, of each language and split; null: all.
    """

    run: list[Literal["seqeval", "paper_probe", "v_measure"]]
    settings: Literal["all", "own"]
    epochs: Count
    updates: Literal["published", "epochs"]
    texts: Limit

    @model_validator(mode="after")
    def _unique(self) -> CompatOptions:
        unique("run", self.run)
        return self


@dataclass(frozen=True)
class _Corpora:
    """The vectors of one encoder.

    Attributes:
        text: of the language text, by split.
        task: of the task's test units.
    """

    text: dict[str, Texts]
    task: Texts


def _apart(config: Any) -> bool:
    """Does the published measure read other lines than the pass that encodes for the leak?

    Then it needs a pass of its own. Either of them may leave lines out.
    """
    shares, sentences = config.corpora.text_splits, config.features.sentences
    lines = config.corpora.limits.text or math.inf
    for split in SPLITS:
        limits = (config.evaluate.compat.texts, getattr(sentences, split))
        least = min(math.inf if limit is None else limit for limit in limits)
        if least < math.inf and getattr(shares, split) * lines > least:
            return True
    return False


class PublishedMeasure(Measure):
    """The published probe, a converged probe on the same texts, and clusters as published.

    Raises:
        LangspecError: no table of the published settings, a language of the task without text, or
            a split of the text without lines.
    """

    name: ClassVar[str] = "published"
    order: ClassVar[int] = 70
    key: ClassVar[str] = "compat"
    options: ClassVar[type[Section] | None] = CompatOptions
    tables: ClassVar[tuple[TableSpec, ...]] = (SETTINGS_TABLE,)

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.token = bench.task.unit == "token"
        self.text_unit = "token" if self.token else "sentence"
        self.settings: dict[str, Any] = {}
        if not self.values.run:
            return
        from langspec.measurement.compat.chunks import ChunkScorer
        from langspec.measurement.compat.paper_probe import published_settings
        from langspec.measurement.compat.texts import first_texts

        self.corpus = f"{bench.text_hash}-{self.values.texts}"  # and which texts are taken
        rows = bench.text_rows
        self.languages = tuple(sorted(set(rows.languages)))
        self._check_text()
        if "paper_probe" in self.values.run:
            place = bench.paths.root / "data" / "published" / SETTINGS
            self.settings = published_settings(place, bench.task.unit)
        self.inputs, self.rows_of_text = first_texts(
            bench.text_inputs,
            rows,
            self.languages,
            SPLITS,
            self.values.texts,
            seed=bench.config.evaluate.seed,
        )
        self.scorer = ChunkScorer(self.languages)
        if self.inputs is bench.text_inputs:  # all texts: encoded in the same pass as the leak's
            bench.beside_text.append((self.corpus, self._bank_options(bench.head_layer)))

    def _check_text(self) -> None:
        from langspec.errors import LangspecError

        rows = self.bench.text_rows
        if lacking := sorted(set(self.bench.config.corpora.languages) - set(self.languages)):
            raise LangspecError(
                f"the language text lacks {', '.join(lacking)}, which the published probe must "
                "name; add text files for them, or empty this list",
                place=PLACE,
            )
        for split in SPLITS:
            if split not in rows.splits:
                raise LangspecError(f"the language text has no {split} lines", place=PLACE)

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is any part of the published measure asked for?"""
        return bool(evaluate.compat.run)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost | None:
        """The cost of published probes and clusterings, and of an encoding pass of whole texts."""
        values = config.evaluate.compat
        if not {"paper_probe", "v_measure"} & set(values.run):
            return None
        said, seconds = [], 0.0
        most = config.features.sentences.train
        texts = (values.texts or most or 0) * shape.languages
        units = 15 if shape.token else 1  # words of a text
        if "paper_probe" in values.run:
            settings = 4 if values.settings == "all" else 1
            published = values.updates == "published"
            updates = values.epochs * ((PUBLISHED_TEXTS if published else texts) / _MINIBATCH)
            probes = shape.encoders * settings
            said.append(f"{probes} published probes of about {updates:,.0f} updates")
            seconds += probes * updates * (_UPDATE + _MINIBATCH * units * shape.hidden * _ENTRY)
        if "v_measure" in values.run:
            said.append(f"{shape.encoders * 30} clusterings of one start")
            vectors = 100 * shape.languages
            rounds = shape.encoders * 30 * KMEANS_ROUNDS
            seconds += rounds * vectors * shape.hidden * 66 / SMALL_RATE
        return Cost("compat", ", ".join(said), seconds, shape.encoders * _apart(config))

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of one encoder, with probes ``compat/...``."""
        findings.add(self._encoder_rows(subject))

    # What is read.

    def _bank_options(self, layer: int) -> BankOptions:
        """Every word, or every text, at the layer that the head reads."""
        return self.bench.bank_options(
            max_tokens_per_language=None if self.token else 0,
            max_sentences_per_language=0 if self.token else None,
            layers=(layer,),
        )

    def _read(self, subject: Subject) -> _Corpora:
        """Read the vectors of the language texts and of the task's test units."""
        import numpy as np

        from langspec.measurement.compat.paper_probe import Texts
        from langspec.measurement.compat.texts import task_lengths

        bench, layer = self.bench, subject.model.head_layer
        bank = bench.bank(
            subject.model.encoder,
            subject.state,
            self.corpus,
            self.inputs,
            self.rows_of_text,
            bench.sampled(subject.state, self._bank_options(layer)),
            f"encode whole texts: {subject.title}",
        )
        units = bank.token_meta if self.token else bank.sentence_meta
        vectors = bank.tokens(layer) if self.token else bank.sentences(layer)
        places = np.asarray([self.languages.index(code) for code in bank.languages])
        text = {}
        for split in SPLITS:
            rows = np.flatnonzero(units.split == bank.splits.index(split))
            # A bank leaves out texts without a scored unit.
            _, counts = np.unique(units.row[rows], return_counts=True)
            text[split] = Texts(vectors[rows], places[units.language[rows]], counts)
        codes, _ = bench.unit_columns(bench.test)
        task = Texts(
            bench.test_vectors(subject),
            np.asarray([self.languages.index(code) for code in codes]),
            task_lengths(bench.test),
        )
        return _Corpora(text, task)

    # Languages and clusters.

    def _encoder_rows(self, subject: Subject) -> list[Result]:
        """The rows of one encoder, cached by the hash of its weights."""
        from langspec.measurement.compat.paper_probe import setting_of

        bench, setting = self.bench, setting_of(subject.method)
        names = sorted(self.settings) if self.values.settings == "all" else [setting]
        key = {
            "state": subject.state,
            "layer": subject.model.head_layer,
            "unit": bench.task.unit,
            "run": sorted(self.values.run),
            "settings": {name: asdict(self.settings[name]) for name in names if self.settings},
            "epochs": [self.values.epochs, self.values.updates],
            "texts": self.values.texts,
            **bench.text_key,
            **bench.task_key,
            **bench.probe_key,
        }
        rows = self.cached_rows(
            "compat",
            key,
            lambda: self._measured(subject, names),
            method=subject.method,
            seed=subject.encoder_seed,
        )
        same = (row for row in rows if row.probe == f"compat/paper_probe/{setting}")
        return [*(replace(row, probe="compat/paper_probe") for row in same), *rows]

    def _measured(self, subject: Subject, names: list[str]) -> list[Result]:
        corpora = self._read(subject)
        rows: list[Result] = []
        if self.settings:
            rows += self._paper_probes(names, corpora)
        if "seqeval" in self.values.run:
            rows += self._converged_probe(subject, corpora)
        if "v_measure" in self.values.run:
            rows += cluster_rows(
                self.bench, corpora.text["test"], corpora.task, self.languages, self.text_unit
            )
        return rows

    def _paper_probes(self, names: list[str], corpora: _Corpora) -> list[Result]:
        from langspec.measurement.compat.paper_probe import fit_paper_probe

        rows: list[Result] = []
        for name in names:
            probe = fit_paper_probe(
                corpora.text["train"],
                corpora.text["dev"],
                len(self.languages),
                self.settings[name],
                self._published_score,
                epochs=self.values.epochs,
                updates=self._updates(self.settings[name]),
                seed=self.bench.config.evaluate.seed,
            )
            title = f"compat/paper_probe/{name}"
            train = corpora.text["train"]
            words, texts = len(train.vectors), len(train.lengths)
            rows += self._language_rows(title, corpora, probe.predict, words)
            fit = {"epoch": probe.epoch, "updates": probe.updates}
            place: Any = {"unit": self.text_unit, "n": texts, "probe": title, "train_n": words}
            origin = self._origin("text")
            rows += [origin.row(key, value, language="all", **place) for key, value in fit.items()]
        return rows

    def _updates(self, setting: ProbeSetting) -> int | None:
        """The updates of an epoch; None: those of one pass over the texts."""
        published = self.values.updates == "published"
        return published_updates(setting.minibatch) if published else None

    def _converged_probe(self, subject: Subject, corpora: _Corpora) -> list[Result]:
        """Rows of the linear probe that the leak is measured by, applied to whole texts."""
        import numpy as np

        from langspec.measurement.probe import fit_probe_on

        layer = subject.model.head_layer
        given = (subject.model.encoder, subject.state, "converged probe")
        bank = self.bench.head_text_bank(*given, layer)
        units = bank.token_meta if self.token else bank.sentence_meta
        vectors = bank.tokens(layer) if self.token else bank.sentences(layer)
        rows = {name: units.split == bank.splits.index(name) for name in ("train", "dev")}
        label = units.language.astype(np.int64)
        probe = fit_probe_on(
            rows["train"], rows["dev"], vectors, label, len(bank.languages), self.bench.probe
        )
        fitted = int(rows["train"].sum())
        return self._language_rows("compat/linear", corpora, probe.predict, fitted)

    def _published_score(self, texts: Texts, predicted: np.ndarray) -> float:
        """The published score of predicted languages.

        It is seqeval's macro-F1 for tokens and scikit-learn's for texts.
        """
        from langspec.measurement.compat.paper_scores import union_macro_f1

        if self.token:
            return self.scorer(texts.languages, predicted, texts.lengths).macro_f1
        return union_macro_f1(texts.languages, predicted)

    def _language_rows(
        self, probe: str, corpora: _Corpora, predict: Any, train_n: int
    ) -> list[Result]:
        """Rows of a language probe on language text and on the task's test split.

        ``train_n``: the number of vectors that it was fitted on.
        """
        import numpy as np

        from langspec.measurement.compat.paper_scores import error_correlation, whole_texts
        from langspec.measurement.scores import accuracy, macro_f1

        rows = []
        task = self.bench.task
        parts = (
            ("text", self.text_unit, corpora.text["test"]),
            (task.name, task.unit, corpora.task),
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
            place: Any = {"unit": unit, "n": len(predicted), "probe": probe, "train_n": train_n}
            rows += [
                self._origin(corpus).row(metric, value, language="all", **place)
                for metric, value in scores.items()
            ]
        return rows

    def _origin(self, corpus: str) -> Any:
        """The columns that rows share; method and seed are put in when the cache is read."""
        from langspec.measurement.rows import Origin

        return Origin(self.bench.task.name, "", 0, corpus, "test", self.name)
