"""What may import what, and that dvc.yaml names the code that each stage runs."""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from typing import Any

import pytest

from conftest import CHECKOUT
from langspec.closure import SourceTree
from langspec.config import parse_yaml
from langspec.features.feature_options import Features
from langspec.measures.discovery import measures
from langspec.presets import load_preset
from langspec.section import Decides, Section
from langspec.training.train_section import Train

SOURCE = CHECKOUT / "src"
PACKAGE = SOURCE / "langspec"
TREE = SourceTree(PACKAGE)
MODULES = TREE.modules
imports = TREE.imports


def test_no_import_circle() -> None:
    needs = {
        name: {used for used in imports(name) if used in MODULES and used != name}
        for name in MODULES
    }
    tuple(TopologicalSorter(needs).static_order())  # raises CycleError with the circle


def test_stages_only_read_params_call_and_write() -> None:
    """Eighty lines are enough for that; an engine belongs into the room of its subject."""
    for name, path in MODULES.items():
        if package(name) == "stages":
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 80, name


def test_a_file_name_occurs_once() -> None:
    """A room may have a ``base.py``; every other name says by itself which file is meant."""
    counts = Counter(path.name for path in MODULES.values())
    again = {name for name, count in counts.items() if count > 1}
    assert again <= {"__init__.py", "base.py"}


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def has_code(module: str) -> bool:
    """Is there more than a docstring?"""
    return module != "langspec" and len(parsed(module).body) > 1


