"""Stage report: tables, figures and the page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from langspec.config import Config
from langspec.measurement.difference import JudgeOptions
from langspec.measures.discovery import declared, measures
from langspec.paths import paths_of, require
from langspec.report.compared import CompareOptions
from langspec.report.make_report import Sources, build_report, drawing_crew
from langspec.report.metrics import write_metrics
from langspec.report.stored_report import report_key, stored_report
from langspec.report.terminal import headline_text, table_text
from langspec.workers import available_cores


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths = paths_of(config, root)
    tasks, formats = config.train.tasks, config.report.formats
    seconds, disk = 5 + 6 * len(tasks) * len(formats), 4 * len(tasks)
    words = f"{', '.join(tasks)} as {', '.join(formats)} -> {paths.report}"
    return f"report: {words}\n  about {seconds} s, {disk} MB on disk, 400 MB of memory"


def run(config: Config, root: Path) -> Path:
    """Write the report; returns the page."""
    paths = paths_of(config, root)
    tasks = config.train.tasks
    for task in tasks:
        require(paths.evaluate(task), f"evaluate --task {task}")
    sources, comparing = sources_of(config, root), compare_options(config)
    key = report_key(sources, config.report, comparing, measures())
    place = paths.cache / "reports" / config.name / key
    stored_report(place, paths.report, partial(_write, config, sources, comparing))
    write_metrics(paths.results, tasks, config.train.run)
    from langspec.stages.replay import run as replay

    replay(config, root)
    return paths.report / "index.html"


def _write(config: Config, sources: Sources, comparing: CompareOptions, folder: Path) -> None:
    """Make the report, with workers that draw."""
    workers = min(config.compute.workers, len(sources.tasks), available_cores())
    with drawing_crew(config.report.formats, workers) as crew:
        # After the workers: this process imports MLflow while they import what draws.
        import langspec.stages.replay  # noqa: F401

        build_report(sources, folder, config.report, comparing=comparing, crew=crew)


def sources_of(config: Config, root: Path) -> Sources:
    """What the report is made of; the sweeps are the stage's, then those beside it by name."""
    paths = paths_of(config, root)
    beside = root / "data" / "sweeps" / config.name
    return Sources(
        paths.results,
        paths.corpora,
        paths.encoder / "langspec.json",
        config.name,
        config.train.tasks,
        config.train.run,
        root / "data" / "published",
        [paths.results / "tune", *sorted(beside.glob("*/"))],
        declared(),
    )


def compare_options(config: Config, margin: float | None = None) -> CompareOptions:
    """How to compare, as params.yaml says; ``margin`` overrules it."""
    chosen = config.report.margin if margin is None else margin
    return CompareOptions(JudgeOptions(margin=chosen), config.evaluate.bootstrap_options)


def headline(config: Config, root: Path) -> str:
    """The headline table as text, and where the page is."""
    page = require(paths_of(config, root).report / "index.html", "report")
    return f"{headline_text(sources_of(config, root).run())}\nreport: {page}\nruns:   make ui"


def table(config: Config, root: Path, name: str | None, columns: list[str]) -> str:
    """One of the report's CSV tables as Markdown, or the names of all."""
    folder = require(paths_of(config, root).report / "tables", "report")
    return table_text(folder, name, columns)
