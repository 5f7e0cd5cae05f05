"""The published numbers, their measure on this run's checkpoints, the sound measure on the same.

The published column was measured on another encoder and other corpora: what can be compared is
what a measure makes of fine-tuning, not the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from langspec.measurement.compat.published_scale import published_updates
from langspec.measures.published_settings import BY_CHANCE, CLUSTERS
from langspec.measures.spec import Column, TableSpec
from langspec.report.pivot import listed
from langspec.report.run_results import Run
from langspec.report.table import (
    Table,
    decimal,
    leaks,
    measured,
    method_label,
    ordered_methods,
    pick,
    put_score,
    task_scores,
)

PAPER = "Tanti et al. 2021"
BEFORE = "frozen"
SEQEVAL, POOLED = "compat/seqeval", "compat/pooled"  # label scores: of tokens, of texts
PROBE, CONVERGED = "compat/paper_probe", "compat/linear"
SETTINGS = ("frozen", "finetune", "grl", "adversary")
COLUMNS = {
    "published": "published",
    "compat": "their measure here",
    "sound": "sound measure here",
}
LEAST_UPDATES = 5 * published_updates(64)  # of a published probe, the fewest: five epochs
LEAST = 0.05  # a smaller value before fine-tuning gives no ratio


@dataclass(frozen=True)
class Quantity:
    """One measured thing.

    Attributes:
        key: its short name.
        title: its name on the page.
        metrics: the published metrics for it.
        compat: rows of the published measure.
        sound: rows of the sound one.
        chance: rows of what the published measure gives by chance; None: none were measured.
        updates: rows of how many updates the published probe made; None: it reads no probe.
    """

    key: str
    title: str
    metrics: tuple[str, ...]
    compat: pd.DataFrame
    sound: pd.DataFrame
    chance: pd.DataFrame | None = None
    updates: pd.DataFrame | None = None


def published_rows(run: Run, task: str) -> pd.DataFrame:
    """What the published measure gave, over all languages and seeds."""
    return measured(run.summary, "published", task=task, split="test", language="all")


def language_quantity(run: Run, task: str) -> Quantity | None:
    """How well the published probe reads the language; None: it was not measured."""
    read = (one for one in quantities(run, task) if one.key in ("language_text", "language_task"))
    return next(read, None)


def quantities(run: Run, task: str) -> list[Quantity]:
    """Everything that has a published measure on this run's checkpoints."""
    rows = published_rows(run, task)
    token = is_token(rows)
    unit = "token" if token else "sentence"
    probe, converged = pick(rows, probe=PROBE), pick(rows, probe=CONVERGED)
    leak = leaks(run, task)

    def published(corpus: str) -> pd.DataFrame:
        return pick(probe, corpus=corpus, metric="published_macro_f1")

    def clustered(corpus: str, what: str) -> tuple[pd.DataFrame, ...]:
        selected, metric = pick(rows, corpus=corpus), f"v_measure_{what}"
        return (
            pick(selected, probe=CLUSTERS, metric=metric),
            pick(selected, probe=CLUSTERS, metric=f"ami_{what}"),
            pick(selected, probe=BY_CHANCE, metric=metric),
        )

    updates = pick(probe, metric="updates")
    of_text = "per token" if token else "per text"
    present = (
        Quantity(
            "language_text",
            f"Language identification on text, {of_text}",
            ("language_macro_f1_wikipedia",),
            published("text"),
            pick(leak, unit=unit),
            updates=updates,
        ),
        Quantity(
            "language_task",
            f"Language identification on the task's text, {of_text}",
            ("language_macro_f1_task_text",),
            published(task),
            pick(converged, corpus=task, metric="macro_f1"),
            updates=updates,
        ),
        *_labels(run, task, rows),
        Quantity(
            "clusters_text",
            "Clusters against language, text",
            ("v_measure_language_wikipedia",),
            *clustered("text", "language"),
        ),
        Quantity(
            "clusters_task",
            "Clusters against language, the task's text",
            ("v_measure_language_task_text",),
            *clustered(task, "language"),
        ),
        Quantity(
            "clusters_label",
            "Clusters against label, the task's text",
            ("v_measure_task_labels",),
            *clustered(task, "label"),
        ),
    )
    return [quantity for quantity in present if len(quantity.compat)]


def _labels(run: Run, task: str, rows: pd.DataFrame) -> tuple[Quantity, Quantity]:
    """Scores of the task's labels: macro-F1, and micro-F1 or accuracy."""
    labels = rows[rows["probe"].isin([SEQEVAL, POOLED]) & rows["metric"].str.endswith("_f1")]
    scores = pick(task_scores(run, task), language="mean")
    return (
        Quantity(
            "label_macro",
            "Task, macro-F1",
            ("task_macro_f1",),
            pick(labels, metric="macro_f1"),
            pick(scores, metric="macro_f1"),
        ),
        Quantity(
            "label_micro",
            "Task, micro-F1 or accuracy",
            ("task_micro_f1", "task_accuracy"),
            pick(labels, metric="micro_f1"),
            pick(scores, metric="accuracy"),
        ),
    )


def is_token(rows: pd.DataFrame) -> bool:
    """Were tokens named? Else whole texts."""
    return "token" in set(rows[rows["probe"].isin([PROBE, CONVERGED, CLUSTERS, SEQEVAL])]["unit"])


def published_value(run: Run, task: str, method: str, quantity: Quantity) -> float | None:
    """The published number of all languages together; None where there is none."""
    rows = pick(run.published, task=task, method=method, language="")
    present = rows[rows["metric"].isin(quantity.metrics)]["value"]
    return float(present.iloc[0]) if len(present) else None