def package(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("module", sorted(MODULES))
def test_layers(module: str) -> None:
    own, used = package(module), imports(module)
    tops = {name.split(".")[0] for name in used}
    if own != "tracking":
        assert "mlflow" not in tops
    if own != "tuning":
        assert "optuna" not in tops
    if own not in ("commands", "stages"):
        assert not any(name.startswith("langspec.stages") for name in used)
    if own in ("attackers", "modelling", "measurement", "erasure", "features"):
        forbidden = {"langspec.config", "langspec.tracking", "dvc"}
        assert not any(name.startswith(tuple(forbidden)) for name in used)
    if own != "tasks":
        text = MODULES[module].read_text(encoding="utf-8")
        assert 'if task == "' not in text
        assert 'task.name == "' not in text


# Their content cannot change what a stage computes: they say where runs are told, or only carry
# values that the stage's params already name.
NOT_IN_DEPS = ("langspec.tracking", "langspec.config", "langspec.cli", "langspec.commands",
               "langspec.stages.replay", "langspec.databases", "langspec.errors", "langspec.files",
               "langspec.folder_classes", "langspec.languages",
               "langspec.logs", "langspec.workers", "langspec.processes", "langspec.unfinished",
               "langspec.hub", "langspec.interrupts", "langspec.launch",
               "langspec.search", "langspec.section", "langspec.closure", "langspec.paths",
               "langspec.results")  # fmt: skip
ITEMS = {"item.task": "pos", "item.method": "grl", "tune.task": "pos", "tune.method": "grl"}
STAGES = parse_yaml((CHECKOUT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


# Modules that import every module of a folder, by the folder (langspec.folder_classes).
SEARCHED = {module: folder for module in MODULES for folder in TREE.searched(module)}
CALLS_MEASURES = "langspec.evaluation.runner"


def modules_of(folder: str) -> list[str]:
    return [name for name in MODULES if name.startswith(f"{folder}.")]


def runs(module: str) -> set[str]:
    """The modules that a stage computes with: its closure, but for what only config imports.

    config composes the sections of all engines; a stage's own engines are imported elsewhere.
    What discovery finds is imported, and called by the runner alone: of a stage that reads no more
    than what measures declare, what they import inside their functions does not run.
    """
    seen: set[tuple[str, bool]] = set()
    todo = [(module, True)]
    while todo:
        name, called = todo.pop()
        if {(name, called), (name, True)} & seen or name not in MODULES or name == "langspec":
            continue
        seen.add((name, called))
        if name == "langspec.config":
            continue
        todo += [(used, called) for used in imports(name, called=called)]
        todo.append((name.rpartition(".")[0], called))
        if name in SEARCHED:
            todo += [(found, False) for found in modules_of(SEARCHED[name])]
        if name == CALLS_MEASURES:
            todo += [(found, True) for folder in SEARCHED.values() for found in modules_of(folder)]
    return {name for name, _ in seen}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_dvc_names_the_code_that_a_stage_runs(stage: str) -> None:
    module = f"langspec.stages.{stage.removesuffix('-also')}"  # the same for other methods
    needed = {
        MODULES[name].relative_to(CHECKOUT).as_posix()
        for name in runs(module)
        if not name.startswith(NOT_IN_DEPS) and has_code(name)
    }
    named = [
        dep
        for dep in STAGES[stage]["deps"]
        if dep.startswith("src/") and not dep.endswith(".json")  # data that langspec brings
    ]
    missing = {
        path
        for path in needed
        if not any(path == dep or path.startswith(dep + "/") for dep in named)
    }
    assert not missing, f"dvc.yaml: stage {stage} runs {sorted(missing)} without naming it"
    for dep in named:
        assert (CHECKOUT / dep).exists(), dep
        # What others need not name (a declaration, say) one stage may compute with.
        ran = (MODULES[name].relative_to(CHECKOUT).as_posix() for name in runs(module))
        used = any(path.startswith(dep) for path in ran)
        assert used, f"dvc.yaml: stage {stage} names {dep} but does not run it"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_names_parameters_that_there_are(stage: str) -> None:
    values = load_preset("demo", []).model_dump(mode="json")
    for name in STAGES[stage].get("params", ()):
        section: Any = values
        for key in re.sub(r"\$\{(\w+\.\w+)\}", lambda found: ITEMS[found[1]], name).split("."):
            assert key in section, f"{stage}: {name}"
            section = section[key]


@pytest.mark.parametrize(
    ("stage", "key", "section"),
    [
        ("train", "train", Train),
        ("tune", "train", Train),
        ("evaluate", "features", Features),
        ("register", "features", Features),
    ],
)
def test_a_changed_value_makes_its_stage_stale(
    stage: str, key: str, section: type[Section]
) -> None:
    """But for fields that decide no result, or only which runs there are (:class:`Decides`)."""
    named = {name.split(".")[1] for name in STAGES[stage]["params"] if name.startswith(f"{key}.")}
    decide = {
        name
        for name, field in section.model_fields.items()
        if not any(isinstance(mark, Decides) for mark in field.metadata)
    }
    assert decide - {"pos", "nli"} <= named  # of tasks, the one that is trained


def test_a_changed_declaration_makes_the_report_stale() -> None:
    """A table or a figure is declared in a measure's file; the report reads no result of that."""
    declaring = {one.__module__ for one in measures() if one.tables or one.figures}
    assert declaring <= runs("langspec.stages.report")
    assert "src/langspec/measures" in STAGES["report"]["deps"]


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from langspec.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'mlflow', 'pandas', 'numpy', 'pydantic', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    # Processor seconds of the child, the least of three: neighbours on the machine stretch them.
    assert min(_seconds(script) for _ in range(3)) < 0.5


def _seconds(script: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(
    "module", ["errors", "files", "results", "languages", "logs", "workers", "interrupts"]
)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    tops = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            tops.add((node.module or "").split(".")[0])
    assert tops <= set(sys.stdlib_module_names) | {"langspec"}


def test_public_functions_have_docstrings() -> None:
    for module in MODULES:
        tree = parsed(module)
        assert ast.get_docstring(tree), module
        for node in tree.body:
            kinds = (ast.FunctionDef, ast.ClassDef)
            if isinstance(node, kinds) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{module}.{node.name}"


def test_no_path_of_a_machine() -> None:
    for path in MODULES.values():
        assert "/home/" not in path.read_text(encoding="utf-8")
