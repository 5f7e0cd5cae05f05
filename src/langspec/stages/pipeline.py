"""`dvc repro` as MLflow's main entry point runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from langspec import presets
from langspec.errors import LangspecError
from langspec.tracking.runs import adopt_launched_run


def assignments(*, name: str, seeds: str, methods: str, values: str) -> list[str]:
    """``KEY=VALUE`` of the options of ``langspec pipeline``; an empty one changes nothing."""
    changes = [f"name={name}"] if name else []
    changes += [f"train.seeds=[{seeds}]"] if seeds else []
    changes += [f"train.run=[{methods}]", "train.also.run=[]"] if methods else []
    return changes + values.split()


def write_values(preset: str, changes: list[str], root: Path) -> Iterator[str]:
    """Write a preset, then single values, into params.yaml; tells what changed."""
    path = root / "params.yaml"
    if preset:
        yield presets.write(preset, path)
    if changes:
        yield presets.change(changes, path)
    sys.stdout.flush()  # before DVC's own lines


def run(arguments: list[str], root: Path) -> int:
    """Run `dvc repro ARGUMENTS`; returns its exit code."""
    # The interpreter's own folder first: stages then find this very `langspec`.
    binaries = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    adopt_launched_run(environment)
    dvc = shutil.which("dvc", path=environment["PATH"])
    if dvc is None:
        raise LangspecError("dvc is not installed beside langspec; run: make install")
    return subprocess.run([dvc, "repro", *arguments], cwd=root, env=environment).returncode