TABLE = TableSpec(
    name="published_{task}",
    title="{task}: published, their measure, ours",
    caption=f"{{task}}: the numbers of {PAPER}, their measure on this run's checkpoints, "
    "and this run's own measure on the same checkpoints. "
    "Their measure: {score}, pooled over languages; languages named by a linear probe "
    "that Adam trained at the settings of the counterpart's label head, for as many updates as "
    "stand beside it (published: 9,025 to 36,095); "
    "V-measure of k-means with k = 33 (labels: their number), and the mean that the same clusters "
    "have by chance. Sound: macro-F1 and accuracy, "
    "mean over languages; macro-F1 of a converged linear probe; adjusted mutual information "
    "of k-means with as many clusters as classes (chance: 0). "
    f"Ratio: to {BEFORE}, where that has {LEAST} or more. Mean over "
    "seeds; smallest to largest seed; intervals only where the measure has them.",
    columns=(
        Column("quantity", shown=False),
        Column("method", "Method"),
        *(Column(key, label, "Score", "score") for key, label in COLUMNS.items()),
        Column("updates", "updates", "Their measure here", "count"),
        Column("chance", "by chance", "Their measure here", "score"),
        *(
            Column(f"{key}_ratio", label, f"Ratio to {BEFORE}", "number")
            for key, label in COLUMNS.items()
        ),
    ),
    section="quantity",
)


def published_table(run: Run, task: str) -> Table | None:
    """Quantity and method x (published, their measure here, sound measure here, ratios)."""
    records = []
    for quantity in quantities(run, task):
        before: dict[str, Any] = {}
        for method in ordered_methods(run, quantity.compat["method"]):
            record: dict[str, Any] = {
                "quantity": quantity.title,
                "method": method_label(method),
                "published": published_value(run, task, method, quantity),
            }
            put_score(record, "compat", pick(quantity.compat, method=method))
            put_score(record, "sound", pick(quantity.sound, method=method))
            for key, rows in (("updates", quantity.updates), ("chance", quantity.chance)):
                record[key] = None if rows is None else _one(rows, method)
            before = before or (record if method == BEFORE else {})
            for key in COLUMNS:
                record[f"{key}_ratio"] = _ratio(record[key], before.get(key))
            records.append(record)
    score = (
        "seqeval's macro-F1 of raw labels"
        if is_token(published_rows(run, task))
        else "macro-F1 over the union of true and predicted labels"
    )
    return listed(TABLE, records, task=task, words={"score": score})


def _ratio(value: Any, before: Any) -> float | None:
    if value is None or before is None or pd.isna(value) or before < LEAST:
        return None
    return float(f"{value / before:.3g}")


# --- words -----------------------------------------------------------------------------------


def published_words(run: Run, task: str) -> list[str]:
    """What the three columns show and what follows from them, as sentences of the numbers."""
    shown = {quantity.key: quantity for quantity in quantities(run, task)}
    if not shown:
        return []
    sentences = [
        text
        for key in ("language_text", "language_task")
        if key in shown and (text := _fall(run, task, shown[key]))
    ]
    rows = pick(published_rows(run, task), corpus="text")
    sentences += [text for text in (_metric_alone(rows), _optimiser_alone(rows)) if text]
    sentences.append(
        "What may be concluded: how the published measure answers to these checkpoints, and how "
        "far its answer departs from a sound one on the same vectors. What may not: that the "
        "published values are replicated or refuted. The encoder, the corpora, the languages and "
        "the number of texts differ, so the columns share no scale; compare the direction and "
        "the ratio within a column."
    )
    return sentences


def _fall(run: Run, task: str, quantity: Quantity) -> str:
    """From frozen to finetune in each column."""
    after = "finetune"
    parts = []
    ends: Mapping[str, Sequence[float | None]] = {
        "published": [published_value(run, task, m, quantity) for m in (BEFORE, after)],
        "by their measure here": [_one(quantity.compat, m) for m in (BEFORE, after)],
        "by the sound measure here": [_one(quantity.sound, m) for m in (BEFORE, after)],
    }
    for words, (first, last) in ends.items():
        if first is not None and last is not None:
            parts.append(f"{words} {decimal(first)} → {decimal(last)}")
    if len(parts) < 2:
        return ""
    return f"{quantity.title}, {BEFORE} → {after}: {'; '.join(parts)}."


def _one(rows: pd.DataFrame, method: str) -> float | None:
    present = pick(rows, method=method)["value"]
    return float(present.iloc[0]) if len(present) else None


def _metric_alone(rows: pd.DataFrame) -> str:
    """One probe, its predictions scored in both ways."""
    selected = pick(rows, probe=CONVERGED)
    values = {
        (metric, method): _one(pick(selected, metric=metric), method)
        for metric in ("accuracy", "published_macro_f1")
        for method in (BEFORE, "finetune")
    }
    if any(value is None for value in values.values()):
        return ""
    read = [decimal(value) for value in values.values() if value is not None]
    return (
        f"The metric alone: the converged probe's accuracy goes {read[0]} → {read[1]}, and the "
        f"published score of the very same predictions {read[2]} → {read[3]}."
    )


def _optimiser_alone(rows: pd.DataFrame) -> str:
    """One encoder, four settings of the probe."""
    parts = []
    for method in (BEFORE, "finetune"):
        selected = pick(rows, method=method, metric="accuracy")
        values = selected[selected["probe"].isin([f"{PROBE}/{name}" for name in SETTINGS])][
            "value"
        ]
        if len(values) < 2:
            return ""
        parts.append(f"{method} {decimal(values.min())} to {decimal(values.max())}")
    return f"The probe's settings alone: accuracies on one encoder, {'; '.join(parts)}."
