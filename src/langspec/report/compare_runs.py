"""Two methods by name, of any runs below ``results/`` or in MLflow, compared as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.errors import LangspecError
from langspec.report.compare_text import as_json, records, rendered
from langspec.report.compared import CompareOptions, Side, compare_sides, load_side

if TYPE_CHECKING:
    from langspec.tracking.find import FoundTraining

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


@dataclass(frozen=True)
class Runs:
    """Where names are looked for.

    Attributes:
        results: the folder of all runs.
        name: the run that a method without a run is of.
        in_mlflow: the training that an id or a name (of a task) names.
        source: the source language, where the files of a run do not name it.
    """

    results: Path
    name: str
    in_mlflow: Callable[[str, str | None], FoundTraining]
    source: str = ""

    def find(self, text: str, task: str | None = None) -> Reference:
        """What ``METHOD``, ``RUN/METHOD`` or ``mlflow:ID-or-name`` (of a task) names.

        Raises:
            LangspecError: there is no such run.
        """
        if text.startswith(MLFLOW):
            return self._find_in_mlflow(text, task)
        run, slash, method = text.rpartition("/")
        folder = self.results / (run if slash else self.name)
        if not (folder / "evaluate").is_dir():
            runs = sorted(f.parent.name for f in self.results.glob("*/evaluate"))
            raise LangspecError(
                f"nothing evaluated there; evaluated runs: {', '.join(runs) or 'none'}",
                place=folder,
            )
        return Reference(text, folder, method)

    def _find_in_mlflow(self, text: str, task: str | None) -> Reference:
        """A run of MLflow, evaluated below results/: the store has no predictions."""
        training = self.in_mlflow(text.removeprefix(MLFLOW), task)
        folder = self.results / training.name
        if not training.is_of(folder):
            raise LangspecError(
                f"it was trained as results/{training.name}/train/{training.task}/"
                f"{training.method}, which is "
                "not there or was trained anew since; bring that state back (git checkout, dvc "
                "checkout) and compare again",
                place=text,
            )
        return Reference(text, folder, training.method, training.task, training.seed)


def compare_methods(
    runs: Runs,
    first: str,
    second: str,
    options: CompareOptions,
    *,
    task: str | None = None,
    metric: str = "accuracy",
    seed: int | None = None,
    form: str = "text",
) -> str:
    """The comparison as text.

    Args:
        runs: where both are looked for.
        first: the method that verdicts are about.
        second: what it is held against.
        options: margin, level, bootstrap.
        task: only this one; None: all that both were evaluated on.
        metric: ``accuracy``, ``macro_f1`` or ``leak``.
        seed: only this one of both; None: all.
        form: ``text``, ``md``, ``csv`` or ``json``.

    Raises:
        LangspecError: an unknown run, method, task or seed, one method twice, or methods that
            were not scored on the same test items.
    """
    a, b = (runs.find(text, task) for text in (first, second))
    if replace(a, label="") == replace(b, label=""):
        raise LangspecError(f"{first} and {second} are one method; name two", place="compare")
    parts: list[str] = []
    values: list[dict[str, Any]] = []
    for name in _tasks(a, b, task):
        one, other = (_side(reference, name, seed) for reference in (a, b))
        lines = compare_sides(one, other, options, runs.source)
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


def _side(reference: Reference, task: str, seed: int | None) -> Side:
    seed = reference.seed if seed is None else seed
    return load_side(reference.folder, task, reference.method, label=reference.label, seed=seed)


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
