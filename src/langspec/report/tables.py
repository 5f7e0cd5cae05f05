"""Tables: pivots of the tidy results over seeds, for the page, the terminal and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from langspec.files import atomic_file
from langspec.report.load import (
    Order,
    Run,
    by_family,
    is_baseline,
    language_family,
    language_name,
)
from langspec.report.spec import IN_SHORT, Column
from langspec.results import RANDOM, head_layer
from langspec.training.selection import RULES, get_rule

TASK_TITLES = {"pos": "POS tagging", "nli": "Natural language inference"}
METRIC_TITLES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
UNIT_PLURALS = {"token": "tokens", "sentence": "sentences", "pair": "pairs"}
ORACLE = "_oracle"
SPREAD = ("value", "min", "max", "low", "high")

HOW_TO_READ = (
    "Large: mean over the seeds. Below it, where seeds differ, the smallest and the largest "
    "seed. In brackets: 95 % interval over test items (sentences, groups of "
    "translations or lines, drawn whole), computed within each seed, its bounds averaged over "
    "the seeds: it holds the sampling of items, not the noise of training. – : not measured."
)


@dataclass(frozen=True)
class Table:
    """A table: ``frame`` is what the CSV holds, ``columns`` what the page shows of it.

    ``section`` names the column whose changes start a new body on the page.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    section: str = ""
    notes: tuple[str, ...] = field(default=())

    def write(self, path: Path) -> None:
        """Write the CSV: six significant digits, empty where not measured."""
        with atomic_file(path) as temporary:
            self.frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


# --- selecting -------------------------------------------------------------------------------


def pick(frame: pd.DataFrame, **equal: Any) -> pd.DataFrame:
    """The rows whose columns equal the given values."""
    mask = np.ones(len(frame), dtype=bool)
    for column, value in equal.items():
        mask &= (frame[column] == value).to_numpy(dtype=bool)
    return frame[mask]


def task_scores(run: Run, task: str, split: str = "test") -> pd.DataFrame:
    """Task scores (no probe, no layer) of one task, over seeds."""
    rows = pick(run.summary, task=task, split=split, probe="")
    return rows[rows["metric"].isin(METRIC_TITLES)]


def leak_scores(run: Run, task: str, probe: str = "linear", split: str = "test") -> pd.DataFrame:
    """Scores of one language probe of one task's models, over seeds."""
    return pick(run.summary, task=task, probe=probe, split=split)


def task_title(task: str) -> str:
    """A task's name for headings."""
    return TASK_TITLES.get(task, task)


def decimal(value: float) -> str:
    """Three decimals, a true minus, no minus zero."""
    text = f"{value:.3f}"
    return text.replace("-", "−") if float(text) else "0.000"


def selection_rules(run: Run) -> list[str]:
    """The rules that chose the epochs, as the trainings' files name them."""
    return sorted(
        {str(document["selection"]) for document in run.runs.values() if "selection" in document}
    )


def method_label(method: str) -> str:
    """A method's name for rows and legends."""
    if method == RANDOM:
        return "random encoder"
    if is_baseline(method):
        return "baseline: " + method.replace("_", " ")
    return method


def eraser_label(eraser: str) -> str:
    """An eraser's name for rows and legends."""
    if eraser.endswith(ORACLE):
        return f"{eraser.removesuffix(ORACLE)} (oracle)"
    return eraser or "nothing erased"


def ordered_methods(run: Order, present: Iterable[str]) -> list[str]:
    """Trained methods in the run's order, then others, the random encoder, the baselines."""
    found = set(present)
    first = [method for method in run.methods if method in found]
    rest = sorted(found - set(first), key=lambda m: (is_baseline(m), m == RANDOM, m))
    return first + rest


def scored_languages(run: Run, task: str) -> list[str]:
    """Languages with a test score, the source first, then by family and name."""
    rows = task_scores(run, task)
    codes = set(rows["language"]) - {"all", "mean", "mean_targets", "gap"}
    return by_family(sorted(codes), run.source)


def last_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Of leak rows, those of each method's last layer."""
    if rows.empty:
        return rows
    return rows[rows["layer"] == rows.groupby("method")["layer"].transform("max")]


