"""The two pages: HTML files that open anywhere, with their figures inside and no script."""

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
from markupsafe import Markup

from langspec.measurement.difference import JudgeOptions
from langspec.measures.spec import Column
from langspec.report.contrasts import Contrasts
from langspec.report.drawing import Drawing
from langspec.report.first_answers import cards
from langspec.report.first_lines import banner, sure_line
from langspec.report.first_published import beside_paper
from langspec.report.published_tables import PAPER, published_words
from langspec.report.questions import QUESTIONS
from langspec.report.run_results import Run
from langspec.report.sentences import facts, limits, reading
from langspec.report.table import (
    MARK,
    Table,
    decimal,
    task_title,
)

TEMPLATES = ("macros.html", "page.css", "first_page.html", "details_page.html")
FIRST_FIGURES = ("first_measures", "first_tradeoff")
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


def render_details(
    run: Run,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    absent: Sequence[str],
    *,
    title: str,
    verdicts: Mapping[str, Sequence[str]] | None = None,
    sweeps: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The second page as text: every table, every figure, every limit.

    Args:
        run: for the facts, the reading and the limits.
        tables: every table; the one named ``headline`` comes first on the page.
        pictures: rendered figures, any order; grouped by the task that their name ends with.
        absent: sentences on what could not be drawn.
        title: the heading of the first page.
        verdicts: sentences on a task's comparisons, after its reading.
        sweeps: ``id`` and ``title`` of each study, what is said of it (``reading``, ``space``);
            its table and figures are named after its ``id``.
    """
    tasks = [
        _of_task(run, task, tables, pictures, (verdicts or {}).get(task, ())) for task in run.tasks
    ]
    named = {table.name: table for table in tables}
    return rendered_page(
        details_template(),
        title=title,
        facts=facts(run),
        banner=banner(run),
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


def render_first(
    run: Run,
    headline: Table,
    pictures: Sequence[Picture],
    compared: Mapping[str, Contrasts],
    judging: JudgeOptions,
    *,
    title: str,
) -> str:
    """The first page as text: the answers on one screen, then a figure a question.

    Args:
        run: what it is about.
        headline: the table that is folded in at the end.
        pictures: rendered figures, any order.
        compared: the comparisons by task.
        judging: of the comparisons.
        title: the page's heading, a question.
    """
    drawn = {picture.plot.name: picture for picture in pictures}
    questions = []
    for question in QUESTIONS:
        panels = [
            (task, task_title(task), drawn[f"{question.kind}_{task}"])
            for task in run.tasks
            if f"{question.kind}_{task}" in drawn
        ]
        if panels:
            caption = question.caption(run, compared)
            questions.append({"question": question, "panels": panels, "caption": caption})
    return rendered_page(
        _template("first_page.html"),
        title=title,
        banner=banner(run),
        cards=cards(run, compared, judging),
        paper=beside_paper(run),
        author=PAPER,
        sure=sure_line(run, compared, judging),
        figures=[drawn[name] for name in FIRST_FIGURES if name in drawn],
        questions=questions,
        headline=headline,
    )


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


def rendered_page(template: str, **values: Any) -> str:
    """A template of a page with the macros and the style sheet of all pages."""
    # S704: the style sheet is a file of this package.
    macros, style = _template("macros.html"), Markup(_template("page.css"))  # noqa: S704
    environment = environment_of_pages()
    page = environment.from_string(macros + template).render(style=style, **values)
    return page.strip() + "\n"


def page_templates() -> str:
    """All that pages are rendered from, as text."""
    return "".join(map(_template, TEMPLATES))


def _template(name: str) -> str:
    return resources.files("langspec.report").joinpath(name).read_text(encoding="utf-8")


def details_template() -> str:
    """The template of the second page, as text."""
    return _template("details_page.html")


@cache
def _placed() -> frozenset[str]:
    """The kinds of tables and figures that the page has a place for; others come at its end."""
    source = details_template()
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
    return f"{value:.3g}" if column.kind == "number" else str(value)


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
