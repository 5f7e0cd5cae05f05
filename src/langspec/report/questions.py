"""What the page asks below its first screen: one figure a question, with a panel a task.

A caption says what a reader sees, and what follows from it, in at most 35 words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from langspec.report.contrasts import LEAK_KEY, TRANSFER_KEY, Contrasts
from langspec.report.first_answers import AFTER, CONTROLS, UNLEARNING, short
from langspec.report.published_tables import BEFORE, language_quantity
from langspec.report.run_results import Run, language_name
from langspec.report.table import (
    ORACLE,
    leak_unit,
    leaks,
    pick,
    scored_languages,
    task_name,
    task_scores,
)
from langspec.report.tradeoff_points import tradeoff_points

Compared = Mapping[str, Contrasts]


@dataclass(frozen=True)
class Question:
    """A question, the kind of the figures that answer it, and what is said below them."""

    id: str
    title: str
    kind: str
    caption: Callable[[Run, Compared], str]


def _by_task(run: Run, words: Callable[[str], str]) -> str:
    """What is said of each task, where anything is: ``.997 → .959 (POS), .966 (NLI)``."""
    parts = [f"{said} ({task_name(task)})" for task in run.tasks if (said := words(task))]
    return ", ".join(parts)


def _where(run: Run, compared: Compared) -> str:
    def fall(task: str) -> str:
        rows = pick(leaks(run, task), unit=leak_unit(run, task)).set_index("method")["value"]
        if not {BEFORE, AFTER} <= set(rows.index):
            return ""
        return f"{short(rows[BEFORE])} → {short(rows[AFTER])}"

    said = _by_task(run, fall)
    end = f" At the layer that the task reads, fine-tuning changes it {said}." if said else ""
    return f"How well a fresh probe names the language, layer by layer.{end}"


def _which(run: Run, compared: Compared) -> str:
    def most(task: str) -> str:
        scores = pick(task_scores(run, task), metric="accuracy")
        of = {m: pick(scores, method=m).set_index("language")["value"] for m in (BEFORE, AFTER)}
        targets = [c for c in scored_languages(run, task) if c != run.source]
        gains = (of[AFTER] - of[BEFORE]).reindex(targets).dropna().sort_values(kind="stable")
        if len(gains) < 2:
            return ""
        least, best = gains.index[0], gains.index[-1]
        return (
            f"{language_name(best)} {short(gains[best], sign=True)} to "
            f"{language_name(least)} {short(gains[least], sign=True)}"
        )

    said = _by_task(run, most)
    end = f" Gains of fine-tuning: {said}." if said else ""
    return f"Test scores by language, most of which had no training labels.{end}"


def _price(run: Run, compared: Compared) -> str:
    def moved(task: str) -> str:
        present = compared.get(task, Contrasts())
        for method in UNLEARNING:
            for baseline in CONTROLS:
                leak, gain = (
                    present.line(method, baseline, key) for key in (LEAK_KEY, TRANSFER_KEY)
                )
                if leak and gain:
                    first, then = (x.compared.difference.value for x in (leak, gain))
                    return f"{short(first, sign=True)} and {short(then, sign=True)}"
        return ""

    parts = ["Up and left is better."]
    if said := _by_task(run, moved):
        parts.append(f"Unlearning changes probe and accuracy by {said}.")
    if erased := _by_task(run, lambda task: _erased(run, task)):
        parts.append(f"The strongest eraser leaves a linear probe {erased}.")
    return " ".join(parts)


def _erased(run: Run, task: str) -> str:
    """Leak and accuracy behind the eraser that leaves the least; an oracle is none."""
    points = tradeoff_points(run, task)
    if points.empty:
        return ""
    points = pick(points, method=AFTER)
    points = points[(points["eraser"] != "") & ~points["eraser"].str.endswith(ORACLE)]
    if points.empty:
        return ""
    means = points.groupby("eraser")[["leak", "score"]].mean()
    least = means.sort_values(["leak", "score"], ascending=[True, False]).iloc[0]
    return f"{short(least['leak'])} and {short(least['score'])}"


def _vanished(run: Run, compared: Compared) -> str:
    for task in run.tasks:
        if quantity := language_quantity(run, task):
            ends = [
                [pick(rows, method=method)["value"] for method in (BEFORE, AFTER)]
                for rows in (quantity.compat, quantity.sound)
            ]
            if all(len(value) for pair in ends for value in pair):
                paper, probe = (" → ".join(short(v.iloc[0]) for v in pair) for pair in ends)
                return (
                    "The same vectors, measured as the paper did and by a converged probe. On "
                    f"{task_name(task)} the paper's measure goes {paper}, the probe {probe}: "
                    "much of the fall is the measure's."
                    if _falls_more(ends)
                    else "The same vectors, measured as the paper did and by a converged probe. "
                    f"On {task_name(task)} the paper's measure goes {paper}, the probe {probe}."
                )
    return "The same vectors, measured as the paper did and by a converged probe."


def _falls_more(ends: list[list[pd.Series]]) -> bool:
    """Does the paper's measure fall at least twice as far as the probe?"""
    paper, probe = (float(before.iloc[0] - after.iloc[0]) for before, after in ends)
    return paper > 0.05 and paper > 2 * probe


def _removed(run: Run, compared: Compared) -> str:
    return (
        "Directions that name the language are removed, a few at a time. Where language falls "
        "to chance while the task stays, the two use different directions; non-linear probes "
        "may still read it."
    )


def _look(run: Run, compared: Compared) -> str:
    return (
        "t-SNE of the task's vectors: above by language, below by label. After fine-tuning, look "
        "for groups of labels that mix languages. A picture, no evidence: t-SNE invents gaps."
    )


QUESTIONS = (
    Question("where", "At which layer is the language read?", "leak", _where),
    Question("which", "Which languages gain?", "transfer", _which),
    Question("price", "What does less language cost the task?", "tradeoff", _price),
    Question("paper", "Does language vanish, as the paper saw?", "published", _vanished),
    Question("removed", "How many directions hold the language?", "erasure_path", _removed),
    Question("look", "What does it look like?", "projection", _look),
)
"""At most six, in the order of the page."""
