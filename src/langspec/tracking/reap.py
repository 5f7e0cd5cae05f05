"""Marking runs that still say RUNNING although their process has ended (kill -9, power)."""

from __future__ import annotations

import socket

from mlflow import MlflowClient

from langspec.processes import is_alive
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
        if not is_alive(int(tags[names.PID]), tags[names.PID_STARTED])
    }
