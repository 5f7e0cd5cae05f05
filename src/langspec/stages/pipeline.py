"""`dvc repro` as MLflow's main entry point runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from langspec.errors import LangspecError
from langspec.tracking.runs import adopt_launched_run


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
