"""Stage report: tables, figures and the page."""

from __future__ import annotations

from pathlib import Path

from langspec.config import Config
from langspec.measurement.difference import JudgeOptions
from langspec.measures.discovery import declared, measures
from langspec.paths import paths_of, require
from langspec.report.compared import CompareOptions
from langspec.report.ending import last_lines
from langspec.report.make_report import Sources
from langspec.report.metrics import write_metrics
from langspec.report.stored_report import stored_report
from langspec.report.terminal import table_text


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths = paths_of(config, root)
    tasks, formats = config.train.tasks, config.report.formats
    seconds, disk = 5 + 6 * len(tasks) * len(formats), 4 * len(tasks)
    words = f"{', '.join(tasks)} as {', '.join(formats)} -> {paths.report}"
    return f"report: {words}\n  about {seconds} s, {disk} MB on disk, 400 MB of memory"


def run(config: Config, root: Path, *, cards: Path | None = None) -> Path:
    """Write the report; returns the page. ``cards``: where those of corpora and encoder are."""
    from langspec.stages.replay import run as replay

    paths, tasks = paths_of(config, root), config.train.tasks
    for task in tasks:
        require(paths.evaluate(task), f"evaluate --task {task}")
    stored_report(
        sources_of(config, root, cards),
        paths.report,
        paths.cache / "reports" / config.name,
        config.report,
        comparing=compare_options(config),
        specs=measures(),
        workers=config.compute.workers,
    )
    write_metrics(paths.results, {task: config.train.methods_of(task) for task in tasks})
    replay(config, root)
    return paths.report / "index.html"


def sources_of(config: Config, root: Path, cards: Path | None = None) -> Sources:
    """What the report is made of; the sweeps are the stage's, then those beside it by name."""
    paths = paths_of(config, root)
    beside = root / "data" / "sweeps" / config.name
    return Sources(
        paths.results,
        cards or paths.with_card(paths.corpora),
        (cards or paths.with_card(paths.encoder)) / "langspec.json",
        config.name,
        config.train.tasks,
        config.train.all_methods,
        root / "data" / "published",
        [paths.results / "tune", *sorted(beside.glob("*/"))],
        declared(),
    )


def compare_options(config: Config, margin: float | None = None) -> CompareOptions:
    """How to compare, as params.yaml says; ``margin`` overrules it."""
    chosen = config.report.margin if margin is None else margin
    return CompareOptions(JudgeOptions(margin=chosen), config.evaluate.bootstrap_options)


def headline(config: Config, root: Path) -> str:
    """The headline table as text, verdicts, the best trial, and what to do next."""
    page = require(paths_of(config, root).report / "index.html", "report")
    return last_lines(sources_of(config, root), compare_options(config), page)


def table(config: Config, root: Path, name: str | None, columns: list[str]) -> str:
    """One of the report's CSV tables as Markdown, or the names of all."""
    return table_text(require(paths_of(config, root).report / "tables", "report"), name, columns)
