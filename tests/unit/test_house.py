"""How long files and functions may be."""

from __future__ import annotations

import ast

import pytest

from conftest import CHECKOUT
from langspec.closure import SourceTree

TREE = SourceTree(CHECKOUT / "src" / "langspec")
MODULES = sorted(TREE.modules)
FILE_LINES, FUNCTION_LINES = 400, 60  # below these


def _functions(module: str) -> list[tuple[str, int]]:
    """Name and number of lines, docstring included, of every function."""
    tree = ast.parse(TREE.modules[module].read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (node.name, (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_short(module: str) -> None:
    lines = len(TREE.modules[module].read_text(encoding="utf-8").splitlines())
    assert lines < FILE_LINES
    longest = 100 if module == "langspec.training.loop" else FUNCTION_LINES  # fit, the loop itself
    assert [one for one in _functions(module) if one[1] >= longest] == []
