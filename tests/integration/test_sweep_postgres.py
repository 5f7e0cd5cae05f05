"""A study in a database: several processes claim its trials, some are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import postgres_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TESTS = Path(__file__).resolve().parents[1]
WORKER = """
import sys, time
sys.path[:0] = sys.argv[3:]
from test_sweep_study import IDENTITY, claims, config, fake, open_storage, open_study, place_of
from test_sweep_space import spaces
from langspec.tuning.trial_worker import work
place = place_of(sys.argv[1])
storage = open_storage(place)
lock = claims.lock_of(place, storage, "s")
with lock():
    study = open_study(storage, "s", config().tune, IDENTITY)

def slow(paths, report):
    found = fake(paths, report)
    time.sleep(0.5)
    return found

work(study, spaces.space_of(config()), config().tune, slow, lock, slots=int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server on loopback, in a folder of its own."""
    with postgres_server.running() as url:
        yield url


def test_four_processes_two_killed(server: str) -> None:
    command = [sys.executable, "-c", WORKER, server, "24", str(TESTS / "unit"), str(TESTS)]
    workers = [subprocess.Popen(command) for _ in range(4)]  # on a database without tables
    sys.path[:0] = [str(TESTS / "unit")]
    from test_sweep_study import claims, open_storage, place_of, records

    from langspec.errors import LangspecError
    from langspec.tuning.study import load_study

    def found() -> list:
        try:
            study = load_study(open_storage(place_of(server)), "s")
        except LangspecError:
            return []
        owners = {t.number: t.user_attrs.get(claims.OWNER) for t in study.get_trials()}
        return [
            replace(trial, more={"pid": json.loads(owners[trial.number] or "[0, 0]")[1]})
            for trial in records(study)
            if trial.number in owners  # a later one came between the two questions
        ]

    try:
        rng = random.Random(2)
        own, killed = {worker.pid for worker in workers}, set()
        deadline = time.monotonic() + 120
        while len(killed) < 2 and time.monotonic() < deadline:
            time.sleep(0.3 * rng.random())
            at_work = {trial.more["pid"] for trial in found() if trial.state == "RUNNING"}
            for pid in sorted(own & at_work - killed)[:1]:
                os.kill(int(pid), signal.SIGKILL)
                killed.add(pid)
        for worker in workers:
            worker.wait(300)
    finally:
        for worker in workers:
            worker.kill()
    assert sorted(worker.returncode for worker in workers) == [-9, -9, 0, 0]
    # What a worker that was the last to die left is taken up by the next one.
    subprocess.run(command, check=True, timeout=120)
    trials = found()
    failed = [trial for trial in trials if trial.state == "FAIL"]
    assert sum(trial.state in ("COMPLETE", "PRUNED") for trial in trials) == 24
    assert len(trials) == 24 + len(failed)
    assert 1 <= len(failed) <= 2
    assert all(trials[trial.retried_by].values == trial.values for trial in failed)
