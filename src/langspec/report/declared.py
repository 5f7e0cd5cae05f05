"""Tables and figures that measures declare beside their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from langspec.report.pivot import fill, select
from langspec.report.run_results import Run, over_seeds
from langspec.report.spec import FigureSpec, TableSpec, Where
from langspec.report.table import (
    Table,
    pick,
)

if TYPE_CHECKING:
    from langspec.report.plotting import Plot


def declared_tables(run: Run) -> list[Table]:
    """The table of each measure that declares one, task by task, where it has rows."""
    specs = [spec for spec in run.declared if isinstance(spec, TableSpec)]
    present = [
        fill(spec, _rows(run, task, spec.where), run, task=task)
        for task in run.tasks
        for spec in specs
    ]
    return [table for table in present if table is not None]


def declared_figures(run: Run, task: str) -> list[Plot]:
    """The figure of each measure that declares one, where it has rows."""
    from langspec.report.layer_lines import draw  # matplotlib, in the workers that draw
    from langspec.report.plotting import laid_out

    specs = [spec for spec in run.declared if isinstance(spec, FigureSpec)]
    plots = [
        laid_out(lambda spec=spec: draw(spec, _rows(run, task, spec.where), run, task=task))  # type: ignore[misc]
        for spec in specs
    ]
    return [plot for plot in plots if plot is not None]


def _rows(run: Run, task: str, where: Where) -> pd.DataFrame:
    """Rows over seeds of a task's models, from whatever part of the results holds them."""
    parts = [run.results, run.beyond, run.erased, run.path]
    rows = select(pick(pd.concat(parts, ignore_index=True), task=task), where)
    moved = select(pick(run.geometry, task=task), where) if len(run.geometry) else run.geometry
    folded = [over_seeds(rows)] if len(rows) else []
    return pd.concat([*folded, *([moved] if len(moved) else [])]) if folded or len(moved) else rows
