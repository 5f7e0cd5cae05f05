"""What keeps the code easy to find one's way in: sizes, names, and one direction of imports."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from conftest import CHECKOUT
from langspec.closure import SourceTree

TREE = SourceTree(CHECKOUT / "src" / "langspec")
MODULES = sorted(TREE.modules)
# `__init__` names a folder; `base` holds what the files of one folder have in common.
COMMON_NAMES = {"__init__", "__main__", "base"}
FILE_LINES, STAGE_LINES, FUNCTION_LINES = 400, 80, 60


def _functions(module: str) -> list[tuple[str, int]]:
    """Name and number of lines, docstring apart, of every function."""
    tree = ast.parse(TREE.modules[module].read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    sizes = []
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node):
                text = node.body[0]
                lines -= (text.end_lineno or 0) - text.lineno + 1
            sizes.append((node.name, lines))
    return sizes


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_short(module: str) -> None:
    lines = len(TREE.modules[module].read_text(encoding="utf-8").splitlines())
    assert lines <= (STAGE_LINES if module.startswith("langspec.stages.") else FILE_LINES)
    longest = 100 if module == "langspec.training.loop" else FUNCTION_LINES  # fit, the loop itself
    assert [one for one in _functions(module) if one[1] > longest] == []


def test_a_file_name_occurs_once() -> None:
    names = Counter(path.stem for path in TREE.modules.values())
    assert {name for name, n in names.items() if n > 1} <= COMMON_NAMES


def test_no_import_circle() -> None:
    """No module imports itself through others; imports inside functions count."""
    inner = {name: {one for one in TREE.imports(name) if one in TREE.modules} for name in MODULES}

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        todo = [*inner[name]]
        while todo:
            current = todo.pop()
            if current not in seen:
                seen.add(current)
                todo += inner[current]
        return seen

    assert {name for name in MODULES if name in reached(name)} == set()
