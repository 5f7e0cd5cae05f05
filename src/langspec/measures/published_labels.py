"""The published score of the task, and the lengths of the texts that it is computed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from langspec.measures.base import RUN, TEXTS, Findings, Measure, Subject
from langspec.results import EVERY, Result

if TYPE_CHECKING:
    from langspec.evaluation.bench import Bench

SPLITS = ("train", "dev", "test")
DECILES = tuple(range(5, 100, 10))  # of sentence lengths: 5 %, 15 % ... 95 %


class PublishedLabels(Measure):
    """The published score: of words by seqeval, of texts over all languages together."""

    name: ClassVar[str] = "published.labels"
    order: ClassVar[int] = 69
    key: ClassVar[str] = "compat"
    subjects: ClassVar[frozenset[str]] = frozenset({RUN, TEXTS})
    every_seed: ClassVar[bool] = True

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is seqeval's score asked for?"""
        return "seqeval" in evaluate.compat.run

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.token = bench.task.unit == "token"

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of a run's predictions, or those of the lengths of the texts."""
        if subject.kind == RUN:
            findings.add(self._label_rows(subject))
        elif self.token:
            findings.add(self._lengths())

    def _origin(self, corpus: str, subject: Subject | None = None) -> Any:
        from langspec.measurement.rows import Origin

        method, seed = (subject.method, subject.seed) if subject else (EVERY, 0)
        return Origin(self.bench.task.name, method, seed, corpus, "test", "published")

    def _label_rows(self, subject: Subject) -> list[Result]:
        """Rows of the published score: of all languages together, and of each."""
        import numpy as np

        from langspec.measurement.compat.chunks import ChunkScorer
        from langspec.measurement.compat.paper_scores import union_macro_f1
        from langspec.measurement.compat.texts import task_lengths
        from langspec.measurement.scores import accuracy

        bench, task, test = self.bench, self.bench.task, self.bench.test
        predicted = bench.predictions(subject)
        origin = self._origin(task.name, subject)
        lengths = task_lengths(test)
        ends = np.cumsum(lengths)
        codes = bench.unit_columns(test)[0][ends - 1]  # of each text
        rows = []
        for code in ("all", *sorted(set(codes))):
            texts = np.ones(len(codes), bool) if code == "all" else codes == code
            units = np.repeat(texts, lengths)
            gold, chosen = test.labels[units], predicted[units]
            if self.token:
                scored = ChunkScorer(task.labels)(gold, chosen, lengths[texts])
                scores = {"macro_f1": scored.macro_f1, "micro_f1": scored.micro_f1}
            else:
                scores = {
                    "macro_f1": union_macro_f1(gold, chosen),
                    "micro_f1": accuracy(gold, chosen),
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

    def _lengths(self) -> list[Result]:
        """Rows of ten quantiles of the number of words of a test text, by corpus."""
        import numpy as np

        from langspec.measurement.compat.texts import first_texts

        bench, task = self.bench, self.bench.task
        inputs, rows = first_texts(
            bench.text_inputs,
            bench.text_rows,
            tuple(sorted(set(bench.text_rows.languages))),
            SPLITS,
            self.values.texts,
            seed=bench.config.evaluate.seed,
        )
        tests = np.asarray(rows.splits) == "test"
        counts = {
            "text": np.diff(inputs.unit_starts)[tests],
            task.name: np.diff(bench.test.inputs.unit_starts),
        }
        return [
            self._origin(corpus).row(
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