def head_rows(run: Run, task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Of leak rows of a task, those of the layer that the task's head reads.

    That layer's leak is what langspec calls the leak (:func:`langspec.results.leak_rows`).
    """
    layer = head_layer(pick(run.results, task=task))
    return rows[rows["layer"] == layer] if layer >= 0 else last_layers(rows)


def leak_place(run: Run) -> str:
    """``the last layer``, or whichever one the heads read."""
    layers = {head_layer(pick(run.results, task=task)) for task in run.tasks}
    probed = pick(run.results, probe="linear")["layer"]
    if layers <= {-1, probed.max() if len(probed) else -1}:
        return "last layer"
    return f"layer {', '.join(map(str, sorted(layers - {-1})))}, which the head reads"


def _put(record: dict[str, Any], key: str, rows: pd.DataFrame) -> None:
    """Put the one row of ``rows`` (or nothing) into ``record`` as KEY, KEY_min .. KEY_high."""
    row = rows.iloc[0] if len(rows) else None
    for part in SPREAD:
        name = key if part == "value" else f"{key}_{part}"
        record[name] = None if row is None else row[part]


def _frame(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    # A column of nothing but None is dropped to NaN once, here, so that cells read one way.
    return frame.apply(lambda c: c if c.dtype != object else c.where(c.notna(), None))


def _score_columns(prefix: str, metrics: Sequence[str], group: str) -> list[Column]:
    return [Column(f"{prefix}{m}", METRIC_TITLES[m], group, "score") for m in metrics]


# --- headline --------------------------------------------------------------------------------

LEAKS = (
    ("token_leak_macro_f1", "token", "macro_f1"),
    ("token_leak_accuracy", "token", "accuracy"),
    ("sentence_leak_macro_f1", "sentence", "macro_f1"),
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
            mine, of_leak = pick(scores, method=method), pick(leaks, method=method)
            record: dict[str, Any] = {
                "task": task_title(task),
                "method": method_label(method),
                "seeds": _seeds(run, task, method),
            }
            for metric in METRIC_TITLES:
                rows = pick(mine, language="mean_targets", metric=metric)
                _put(record, f"targets_{metric}", rows)
            source = pick(mine, language=run.source, metric="accuracy")
            _put(record, "source_accuracy", source)
            _put(record, "gap_accuracy", pick(mine, language="gap", metric="accuracy"))
            last = of_leak["layer"].max()
            for key, unit, metric in LEAKS:
                _put(record, key, pick(of_leak, unit=unit, metric=metric))
                fits = {"task": task, "method": method, "unit": unit, "layer": last}
                mark_unconverged(run.results, record, key, probe="linear", **fits)
            records.append(record)
        if not chance.empty:
            record = {"task": task_title(task), "method": "chance: majority class", "seeds": None}
            for key in ("targets_accuracy", "targets_macro_f1", "source_accuracy", "gap_accuracy"):
                _put(record, key, chance.iloc[:0])
            for key, unit, metric in LEAKS:
                _put(record, key, last_layers(pick(chance, unit=unit, metric=metric)).head(1))
            records.append(record)
    leak = f"Language leak, {leak_place(run)}"
    columns = (
        Column("method", "Method"),
        Column("seeds", "Seeds", kind="count"),
        *_score_columns("targets_", ("accuracy", "macro_f1"), "Mean of target languages"),
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
    frame = _frame(records)
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


# --- per language ----------------------------------------------------------------------------


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
                _put(record, f"{method}_{metric}", pick(rows, method=method, metric=metric))
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
        columns += _score_columns(f"{method}_", metrics, method_label(method))
    unit = str(scores["unit"].iloc[0]) if len(scores) else "item"
    caption = (
        f"{task_title(task)}, test split, by language; n counts "
        f"{UNIT_PLURALS.get(unit, unit + 's')}. {_source_words(run)} {IN_SHORT}"
    )
    name, title = f"transfer_{task}", f"{task_title(task)}: scores by language"
    return Table(name, title, caption, tuple(columns), _frame(records), section="part")


def _source_words(run: Run) -> str:
    if not run.source:
        return "No file names the source language."
    name = language_name(run.source)
    zero_shot = all(
        get_rule(rule).reads == "source" for rule in selection_rules(run) if rule in RULES
    )
    others = "every other language is zero-shot" if zero_shot else "others chose the epoch too"
    return f"Trained on {name} only; {others}."


def with_rule(run: Run, table: Table) -> Table:
    """The table with the rule that chose the epochs of what it shows in its caption."""
    rules = ", ".join(selection_rules(run)) or "a rule that no file names"
    return replace(table, caption=f"{table.caption} Epochs chosen by {rules}.")


# --- fits that did not converge ---------------------------------------------------------------

MARK = "†"


def mark_unconverged(rows: pd.DataFrame, record: dict[str, Any], key: str, **equal: Any) -> None:
    """Note under KEY_unconverged how many of the tidy ``rows``' fits did not converge, if any."""
    fits = pick(rows, metric="converged", **equal)
    if failed := int((fits["value"] <= 0).sum()):
        record[f"{key}_unconverged"] = failed


def unconverged_note(frame: pd.DataFrame) -> tuple[str, ...]:
    """The sentence that explains the mark, where a cell of ``frame`` carries it."""
    if not any(str(column).endswith("_unconverged") for column in frame.columns):
        return ()
    return (
        f"{MARK}: a fit behind this number did not converge in at least one seed; it is no "
        "measurement of what can be read, only a bound from below. Raise its limit.",
    )


def unconverged(run: Run) -> pd.DataFrame:
    """Rows of linear probes that did not converge."""
    rows = pick(run.results, probe="linear", metric="converged")
    return rows[rows["value"] <= 0]
