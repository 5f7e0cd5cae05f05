"""The short form of the kill test: `make kill-test` kills a hundred times."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CHECKOUT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.hostile,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process groups of Linux"),
]


@pytest.mark.parametrize(
    ("kills", "arguments"),
    [
        (2, ("--seed", "3")),
        (1, ("--seed", "4", "--signals", "TERM", "HUP")),
        (2, ("--seed", "5", "--sweep")),
    ],
)
def test_the_same_command_heals_a_kill(
    tmp_path_factory: pytest.TempPathFactory, kills: int, arguments: tuple[str, ...]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "kills"  # one undisturbed run for all
    command = [sys.executable, "benchmarks/kills.py", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--kills", str(kills), *arguments], cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    logs = "".join(path.read_text()[-3000:] for path in Path(folder).glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:] + logs
    assert done.stdout.count("healed Kill") == kills
