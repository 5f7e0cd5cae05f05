"""A store of runs that is lost in the middle of the work: the work goes on without it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

import postgres_server
from conftest import Make
from langspec.errors import LangspecError
from langspec.tracking import link
from langspec.tracking import tags as names
from langspec.tracking.runs import Tracker
from langspec.tracking.store import Store

DOWN = MlflowException("API request failed: Connection refused")


class Switch:
    """A client whose calls fail while it is off."""

    def __init__(self, client: Any) -> None:
        self._client, self.on, self.calls = client, True, 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if not self.on:
                raise DOWN
            return value(*arguments, **named)

        return call


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("LANGSPEC_PARENT_RUN_ID", raising=False)
    monkeypatch.setattr(link, "RETRY_SECONDS", 0.0)
    tracker = Tracker.open(root=tmp_path)
    tracker.client = Switch(tracker.client)  # type: ignore[assignment]
    return tracker


def runs(tracker: Tracker) -> list[Run]:
    switch = tracker.client
    assert isinstance(switch, Switch)
    switch.on = True
    ids = [one.experiment_id for one in switch.search_experiments()]
    return list(switch.search_runs(ids))


def turn(tracker: Tracker, *, on: bool) -> None:
    assert isinstance(tracker.client, Switch)
    tracker.client.on = on


def test_metrics_wait_until_the_store_is_back(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    with tracker.start_run(experiment="e", name="r", stage="train") as run:
        turn(tracker, on=False)
        for step in range(3):
            run.log_metrics({"loss": float(step)}, step)
            run.flush()
        turn(tracker, on=True)
    (found,) = runs(tracker)
    assert found.info.status == "FINISHED"  # nothing is missing
    assert found.data.metrics["loss"] == 2.0
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert ["lost" in line for line in told] == [True, False]  # once, however often it fails
    assert "answers again" in told[1]


def test_a_run_that_misses_something_is_not_finished(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    with tracker.start_run(experiment="e", name="r", stage="train") as run:
        turn(tracker, on=False)
        run.set_tags({"a": "b"})
        turn(tracker, on=True)
    (found,) = runs(tracker)
    assert found.info.status == "KILLED"
    assert "langspec replay" in found.data.tags[names.FAILURE]
    assert "langspec replay" in caplog.records[-1].message


def test_a_store_that_stays_away_ends_nothing(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    done = []
    with tracker.start_run(experiment="e", name="r", stage="train") as parent:
        turn(tracker, on=False)
        parent.log_params({"x": 1})
        with tracker.start_run(
            experiment="e", name="s", stage="train", parent_run_id=parent.run_id
        ) as child:
            child.log_metrics({"loss": 1.0}, 1)
            done.append(child.run_id)
    assert done == [""]  # no run could be started for it, and its body ran
    assert "langspec replay" in caplog.records[-1].message
    assert [run.info.status for run in runs(tracker)] == ["RUNNING"]  # until it is reaped


def test_an_error_of_the_work_is_not_hidden(tracker: Tracker) -> None:
    def fail() -> None:
        with tracker.start_run(experiment="e", name="r", stage="train"):
            turn(tracker, on=False)
            raise ZeroDivisionError("of the work")

    with pytest.raises(ZeroDivisionError, match="of the work"):
        fail()


def test_a_file_that_cannot_be_read_is_no_lost_store(tracker: Tracker) -> None:
    with pytest.raises(FileNotFoundError):
        tracker.link.send(lambda: Path("results.csv").read_text(encoding="utf-8"), None)
    assert tracker.link.whole


def test_a_lost_store_is_left_alone_for_a_while(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RETRY_SECONDS", 60.0)
    switch = tracker.client
    assert isinstance(switch, Switch)
    with tracker.start_run(experiment="e", name="r", stage="train") as run:
        turn(tracker, on=False)
        run.set_tags({"a": "b"})
        before = switch.calls
        for step in range(20):
            run.log_metrics({"loss": 0.0}, step)
            run.flush()
        assert switch.calls == before


def test_the_end_of_a_run_tries_a_store_that_is_left_alone(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RETRY_SECONDS", 60.0)
    with tracker.start_run(experiment="e", name="r", stage="train") as run:
        turn(tracker, on=False)
        run.log_metrics({"loss": 1.0}, 1)
        run.flush()
        turn(tracker, on=True)
    (found,) = runs(tracker)
    assert (found.info.status, found.data.metrics["loss"]) == ("FINISHED", 1.0)


def test_a_command_that_only_writes_runs_needs_the_store(tracker: Tracker) -> None:
    needing = link.Link("store", required=True)

    def down() -> None:
        raise DOWN

    with pytest.raises(LangspecError, match=r"store: the store of runs was lost .*run the same"):
        needing.send(down, None)


def started(command: list[str], folder: Path, answers: Callable[[], bool]) -> Any:
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    end = time.monotonic() + 300
    while not answers():
        assert server.poll() is None, (folder / "server.log").read_text()[-2000:]
        assert time.monotonic() < end
        time.sleep(0.3)
    return server


def ended(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


class MlflowServer:
    """A server of runs on loopback, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, f"http://127.0.0.1:{postgres_server.free_port()}"
        self.command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1",
            "--port", self.address.rpartition(":")[2],
            "--backend-store-uri", f"sqlite:///{folder}/s.db",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address}/health", timeout=5).close()
        except OSError:
            return False
        return True

    def start(self) -> subprocess.Popen[bytes]:
        server: subprocess.Popen[bytes] = started(self.command, self.folder, self.answers)
        return server

    def states(self) -> list[str]:
        client = Tracker(Store(self.address, None)).client
        assert client is not None
        ids = [one.experiment_id for one in client.search_experiments()]
        return [run.info.status for run in client.search_runs(ids)]


