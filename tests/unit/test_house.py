"""How long files and functions may be, and which words are no names."""

from __future__ import annotations

import ast

import pytest

from conftest import CHECKOUT
from langspec.closure import SourceTree

TREE = SourceTree(CHECKOUT / "src" / "langspec")
MODULES = sorted(TREE.modules)
FILE_LINES, FUNCTION_LINES = 400, 60  # below these
# They say nothing of what a value is: a name says it by the field's word.
NO_NAMES = {
    "deaf", "found", "hear", "kept", "knock", "meetings", "mend", "mine", "own", "told"
}  # fmt: skip


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


def _names(module: str) -> set[str]:
    """The names that a module gives to values, parameters, attributes, functions and classes."""
    names = set()
    for node in ast.walk(ast.parse(TREE.modules[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("module", MODULES)
def test_names_say_what_a_value_is(module: str) -> None:
    assert [name for name in sorted(_names(module)) if NO_NAMES & {*name.split("_")}] == []
