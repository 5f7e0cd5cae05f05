"""What erasers do: the leak of erased vectors, and the scores of the task's head on them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.erasure.choice import Erasers, eraser_classes
from langspec.measures.base import (
    RUN,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
)
from langspec.measures.fitted_erasers import fitted_erasers
from langspec.measures.spec import IN_SHORT, Column, Kind, TableSpec
from langspec.results import LEAK_METRIC, Result, label
from langspec.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from langspec.evaluation.bench import Bench

logger = logging.getLogger(__name__)
PLACE = "evaluate.erasers.run"
NO_PROOF = (
    "A linear probe at chance shows that nothing is linearly readable, not that the language "
    "is gone."
)
OF_ORACLES = (
    "Oracle erasers get the language of every vector, also of test vectors: what "
    "they subtract writes the label into the features, which non-linear probes can read. "
    "They bound what centring could do; they are no way to unlearn."
)


def _chance(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What naming the largest class gives for tokens."""
    largest = (rows["measure"] == "leak") & (rows["probe"] == "majority")
    largest &= (rows["language"] == "all") & (rows["unit"] == "token")
    level = dict(zip(rows[largest]["metric"], rows[largest]["value"], strict=True))
    titles = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
    chance = ", ".join(f"{t} {level[m]:.3f}" for m, t in titles.items() if m in level)
    return f"Always the largest class, per token: {chance}." if chance else ""


