"""What erasers do: the leak of erased vectors, and the scores of the task's head on them."""

from __future__ import annotations

import logging
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
from langspec.measures.eraser_tables import BY_LAYER, TABLE
from langspec.measures.fitted_erasers import fitted_erasers
from langspec.measures.spec import TableSpec
from langspec.results import Result, label
from langspec.section import Section

if TYPE_CHECKING:
    from langspec.evaluation.bench import Bench

logger = logging.getLogger(__name__)
PLACE = "evaluate.erasers.run"


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
