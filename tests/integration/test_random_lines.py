"""The encoder with random weights, measured on few lines of the language text."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langspec.results import read_results

pytestmark = pytest.mark.slow
LINES = (
    "--set", "evaluate.random_lines=12",
    "--set", "train.run=[frozen]", "--set", "train.also.run=[]",
    "--set", "evaluate.trajectory.of=[]",
)  # fmt: skip


def test_an_evaluation_with_few_random_lines(
    tmp_path: Path, ready_project: Callable[[Path], Path], langspec: Any
) -> None:
    """All measures are taken; those of the trained encoders and of the texts stay as they are."""
    root = ready_project(tmp_path / "project")
    langspec(root, "train", "--task", "pos", "--method", "frozen", *LINES)
    out = root / "results" / "tiny" / "evaluate" / "pos" / "results.csv"
    langspec(root, "evaluate", "--task", "pos", *LINES[2:])
    whole = read_results(out)
    shutil.copy(out, tmp_path / "whole.csv")
    langspec(root, "evaluate", "--task", "pos", *LINES)
    few = read_results(out)
    others = [rows[rows["method"] != "random"].reset_index(drop=True) for rows in (whole, few)]
    assert others[0].equals(others[1])
    drawn = [rows[rows["method"] == "random"] for rows in (whole, few)]
    assert set(drawn[0]["measure"]) == set(drawn[1]["measure"])
    sizes = [rows.loc[rows["measure"] == "leak", "n"].max() for rows in drawn]
    assert sizes[1] < sizes[0]
