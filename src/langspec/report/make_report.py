"""From the files of a run to the report's folder: tables, figures, pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from langspec.errors import LangspecError
from langspec.files import atomic_folder, write_text
from langspec.report.compared import CompareOptions
from langspec.report.contrasts import Contrasts, contrast_sentences, contrast_table, contrasts
from langspec.report.data_tables import data_tables
from langspec.report.declared import declared_tables
from langspec.report.drawing import write_parts
from langspec.report.headline_table import headline
from langspec.report.published_tables import published_table
from langspec.report.report_page import MIME, picture, render_details, render_first
from langspec.report.report_section import Report
from langspec.report.run_results import Declared, Run, load_run
from langspec.report.sweeps import load_studies, sweep_figures, sweep_tables
from langspec.report.table import Table, with_rule
from langspec.report.tradeoff_points import path_table
from langspec.workers import Crew, crew_of


@dataclass(frozen=True)
class Sources:
    """What a report is made of: where files are, and which of them.

    Attributes:
        results: the run's folder, holding ``train/`` and ``evaluate/``.
        corpora: the prepared corpora's folder, holding ``card.json``.
        encoder: the starting encoder's ``langspec.json``, or the folder that holds it.
        name: the run's name.
        tasks: tasks to report, in order.
        methods: trained methods to report, in order; others in the results follow.
        published: the folder of published numbers; None: that column stays empty.
        studies: folders of sweeps; those that are not there or hold no trial are left out.
        declared: tables and figures that measures declare.
    """

    results: Path
    corpora: Path
    encoder: Path
    name: str
    tasks: Sequence[str]
    methods: Sequence[str]
    published: Path | None = None
    studies: Sequence[Path] = ()
    declared: Declared = ()

    def run(self) -> Run:
        """The run, read from its files."""
        return load_run(
            self.results,
            self.corpora,
            self.encoder,
            name=self.name,
            tasks=self.tasks,
            methods=self.methods,
            published=self.published,
            declared=self.declared,
        )


def build_report(
    sources: Sources,
    out: Path,
    options: Report,
    *,
    comparing: CompareOptions,
    crew: Crew | None = None,
) -> None:
    """Write ``index.html``, ``details.html``, tables and figures to ``out``: all or nothing.

    The same files give the same bytes.

    Args:
        sources: what the report is made of.
        out: the folder to write; an older one is replaced.
        options: the pages' heading ("" for the run's name) and the formats of figures.
        comparing: how methods are compared.
        crew: workers that draw, from :func:`drawing_crew`; None: this process draws.

    Raises:
        LangspecError: a task has no results, or a format is unknown.
    """
    crew = crew or drawing_crew(options.formats, 1)
    run = sources.run()
    compared = {task: contrasts(run, task, comparing) for task in run.tasks}
    swept = load_studies(sources.studies)
    tables = [
        *(with_rule(run, table) for table in _measured(run, compared, comparing)),
        *data_tables(run),
        *sweep_tables(swept),
    ]
    drawn = crew.run({task: (run, task) for task in (*run.tasks, "")}).values()
    figures = [figure for of_task, _ in drawn for figure in of_task]
    figures += sweep_figures(swept)
    pictures = [picture(figure) for figure in figures]
    title = options.title or sources.name
    first = render_first(run, tables[0], pictures, compared, comparing.judge, title=title)
    details = render_details(
        run,
        tables,
        pictures,
        [sentence for _, absent in drawn for sentence in absent],
        title=title,
        verdicts={
            task: contrast_sentences(present, comparing.judge)
            for task, present in compared.items()
        },
        sweeps=[study.words() for study in swept],
    )
    with atomic_folder(out) as folder:
        write_parts(folder, tables, figures)
        write_text(folder / "index.html", first)
        write_text(folder / "details.html", details)


def _measured(run: Run, compared: dict[str, Contrasts], comparing: CompareOptions) -> list[Table]:
    """The tables of what was measured."""
    contrasting = (contrast_table(run, task, compared[task], comparing) for task in run.tasks)
    return [
        headline(run),
        *declared_tables(run),
        *filter(None, (path_table(run, task) for task in run.tasks)),
        *filter(None, (published_table(run, task) for task in run.tasks)),
        *filter(None, contrasting),
    ]


def drawing_crew(formats: Sequence[str], workers: int) -> Crew:
    """Workers that draw figures in these formats; with one, the calling process draws.

    Raises:
        LangspecError: a format is unknown.
    """
    unknown = sorted(set(formats) - set(MIME))
    if unknown or not formats:
        raise LangspecError(
            f"found {', '.join(unknown) or 'no format'}, expected some of {', '.join(MIME)}",
            place="report.formats",
        )
    return crew_of("langspec.report.task_figures:Drawer", formats, count=workers)
