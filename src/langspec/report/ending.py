"""The last lines of `make demo`: verdicts, the best trial of the sweep, what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langspec.errors import LangspecError
from langspec.report.compared import (
    CompareOptions,
    compare_sides,
    evaluated_methods,
    load_side,
)
from langspec.report.contrasts import judged_words
from langspec.report.make_report import Sources
from langspec.report.run_results import Run
from langspec.report.sweeps import load_studies
from langspec.report.table import UNIT_PLURALS, leak_unit, task_title
from langspec.report.terminal import headline_text

PAIR = ("grl", "control")
"""Gradient reversal, and the same training with nothing reversed: what unlearning itself does."""
NEXT = (
    ("your encoder, your text", "langspec audit ENCODER --text FOLDER"),
    (
        "your corpora, a real encoder",
        "langspec corpora add FOLDER && langspec preset e5 && dvc repro",
    ),
    ("the runs in the browser", "langspec ui"),
)


def last_lines(sources: Sources, options: CompareOptions, page: Path) -> str:
    """The headline, verdicts, the best trial of the first study, and :func:`next_lines`."""
    run = sources.run()
    said = [*verdict_lines(run, options), f"sweep: {best_trial_words(sources.studies[0])}"]
    return "\n".join([headline_text(run), *said, "", *next_lines(page)])


def verdict_lines(run: Run, options: CompareOptions) -> list[str]:
    """A line a task that has both methods of :data:`PAIR`: transfer and leak, each judged."""
    lines = []
    for task in run.tasks:
        if run.folder is None or not set(PAIR) <= set(evaluated_methods(run.folder, task)):
            continue
        head = f"{' against '.join(PAIR)}, {task_title(task)}:"
        try:
            a, b = (load_side(run.folder, task, method) for method in PAIR)
        except LangspecError as error:  # every seed of one failed
            lines.append(f"{head} {error}")
            continue
        present = compare_sides(a, b, options, run.source)
        transfer = [
            one for one in present if (one.language, one.metric) == ("mean_targets", "accuracy")
        ]
        unit = leak_unit(run, task)
        leak = [one for one in present if one.of_head and one.unit == unit]
        chosen = {"accuracy on targets": transfer, f"leak of {UNIT_PLURALS[unit]}": leak}
        words = [
            f"  {name}: {judged_words(line, options.judge)}"
            for name, compared in chosen.items()
            for line in compared
        ]
        lines += [head, *words]
    return lines


def best_trial_words(folder: Path) -> str:
    """``best of 5 trials of grl on pos: trial 2 (...)``, or why there is none.

    Args:
        folder: of a study, as a sweep writes it.
    """
    studies = load_studies([folder])
    if not studies:
        return "no trials"
    (study,) = studies
    of = f"of {len(study.trials)} trials of {study.tune['method']} on {study.tune['task']}"
    best = study.best
    if best is None:
        return f"no best {of}: {study.refusal or 'a front, langspec adopt tune --front 0'}"
    numbers = {"dev macro-F1": best["dev_macro_f1"], "dev leak": best["dev_leak"]}
    measured = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    return f"best {of}: trial {best['number']} ({_values(best)}): {measured}"


def _values(trial: Mapping[str, Any]) -> str:
    """``strength=0.1``: of a key of params.yaml what follows the method and the task."""
    place = re.compile(r"train\.methods\.[^.]+\.(overrides\.[^.]+\.)?")
    return " ".join(f"{place.sub('', key)}={value}" for key, value in trial["values"].items())


def next_lines(page: Path) -> list[str]:
    """Where the page is, and three commands to go on with."""
    width = max(len(what) for what, _ in NEXT)
    return [
        f"report: {page}",
        "next:   source .venv/bin/activate",
        *(f"        {what.ljust(width)}  {command}" for what, command in NEXT),
    ]
