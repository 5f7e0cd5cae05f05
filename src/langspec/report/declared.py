"""Tables and figures from their specs and the rows of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from langspec.measures.spec import FigureSpec, TableSpec, Where, Words
from langspec.report.headline_table import trained_words
from langspec.report.pivot import fill, meant, select
from langspec.report.run_results import POOLED, Run
from langspec.report.table import UNIT_PLURALS, Table, corpus_words, head_rows, pick, unconverged

if TYPE_CHECKING:
    from langspec.report.plotting import Plot


def declared_tables(run: Run) -> list[Table]:
    """The tables that measures declare, task by task, where they have rows."""
    specs = [spec for spec in run.declared if isinstance(spec, TableSpec)]
    over_tasks = [spec for spec in specs if "{task}" not in spec.name]
    places = [(task, spec) for task in run.tasks for spec in specs if spec not in over_tasks]
    places += [("", spec) for spec in over_tasks]
    return [table for task, spec in places for table in tables_of(spec, run, task)]


def tables_of(spec: TableSpec, run: Run, task: str = "") -> Iterator[Table]:
    """The table of a spec and, where it asks for it, that of every layer; none without rows."""
    yield from _filled(spec, run, task, "last layer")
    if spec.by_layer:
        name = spec.name.replace("_{task}", "_layers_{task}")
        title, page = f"{spec.title} by layer", ("layer", *spec.page)
        every = replace(spec, name=name, title=title, page=page, notes=(), layers="")
        yield from _filled(every, run, task, "every layer")


def _filled(spec: TableSpec, run: Run, task: str, which: str) -> Iterator[Table]:
    rows = rows_of(run, task, spec.where, spec.rows)
    if spec.having:
        methods = set(rows_of(run, task, spec.having, spec.rows)["method"])
        rows = rows[rows["method"].isin(methods)]
    if spec.by_language:
        rows = rows[~rows["language"].isin(POOLED)]
    if spec.by_layer:
        rows = rows[rows["layer"] >= 0]
    rows = _at(spec.layers, run, task, rows)
    table = fill(
        spec,
        rows,
        run,
        task=task,
        fits=unconverged(run.results),
        floor=rows_of(run, task, spec.floor) if spec.floor else None,
        words={"which": which, **words_of(spec.words, run, task, rows)},
    )
    yield from () if table is None else (table,)


def words_of(
    words: Mapping[str, Words], run: Run, task: str, rows: pd.DataFrame
) -> dict[str, str]:
    """What names in a caption stand for: those that any spec may use, and those that it declares.

    ``corpora``: of the rows; ``units``: what their n counts; ``trained_on``: which languages the
    methods and the choice of their epochs saw.
    """
    of_task = pick(run.summary, task=task) if task else run.summary
    unit = str(rows["unit"].iloc[0]) if len(rows) else "item"
    return {
        "corpora": corpus_words(rows["corpus"]),
        "units": UNIT_PLURALS.get(unit, f"{unit}s"),
        "trained_on": trained_words(run),
        **{name: make(of_task, run.card) for name, make in words.items()},
    }


def _at(layers: str, run: Run, task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the layers that a spec asks for."""
    if layers == "head":
        probed = rows["probe"] != ""
        return pd.concat([rows[~probed], head_rows(run, task, rows[probed])])
    if layers == "last" and len(rows):
        last = rows.groupby(["corpus", "unit"])["layer"].transform("max")
        return rows[rows["layer"] == last]
    return rows


def rows_of(
    run: Run, task: str, where: Where, named: tuple[str, ...] = (), *, each_seed: bool = False
) -> pd.DataFrame:
    """Rows over seeds; of methods alone where neither ``where`` nor ``named`` says otherwise."""
    rows = run.results if each_seed else run.summary
    rows = select(pick(rows, task=task) if task else rows, meant(where, task, run.source))
    if "eraser" not in {*where, *named}:
        rows = rows[rows["eraser"] == ""]
    if "strength" not in {*where, *named}:
        rows = rows[rows["strength"].isna()]
    return rows


def declared_figures(run: Run, task: str) -> tuple[list[Plot], list[str]]:
    """The figures that measures declare, and the names of those that have no rows."""
    from langspec.report.plotting import laid_out  # matplotlib, in the workers that draw

    plots: list[Plot] = []
    absent: list[str] = []
    for spec in run.declared:
        if isinstance(spec, FigureSpec):
            plot = laid_out(partial(figure_of, spec, run, task))
            plots += [] if plot is None else [plot]
            absent += [spec.absent] if plot is None and spec.absent else []
    return plots, absent


def figure_of(spec: FigureSpec, run: Run, task: str) -> Plot | None:
    """The figure of a spec; None without rows."""
    from langspec.report.layer_lines import draw

    rows = rows_of(run, task, spec.where)
    seeds = rows_of(run, task, spec.where, each_seed=True) if spec.each_seed else None
    return draw(
        spec, rows, run, task=task, seeds=seeds, words=words_of(spec.words, run, task, rows)
    )
