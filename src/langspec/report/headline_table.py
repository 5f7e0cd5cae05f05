"""The headline: task scores beside the leak, and what captions say of how they were measured."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from langspec.measurement.baselines import is_baseline
from langspec.measures.spec import Column, TableSpec
from langspec.report.pivot import fill
from langspec.report.run_results import Run, language_name
from langspec.report.table import (
    HOW_TO_READ,
    UNIT_PLURALS,
    Table,
    corpus_words,
    head_rows,
    leak_place,
    measured,
    pick,
    scored_languages,
    selection_rules,
    task_scores,
    task_title,
    unconverged,
)
from langspec.results import LEAK_METRIC, RANDOM, at_layer, leak_rows
from langspec.training.selection import RULES, get_rule

CHANCE = "chance"
"""Under this method the headline has what always naming the largest class gives."""


def _leak(key: str, label: str, unit: str, metric: str) -> Column:
    where = {"measure": "leak", "language": "all", "unit": unit, "metric": metric}
    return Column(key, label, "Language leak, {place}", "score", where, marked=True)


def _scored(key: str, group: str, language: str, metric: str = "accuracy") -> Column:
    where = {"measure": ("task", "baseline"), "language": language, "metric": metric}
    label = "macro-F1" if metric == "macro_f1" else "accuracy"
    return Column(key, label, group, "score", where)


LEAKS = (
    _leak("token_leak_macro_f1", "token F1", "token", LEAK_METRIC),
    _leak("token_leak_accuracy", "token acc.", "token", "accuracy"),
    _leak("sentence_leak_macro_f1", "sentence F1", "sentence", LEAK_METRIC),
)
FITTED = {unit: f"{unit}_leak_train_n" for unit in ("token", "sentence")}
"""The columns that say how many units a leak's probe was fitted on."""


def _fitted(unit: str) -> Column:
    column = _leak(FITTED[unit], f"train {UNIT_PLURALS[unit]}", unit, LEAK_METRIC)
    return replace(column, kind="count", part="train_n", marked=False)


HEADLINE = TableSpec(
    name="headline",
    title="Headline",
    caption="Transfer and language leak, test splits. {sizes} {trained_on} "
    "Language leak: how well a "
    "fresh linear probe names the language from the {place} of the frozen "
    "representation "
    "(F1: macro-F1 over the languages; higher: more language-specific). "
    "{probed} " + HOW_TO_READ,
    rows=("task", "method"),
    columns=(
        Column("task", shown=False),
        Column("method", "Method"),
        Column("seeds", "Seeds", kind="count"),
        _scored("targets_accuracy", "Mean of target languages", "mean_targets"),
        _scored("targets_macro_f1", "Mean of target languages", "mean_targets", "macro_f1"),
        _scored("source_accuracy", "Source", "{source}"),
        _scored("gap_accuracy", "Source − targets", "gap"),
        *LEAKS[:2],
        _fitted("token"),
        LEAKS[2],
        _fitted("sentence"),
    ),
    section="task",
    names={"method": {CHANCE: "chance: majority class"}},
)


def headline(run: Run) -> Table:
    """Transfer, source, gap and leak of each method, task by task; the last row is chance."""
    rows = pd.concat([of for task in run.tasks for of in _headline_rows(run, task)])
    words = {
        "sizes": _task_sizes(run),
        "trained_on": trained_words(run),
        "place": leak_place(run),
        "probed": _leak_sizes(run),
    }
    table = fill(HEADLINE, rows, run, fits=unconverged(run.results), words=words)
    assert table is not None, "a task has scores or a leak"
    return table


def _headline_rows(run: Run, task: str) -> list[pd.DataFrame]:
    """Scores, leaks, and chance as the row of a method; heuristics and chance have no seeds."""
    scores = task_scores(run, task)
    seeds = scores["seeds"].where(~scores["method"].map(is_baseline).astype(bool))
    leak = measured(run.summary, "leak", task=task, split="test", language="all")
    metrics = dict.fromkeys((LEAK_METRIC, "accuracy"))
    probed = pd.concat([leak_rows(leak, None, metric=metric) for metric in metrics])
    chance = at_layer(pick(leak, probe="majority"))
    chance = chance.sort_values("method", key=lambda method: method == RANDOM, kind="stable")
    chance = chance.drop_duplicates(["unit", "metric"]).assign(method=CHANCE, seeds=float("nan"))
    return [scores.assign(seeds=seeds), head_rows(run, task, probed), chance]


def _task_sizes(run: Run) -> str:
    parts = []
    for task in run.tasks:
        rows = task_scores(run, task)
        languages = scored_languages(run, task)
        single = rows[rows["language"].isin(languages) & (rows["metric"] == "accuracy")]
        if single.empty:
            continue
        counts = single.groupby("language")["n"].max()
        unit = UNIT_PLURALS.get(str(single["unit"].iloc[0]), str(single["unit"].iloc[0]))
        targets = len(languages) - (run.source in languages)
        parts.append(
            f"{task_title(task)}: {counts.sum():,} {unit} in "
            f"{len(languages)} languages, {targets} of them targets."
        )
    return " ".join(parts)


def _leak_sizes(run: Run) -> str:
    rows = leak_rows(measured(run.summary, "leak"), None)
    parts = [
        f"{group['n'].max():,} {UNIT_PLURALS.get(str(unit), unit)} of "
        + corpus_words(group["corpus"])
        for unit, group in rows.groupby("unit", sort=False)
    ]
    return f"Probe test set: {'; '.join(parts)}." if parts else ""


def trained_words(run: Run) -> str:
    """Which language the methods were trained on, and whether others chose the epoch."""
    if not run.source:
        return "No file names the source language."
    name = language_name(run.source)
    zero_shot = all(
        get_rule(rule).reads == "source" for rule in selection_rules(run) if rule in RULES
    )
    others = "every other language is zero-shot" if zero_shot else "others chose the epoch too"
    return f"Trained on {name} only; {others}."
