"""The geometry of vectors: clusters, neighbours, variances, subspaces, retrieval, what moved."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from langspec.measures.base import (
    KMEANS_ROUNDS,
    SMALL_RATE,
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
)
from langspec.measures.geometry_lines import GEOMETRY_FIGURES
from langspec.measures.geometry_tables import ALIGNMENT, BY_LANGUAGE, GEOMETRY, MOVES
from langspec.measures.spec import FigureSpec, TableSpec
from langspec.results import Result
from langspec.section import Count, Section

if TYPE_CHECKING:
    from langspec.evaluation.bench import Bench
    from langspec.features.bank import Bank, BankOptions

logger = logging.getLogger(__name__)


class GeometryOptions(Section):
    """Section ``evaluate.geometry``.

    Attributes:
        run: measure the geometry?
        vectors: vectors at most of each language, of the task's test text.
        per_class: vectors at most of each language or label, for clusters and neighbours.
        starts: runs of k-means from other starting points; the best is taken.
        neighbours: number of neighbours, k, of the purity of neighbourhoods.
        candidates: lines at most among which a translation is searched.
    """

    run: bool
    vectors: Count
    per_class: Annotated[int, Field(ge=2)]
    starts: Count
    neighbours: Count
    candidates: Annotated[int, Field(ge=2)]


class SpaceGeometry(Measure):
    """Geometry and retrieval of every encoder, and its similarity to the starting encoder."""

    name: ClassVar[str] = "geometry"
    order: ClassVar[int] = 50
    key: ClassVar[str] = "geometry"
    options: ClassVar[type[Section] | None] = GeometryOptions
    # A file of its own: it has many rows and none is a score that methods are compared by.
    file: ClassVar[str] = "geometry"
    tables: ClassVar[tuple[TableSpec, ...]] = (GEOMETRY, ALIGNMENT, MOVES, BY_LANGUAGE)
    figures: ClassVar[tuple[FigureSpec, ...]] = GEOMETRY_FIGURES

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.parallel = bench.parallel_text
        if self.values.run and not self.parallel:
            logger.info("the language text is not parallel by line: no retrieval is measured")

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is the geometry asked for?"""
        return bool(evaluate.geometry.run)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of clusterings of every layer, and of an encoding pass of the test texts."""
        values = config.evaluate.geometry
        # Clustered by language: words and texts of language text, task text; by label: task text.
        classes = (shape.languages,) * 3 + (shape.labels,)
        work = sum(values.per_class * k * shape.hidden * k * 2 for k in classes)
        count = shape.encoders * shape.layers * len(classes)
        rounds = shape.encoders * shape.layers * values.starts * KMEANS_ROUNDS
        said = f"{count} clusterings of {values.starts} starts, neighbours, subspaces, retrieval"
        return Cost("geometry", said, rounds * work / SMALL_RATE, shape.encoders)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of one encoder, and those that compare it with the starting encoder."""
        start = self.bench.encoder.card.sha256
        key = self._key() | {"state": subject.state}
        rows = self._rows(subject, "geometry_text", key | self._text_key(), self._text)
        rows += self._rows(subject, "geometry_task", key | self._task_key(), self._task)
        if subject.state != start:
            key |= {"start": start, "moves": subject.trained}
            for text, more in ((True, self._text_key()), (False, self._task_key())):
                kind = "moves_text" if text else "moves_task"
                rows += self._rows(subject, kind, key | more, self._beside_start, text)
        findings.add(rows, self.file)

    def _rows(
        self, subject: Subject, kind: str, key: dict[str, Any], compute: Any, *arguments: Any
    ) -> list[Result]:
        named = {"method": subject.method, "seed": subject.encoder_seed}
        return self.cached_rows(kind, key, lambda: compute(subject, *arguments), **named)

    # An encoder by itself.

    def _text(self, subject: Subject) -> list[Result]:
        """Rows of geometry and retrieval on the language text; they hold for every task."""
        from langspec.measurement.alignment import retrieval
        from langspec.measurement.geometry import language_geometry

        origin, source = self._origin("text"), self.bench.config.corpora.source
        bank = self.bench.text_bank(subject.model.encoder, subject.state, subject.title)
        seed = self.bench.config.evaluate.seed
        rows = language_geometry(bank, origin, self.values, seed=seed)
        if self.parallel:
            most = self.values.candidates
            bootstrap = self.bench.bootstrap
            rows += retrieval(bank, origin, source, bootstrap, candidates=most, seed=seed)
        return rows

    def _task(self, subject: Subject) -> list[Result]:
        """Rows of the geometry of languages and labels on the task's test text."""
        from langspec.measurement.geometry import label_geometry, language_geometry

        origin, task = self._origin(self.bench.task.name), self.bench.task
        seed = self.bench.config.evaluate.seed
        bank = self._task_bank(subject.model.encoder, subject.state, subject.title)
        return [
            replace(row, unit=task.unit)
            for factor in (language_geometry, label_geometry)
            for row in factor(bank, origin, self.values, units=(self._unit,), seed=seed)
        ]

    # Beside the start.

    def _beside_start(self, subject: Subject, text: bool) -> list[Result]:
        """Rows of the similarity to the starting encoder, and of what moved.

        ``text``: on the language text; else on the task's test text.
        """
        from langspec.measurement.moves import moves
        from langspec.measurement.similarity import checkpoint_similarity

        bench = self.bench
        encoder, state = subject.model.encoder, subject.state
        bank = (bench.text_bank if text else self._task_bank)(encoder, state, subject.title)
        # On the device of the trained encoder. The bank is nearly always in the cache.
        model = bench.encoder.model.to(next(encoder.parameters()).device)
        start = (model, bench.encoder.card.sha256, "the starting encoder")
        before = bench.text_bank(*start, beside=state) if text else self._task_bank(*start)
        units = ("token", "sentence") if text else (self._unit,)
        origin = self._origin("text" if text else bench.task.name)
        seed = bench.config.evaluate.seed
        rows = checkpoint_similarity(bank, before, origin, units=units, seed=seed)
        if subject.trained:
            split = "test" if text else None
            rows += moves(bank, before, origin, units=units, split=split, seed=seed)
        return rows if text else [replace(row, unit=bench.task.unit) for row in rows]

    # Banks.

    @property
    def _unit(self) -> str:
        """The unit of a bank of the task's text; a pair is encoded as one text."""
        return "token" if self.bench.task.unit == "token" else "sentence"

    def _task_bank(self, encoder: Any, state: str, title: str) -> Bank:
        """The bank of labelled vectors of the task's test text, whose lines are items."""
        from langspec.features.bank import BankRows

        bench, token = self.bench, self._unit == "token"
        rows = BankRows(
            languages=bench.test.languages.tolist(),
            lines=bench.test.items,
            token_labels=bench.test.labels if token else None,
            row_labels=None if token else bench.test.labels,
        )
        return bench.bank(
            encoder,
            state,
            f"{bench.task_hash}, lines are items",
            bench.test.inputs,
            rows,
            self._bank_options(),
            f"encode task text: {title}",
        )

    def _bank_options(self) -> BankOptions:
        most, token = self.values.vectors, self._unit == "token"
        return self.bench.bank_options(
            max_tokens_per_language=most if token else 0,
            max_sentences_per_language=0 if token else most,
            whole_rows=True,
        )

    # Options and keys.

    def _origin(self, corpus: str) -> Any:
        """The columns that rows share; method and seed are put in when the cache is read."""
        from langspec.measurement.rows import Origin

        return Origin(self.bench.task.name, "", 0, corpus, "test", self.name)

    def _key(self) -> dict[str, Any]:
        return {"options": self.values.model_dump(), "bootstrap": asdict(self.bench.bootstrap)}

    def _text_key(self) -> dict[str, Any]:
        source = self.bench.config.corpora.source
        return {"source": source, "parallel": self.parallel, **self.bench.text_key}

    def _task_key(self) -> dict[str, Any]:
        return {"test_bank": asdict(self._bank_options()), **self.bench.task_key}
