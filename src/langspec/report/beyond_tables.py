"""What the linear probe on language text does not show: a table, and how to read it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from langspec.report.leak_tables import BY_LAYER, leak_by_layer
from langspec.report.pivot import TEXTS, fill
from langspec.report.run_results import Run, over_seeds
from langspec.report.spec import IN_SHORT, Column, TableSpec
from langspec.report.table import (
    Table,
    pick,
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


def _cell(key: str, label: str, group: str, probe: str, metric: str = "accuracy") -> Column:
    where = {"probe": probe, "metric": metric}
    return Column(key, label, group, "score", where, marked=True, shown=bool(label))


BEYOND = TableSpec(
    name="beyond_{task}",
    title="{task}: beyond the linear probe",
    caption="Models of {task}: probes of the language of text at some layers (0: embeddings), all "
    "on the same training vectors, which may be fewer than those of the leak table. {chance}"
    "Compression: bits of the uniform code over those of the online code. " + IN_SHORT,
    rows=("unit", "method", "layer"),
    columns=(
        Column("section", text="per {unit}, {method}", shown=False),
        Column("unit", shown=False),
        Column("method", text="{method_key}", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("n", shown=False),
        _cell("linear", "linear", "Accuracy", "linear_sample"),
        _cell("mlp", "MLP", "Accuracy", "mlp"),
        _cell("compression", "compression", "Online codelength", "mdl", "compression"),
        _cell("bits", "bits a unit", "Online codelength", "mdl", "bits"),
        _cell("control", "control task", "Accuracy", "control"),
        _cell("selectivity", "linear − control", "Selectivity", "selectivity"),
        _cell("shuffled", "shuffled labels", "Accuracy", "shuffled"),
        _cell("char_ngrams", "char n-grams", "Accuracy", "char_ngrams"),
        _cell("linear_macro_f1", "", "", "linear_sample", "macro_f1"),
        _cell("mlp_macro_f1", "", "", "mlp", "macro_f1"),
    ),
    section="section",
    notes=(HOW_TO_READ,),
    names={"method": {TEXTS: "the texts"}},
    page=(
        "layer",
        "linear",
        "mlp",
        "shuffled",
        "control",
        "char_ngrams",
        "selectivity",
        "compression",
        "bits",
    ),
    drop_empty=True,
)
TASK_TEXT = replace(
    BY_LAYER,
    name="task_text_{task}",
    title="{task}: language leak on task text",
    caption=BY_LAYER.caption
    + " The task's test texts are split by item for the probe (half to train, "
    "a fifth to choose C, the rest to test), so that translations stay on one side; n is "
    "small and intervals are wide. The probe has fewer training vectors than on language "
    "text: compare methods and layers here, not with the other table.",
)


def beyond_table(run: Run, task: str) -> Table | None:
    """Unit, method and layer x (linear, MLP, codelength, selectivity, shuffled, n-grams)."""
    rows = pick(run.beyond, task=task, corpus="text", split="test")
    if rows.empty:
        return None
    floor = pick(run.summary, task=task, probe="majority", metric="accuracy", language="all")
    chance = ", ".join(f"{value:.3f} per {unit}" for unit, value in _by_unit(floor).items())
    words = {"chance": f"Always the largest class: {chance}. " if chance else ""}
    return fill(BEYOND, over_seeds(rows), run, task=task, fits=rows, words=words)


def _by_unit(rows: pd.DataFrame) -> dict[str, float]:
    means = rows.groupby("unit")["value"].mean()
    return {unit: float(means[unit]) for unit in ("token", "sentence") if unit in means.index}


def task_text_table(run: Run, task: str) -> Table | None:
    """Unit and layer x method: the linear language probe on the task's own test texts."""
    rows = pick(run.beyond, task=task, corpus=task, split="test")
    if rows.empty:
        return None
    return leak_by_layer(replace(run, results=rows, summary=over_seeds(rows)), task, TASK_TEXT)


def beyond_tables(run: Run) -> list[Table]:
    """Every table of this kind that the run's files allow."""
    present = [make(run, task) for task in run.tasks for make in (beyond_table, task_text_table)]
    return [table for table in present if table is not None]
