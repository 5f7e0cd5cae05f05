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
    dead = dead_runs(client)
    for run_id, pid in dead.items():
        client.set_tag(run_id, names.FAILURE, f"process {pid} ended without closing the run")
        client.set_terminated(run_id, "KILLED")
    return list(dead)


def dead_runs(client: MlflowClient) -> dict[str, int]:
    """Runs of this host that say RUNNING although their process is dead: process id by run id."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    running = client.search_runs(
        experiments,
        f"attributes.status = 'RUNNING' and tags.`{names.HOST}` = '{socket.gethostname()}'",
    )
    processes = {run.info.run_id: run.data.tags for run in running}
    return {
        run_id: int(tags[names.PID])
        for run_id, tags in processes.items()
        if not _is_alive(int(tags[names.PID]), float(tags[names.PID_STARTED]))
    }


def _is_alive(pid: int, started: float) -> bool:
    """Whether the process still runs. An id may be used again, so its start time is compared."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != "zombie"
    except psutil.NoSuchProcess:
        return False
