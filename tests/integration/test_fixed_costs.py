"""What commands import, and what they cost, before they do anything."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "sklearn", "scipy.stats", "mlflow", "optuna", "accelerate",
         "matplotlib")  # fmt: skip


def imported(statement: str) -> set[str]:
    """Which of the heavy libraries a new interpreter has imported after a statement."""
    code = f"import sys\n{statement}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("stage", ["corpora", "encoder", "train", "evaluate", "tune", "register"])
def test_a_stage_imports_nothing_heavy_before_it_runs(stage: str) -> None:
    assert imported(f"import langspec.config, langspec.stages.{stage}") == set()


def test_the_report_is_made_without_what_encodes_and_fits() -> None:
    assert imported("import langspec.stages.report") == set()
    # seaborn imports scipy.stats
    drawing = imported("import langspec.report.task_figures")
    assert drawing <= {"matplotlib", "scipy.stats"}


def test_imports_are_not_searched_for_garbage() -> None:
    """With Python's own threshold all objects are looked through ten times and more."""
    told = "print(gc.get_stats()[2]['collections'], gc.get_threshold()[:2] == young)"
    code = (
        "import gc; young = gc.get_threshold()[:2]; import langspec.cli; import pandas, sqlalchemy"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {told}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "True"]


def test_help_costs_little() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "langspec", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent <= 0.5
