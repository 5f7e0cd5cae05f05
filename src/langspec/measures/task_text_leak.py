"""The linear language probe on the texts that the task is tested on."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.measures.base import (
    Cost,
    Findings,
    Measure,
    Shape,
    Subject,
    scored_probe_seconds,
)
from langspec.measures.linear_leak import BY_LAYER
from langspec.measures.spec import TableSpec
from langspec.results import Result

if TYPE_CHECKING:
    import numpy as np

    from langspec.evaluation.bench import Bench
    from langspec.features.bank import Bank, BankOptions

TABLE = replace(
    BY_LAYER,
    name="task_text_{task}",
    title="{task}: language leak on task text",
    caption=BY_LAYER.caption
    + " The task's test texts are split by item for the probe (half to train, "
    "a fifth to choose C, the rest to test), so that translations stay on one side; n is "
    "small and intervals are wide. The probe has fewer training vectors than on language "
    "text: compare methods and layers here, not with the other table.",
    where={**BY_LAYER.where, "measure": "task_text"},
    floor={**BY_LAYER.floor, "measure": "task_text"},
)


class TaskTextLeak(Measure):
    """The linear probe at every layer on the task's test texts, split by item."""

    name: ClassVar[str] = "task_text"
    order: ClassVar[int] = 40
    key: ClassVar[str] = "beyond"
    tables: ClassVar[tuple[TableSpec, ...]] = (TABLE,)

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Are probes on the task's texts asked for?"""
        return bool(evaluate.beyond.task_text)

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """The cost of probes at every layer, and of encoding the test texts."""
        vectors = config.evaluate.beyond.task_text // 2  # half of them train
        count = shape.encoders * shape.layers * (2 if shape.token else 1)
        seconds = scored_probe_seconds(shape, count, vectors)
        work = f"{count} probes of the task's text"
        passes = shape.encoders * (shape.passes if shape.token else 1)
        return Cost("beyond.task_text", work, seconds, passes)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of one encoder, cached by the hash of its weights."""
        key = {
            "state": subject.state,
            "test_bank": asdict(task_text_options(self.bench, self.values.task_text)),
            **self.bench.task_key,
            **self.bench.probe_key,
        }
        named = {"method": subject.method, "seed": subject.encoder_seed}
        rows = self.cached_rows("task_text", key, lambda: self._rows(subject), **named)
        findings.add(rows)

    def _rows(self, subject: Subject) -> list[Result]:
        from langspec.errors import LangspecError
        from langspec.measurement.leak import language_leak
        from langspec.measurement.rows import Origin

        bench, task = self.bench, self.bench.task
        bank = task_text_bank(bench, subject, self.values.task_text)
        seed = subject.encoder_seed
        origin = Origin(task.name, subject.method, seed, task.name, "test", self.name)
        try:
            results = language_leak(
                bank,
                origin,
                bench.probe,
                bench.bootstrap,
                units=("token", "sentence") if task.unit == "token" else ("pair",),
                progress=f"probe: {subject.title}",
            )
        except LangspecError as error:
            raise LangspecError(
                f"{error}; these are test rows of {task.name}: 0 leaves them out",
                place="evaluate.beyond.task_text",
            ) from None
        return [row for row in results if row.language == "all"]


def task_text_options(bench: Bench, most: int) -> BankOptions:
    """What the bank of the task's test texts holds: ``most`` vectors a language and unit."""
    return bench.bank_options(
        max_tokens_per_language=most if bench.task.unit == "token" else 0,
        max_sentences_per_language=most,
    )


def task_text_bank(bench: Bench, subject: Subject, most: int) -> Bank:
    """The bank of the task's test texts, whose items are split for a language probe.

    Args:
        bench: of the task.
        subject: its encoder.
        most: vectors at most of each language and unit.
    """
    from langspec.features.bank import BankRows
    from langspec.measurement.task_text import item_splits

    items = _items(bench)
    rows = BankRows(
        languages=bench.test.languages.tolist(),
        splits=item_splits(items, seed=bench.config.evaluate.seed),
        lines=items,
    )
    return bench.bank(
        subject.model.encoder,
        subject.state,
        bench.task_hash,
        bench.test.inputs,
        rows,
        task_text_options(bench, most),
        f"encode task text: {subject.title}",
        words=bench.test_words,
    )


def _items(bench: Bench) -> np.ndarray:
    """The item of each test row, int ``[R]``; rows that may be translations share one.

    Sentences of parallel treebanks share their id (after FILE/), sentence pairs their item.
    """
    import numpy as np

    if bench.task.unit == "pair":
        return bench.test.items
    ids = [name.rpartition("/")[2] for name in bench.test_table["id"].to_pylist()]
    return np.unique(np.asarray(ids), return_inverse=True)[1]
