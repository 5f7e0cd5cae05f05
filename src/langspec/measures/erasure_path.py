"""What erasers that work step by step leave after each step: of language, and of the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.erasure.choice import eraser_classes
from langspec.measures.base import RUN, Findings, Measure, Subject
from langspec.measures.erasure_controls import task_units
from langspec.measures.fitted_erasers import fitted_erasers
from langspec.measures.spec import FigureSpec, Level, Panel
from langspec.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from langspec.evaluation.bench import Bench

WHERE = {"measure": "erasure_path", "eraser": "inlp"}


def _ended(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """In how many fits the rounds ended at majority."""
    ends = rows[(rows["measure"] == "erasure_path") & (rows["metric"] == "at_majority")]
    ends = ends[ends["eraser"] == "inlp"]
    fits = int(ends["seeds"].sum())
    reached = round((ends["seeds"] * ends["value"]).sum())
    return f"Rounds ended at chance in {reached} of {fits} fits."


def _leak(unit: str) -> Panel:
    largest = {"metric": "majority", "unit": unit, "probe": "linear"}
    return Panel(
        f"language, per {unit}",
        {"metric": "accuracy", "unit": unit, "probe": "linear"},
        levels=(Level(largest, "chance: the most frequent language"),),
        limits=(0.0, 1.02),
        numbered=True,
    )


FIGURE = FigureSpec(
    name="erasure_path_{task}",
    title="{task}: what INLP leaves, round by round",
    caption="Models of {task}: accuracy of a new language probe (dev lines) and of the kept task "
    "head (test, target languages) as INLP removes directions. {ended} Mean over {seeds}, as far "
    "as each seed got.",
    alt="Line plots by directions removed: accuracy of the language probe and of the task. At the "
    "most directions: {last}.",
    where=WHERE,
    panels=(
        _leak("token"),
        _leak("sentence"),
        Panel(
            "task",
            {"metric": "accuracy", "language": "mean_targets", "probe": ""},
            limits=(0.0, 1.02),
            numbered=True,
        ),
    ),
    label="accuracy",
    x_label="directions removed",
    words={"ended": _ended},
)


class ErasurePath(Measure):
    """Leak on dev lines and accuracy by the number of directions that were removed."""

    name: ClassVar[str] = "erasure_path"
    order: ClassVar[int] = 63
    key: ClassVar[str] = "erasers"
    subjects: ClassVar[frozenset[str]] = frozenset({RUN})
    every_seed: ClassVar[bool] = True
    figures: ClassVar[tuple[FigureSpec, ...]] = (FIGURE,)

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._fitted = fitted_erasers(bench)
        classes = eraser_classes()
        self._names = [name for name in self.values.run if classes[name].by_steps]

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Is any eraser asked for?"""
        return bool(evaluate.erasers.run)

    def applies(self, subject: Subject) -> bool:
        """Is the subject a run of a method that ``erasers.of`` names, and has an eraser steps?"""
        return super().applies(subject) and subject.method in self.values.of and bool(self._names)

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of every eraser with steps; a metric's name ends in the directions."""
        code = [eraser_classes()[name] for name in self._names]
        key = {"erasers": self._names, "checkpoint": subject.checkpoint, **self._fitted.key}
        key |= {"task": self.bench.task_key}
        rows = self.cached_rows(
            "erasure_paths",
            key,
            lambda: self._rows(subject),
            *code,
            method=subject.method,
            seed=subject.seed,
        )
        # What is read of an encoder that was not trained is one number for all seeds of heads.
        findings.add([row for row in rows if subject.new_encoder or not row.probe])

    def _rows(self, subject: Subject) -> list[Result]:
        from langspec.measurement.random_removal import mean_score
        from langspec.measurement.rows import Origin

        task, layer = self.bench.task, subject.model.head_layer
        scored, rows = task_units(self.bench, subject), []
        on = "token" if task.unit == "token" else "sentence"
        columns = task.name, subject.method, subject.seed
        for name in self._names:
            maps = self._fitted.maps(subject, name, ("token", "sentence"), [layer])
            read = Origin(*columns, "text", "dev", self.name, eraser=name)
            for (unit, _), fitted in maps.items():
                level: Any = {"language": "all", "unit": unit, "layer": layer, "probe": "linear"}
                level["n"] = fitted.path[-1].count if fitted.path else 0
                for point in fitted.path:
                    at = level | {"low": point.low, "high": point.high}
                    rows += [
                        read.row(f"accuracy_{point.rank}", point.accuracy, **at),
                        read.row(f"majority_{point.rank}", point.majority, **level),
                    ]
                if fitted.path:
                    rows.append(read.row("at_majority", fitted.path[-1].at_majority, **level))
            scores = Origin(*columns, task.name, "test", self.name, eraser=name)
            at = {"language": "mean_targets", "unit": task.unit, "layer": layer}
            at["n"] = int(scored.counts.sum())
            at_head = self._fitted.maps(subject, name, [on], [layer], of_head=True)
            fitted = at_head[on, layer]
            for point in fitted.path:
                erased = fitted.first(point.rank).apply(scored.vectors)
                score = mean_score(scored.right(erased), scored.counts)
                rows.append(scores.row(f"accuracy_{point.rank}", score, **at))
        return rows
