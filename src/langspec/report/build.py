"""From the files of a run to the report's folder: tables, figures, page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langspec.errors import LangspecError
from langspec.files import atomic_folder, write_text
from langspec.report.beyond import beyond_tables
from langspec.report.compared import CompareOptions
from langspec.report.contrasts import contrast_sentences, contrast_table, contrasts
from langspec.report.data import data_tables
from langspec.report.erased import erased_tables
from langspec.report.geometry import geometry_tables
from langspec.report.leak_tables import all_tables
from langspec.report.load import load_run
from langspec.report.page import MIME, picture, render_page
from langspec.report.published import published_tables
from langspec.report.sweeps import load_studies, sweep_figures, sweep_tables
from langspec.report.tables import headline_text as _headline_text
from langspec.report.tables import (
    with_rule,
)
from langspec.workers import Crew, crew_of


def build_report(
    results_root: Path,
    corpora: Path,
    encoder_card: Path,
    out: Path,
    *,
    name: str,
    tasks: Sequence[str],
    methods: Sequence[str],
    formats: Sequence[str],
    title: str = "",
    published: Path | None = None,
    crew: Crew | None = None,
    comparing: CompareOptions | None = None,
    studies: Sequence[Path] = (),
) -> None:
    """Write ``index.html``, ``tables/*.csv`` and ``figures/*`` to ``out``, whole or not at all.

    The same files give the same bytes.

    Args:
        results_root: the run's folder, holding ``train/`` and ``evaluate/``.
        corpora: the prepared corpora's folder, holding ``card.json``.
        encoder_card: the starting encoder's ``langspec.json``, or the folder that holds it.
        out: the folder to write; an older one is replaced.
        name: the run's name.
        tasks: tasks to report, in order.
        methods: trained methods to report, in order.
        formats: figure files to write, of ``png`` and ``svg``; the page embeds the SVG if asked.
        title: the page's heading; "" for the run's name.
        published: the folder of published numbers; None: that column stays empty.
        crew: workers that draw, from :func:`drawing_crew`; None: this process draws.
        comparing: how methods are compared; None: :class:`CompareOptions` as it is.
        studies: folders of sweeps; those that are not there or hold no trial are left out.

    Raises:
        LangspecError: a task has no results, or a format is unknown.
    """
    crew = crew or drawing_crew(formats, 1)
    run = load_run(
        results_root,
        corpora,
        encoder_card,
        name=name,
        tasks=tasks,
        methods=methods,
        published=published,
    )
    comparing = comparing or CompareOptions()
    compared = {task: contrasts(run, task, comparing) for task in run.tasks}
    contrasting = [contrast_table(run, task, compared[task], comparing) for task in run.tasks]
    measured = [
        *all_tables(run),
        *beyond_tables(run),
        *erased_tables(run),
        *geometry_tables(run),
        *published_tables(run),
        *filter(None, contrasting),
    ]
    swept = load_studies(studies)
    tables = [*(with_rule(run, table) for table in measured), *data_tables(run)]
    tables += sweep_tables(swept)
    drawn = crew.run({task: (run, task) for task in run.tasks}).values()
    with atomic_folder(out) as folder:
        for sub in ("tables", "figures"):
            (folder / sub).mkdir()
        for table in tables:
            table.write(folder / "tables" / f"{table.name}.csv")
        plots = [plot for of_task, _ in drawn for plot in of_task]
        plots += sweep_figures(swept)
        for plot in plots:
            for kind, data in plot.files.items():
                (folder / "figures" / f"{plot.name}.{kind}").write_bytes(data)
        absent = [sentence for _, of_task in drawn for sentence in of_task]
        pictures = [picture(plot) for plot in plots]
        verdicts = {
            task: contrast_sentences(found, comparing.judge) for task, found in compared.items()
        }
        page = render_page(
            run,
            tables,
            pictures,
            absent,
            title=title or name,
            verdicts=verdicts,
            sweeps=[study.words() for study in swept],
        )
        write_text(folder / "index.html", page)


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
    return crew_of("langspec.report.figures:Drawer", formats, count=workers)


def headline_text(
    results_root: Path, *, name: str, tasks: Sequence[str], methods: Sequence[str]
) -> str:
    """The headline table as plain text for the terminal, from the run's files."""
    root = Path(results_root)
    run = load_run(root, root, root, name=name, tasks=tasks, methods=methods)
    return _headline_text(run)
