"""Controls for erasure: what random subspaces of the same size cost the task and retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.erasure.choice import eraser_classes
from langspec.measures.base import RUN, SMALL_RATE, Cost, Findings, Measure, Shape, Subject
from langspec.measures.fitted_erasers import fitted_erasers
from langspec.measures.spec import Column, TableSpec
from langspec.results import LEAK_METRIC, Result, label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from langspec.evaluation.bench import Bench
    from langspec.measurement.random_removal import Kind, RandomRemovals, Scored
    from langspec.measurement.rows import Origin

SIZES = {"equal_rank": "equal rank", "equal_variance": "equal variance"}
_SCORES = {"accuracy": "accuracy", "retrieval": "retrieval"}
_COSTS = {
    "more": "cost more",
    "as much": "cost as much",
    "less": "cost less",
    "undecided": "undecided",
}


def _verdicts(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """For each score and size: which erasers cost more than a random removal, as much, or less."""
    from langspec.measurement.random_removal import MARGIN, verdict

    said = []
    for metric, words in _SCORES.items():
        for kind, size in SIZES.items():
            where = (rows["probe"] == kind) & (rows["metric"] == f"{metric}_beyond_random")
            of: dict[str, list[str]] = {}
            for row in rows[where].to_dict("records"):
                name = label(row["method"], row["eraser"])
                cost = verdict(row["low"], row["high"])
                reach = max(-row["low"], row["high"])
                within = f" (to within {reach:.3f})" if cost in ("as much", "undecided") else ""
                of.setdefault(cost, []).append(name + within)
            parts = [
                f"{phrase}: " + ", ".join(of[cost])
                for cost, phrase in _COSTS.items()
                if cost in of
            ]
            if parts:
                begin = f"Of {words}, at {size}, beside a random removal"
                said.append(f"{begin}: " + "; ".join(parts) + ".")
    if said:
        said.append(
            f"As much: the interval of the difference lies within ±{MARGIN:g}. Undecided: it "
            "holds 0 and reaches further."
        )
    return " ".join(said)


def _control(metric: str, kind: str, group: str) -> tuple[Column, Column]:
    """The score after random removals of one size, and the difference to it."""
    where = {"probe": kind, "language": "mean_targets"}
    name, size = f"{metric}_{kind}", SIZES[kind]
    return (
        Column(name, f"random, {size}", group, "score", {**where, "metric": metric}),
        Column(
            f"{name}_beyond",
            "difference",
            group,
            "score",
            {**where, "metric": f"{metric}_beyond_random"},
        ),
    )


_LEAK = {"probe": "linear", "language": "all", "metric": LEAK_METRIC}
_OF_TARGETS = {"probe": "", "language": "mean_targets"}
_ACCURACY, _RETRIEVAL = "Accuracy, mean of targets", "Retrieval, mean of targets"
TABLE = TableSpec(
    name="erasure_controls_{task}",
    title="{task}: erased language, or as much of anything",
    caption="{task}: what erasers of the layer that the task's head reads leave of language (a "
    "new linear probe; erasers of words and of sentences are two, and a pair is erased by that of "
    "sentences), and what they cost beside the removal of random subspaces: of as many "
    "directions, and of as much of the variance. Accuracy is of that head, kept; retrieval, of "
    "translations by cosine of sentence vectors. Random: mean over subspaces; [95 % of such "
    "subspaces]. Difference: eraser less random; [95 % interval over subspaces and test items]. "
    "A cost that random subspaces have too is no effect of language.",
    where={"measure": ("task", "leak", "erasure", "erasure_control"), "split": "test"},
    having={"measure": "erasure_control", "split": "test"},
    layers="head",
    words={"verdicts": _verdicts},
    rows=("method", "eraser"),
    columns=(
        Column("base", text="{method}", shown=False),
        Column("method", text="{variant}", shown=False),
        Column("eraser", "Erased by"),
        *(
            Column(f"{unit}_leak_macro_f1", f"{unit} F1", "Language leak", "score",
                   {**_LEAK, "unit": unit})
            for unit in ("token", "sentence")
        ),
        Column("accuracy", "erased", _ACCURACY, "score", {**_OF_TARGETS, "metric": "accuracy"}),
        *_control("accuracy", "equal_rank", _ACCURACY),
        *_control("accuracy", "equal_variance", _ACCURACY),
        Column("retrieval", "erased", _RETRIEVAL, "score", {**_OF_TARGETS, "metric": "retrieval"}),
        *_control("retrieval", "equal_rank", _RETRIEVAL),
        *_control("retrieval", "equal_variance", _RETRIEVAL),
    ),
    section="base",
    notes=("{verdicts}",),
    drop_empty=True,
)  # fmt: skip


def task_units(bench: Bench, subject: Subject) -> Scored:
    """The vectors that the task's head reads, and how many units it labels rightly.

    Items and target languages are what scores are drawn and averaged over.
    """
    import numpy as np

    from langspec.measurement.random_removal import Scored, group_sums
    from langspec.training.scoring import head_classes

    head = subject.model.heads["task"]
    language, item = (np.asarray(column) for column in bench.unit_columns(bench.test))
    targets = language != bench.config.corpora.source
    _, of_item = np.unique(item[targets], return_inverse=True)
    _, of_language = np.unique(language[targets], return_inverse=True)

    def right(erased: np.ndarray) -> np.ndarray:
        hits = head_classes(head, erased) == bench.test.labels
        return group_sums(hits[targets].astype(np.float64), of_item, of_language)

    counts = group_sums(np.ones(len(of_item)), of_item, of_language)
    return Scored(bench.test_vectors(subject), language, right, counts)


class ErasureControl(Measure):
    """Random subspaces of the size of every eraser of ``erasers.run``, removed in its place."""

    name: ClassVar[str] = "erasure_control"
    order: ClassVar[int] = 62
    key: ClassVar[str] = "erasers"
    subjects: ClassVar[frozenset[str]] = frozenset({RUN})
    every_seed: ClassVar[bool] = True
    tables: ClassVar[tuple[TableSpec, ...]] = (TABLE,)

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._fitted = fitted_erasers(bench)

    @classmethod
    def enabled(cls, evaluate: Any) -> bool:
        """Are there erasers, and random subspaces to hold them against?"""
        return bool(evaluate.erasers.run) and evaluate.erasers.controls.draws > 0

    @classmethod
    def cost(cls, config: Any, shape: Shape) -> Cost:
        """Two products of matrices for each random subspace, of the task's test vectors."""
        erasers, tests = config.evaluate.erasers, config.corpora.limits
        erased = set(erasers.of) & set(config.train.all_methods)
        runs = sum(len(config.train.seeds_of(method)) for method in erased)
        count = runs * len(erasers.run) * 2 * erasers.controls.draws
        vectors = shape.languages * ((tests.pos_test or 500) * 15 if shape.token else 1000)
        seconds = count * vectors * shape.hidden**2 / (10 * SMALL_RATE)
        return Cost("erasers.controls", f"{count} random subspaces removed", seconds)

    def applies(self, subject: Subject) -> bool:
        """Is the subject a run of a method that ``erasers.of`` names?"""
        return super().applies(subject) and subject.method in self.values.of

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows of every eraser, which the column ``eraser`` names."""
        code = [eraser_classes()[name] for name in self.values.run]
        key = {
            "erasers": self.values.run,
            "draws": self.values.controls.draws,
            "bootstrap": asdict(self.bench.bootstrap),
            "candidates": self.bench.config.evaluate.geometry.candidates,
            "checkpoint": subject.checkpoint,
            "task": self.bench.task_key,
            "parallel": self.bench.parallel_text,
            **self._fitted.key,
        }
        named = {"method": subject.method, "seed": subject.seed}
        findings.add(
            self.cached_rows("erasure_controls", key, lambda: self._rows(subject), *code, **named)
        )

    def _rows(self, subject: Subject) -> list[Result]:
        rows = self._compared(subject, "accuracy", task_units(self.bench, subject))
        if self.bench.parallel_text:
            rows += self._compared(subject, "retrieval", self._retrieval(subject))
        return rows

    # What is scored.

    def _retrieval(self, subject: Subject) -> Scored:
        """The vectors of parallel test lines, and how often the nearest one is a translation."""
        import numpy as np

        from langspec.measurement.alignment import hits_by_line, line_places, shared_lines
        from langspec.measurement.erased import codes_of
        from langspec.measurement.random_removal import Scored

        config = self.bench.config
        bank = self.bench.text_bank(subject.model.encoder, subject.state, subject.title)
        meta, source = bank.sentence_meta, config.corpora.source
        rows = np.flatnonzero(meta.split == bank.splits.index("test"))
        places = line_places(bank, meta, rows)
        most = config.evaluate.geometry.candidates
        shared = shared_lines(places, source, most, config.evaluate.seed)
        lines = {line: i for i, line in enumerate(sorted(set().union(*shared.values())))}
        at = {row: position for position, row in enumerate(rows.tolist())}
        here = {code: {line: at[row] for line, row in of.items()} for code, of in places.items()}

        def table(vectors: np.ndarray) -> np.ndarray:
            return hits_by_line(vectors, here, source, shared, lines, None)

        vectors = bank.sentences(subject.model.head_layer)[rows]
        return Scored(
            vectors,
            codes_of(bank, meta)[rows],
            lambda erased: table(erased)[:, :, :2].mean(axis=2),
            table(vectors)[:, :, 2],
        )

    # Erasers beside random subspaces.

    def _compared(self, subject: Subject, metric: str, scored: Scored) -> list[Result]:
        """The rows of one score: of every eraser, and of random removals of its size."""
        from langspec.measurement.random_removal import KINDS, RandomRemovals, mean_score

        values, config, layer = self.values, self.bench.config, subject.model.head_layer
        of_task = self.bench.task.unit, self.bench.task.name
        unit, corpus = of_task if metric == "accuracy" else ("sentence", "text")
        fitted_on = "token" if unit == "token" else "sentence"
        random = RandomRemovals(
            scored,
            anchor=config.corpora.source if values.anchor == "source" else None,
            draws=values.controls.draws,
            seed=config.evaluate.seed,
        )
        at: Any = {"language": "mean_targets", "unit": unit, "layer": layer}
        at["n"] = int(scored.counts.sum())
        plain = mean_score(scored.right(scored.vectors), scored.counts)
        rows = [self._origin(subject, corpus).row(metric, plain, probe="", **at)]
        for name in values.run:
            maps = self._fitted.maps(subject, name, [fitted_on], [layer], of_head=True)
            fitted = maps[fitted_on, layer]
            erased = fitted.apply(scored.vectors, scored.languages)
            origin, right = self._origin(subject, corpus, name), scored.right(erased)
            sizes = (float(fitted.rank), random.variance_removed(erased))
            for kind, size in zip(KINDS, sizes, strict=True):
                rows += self._against(origin, metric, right, random, kind, size, at)
            rows.append(origin.row(metric, mean_score(right, scored.counts), probe="", **at))
        # Accuracy before and after erasers stands in the rows of measures task and erasure.
        return [row for row in rows if metric == "retrieval" or row.probe]

    def _against(
        self,
        origin: Origin,
        metric: str,
        right: np.ndarray,
        random: RandomRemovals,
        kind: Kind,
        size: float,
        at: dict[str, Any],
    ) -> list[Result]:
        """The rows of one eraser beside random removals of one kind of size."""
        import numpy as np

        from langspec.measurement.random_removal import against_random

        of_random = random.right(kind, size)
        compared = against_random(right, of_random, random.scored.counts, self.bench.bootstrap)
        directions = np.mean([one.amounts.sum() for one in random.of_size(kind, size)])
        return [
            origin.interval(metric, compared.control, probe=kind, **at),
            origin.interval(f"{metric}_beyond_random", compared.difference, probe=kind, **at),
            origin.row("rank_removed", directions, probe=kind, **at),
        ]

    def _origin(self, subject: Subject, corpus: str, eraser: str = "") -> Origin:
        """The columns that rows share."""
        from langspec.measurement.rows import Origin

        of = self.bench.task.name, subject.method, subject.seed
        return Origin(*of, corpus, "test", self.name, eraser=eraser)
