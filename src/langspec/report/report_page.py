"""The page: one HTML file that opens anywhere, with its figures inside and no script."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import pandas as pd

from langspec.measures.spec import Column
from langspec.report.drawing import Drawing
from langspec.report.published_tables import published_words
from langspec.report.run_results import Run
from langspec.report.sentences import facts, limits, reading
from langspec.report.table import (
    MARK,
    Table,
    decimal,
    task_title,
)

NOT_OF_A_TASK = ("labels", "data_labels")  # shown with the data
MIME = {"svg": "image/svg+xml", "png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A figure on the page: what is shown of it as a data URI, and the files beside it."""

    plot: Drawing
    uri: str
    files: tuple[str, ...]


def picture(plot: Drawing) -> Picture:
    """Embed the SVG where there is one, else the PNG."""
    kind = "svg" if "svg" in plot.files else "png"
    data = base64.b64encode(plot.files[kind]).decode("ascii")
    files = tuple(f"figures/{plot.name}.{kind}" for kind in sorted(plot.files))
    return Picture(plot, f"data:{MIME[kind]};base64,{data}", files)


def render_page(
    run: Run,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    absent: Sequence[str],
    *,
    title: str,
    verdicts: Mapping[str, Sequence[str]] | None = None,
    sweeps: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole page as text.

    Args:
        run: for the facts, the reading and the limits.
        tables: every table; the one named ``headline`` comes first on the page.
        pictures: rendered figures, any order; grouped by the task that their name ends with.
        absent: sentences on what could not be drawn.
        title: the page's heading.
        verdicts: sentences on a task's comparisons, after its reading.
        sweeps: ``id`` and ``title`` of each study, what is said of it (``reading``, ``space``);
            its table and figures are named after its ``id``.
    """
    environment = environment_of_pages()
    tasks = [
        _of_task(run, task, tables, pictures, (verdicts or {}).get(task, ())) for task in run.tasks
    ]
    named = {table.name: table for table in tables}
    page = environment.from_string(page_template()).render(
        title=title,
        facts=facts(run),
        headline=named["headline"],
        probes=named.get("probes"),
        data_tables=[table for table in tables if table.name.startswith("data")],
        tasks=tasks,
        limits=limits(run, list(absent)),
        sweeps=[
            {
                **study,
                "table": named[f"{study['id']}_trials"],
                "pictures": [p for p in pictures if p.plot.name.startswith(f"{study['id']}-")],
            }
            for study in sweeps
        ],
        sweeps_table=named.get("sweeps"),
    )
    return page.strip() + "\n"


def _of_task(
    run: Run,
    task: str,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    verdicts: Sequence[str],
) -> dict[str, Any]:
    """What the page shows of one task: its tables and pictures by kind, and sentences."""
    ending = f"_{task}"
    drawn = {p.plot.name.removesuffix(ending): p for p in pictures if p.plot.name.endswith(ending)}
    named = {t.name.removesuffix(ending): t for t in tables if t.name.endswith(ending)}
    known = _placed()
    return {
        "id": task,
        "title": task_title(task),
        "pictures": drawn,
        "tables": named,
        "further": [kind for kind in dict.fromkeys([*drawn, *named]) if kind not in known],
        "reading": [*reading(run, task), *verdicts],
        "published": published_words(run, task),
    }


def page_template() -> str:
    """The template that pages are rendered from, as text."""
    return resources.files("langspec.report").joinpath("page.html").read_text(encoding="utf-8")


@cache
def _placed() -> frozenset[str]:
    """The kinds of tables and figures that the page has a place for; others come at its end."""
    source = page_template()
    named = re.findall(r'(?:tables|pictures)\.get\("(\w+)"\)', source)
    listed = re.findall(r'\("(\w+)", "[^"]+"\)', source)
    return frozenset([*named, *listed, *(f"{kind}_layers" for kind in listed), *NOT_OF_A_TASK])


def environment_of_pages() -> jinja2.Environment:
    """What templates of pages are rendered in: strict, escaping, with the filters of tables."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "bodies": bodies, "groups": groups, "score": score}
    return environment


def look_of_pages() -> tuple[str, str]:
    """The macros that draw tables and figures, and the style sheet, for other pages."""
    macros, _, page = page_template().partition("<!doctype html>")
    return macros, page.partition("<style>")[2].partition("</style>")[0]


def bodies(table: Table) -> list[tuple[str, list[dict[Any, Any]]]]:
    """The rows of a table by its section, in order."""
    records: list[dict[Any, Any]] = table.frame.to_dict("records")
    if not table.section:
        return [("", records)]
    sections: dict[str, list[dict[Any, Any]]] = {}
    for record in records:
        sections.setdefault(str(record[table.section]), []).append(record)
    return list(sections.items())


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Neighbouring columns of one group, as heading and width."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group and column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans


def _absent(value: Any) -> bool:
    return value is None or (not isinstance(value, (list, str)) and bool(pd.isna(value)))


def cell(record: Mapping[str, Any], column: Column) -> str:
    """The text of a cell that is not a score."""
    value: Any = record.get(column.key)
    if _absent(value):
        return "–"
    if column.kind == "count":
        return f"{int(value):,}"
    return f"{value:.4g}" if column.kind == "number" else str(value)


def score(record: Mapping[str, Any], column: Column) -> dict[str, str]:
    """The parts of a score's cell: the mean, the range over seeds, the bootstrap interval."""
    parts: dict[str, Any] = {
        name: record.get(f"{column.key}_{name}") for name in ("min", "max", "low", "high")
    }
    value: Any = record.get(column.key)
    out = {"value": "–" if _absent(value) else decimal(value), "range": "", "interval": ""}
    if out["value"] == "–":
        return out
    if not _absent(record.get(f"{column.key}_unconverged")):
        out["value"] += MARK
    if not _absent(parts["min"]) and not _absent(parts["max"]):
        low, high = decimal(parts["min"]), decimal(parts["max"])
        out["range"] = f"{low} to {high}" if low != high else ""
    if not _absent(parts["low"]) and not _absent(parts["high"]):
        out["interval"] = f"[{decimal(parts['low'])}, {decimal(parts['high'])}]"
    return out
