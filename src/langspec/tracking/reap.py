"""Marking runs that still say RUNNING although their process has ended (kill -9, power)."""

from __future__ import annotations

import socket

import psutil
from mlflow import MlflowClient

from langspec.tracking import tags as names


def reap(client: MlflowClient | None) -> list[str]:
    """Mark runs of this host whose process is dead as KILLED; returns their ids.

    Runs of other hosts, and runs that this program did not start, are left alone.
    """
    if client is None:
        return []
    experiments = [one.experiment_id for one in client.search_experiments()]
    running = client.search_runs(
        experiments,
        f"attributes.status = 'RUNNING' and tags.`{names.HOST}` = '{socket.gethostname()}'",
    )
    dead = []
    for run in running:
        pid = int(run.data.tags[names.PID])
        if not _is_alive(pid, float(run.data.tags[names.PID_STARTED])):
            client.set_tag(
                run.info.run_id, names.FAILURE, f"process {pid} ended without closing the run"
            )
            client.set_terminated(run.info.run_id, "KILLED")
            dead.append(run.info.run_id)
    return dead


def _is_alive(pid: int, started: float) -> bool:
    """Whether the process still runs. An id may be used again, so its start time is compared."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != "zombie"
    except psutil.NoSuchProcess:
        return False
