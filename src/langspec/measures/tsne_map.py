"""A t-SNE map of the last layer, and the purity of its neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from langspec.measures.base import RUN, Findings, Measure, Subject
from langspec.section import Count, Section

if TYPE_CHECKING:
    from langspec.features.bank import Bank


class ProjectionOptions(Section):
    """Section ``evaluate.projection``: t-SNE of a balanced sample.

    Attributes:
        per_class: vectors at most of each pair of language and label.
        max_points: vectors at most in all; fewer of each pair are drawn to stay within it.
        perplexity: of t-SNE; it is lowered for very small samples.
    """

    per_class: Count
    max_points: Annotated[int, Field(ge=100)]
    perplexity: Annotated[float, Field(ge=2)]


class TsneMap(Measure):
    """t-SNE of a balanced sample of the task's test vectors, of the first seed."""

    name: ClassVar[str] = "projection"
    order: ClassVar[int] = 80
    key: ClassVar[str] = "projection"
    options: ClassVar[type[Section] | None] = ProjectionOptions
    subjects: ClassVar[frozenset[str]] = frozenset({RUN})

    def applies(self, subject: Subject) -> bool:
        """Is the subject the first seed of its method?"""
        return super().applies(subject) and subject.first

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the map as a table, and the rows of the purity of neighbourhoods."""
        import pyarrow as pa

        from langspec.measurement.projection import projection
        from langspec.measurement.rows import Origin

        bench, task = self.bench, self.bench.task
        token = task.unit == "token"
        bank = self._bank(subject)
        origin = Origin(task.name, subject.method, subject.seed, task.name, "test", self.name)
        table, rows = projection(
            bank.tokens(-1) if token else bank.sentences(-1),
            bank.token_meta if token else bank.sentence_meta,
            bank.languages,
            task.labels,
            origin,
            layer=bank.layers[-1],
            unit=task.unit,
            options=self.values,
            seed=bench.config.evaluate.seed,
        )
        points = pa.Table.from_pandas(
            table[["language", "label", "x", "y"]], preserve_index=False
        ).replace_schema_metadata()
        for column, value in (
            ("corpus", task.name),
            ("seed", subject.seed),
            ("method", subject.method),
        ):
            points = points.add_column(0, column, pa.array([value] * len(points)))
        findings.add_table("projection", points)
        findings.add(rows)

    def _bank(self, subject: Subject) -> Bank:
        """The bank of labelled vectors of the last layer."""
        from langspec.features.bank import BankRows

        bench, token = self.bench, self.bench.task.unit == "token"
        # Several candidates for each label and language, so that rare labels are among them.
        candidates = self.values.per_class * len(bench.task.labels) * 8
        options = bench.bank_options(
            max_tokens_per_language=candidates if token else 0,
            max_sentences_per_language=0 if token else candidates,
            whole_rows=True,
            layers=(-1,),
        )
        rows = BankRows(
            languages=bench.test.languages.tolist(),
            token_labels=bench.test.labels if token else None,
            row_labels=None if token else bench.test.labels,
        )
        return bench.bank(
            subject.model.encoder,
            subject.state,
            bench.task_hash,
            bench.test.inputs,
            rows,
            options,
            f"encode task text: {subject.method} {subject.seed}",
        )
