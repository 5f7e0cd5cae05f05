"""What the linear probe on language text does not show: a table, and how to read it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from langspec.report.load import Run, over_seeds
from langspec.report.tables import (
    IN_SHORT,
    Column,
    Table,
    _frame,
    _put,
    leak_by_layer,
    mark_unconverged,
    method_label,
    ordered_methods,
    pick,
    task_title,
    unconverged_note,
)

TEXTS = "all"  # the method under which rows of the texts themselves stand
_CELLS = (
    ("linear", "linear_sample", "accuracy"),
    ("mlp", "mlp", "accuracy"),
    ("compression", "mdl", "compression"),
    ("bits", "mdl", "bits"),
    ("control", "control", "accuracy"),
    ("selectivity", "selectivity", "accuracy"),
    ("shuffled", "shuffled", "accuracy"),
    ("char_ngrams", "char_ngrams", "accuracy"),
    ("linear_macro_f1", "linear_sample", "macro_f1"),
    ("mlp_macro_f1", "mlp", "macro_f1"),
)
_COLUMNS = (
    Column("layer", "Layer", kind="count"),
    Column("linear", "linear", "Accuracy", "score"),
    Column("mlp", "MLP", "Accuracy", "score"),
    Column("shuffled", "shuffled labels", "Accuracy", "score"),
    Column("control", "control task", "Accuracy", "score"),
    Column("char_ngrams", "char n-grams", "Accuracy", "score"),
    Column("selectivity", "linear − control", "Selectivity", "score"),
    Column("compression", "compression", "Online codelength", "score"),
    Column("bits", "bits a unit", "Online codelength", "score"),
)
HOW_TO_READ = (
    "How to read it: where the MLP is well above the linear probe, language is there in a form "
    "that a linear probe (and a linear eraser) cannot see. Shuffled labels must be at chance, or "
    "a probe could not be trusted. Selectivity near 0 says that the probe reads languages no "
    "better than it learns random labels of words by heart; compression near 1 says that the "
    "vectors were of no use to send the labels; the higher, the fewer examples reading needs. "
    "Character n-grams tell languages by spelling alone: vectors below them have lost surface "
    "form, vectors above them know more of a word than its letters."
)


def language_text(run: Run, task: str) -> pd.DataFrame:
    """Rows on language text, of a task's models."""
    return pick(run.beyond, task=task, corpus="text", split="test")


def beyond_table(run: Run, task: str) -> Table | None:
    """Unit, method and layer x (linear, MLP, codelength, selectivity, shuffled, n-grams)."""
    rows = language_text(run, task)
    if rows.empty:
        return None
    folded = over_seeds(rows)
    records = []
    for unit in (u for u in ("token", "sentence") if u in set(folded["unit"])):
        of_unit = pick(folded, unit=unit)
        methods = ordered_methods(run, set(of_unit["method"]) - {TEXTS})
        for method in [*methods, *({TEXTS} & set(of_unit["method"]))]:
            mine = pick(of_unit, method=method)
            for layer in sorted(set(mine["layer"])):
                at = pick(mine, layer=layer)
                record: dict[str, Any] = {
                    "section": f"per {unit}, "
                    + ("the texts" if method == TEXTS else method_label(method)),
                    "unit": unit,
                    "method": method,
                    "layer": int(layer) if layer >= 0 else None,
                    "n": int(at["n"].max()),
                }
                for key, probe, metric in _CELLS:
                    _put(record, key, pick(at, probe=probe, metric=metric))
                    mark_unconverged(
                        rows, record, key, method=method, unit=unit, layer=layer, probe=probe
                    )
                records.append(record)
    frame = _frame(records)
    shown = tuple(c for c in _COLUMNS if c.key == "layer" or frame[c.key].notna().any())
    floor = pick(run.summary, task=task, probe="majority", metric="accuracy", language="all")
    chance = ", ".join(f"{value:.3f} per {unit}" for unit, value in _by_unit(floor).items())
    caption = (
        f"Models of {task_title(task)}: probes of the language of text at some layers "
        "(0: embeddings), all on the same training vectors, which may be fewer than those of the "
        "leak table. "
        + (f"Always the largest class: {chance}. " if chance else "")
        + "Compression: bits of the uniform code over those of the online code. "
        + IN_SHORT
    )
    return Table(
        f"beyond_{task}",
        f"{task_title(task)}: beyond the linear probe",
        caption,
        shown,
        frame,
        section="section",
        notes=(HOW_TO_READ, *unconverged_note(frame)),
    )


def _by_unit(rows: pd.DataFrame) -> dict[str, float]:
    means = rows.groupby("unit")["value"].mean()
    return {unit: float(means[unit]) for unit in ("token", "sentence") if unit in means.index}


def task_text_table(run: Run, task: str) -> Table | None:
    """Unit and layer x method: the linear language probe on the task's own test texts."""
    rows = pick(run.beyond, task=task, corpus=task, split="test")
    if rows.empty:
        return None
    table = leak_by_layer(replace(run, results=rows, summary=over_seeds(rows)), task)
    if table is None:
        return None
    caption = (
        f"{table.caption} The task's test texts are split by item for the probe (half to train, "
        "a fifth to choose C, the rest to test), so that translations stay on one side; n is "
        "small and intervals are wide. The probe has fewer training vectors than on language "
        "text: compare methods and layers here, not with the other table."
    )
    name, title = f"task_text_{task}", f"{task_title(task)}: language leak on task text"
    return replace(table, name=name, title=title, caption=caption)


def beyond_tables(run: Run) -> list[Table]:
    """Every table of this kind that the run's files allow."""
    found = [make(run, task) for task in run.tasks for make in (beyond_table, task_text_table)]
    return [table for table in found if table is not None]
