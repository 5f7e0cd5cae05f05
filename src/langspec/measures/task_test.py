"""The scores of a run on the test texts of its task, in every language."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from langspec.measures.base import RUN, Findings, Measure, Subject
from langspec.measures.spec import IN_SHORT, Column, TableSpec
from langspec.results import OVER_LANGUAGES

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BY_LANGUAGE = TableSpec(
    name="transfer_{task}",
    title="{task}: scores by language",
    caption="{task}, test split, by language; n counts {units}. {trained_on} " + IN_SHORT,
    where={
        "measure": ("task", "baseline"),
        "split": "test",
        "metric": ("accuracy", "macro_f1"),
    },
    rows=("language",),
    columns=(
        Column("part", text="{pooled}", shown=False),
        Column("code", "Code"),
        Column("language", "Language"),
        Column("family", "Family"),
        Column("role", shown=False),
        Column("n", "n", kind="count"),
        Column("{}_accuracy", "accuracy", "{}", "score", {"metric": "accuracy"}, "method"),
        # Of a heuristic one metric is enough.
        Column(
            "{}_macro_f1",
            "macro-F1",
            "{}",
            "score",
            {"metric": "macro_f1"},
            "method",
            trained=True,
        ),
    ),
    section="part",
    page=("language", "code", "family", "n", "{}"),
    pooled="over languages",
    names={"language": OVER_LANGUAGES},
)


class TaskTest(Measure):
    """Accuracy and macro-F1 of each language, their means and the gap, with intervals."""

    name: ClassVar[str] = "task"
    order: ClassVar[int] = 10
    subjects: ClassVar[frozenset[str]] = frozenset({RUN})
    every_seed: ClassVar[bool] = True
    on_path: ClassVar[bool] = True
    tables: ClassVar[tuple[TableSpec, ...]] = (BY_LANGUAGE,)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of the scores, and the predictions as a table."""
        from langspec.measurement.rows import Origin
        from langspec.measurement.task_scores import task_scores

        bench, task = self.bench, self.bench.task
        predicted = bench.predictions(subject)
        language, item = bench.unit_columns(bench.test)
        origin = Origin(
            task.name,
            subject.method,
            subject.seed,
            task.name,
            "test",
            self.name,
            strength=subject.strength,
        )
        findings.add(
            task_scores(
                origin,
                language,
                item,
                bench.test.labels,
                predicted,
                classes=len(task.labels),
                unit=task.unit,
                source=bench.config.corpora.source,
                options=bench.bootstrap,
            )
        )
        findings.add_table("predictions", self._table(subject, predicted))

    def _table(self, subject: Subject, predicted: np.ndarray) -> pa.Table:
        """A table with a row for each test unit: its gold and predicted class."""
        import numpy as np
        import pyarrow as pa

        bench, count = self.bench, len(predicted)
        language, item = bench.unit_columns(bench.test)
        return pa.table(
            {
                "task": pa.array([bench.task.name] * count).dictionary_encode(),
                "method": pa.array([subject.method] * count).dictionary_encode(),
                "seed": pa.array(np.full(count, subject.seed, np.int32)),
                "strength": pa.array([subject.strength] * count, pa.float64()),
                "language": pa.array(language.tolist()).dictionary_encode(),
                "item": pa.array(item.astype(np.int32)),
                "unit": pa.array(np.arange(count, dtype=np.int32)),
                "gold": pa.array(bench.test.labels.astype(np.int16)),
                "predicted": pa.array(predicted.astype(np.int16)),
            }
        ).unify_dictionaries()
