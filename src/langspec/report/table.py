"""Tables: pivots of the tidy results over seeds, for the page, the terminal and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from langspec.files import atomic_file
from langspec.measurement.baselines import is_baseline
from langspec.measures.spec import Column
from langspec.report.run_results import POOLED, Run, by_family
from langspec.results import LEAK_PROBE, RANDOM, at_layer, head_layer, leak_rows
from langspec.training.selection import RULES

TASK_TITLES = {"pos": "POS tagging", "nli": "Natural language inference"}
TASK_NAMES = {"pos": "POS", "nli": "NLI"}
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


class Order(Protocol):
    """What the order of tasks, methods and languages in tables and figures depends on."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks, the first first."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Trained methods, the first first."""

    @property
    def source(self) -> str:
        """The language that comes before all others; "" for none."""


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


def measured(rows: pd.DataFrame, *measures: str, **equal: Any) -> pd.DataFrame:
    """Rows of some measures: of methods alone, not of erased vectors or of points of a path."""
    rows = rows[rows["measure"].isin(measures) & (rows["eraser"] == "") & rows["strength"].isna()]
    return pick(rows, **equal)


def task_scores(run: Run, task: str) -> pd.DataFrame:
    """Test scores of one task's methods and heuristics, over seeds."""
    rows = measured(run.summary, "task", "baseline", task=task, split="test")
    return rows[rows["metric"].isin(METRIC_TITLES)]


def leak_scores(run: Run, task: str, probe: str = LEAK_PROBE) -> pd.DataFrame:
    """Test scores of one language probe of one task's models, over seeds."""
    return measured(run.summary, "leak", task=task, probe=probe, split="test")


def leaks(run: Run, task: str) -> pd.DataFrame:
    """The leak of each of a task's models, over seeds."""
    return head_rows(run, task, leak_rows(leak_scores(run, task), None))


def leak_unit(run: Run, task: str) -> str:
    """What a task's leak is read from: words where it labels words, whole texts where texts."""
    units = set(task_scores(run, task)["unit"])
    return "token" if "token" in units or not units else "sentence"


def task_title(task: str) -> str:
    """A task's name for headings."""
    return TASK_TITLES.get(task, task)


def task_name(task: str) -> str:
    """A task's name where there is little room."""
    return TASK_NAMES.get(task, task)


def corpus_words(values: Iterable[Any]) -> str:
    """Corpora for a caption: the language text, the POS text."""
    names = sorted({"language" if value == "text" else task_name(value) for value in values})
    return " and ".join(f"the {name} text" for name in names)


def join(values: Iterable[Any]) -> str:
    """Distinct values, for a caption."""
    return ", ".join(sorted(set(map(str, values))))


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
    matched = set(present)
    first = [method for method in run.methods if method in matched]
    rest = sorted(matched - set(first), key=lambda m: (is_baseline(m), m == RANDOM, m))
    return first + rest


def scored_languages(run: Run, task: str) -> list[str]:
    """Languages with a test score, the source first, then by family and name."""
    rows = task_scores(run, task)
    codes = set(rows["language"]) - set(POOLED)
    return by_family(sorted(codes), run.source)


def head_rows(run: Run, task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Of the rows of probes of a task, those of the layer that the task's head reads.

    That layer's leak is what langspec calls the leak (:func:`langspec.results.leak_rows`).
    """
    return at_layer(rows, head_layer(pick(run.results, task=task)))


def leak_place(run: Run) -> str:
    """``the last layer``, or whichever one the heads read."""
    layers = {head_layer(pick(run.results, task=task)) for task in run.tasks}
    probed = measured(run.results, "leak", probe=LEAK_PROBE)["layer"]
    if layers <= {-1, probed.max() if len(probed) else -1}:
        return "last layer"
    return f"layer {', '.join(map(str, sorted(layers - {-1})))}, which the head reads"


def put_score(record: dict[str, Any], key: str, rows: pd.DataFrame) -> None:
    """Put the one row of ``rows`` (or nothing) into ``record`` as KEY, KEY_min .. KEY_high."""
    put_row(record, key, rows.iloc[0] if len(rows) else None)


def put_row(record: dict[str, Any], key: str, row: Mapping[Any, Any] | pd.Series | None) -> None:
    """Put a row of SPREAD (or nothing) into ``record`` as KEY, KEY_min .. KEY_high."""
    for part in SPREAD:
        name = key if part == "value" else f"{key}_{part}"
        record[name] = None if row is None else row[part]


def frame_of(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Records as a data frame; what is absent is None in columns of objects."""
    frame = pd.DataFrame(records)
    # A column of nothing but None is dropped to NaN once, here, so that cells read one way.
    return frame.apply(lambda c: c if c.dtype != object else c.where(c.notna(), None))


def with_rule(run: Run, table: Table) -> Table:
    """The table with the rule that chose the epochs of what it shows in its caption."""
    rules = (
        f"the {RULES[name].words}" if name in RULES else name for name in selection_rules(run)
    )
    words = ", ".join(rules) or "a rule that no file names"
    return replace(table, caption=f"{table.caption} Epochs chosen by {words}.")


# --- fits that did not converge ---------------------------------------------------------------

MARK = "†"


def unconverged_note(frame: pd.DataFrame) -> tuple[str, ...]:
    """The sentence that explains the mark, where a cell of ``frame`` carries it."""
    if not any(str(column).endswith("_unconverged") for column in frame.columns):
        return ()
    return (
        f"{MARK}: a fit behind this number did not converge in at least one seed; it is no "
        "measurement of what can be read, only a bound from below. Raise its limit.",
    )


def unconverged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of fits that did not converge."""
    return rows[(rows["metric"] == "converged") & (rows["value"] <= 0)]
