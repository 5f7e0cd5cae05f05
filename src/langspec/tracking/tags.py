"""Tags and parameters of runs: flat and short, as MLflow takes them."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langspec.processes import start_of

RUN_KEY = "langspec.run_key"
PARAMS_HASH = "langspec.params_hash"
NAME = "langspec.name"
HOST = "langspec.host"
PID = "langspec.pid"
PID_STARTED = "langspec.pid_started"
FAILURE = "langspec.failure"
REPLAYED = "langspec.replayed"

LONGEST_PARAM = 250
"""Characters of a parameter's value that MLflow's pages still show legibly."""
_EXPERIMENT = "langspec-"


def experiment_name(task: str) -> str:
    """What the experiment of a task is called."""
    return _EXPERIMENT + task


def is_of_task(experiment: str) -> bool:
    """Whether an experiment of this name is one of a task."""
    return experiment.startswith(_EXPERIMENT)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested sections to dotted keys. A flat mapping comes back unchanged."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def param_text(value: Any) -> str:
    """A parameter's value as text; one that is cut says so and carries its SHA-256."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    if len(text) <= LONGEST_PARAM:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    ending = f"... ({len(text)} characters, sha256 {digest})"
    return text[: LONGEST_PARAM - len(ending)] + ending


def process_tags(stage: str) -> dict[str, str]:
    """Tags that name user, machine, process and code. No output file may hold them."""
    tags = {
        "mlflow.source.name": f"langspec {stage}",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": getpass.getuser(),
        "langspec.stage": stage,
        HOST: socket.gethostname(),
        PID: str(os.getpid()),
        # A process id is used again; with its start time it is not.
        PID_STARTED: start_of(os.getpid()) or "",
    }
    return tags | git_tags()


def git_tags(folder: Path | None = None) -> dict[str, str]:
    """The commit of the code, and whether tracked files differ from it; empty outside git."""
    commit = _git("rev-parse", "HEAD", folder=folder)
    if commit is None:
        return {}
    # `dvc repro` itself writes dvc.lock while it runs: no change of what the run was made from.
    changed = _git(
        "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)dvc.lock",
        folder=folder,
    )  # fmt: skip
    return {
        "mlflow.source.git.commit": commit,
        "langspec.git_dirty": str(bool(changed)).lower(),
    }


def code_differs(folder: Path | None = None) -> bool:
    """Does the code (``src``) differ from the commit, new files counted?"""
    return bool(_git("status", "--porcelain", "--", ":/src", folder=folder))


def _git(*arguments: str, folder: Path | None) -> str | None:
    command = ["git", *arguments]
    # status refreshes the index; no lock is taken for that beside a git command of the user.
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
