"""Command compare: two methods of this run, of other runs below results/, or runs of MLflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langspec.config import Config
from langspec.errors import LangspecError
from langspec.paths import paths_of
from langspec.report.compare_text import as_json, records, rendered
from langspec.report.compared import Side, compare_sides, load_side
from langspec.stages.report import compare_options

MLFLOW = "mlflow:"


@dataclass(frozen=True)
class Reference:
    """A method of a run: what an argument of the command names.

    Attributes:
        label: what it is called in what is printed.
        folder: of the run, below ``results/``.
        method: its name.
        task: where the argument is one of a task; "": of every task.
        seed: where the argument is one seed.
    """

    label: str
    folder: Path
    method: str
    task: str = ""
    seed: int | None = None


def find(config: Config, root: Path, text: str, task: str | None = None) -> Reference:
    """What ``METHOD``, ``RUN/METHOD`` or ``mlflow:ID-or-name`` (of a task) names.

    Raises:
        LangspecError: there is no such run.
    """
    results = root / "results"
    if text.startswith(MLFLOW):
        return _find_in_mlflow(config, root, text, task)
    run, slash, method = text.rpartition("/")
    folder = results / run if slash else paths_of(config, root).results
    if not (folder / "evaluate").is_dir():
        runs = sorted(f.parent.name for f in results.glob("*/evaluate"))
        raise LangspecError(
            f"nothing evaluated there; evaluated runs: {', '.join(runs) or 'none'}",
            place=folder,
        )
    return Reference(text, folder, method)


def _find_in_mlflow(config: Config, root: Path, text: str, task: str | None) -> Reference:
    """A run of MLflow, whose evaluation is still below results/: the store has no predictions."""
    from langspec.tracking.find import find_training
    from langspec.tracking.runs import open_tracker

    found = find_training(open_tracker(config.tracking, root), text.removeprefix(MLFLOW), task)
    folder = root / "results" / found.name
    if not found.is_of(folder):
        raise LangspecError(
            f"it was trained as results/{found.name}/train/{found.task}/{found.method}, which is "
            "not there or was trained anew since; bring that state back (git checkout, dvc "
            "checkout) and compare again",
            place=text,
        )
    return Reference(text, folder, found.method, found.task, found.seed)


def run(
    config: Config,
    root: Path,
    first: str,
    second: str,
    *,
    task: str | None,
    metric: str,
    margin: float | None,
    seed: int | None,
    form: str,
) -> str:
    """The comparison as text.

    Args:
        config: the configuration.
        root: of the project.
        first: the method that verdicts are about.
        second: what it is held against.
        task: only this one; None: all that both were evaluated on.
        metric: ``accuracy``, ``macro_f1`` or ``leak``.
        margin: a difference that would not matter; None: ``report.margin``.
        seed: only this one of both; None: all.
        form: ``text``, ``md``, ``csv`` or ``json``.

    Raises:
        LangspecError: an unknown run, method, task or seed, one method twice, or methods that
            were not scored on the same test items.
    """
    a, b = (find(config, root, text, task) for text in (first, second))
    if replace(a, label="") == replace(b, label=""):
        raise LangspecError(f"{first} and {second} are one method; name two", place="compare")
    options = compare_options(config, margin)
    parts: list[str] = []
    values: list[dict[str, Any]] = []
    for name in _tasks(a, b, task):
        one, other = (_side(found, name, seed) for found in (a, b))
        lines = compare_sides(one, other, options, config.corpora.source)
        if form == "json":
            values += records(one, other, lines, options.judge)
            continue
        text = rendered(one, other, lines, metric, options.judge, form)
        if form == "csv" and parts:
            text = text.partition("\n")[2]  # one heading
        parts.append(text)
    if form == "json":
        return as_json(values)
    return ("\n" if form == "csv" else "\n\n").join(parts)


def _side(found: Reference, task: str, seed: int | None) -> Side:
    seed = found.seed if seed is None else seed
    return load_side(found.folder, task, found.method, label=found.label, seed=seed)


def _tasks(a: Reference, b: Reference, task: str | None) -> list[str]:
    """The tasks to compare on."""
    evaluated = [
        {f.name for f in (one.folder / "evaluate").iterdir() if (f / "results.csv").is_file()}
        for one in (a, b)
    ]
    for one in (a, b):
        if one.task and task not in (None, one.task):
            raise LangspecError(f"{one.label} is a run of {one.task}", place="--task")
    wanted = {name for name in (task, a.task, b.task) if name}
    if len(wanted) > 1:
        raise LangspecError(
            f"{a.label} is a run of {a.task}, {b.label} of {b.task}", place="compare"
        )
    both = evaluated[0] & evaluated[1]
    if wanted:
        if not wanted <= both:
            raise LangspecError(
                f"found {', '.join(wanted)}, expected one that both were evaluated on: "
                f"{', '.join(sorted(both)) or 'there is none'}",
                place="--task",
            )
        return sorted(wanted)
    if not both:
        raise LangspecError(
            f"no task that both were evaluated on: {', '.join(sorted(evaluated[0])) or 'none'} "
            f"and {', '.join(sorted(evaluated[1])) or 'none'}",
            place="compare",
        )
    return sorted(both)
