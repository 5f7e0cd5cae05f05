"""Tables of the language leak: by layer, by language, and of the probes behind it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from langspec.report.pivot import UNITS, fill
from langspec.report.run_results import Run
from langspec.report.score_tables import headline, per_language
from langspec.report.spec import IN_SHORT, Column, TableSpec
from langspec.report.table import (
    METRIC_TITLES,
    Table,
    frame_of,
    head_rows,
    leak_scores,
    method_label,
    ordered_methods,
    pick,
    task_title,
)

_LAYER = Column("layer", "Layer", kind="count")
_COUNT = Column("n", "n", kind="count")

BY_LAYER = TableSpec(
    name="leak_{task}",
    title="{task}: language leak by layer",
    caption="Models of {task}: linear language probe by layer (0: embeddings), trained and tested "
    "on {corpora}, test split; n counts the unit named in each block. " + IN_SHORT,
    where={"language": "all", "metric": tuple(METRIC_TITLES)},
    rows=("unit", "layer"),
    columns=(
        Column("unit", shown=False),
        _LAYER,
        _COUNT,
        *(
            Column(
                f"{{}}_{m}", title, "{}", "score", {"metric": m, "probe": "linear"}, "method",
                marked=True,
            )
            for m, title in METRIC_TITLES.items()
        ),
        *(
            Column(f"majority_{m}", title, "chance (majority)", "score", {"metric": m}, floor=True)
            for m, title in METRIC_TITLES.items()
        ),
    ),
    section="unit",
)  # fmt: skip

BY_LANGUAGE = TableSpec(
    name="leak_languages_{task}",
    title="{task}: language leak by language",
    caption="Models of {task}: share of a language's tokens or sentences that the linear probe at "
    "the last layer names rightly, test split. " + IN_SHORT,
    where={"metric": "recall"},
    rows=("unit", "language"),
    columns=(
        Column("unit", shown=False),
        Column("language", "Language"),
        Column("code", "Code"),
        Column("family", "Family"),
        _COUNT,
        Column("{}_recall", "{}", "Recall", "score", {}, "method"),
    ),
    section="unit",
)

PROBES = (
    Column("unit", "Unit"),
    _LAYER,
    Column("probes", "Probes", kind="count"),
    Column("c_min", "smallest", "Chosen C", "number"),
    Column("c_max", "largest", "Chosen C", "number"),
    Column("iterations_max", "Iterations (most)", kind="count"),
    Column("converged", "Converged", kind="count"),
)
_PROBES_CAPTION = (
    "The linear language probes behind the leak numbers: one probe a seed, unit and layer; "
    "inverse regularisation C chosen on validation for each condition by itself; "
    "iterations of the solver; how many of the probes converged."
)


def leak_by_layer(run: Run, task: str, spec: TableSpec = BY_LAYER) -> Table | None:
    """Unit and layer x method: macro-F1 and accuracy of the linear language probe."""
    rows = leak_scores(run, task)
    chance = pick(leak_scores(run, task, "majority"), language="all")
    corpora = ", ".join(sorted(set(pick(rows, language="all")["corpus"])))
    fits = pick(run.results, task=task)
    words = {"corpora": corpora}
    table = fill(spec, rows, run, task=task, fits=fits, floor=chance, words=words)
    if table is None or len(chance):
        return table
    shown = tuple(c for c in table.columns if not c.floor)
    return Table(**{**vars(table), "columns": shown})


def leak_by_language(run: Run, task: str) -> Table | None:
    """Language x method: recall of the linear probe at the head's layer, token and sentence."""
    rows = head_rows(run, task, pick(leak_scores(run, task), metric="recall"))
    return fill(BY_LANGUAGE, rows, run, task=task)


def probe_diagnostics(run: Run) -> Table | None:
    """Task, method, unit, layer: chosen C, iterations, how many seeds' probes converged."""
    rows = pick(run.results, probe="linear")
    rows = rows[rows["metric"].isin(["chosen_c", "iterations", "converged"])]
    if rows.empty:
        return None
    keys = ["task", "method", "unit", "layer"]
    groups = dict(list(rows.groupby(keys, sort=False)))
    methods, units = ordered_methods(run, rows["method"]), [*UNITS, ""]

    def place(values: Any) -> tuple[int, int, int, int]:
        task, method, unit, layer = values
        return run.tasks.index(task), methods.index(method), units.index(unit), layer

    records = [_diagnosed(values, groups[values]) for values in sorted(groups, key=place)]
    return Table(
        "probes",
        "Probe diagnostics",
        _PROBES_CAPTION,
        PROBES,
        frame_of(records),
        section="section",
    )


def _diagnosed(values: Any, group: pd.DataFrame) -> dict[str, Any]:
    """What the probes of one task, method, unit and layer needed."""
    task, method, unit, layer = values
    by_metric = {m: pick(group, metric=m)["value"] for m in group["metric"].unique()}
    strengths, iterations, converged = (
        by_metric.get(metric) for metric in ("chosen_c", "iterations", "converged")
    )
    return {
        "task": task,
        "method": method,
        "unit": unit,
        "layer": int(layer),
        "probes": int(group["seed"].nunique()),
        "c_min": None if strengths is None else strengths.min(),
        "c_max": None if strengths is None else strengths.max(),
        "iterations_max": None if iterations is None else int(iterations.max()),
        "converged": None if converged is None else int((converged > 0).sum()),
        "section": f"{task_title(task)}, {method_label(method)}",
    }


def all_tables(run: Run) -> list[Table]:
    """The headline, then what each task scored and leaked, then the probes behind it."""
    tables: list[Table | None] = [headline(run)]
    for task in run.tasks:
        tables += [per_language(run, task), leak_by_layer(run, task), leak_by_language(run, task)]
    return [table for table in (*tables, probe_diagnostics(run)) if table is not None]