def training(folder: Path, address: str, *, epochs: int) -> subprocess.Popen[str]:
    """A training whose runs a server has, once it has written a checkpoint."""
    train = [sys.executable, "-m", "langspec", "train", "--task", "pos", "--method", "finetune"]
    train += ["--set", f"train.methods.finetune.overrides={{pos: {{epochs: {epochs}}}}}"]
    child = subprocess.Popen(
        [*train, "--set", "tracking.flush_seconds=1"], cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": address, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 300
    while not list((folder / ".langspec" / "checkpoints").glob("*/slot-*/state.json")):
        assert child.poll() is None, child.communicate()[1][-2000:]
        assert time.monotonic() < end
        time.sleep(0.05)
    return child


@pytest.mark.slow
def test_a_server_is_killed_in_the_middle_of_a_training(
    tmp_path: Path, ready_project: Make, langspec: Any
) -> None:
    """The training ends with code 0 and the same bits; a replay makes its runs whole."""
    folder = ready_project(tmp_path / "project")
    of_runs = MlflowServer(tmp_path)
    server = of_runs.start()
    child = training(folder, of_runs.address, epochs=5)
    ended(server)
    _, told = child.communicate(timeout=400)
    assert child.returncode == 0, told[-2000:]
    assert told.count("the store of runs was lost") == 1
    assert "run langspec replay" in told
    assert "Traceback" not in told

    server = of_runs.start()
    try:
        langspec(folder, "replay", MLFLOW_TRACKING_URI=of_runs.address)
        states = of_runs.states()
        assert "RUNNING" not in states
        assert states.count("FINISHED") >= 2  # the method and its seeds
    finally:
        ended(server)


@pytest.mark.hostile
@pytest.mark.slow
def test_a_server_comes_back_in_the_middle_of_a_training(
    tmp_path: Path, ready_project: Make
) -> None:
    """It is tried again, gets what waited, and the work ends as if it had never been away."""
    folder = ready_project(tmp_path / "project")
    of_runs = MlflowServer(tmp_path)
    ended(of_runs.start())
    server = of_runs.start()  # the store is made
    try:
        child = training(folder, of_runs.address, epochs=100)
        ended(server)
        time.sleep(3)
        server = of_runs.start()
        _, told = child.communicate(timeout=900)
        assert child.returncode == 0, told[-2000:]
        assert "Traceback" not in told
        if "the store of runs was lost" in told:  # else nothing was sent meanwhile
            assert "the store of runs answers again" in told
        assert "FINISHED" in of_runs.states()
        assert "RUNNING" not in of_runs.states()
    finally:
        ended(server)
