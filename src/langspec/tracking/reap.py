"""Marking runs that still say RUNNING although their process has ended (kill -9, power)."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil
from mlflow import MlflowClient

from langspec.processes import is_alive, start_of
from langspec.tracking import tags as names

_PREPARING_SECONDS = 600
"""How long `mlflow run` may build an environment, in which nothing names its process."""


def reap(client: MlflowClient | None) -> list[str]:
    """Mark runs of this host whose process is dead as KILLED; returns their ids.

    Runs of other hosts, and runs that neither this program nor `mlflow run` started, are left
    alone.
    """
    if client is None:
        return []
    dead = dead_runs(client)
    for run_id, reason in dead.items():
        client.set_tag(run_id, names.FAILURE, reason)
        client.set_terminated(run_id, "KILLED")
    return list(dead)


def dead_runs(client: MlflowClient) -> dict[str, str]:
    """Runs of this host that say RUNNING although their process is dead: why, by run id."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    running = client.search_runs(
        experiments,
        f"attributes.status = 'RUNNING' and tags.`{names.HOST}` = '{socket.gethostname()}'",
    )
    processes = {run.info.run_id: run.data.tags for run in running}
    dead = {
        run_id: f"process {tags[names.PID]} ended without closing the run"
        for run_id, tags in processes.items()
        if not is_alive(int(tags[names.PID]), tags[names.PID_STARTED])
    }
    return dead | _never_begun(client, experiments)


def _never_begun(client: MlflowClient, experiments: list[str]) -> dict[str, str]:
    """Runs of `mlflow run` whose command never began, as where there is no conda.

    MLflow leaves them RUNNING and notes no process. Only those of a file of SQLite are looked at:
    a server has runs of other machines. They are dead after ten minutes in which a command may
    have begun (:func:`note_launcher`) or a process of `mlflow run` is older than they are.
    """
    if not client.tracking_uri.startswith("sqlite:"):
        return {}
    launched = client.search_runs(
        experiments, "attributes.status = 'RUNNING' and tags.`mlflow.source.type` = 'PROJECT'"
    )
    waiting = [
        run
        for run in launched
        if names.HOST not in run.data.tags
        and time.time() - run.info.start_time / 1000 > _PREPARING_SECONDS
    ]
    oldest = min(_launchers(), default=float("inf")) if waiting else 0.0
    reason = "`mlflow run` ended before the run's command began"
    return {run.info.run_id: reason for run in waiting if run.info.start_time / 1000 < oldest}


def _launchers() -> list[float]:
    """When the processes of `mlflow run` on this machine started, in seconds."""
    return [
        float(process.info["create_time"])
        for process in psutil.process_iter(["cmdline", "create_time"])
        if _is_launcher(process.info["cmdline"] or [])
    ]


def _is_launcher(command: list[str]) -> bool:
    return "run" in command and any(Path(word).name == "mlflow" for word in command)


def note_launcher(client: MlflowClient, run_id: str) -> None:
    """Note on the run of `mlflow run` around this process which process it is."""
    above = psutil.Process().parents()
    commands = [(one.pid, one.cmdline()) for one in above]
    pid = next((pid for pid, command in commands if _is_launcher(command)), above[0].pid)
    client.set_tag(run_id, names.PID, str(pid))
    client.set_tag(run_id, names.PID_STARTED, start_of(pid) or "")
    client.set_tag(run_id, names.HOST, socket.gethostname())  # last: with it, all are read
