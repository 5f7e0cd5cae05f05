"""The scores of heuristics, which cannot understand a text, on the task."""

from __future__ import annotations

from typing import ClassVar

from langspec.measures.base import TEXTS, Findings, Measure, Subject
from langspec.results import EVERY, Result


class SurfaceBaselines(Measure):
    """Scores of the task's heuristics, and how many units are not scored."""

    name: ClassVar[str] = "baseline"
    order: ClassVar[int] = 15
    subjects: ClassVar[frozenset[str]] = frozenset({TEXTS})

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of every heuristic, named by the column ``method``, and ``unscored``."""
        import numpy as np

        from langspec.measurement.rows import Origin
        from langspec.measurement.task_scores import task_scores
        from langspec.tasks.heuristics import heuristic_predictions

        bench, task, table = self.bench, self.bench.task, self.bench.test_table
        gold, table_rows = task.gold(table)
        language = np.asarray(table["language"].to_pylist())[table_rows]
        item = bench.test.items[table_rows]
        for name, predicted in heuristic_predictions(task, bench.train_table, table).items():
            findings.add(
                task_scores(
                    Origin(task.name, name, 0, task.name, "test", self.name),
                    language,
                    item,
                    gold,
                    predicted,
                    classes=len(task.labels),
                    unit=task.unit,
                    source=bench.config.corpora.source,
                    options=bench.bootstrap,
                )
            )
        findings.add([self._unscored(len(gold))])

    def _unscored(self, total: int) -> Result:
        """The row ``unscored``: gold units that truncation cut off, so no method predicts them."""
        from langspec.measurement.rows import Origin

        bench, task = self.bench, self.bench.task
        return Origin(task.name, EVERY, 0, task.name, "test", "task").row(
            "unscored",
            float(total - len(bench.test.labels)),
            language="all",
            unit=task.unit,
            n=total,
        )
