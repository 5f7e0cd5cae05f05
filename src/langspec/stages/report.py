"""Stage report: tables, figures and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.paths import paths_of, require
from langspec.report.build import build_report, drawing_crew, headline_text
from langspec.report.compared import CompareOptions
from langspec.report.metrics import write_metrics
from langspec.workers import available_cores


def plan(config: Config, root: Path) -> str:
    """What :func:`run` would do."""
    paths = paths_of(config, root)
    tasks, formats = config.train.tasks, config.report.formats
    return (
        f"report: {', '.join(tasks)} as {', '.join(formats)} -> {paths.report}\n"
        f"  about {5 + 6 * len(tasks) * len(formats)} s, {4 * len(tasks)} MB on disk, "
        "400 MB of memory"
    )


def run(config: Config, root: Path) -> Path:
    """Write the report; returns the page."""
    paths = paths_of(config, root)
    for task in config.train.tasks:
        require(paths.evaluate(task), f"evaluate --task {task}")
    tasks = config.train.tasks
    workers = min(config.compute.workers, len(tasks), available_cores())
    with drawing_crew(config.report.formats, workers) as crew:
        # After the workers: this process imports MLflow while they import what draws.
        from langspec.stages.replay import run as replay

        build_report(
            paths.results,
            paths.corpora,
            paths.encoder / "langspec.json",
            paths.report,
            name=config.name,
            tasks=tasks,
            methods=config.train.run,
            formats=config.report.formats,
            title=config.report.title,
            comparing=compare_options(config),
            published=root / "data" / "published",
            studies=study_folders(config, root),
            crew=crew,
        )
    write_metrics(paths.results, tasks, config.train.run)
    replay(config, root)
    return paths.report / "index.html"


def study_folders(config: Config, root: Path) -> list[Path]:
    """What sweeps left: the stage's, then those beside the pipeline by name."""
    beside = root / "data" / "sweeps" / config.name
    return [paths_of(config, root).results / "tune", *sorted(beside.glob("*/"))]


def compare_options(config: Config, margin: float | None = None) -> CompareOptions:
    """How to compare, as params.yaml says; ``margin`` overrules it."""
    chosen = config.report.margin if margin is None else margin
    return CompareOptions(
        JudgeOptions(margin=chosen),
        BootstrapOptions(resamples=config.evaluate.bootstrap, seed=config.evaluate.seed),
    )


def headline(config: Config, root: Path) -> str:
    """The headline table as text, and where the page is."""
    paths = paths_of(config, root)
    page = require(paths.report / "index.html", "report")
    table = headline_text(
        paths.results, name=config.name, tasks=config.train.tasks, methods=config.train.run
    )
    return f"{table}\nreport: {page}\nruns:   make ui"


def table(config: Config, root: Path, name: str | None, columns: list[str]) -> str:
    """One of the report's CSV tables as Markdown, numbers to three places; or their names."""
    import pandas as pd

    folder = require(paths_of(config, root).report / "tables", "report")
    names = sorted(file.stem for file in folder.glob("*.csv"))
    if name is None:
        return "\n".join(names)
    if name not in names:
        raise LangspecError(f"no table {name!r}; there are {', '.join(names)}", place="table")
    frame = pd.read_csv(folder / f"{name}.csv")
    unknown = [column for column in columns if column not in frame.columns]
    if unknown:
        raise LangspecError(
            f"no column {', '.join(unknown)}; there are {', '.join(frame.columns)}", place=name
        )
    frame = (frame[columns] if columns else frame).convert_dtypes()
    cells = frame.astype(object).map(_cell)
    return str(cells.to_markdown(index=False, disable_numparse=True))


def _cell(value: Any) -> str:
    """Numbers to three places, counts whole, nothing where nothing was measured."""
    import pandas as pd

    if pd.isna(value):
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