def _pairs(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """How a pair of texts is erased."""
    pairs = " of pairs (by the eraser that was fitted on single texts)"
    return pairs if "pair" in set(rows["unit"]) else ""


def _bound(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """How many probes did not converge."""
    fits = rows[(rows["measure"] == "erasure") & (rows["metric"] == "converged")]
    count = int(fits["seeds"].sum())
    failed = count - round((fits["seeds"] * fits["value"]).sum())
    if not failed:
        return ""
    return (
        f"{failed} of {count} probes of erased vectors did not "
        "converge; their leak is a lower bound."
    )


def _oracles(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What oracles are, where one was measured."""
    return OF_ORACLES if rows["eraser"].str.endswith("_oracle").any() else ""


def _leak(key: str, label: str, unit: str, metric: str) -> Column:
    where = {"probe": "linear", "language": "all", "unit": unit, "metric": metric}
    return Column(key, label, "Language leak", "score", where)


def _scored(key: str, label: str, group: str, language: str, metric: str) -> Column:
    where = {"probe": "", "language": language, "metric": metric}
    return Column(key, label, group, "score", where)


def _fitted(unit: str, label: str) -> Column:
    """How many units the probe was fitted on."""
    column = _leak(f"{unit}_leak_train_n", label, unit, LEAK_METRIC)
    return replace(column, kind="count", part="train_n")


def _removed(metric: str, label: str, group: str, kind: Kind, **where: str) -> Column:
    return Column(metric, label, group, kind, {"probe": "erasure", "metric": metric, **where})


_TARGETS, _PER_TOKEN = "Mean of target languages", "Removed, per token"
TABLE = TableSpec(
    name="erased_{task}",
    title="{task}: erased in closed form",
    caption="{task}: closed-form erasers on trained models, fitted on the training lines "
    "of the language text. Leak: a fresh linear probe on the erased vectors of the layer that "
    "the task's head reads. {chance} Scores: that head, kept, on erased vectors{pairs}. Removed: "
    "share of the variance of test vectors, and directions. " + IN_SHORT,
    where={"measure": ("task", "leak", "erasure"), "split": "test"},
    having={"measure": "erasure", "split": "test"},
    layers="head",
    words={"chance": _chance, "pairs": _pairs, "bound": _bound, "oracles": _oracles},
    rows=("method", "eraser"),
    columns=(
        Column("base", text="{method}", shown=False),
        Column("method", text="{variant}", shown=False),
        Column("eraser", "Erased by"),
        _leak("token_leak_macro_f1", "token F1", "token", LEAK_METRIC),
        _leak("token_leak_accuracy", "token acc.", "token", "accuracy"),
        _fitted("token", "train tokens"),
        _leak("sentence_leak_macro_f1", "sentence F1", "sentence", LEAK_METRIC),
        _fitted("sentence", "train sentences"),
        _scored("targets_accuracy", "accuracy", _TARGETS, "mean_targets", "accuracy"),
        _scored("targets_macro_f1", "macro-F1", _TARGETS, "mean_targets", "macro_f1"),
        _scored("source_accuracy", "accuracy", "Source", "{source}", "accuracy"),
        _removed("variance_removed", "variance", _PER_TOKEN, "score", unit="token"),
        _removed("rank_removed", "directions", _PER_TOKEN, "number", unit="token"),
    ),
    section="base",
    notes=(NO_PROOF, "{bound}", "{oracles}"),
)
BY_LAYER = TableSpec(
    name="erased_layers_{task}",
    title="{task}: erased, by layer",
    caption="Models of {task}: linear language probe on erased vectors by layer, an eraser "
    "fitted for each layer by itself. " + IN_SHORT,
    where={
        "measure": "erasure",
        "probe": ("linear", "erasure"),
        "split": "test",
        "unit": ("token", "sentence"),
    },
    rows=("unit", "layer", "method", "eraser"),
    columns=(
        Column("unit", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("method", "Method", text="{variant}"),
        Column("train_n", "trained on", kind="count"),
        Column("macro_f1", "macro-F1", "Language leak", "score",
               {"probe": "linear", "metric": "macro_f1"}),
        Column("accuracy", "accuracy", "Language leak", "score",
               {"probe": "linear", "metric": "accuracy"}),
        _removed("variance_removed", "variance", "Removed", "score"),
        _removed("rank_removed", "directions", "Removed", "number"),
    ),
    section="unit",
)  # fmt: skip


class ErasedLeak(Measure):
    """Every eraser of ``erasers.run`` on the encoders of ``erasers.of``.

    Raises:
        LangspecError: language text without training lines, in one language, or without a
            language of the task.
    """

    name: ClassVar[str] = "erasure"
    order: ClassVar[int] = 60
    key: ClassVar[str] = "erasers"
    options: ClassVar[type[Section] | None] = Erasers
    subjects: ClassVar[frozenset[str]] = frozenset({RUN})
    every_seed: ClassVar[bool] = True
    tables: ClassVar[tuple[TableSpec, ...]] = (TABLE, BY_LAYER)

    def __init__(self, bench: Bench) -> None:
        from langspec.measurement.erased import require_languages

        super().__init__(bench)
        self._fitted = fitted_erasers(bench)
        if self.values.run:
            rows = bench.text_rows
            languages = bench.config.corpora.languages
            require_languages(rows.languages, rows.splits, languages, place=PLACE)
            self._fitted.require_parallel()
        if any(name.endswith("_oracle") for name in self.values.run):
            logger.warning(
                "oracle erasers get the language of every text that they are tested on: they "
                "write the label into the features, and a linear probe at chance proves nothing"
            )

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is any eraser asked for?"""
        return bool(evaluate.erasers.run)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost | None:
        """The cost of a probe on erased vectors, for each eraser; inlp fits two more a round."""
        erasers = config.evaluate.erasers
        places = shape.erased * (shape.layers if erasers.layers == "all" else 1) * 2
        count = places * (len(erasers.run) + ("inlp" in erasers.run) * 2 * erasers.inlp.rounds)
        if not count:
            return None
        seconds = scored_probe_seconds(shape, count, config.features.tokens.train)
        return Cost("erasers", f"{count} probes for {len(erasers.run)} erasers", seconds)

    def applies(self, subject: Subject) -> bool:
        """Is the subject a run of a method that ``erasers.of`` names?"""
        return super().applies(subject) and subject.method in self.values.of

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of every eraser, which the column ``eraser`` names."""
        if subject.new_encoder:
            for name in self.values.run:
                findings.add(self._leak(subject, name))
        findings.add(self._scores(subject))

    # Leak.

    def _leak(self, subject: Subject, name: str) -> list[Result]:
        from langspec.measurement.erased import erased_leak
        from langspec.measurement.leak import UNITS
        from langspec.measurement.rows import Origin

        bench, seed, layers = self.bench, subject.encoder_seed, self._layers(subject)

        def compute() -> list[Result]:
            bank = bench.text_bank(subject.model.encoder, subject.state, subject.title)
            maps = self._fitted.maps(subject, name, UNITS, layers)
            origin = Origin(
                bench.task.name, subject.method, seed, "text", "test", self.name, eraser=name
            )
            title = f"probe: {label(subject.method, name)} {seed}"
            return erased_leak(bank, maps, origin, bench.probe, bench.bootstrap, progress=title)

        key = self._key(name) | {"state": subject.state, "layers": layers} | bench.probe_key
        named = {"method": subject.method, "seed": seed}
        return self.cached_rows("erased_leaks", key, compute, *self._code(name), **named)

    def _layers(self, subject: Subject) -> list[int]:
        """The layers to erase: all, or the one that the head reads."""
        if self.values.layers == "all":
            return list(range(int(subject.model.encoder.config.num_hidden_layers) + 1))
        return [subject.model.head_layer]

    # Task.

    def _scores(self, subject: Subject) -> list[Result]:
        """Rows of the scores of the task's trained head on erased vectors of its layer."""
        import numpy as np

        from langspec.measurement.rows import Origin
        from langspec.measurement.task_scores import task_scores

        bench, task = self.bench, self.bench.task
        key = self._key(*self.values.run) | bench.task_key | {"checkpoint": subject.checkpoint}
        predicted = self.cached(
            "erased_predictions",
            key,
            lambda: self._predictions(subject),
            *self._code(*self.values.run),
        )
        language, item = bench.unit_columns(bench.test)
        rows: list[Result] = []
        for name in self.values.run:
            origin = Origin(
                task.name, subject.method, subject.seed, task.name, "test", self.name, eraser=name
            )
            rows += task_scores(
                origin,
                language,
                item,
                bench.test.labels,
                np.asarray(predicted[name], dtype=np.int64),
                classes=len(task.labels),
                unit=task.unit,
                source=bench.config.corpora.source,
                options=bench.bootstrap,
            )
        return rows

    def _predictions(self, subject: Subject) -> dict[str, list[int]]:
        """The classes that the head predicts for erased test units, by eraser."""
        from langspec.measurement.erased import head_predictions

        bench, head = self.bench, subject.model.heads["task"]
        vectors = bench.test_vectors(subject)
        language, _ = bench.unit_columns(bench.test)
        # No eraser is fitted on pairs: one that was fitted on single texts erases them.
        unit = "token" if bench.task.unit == "token" else "sentence"
        layer = subject.model.head_layer
        predicted: dict[str, list[int]] = {}
        for name in self.values.run:
            maps = self._fitted.maps(subject, name, [unit], [layer], of_head=True)
            predicted[name] = head_predictions(head, vectors, maps[unit, layer], language).tolist()
        return predicted

    def _code(self, *names: str) -> list[Any]:
        """The classes of erasers: the code that computes a cached value."""
        return [eraser_classes()[name] for name in names]

    def _key(self, *names: str) -> dict[str, Any]:
        """The options and inputs that a cached value depends on, besides the checkpoint."""
        return {"erasers": names, **self._fitted.key}
