"""Tables of task scores beside the leak: the headline, and scores by language."""

from __future__ import annotations

from typing import Any

from langspec.measurement.baselines import is_baseline
from langspec.report.run_results import Run, language_family, language_name
from langspec.report.spec import IN_SHORT, Column
from langspec.report.table import (
    HOW_TO_READ,
    METRIC_TITLES,
    UNIT_PLURALS,
    Table,
    frame_of,
    head_rows,
    last_layers,
    leak_place,
    leak_scores,
    mark_unconverged,
    method_label,
    ordered_methods,
    pick,
    put_score,
    score_columns,
    scored_languages,
    selection_rules,
    task_scores,
    task_title,
    unconverged_note,
)
from langspec.results import LEAK_METRIC
from langspec.training.selection import RULES, get_rule

LEAKS = (
    ("token_leak_macro_f1", "token", LEAK_METRIC),
    ("token_leak_accuracy", "token", "accuracy"),
    ("sentence_leak_macro_f1", "sentence", LEAK_METRIC),
)


def headline(run: Run) -> Table:
    """Method x (transfer, source, gap, leak), one body a task."""
    records = []
    for task in run.tasks:
        scores = task_scores(run, task)
        leaks = head_rows(run, task, pick(leak_scores(run, task), language="all"))
        chance = pick(leak_scores(run, task, "majority"), language="all")
        methods = ordered_methods(run, [*scores["method"], *leaks["method"]])
        for method in methods:
            selected, of_leak = pick(scores, method=method), pick(leaks, method=method)
            record: dict[str, Any] = {
                "task": task_title(task),
                "method": method_label(method),
                "seeds": _seeds(run, task, method),
            }
            for metric in METRIC_TITLES:
                rows = pick(selected, language="mean_targets", metric=metric)
                put_score(record, f"targets_{metric}", rows)
            source = pick(selected, language=run.source, metric="accuracy")
            put_score(record, "source_accuracy", source)
            put_score(record, "gap_accuracy", pick(selected, language="gap", metric="accuracy"))
            last = of_leak["layer"].max()
            for key, unit, metric in LEAKS:
                put_score(record, key, pick(of_leak, unit=unit, metric=metric))
                fits = {"task": task, "method": method, "unit": unit, "layer": last}
                mark_unconverged(run.results, record, key, probe="linear", **fits)
            records.append(record)
        if not chance.empty:
            record = {"task": task_title(task), "method": "chance: majority class", "seeds": None}
            for key in ("targets_accuracy", "targets_macro_f1", "source_accuracy", "gap_accuracy"):
                put_score(record, key, chance.iloc[:0])
            for key, unit, metric in LEAKS:
                put_score(record, key, last_layers(pick(chance, unit=unit, metric=metric)).head(1))
            records.append(record)
    leak = f"Language leak, {leak_place(run)}"
    columns = (
        Column("method", "Method"),
        Column("seeds", "Seeds", kind="count"),
        *score_columns("targets_", ("accuracy", "macro_f1"), "Mean of target languages"),
        Column("source_accuracy", "accuracy", "Source", "score"),
        Column("gap_accuracy", "accuracy", "Source − targets", "score"),
        Column("token_leak_macro_f1", "token F1", leak, "score"),
        Column("token_leak_accuracy", "token acc.", leak, "score"),
        Column("sentence_leak_macro_f1", "sentence F1", leak, "score"),
    )
    caption = (
        f"Transfer and language leak, test splits. {_task_sizes(run)} {_source_words(run)} "
        "Language leak: how well a "
        f"fresh linear probe names the language from the {leak_place(run)} of the frozen "
        "representation "
        "(F1: macro-F1 over the languages; higher: more language-specific). "
        f"{_leak_sizes(run)} {HOW_TO_READ}"
    )
    frame = frame_of(records)
    notes = unconverged_note(frame)
    return Table("headline", "Headline", caption, columns, frame, section="task", notes=notes)


def _seeds(run: Run, task: str, method: str) -> int | None:
    if is_baseline(method):
        return None
    rows = pick(run.results, task=task, method=method)
    trained = rows[rows["probe"] == ""]
    return int((trained if len(trained) else rows)["seed"].nunique())


def _task_sizes(run: Run) -> str:
    parts = []
    for task in run.tasks:
        rows = task_scores(run, task)
        languages = scored_languages(run, task)
        single = rows[rows["language"].isin(languages) & (rows["metric"] == "accuracy")]
        if single.empty:
            continue
        counts = single.groupby("language")["n"].max()
        corpus = ", ".join(sorted(set(single["corpus"])))
        unit = UNIT_PLURALS.get(str(single["unit"].iloc[0]), str(single["unit"].iloc[0]))
        targets = len(languages) - (run.source in languages)
        parts.append(
            f"{task_title(task)} (corpus {corpus}): {counts.sum():,} {unit} in {len(languages)} "
            f"languages, {targets} of them targets."
        )
    return " ".join(parts)


def _leak_sizes(run: Run) -> str:
    rows = pick(run.summary, probe="linear", split="test", language="all", metric="macro_f1")
    parts = []
    for unit, group in rows.groupby("unit", sort=False):
        corpus = ", ".join(sorted(set(group["corpus"])))
        parts.append(f"{group['n'].max():,} {UNIT_PLURALS.get(str(unit), unit)} of {corpus}")
    return f"Probe test set: {'; '.join(parts)}." if parts else ""


def per_language(run: Run, task: str) -> Table:
    """Language x method: accuracy and macro-F1 on test, the means and the gap below."""
    scores = task_scores(run, task)
    methods = ordered_methods(run, scores["method"])
    languages = scored_languages(run, task)
    names = {"mean_targets": "mean of targets", "mean": "mean of all", "gap": "source − targets"}
    records = []
    for code in [*languages, *(pooled for pooled in names if pooled in set(scores["language"]))]:
        rows = pick(scores, language=code)
        pooled = code in names
        record: dict[str, Any] = {
            "part": "over languages" if pooled else "",
            "code": "" if pooled else code,
            "language": names.get(code) or language_name(code),
            "family": "" if pooled else language_family(code),
            "role": "" if pooled else ("source" if code == run.source else "target"),
            "n": None if pooled else int(rows["n"].max()),
        }
        for method in methods:
            for metric in METRIC_TITLES:
                put_score(record, f"{method}_{metric}", pick(rows, method=method, metric=metric))
        records.append(record)
    columns = [
        Column("language", "Language"),
        Column("code", "Code"),
        Column("family", "Family"),
        Column("n", "n", kind="count"),
    ]
    for method in methods:
        # One metric is enough for a baseline: its macro-F1 is in the CSV.
        metrics = ("accuracy",) if is_baseline(method) else tuple(METRIC_TITLES)
        columns += score_columns(f"{method}_", metrics, method_label(method))
    unit = str(scores["unit"].iloc[0]) if len(scores) else "item"
    caption = (
        f"{task_title(task)}, test split, by language; n counts "
        f"{UNIT_PLURALS.get(unit, unit + 's')}. {_source_words(run)} {IN_SHORT}"
    )
    name, title = f"transfer_{task}", f"{task_title(task)}: scores by language"
    return Table(name, title, caption, tuple(columns), frame_of(records), section="part")


def _source_words(run: Run) -> str:
    if not run.source:
        return "No file names the source language."
    name = language_name(run.source)
    zero_shot = all(
        get_rule(rule).reads == "source" for rule in selection_rules(run) if rule in RULES
    )
    others = "every other language is zero-shot" if zero_shot else "others chose the epoch too"
    return f"Trained on {name} only; {others}."
