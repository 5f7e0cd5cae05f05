"""How long files and functions may be."""

from __future__ import annotations

import ast

import pytest

from conftest import CHECKOUT
from langspec.closure import SourceTree

TREE = SourceTree(CHECKOUT / "src" / "langspec")
MODULES = sorted(TREE.modules)
FILE_LINES, FUNCTION_LINES = 400, 60


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
    assert lines <= FILE_LINES
    longest = 100 if module == "langspec.training.loop" else FUNCTION_LINES  # fit, the loop itself
    assert [one for one in _functions(module) if one[1] > longest] == []
