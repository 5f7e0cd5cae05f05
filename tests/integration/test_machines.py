"""Two machines, three services: the commands of docs/machines.md, and what they leave where."""

from __future__ import annotations

import contextlib
import csv
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import postgres_server
from conftest import CHECKOUT, make_project
from langspec.tuning.records import TrialRecord

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PAGE = (CHECKOUT / "docs" / "machines.md").read_text(encoding="utf-8")
TRIALS = 8
SMALL = f"--trials {TRIALS} --workers 1 --rows 100 --set tune.tokens_per_language=40"
# A folder that programs below may not touch: Python tells of whatever it opens.
GUARD = """
import os, sys

FORBIDDEN = os.environ["FORBIDDEN"]  # once: some programs empty their environment for a while

def refuse(event, arguments):
    if event == "open" or (event.startswith("os.") and event != "os.putenv"):
        for value in arguments:
            if isinstance(value, (str, bytes)) and FORBIDDEN in os.fsdecode(value):
                print("touched", value, file=sys.stderr, flush=True)
                os._exit(99)

sys.addaudithook(refuse)
"""


def commands(heading: str, changes: dict[str, str]) -> str:
    """The block of commands below a heading of the page, with names of one's own in it."""
    found = re.search(rf"^## {heading}\n.*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert found, heading
    script = found[1]
    for name, value in changes.items():
        assert name in script, (heading, name)
        script = script.replace(name, value)
    return script


def variables(**more: str) -> dict[str, str]:
    """This process's, without what would lead elsewhere."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "LANGSPEC_", "PG", "GIT_", "DVC_"))
    }
    binaries = os.pathsep.join([str(Path(sys.executable).parent), postgres_server.programs()])
    git = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "me"), ("EMAIL", "me@example.org"))
    }
    return {**own, **git, "PATH": binaries, "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def run(script: str, folder: Path, **more: str) -> None:
    """A script of the page, in a folder."""
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=folder, env=variables(**more),
        capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"


@dataclass(frozen=True)
class Services:
    """Where they are."""

    database: str  # host:port
    tracking: str
    artifacts: Path
    remote: Path


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """PostgreSQL with both databases, MLflow on one of them, a folder for DVC."""
    folder = tmp_path_factory.mktemp("services")
    with postgres_server.running() as url:
        database = url.removeprefix("postgresql://me@").removesuffix("/postgres")
        host, _, port = database.partition(":")
        run(
            commands("PostgreSQL", {"sudo -u postgres ": ""}),
            folder,
            PGHOST=host, PGPORT=port, PGUSER="me", PGDATABASE="postgres",
        )  # fmt: skip
        tracking = f"127.0.0.1:{postgres_server.free_port()}"
        artifacts = folder / "of the server alone"
        script = commands(
            "MLflow",
            {
                "db.example": database,
                "/srv/langspec/artifacts": f"'{artifacts}'",
                "0.0.0.0": "127.0.0.1",
                "--port 5000": f"--port {tracking.partition(':')[2]}",
                "tracking.example:5000": tracking,
            },
        )
        log = folder / "mlflow.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                ["bash", "-eu", "-c", script], cwd=folder, env=variables(),
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(f"http://{tracking}/health", server, log)
            yield Services(database, f"http://{tracking}", artifacts, folder / "remote")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=30).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the MLflow server did not start: {log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def machines(services: Services, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two checkouts with roots of their own; the second got its data from the remote."""
    folder = tmp_path_factory.mktemp("machines")
    first = make_project(folder / "first")
    shutil.copy(CHECKOUT / ".gitignore", first)
    run("git init -q && dvc init -q && git add . && git commit -qm 'A checkout'", first)
    run(commands("DVC remote", {"/mnt/langspec/dvc": f"'{services.remote}'"}), first)
    run(
        commands("Every other machine", {"https://git.example/langspec machine": "first second",
                                         "cd machine": "cd second"}),
        folder,
    )  # fmt: skip
    return [first, folder / "second"]


@pytest.fixture(scope="module")
def swept(services: Services, machines: list[Path]) -> list[Path]:
    """Both machines have worked on the sweep, side by side, without the server's folder."""
    guard = machines[0].parent / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    guarded = variables(PYTHONPATH=str(guard), FORBIDDEN=str(services.artifacts))
    probe = f"open({str(services.artifacts / 'x')!r}, 'w')"
    done = subprocess.run([sys.executable, "-c", probe], env=guarded, check=False)
    assert done.returncode == 99  # the guard sees what it should
    script = commands(
        "A sweep on all of them",
        {
            "http://tracking.example:5000": services.tracking,
            "db.example": services.database,
            "--trials 200 --workers 8": SMALL,
        },
    )
    sweeps = [
        subprocess.Popen(
            ["bash", "-eu", "-c", script], cwd=machine, env=guarded,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for machine in machines
    ]  # fmt: skip
    try:
        for sweep in sweeps:
            told, _ = sweep.communicate(timeout=900)
            assert sweep.returncode == 0, told[-3000:]
    finally:
        for sweep in sweeps:
            sweep.kill()
    return machines


@pytest.fixture(scope="module")
def study(services: Services, swept: list[Path]) -> Any:
    """The study, as Optuna has it."""
    from langspec.tuning.storage import open_storage, place_of
    from langspec.tuning.study import load_study

    url = f"postgresql://langspec:secret@{services.database}/studies"
    return load_study(open_storage(place_of(url)), "tiny-pos-grl")


@pytest.fixture(scope="module")
def trials(study: Any) -> list[TrialRecord]:
    from langspec.tuning.outcome import records

    return list(records(study))


def runs_of(services: Services, kind: str) -> list[Any]:
    """Runs of sweeps that the server has: ``parent`` or ``trial``."""
    from mlflow import MlflowClient

    client = MlflowClient(services.tracking)
    ids = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(ids, f"tags.`langspec.sweep` = '{kind}'"))


def test_machines_meet_on_a_new_database(services: Services) -> None:
    from langspec.tuning.storage import open_storage, place_of

    host, _, port = services.database.partition(":")
    for number in range(3):
        run(f"createdb -O langspec new{number}", CHECKOUT, PGHOST=host, PGPORT=port, PGUSER="me")
        place = place_of(f"postgresql://langspec:secret@{services.database}/new{number}")
        together = threading.Barrier(8)

        def meet(place: Any = place, together: Any = together) -> int:
            together.wait()
            return len(open_storage(place).get_all_studies())

        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(meet) for _ in range(8)]
            assert [each.result() for each in found] == [0] * 8
        del found
        gc.collect()  # connections of storages that nobody holds close with them


def test_the_second_machine_has_the_data_of_the_first(machines: list[Path]) -> None:
    from langspec.files import sha256_folder

    for part in ("data/corpora/tiny", "data/encoders/tiny"):
        first, second = (sha256_folder(machine / part) for machine in machines)
        assert first == second


def test_both_machines_worked_on_one_study(study: Any, trials: list[TrialRecord]) -> None:
    from langspec.tuning.claims import OWNER

    assert len(trials) == TRIALS
    assert {trial.state for trial in trials} <= {"COMPLETE", "PRUNED"}
    owners = {json.loads(trial.user_attrs[OWNER])[1] for trial in study.get_trials()}
    assert len(owners) == 2


def test_the_runs_are_the_trials(services: Services, trials: list[TrialRecord]) -> None:
    (parent,) = runs_of(services, "parent")
    found = runs_of(services, "trial")
    children = {int(run.data.tags["langspec.trial"]): run for run in found}
    assert len(found) == len(children) == TRIALS
    for trial in trials:
        run = children[trial.number]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}[trial.state]
        assert run.data.metrics["sweep/score"] == pytest.approx(trial.score, rel=1e-4)
        assert run.data.params == {name: str(value) for name, value in trial.values.items()}


def test_artifacts_went_through_the_proxy(services: Services, swept: list[Path]) -> None:
    (parent,) = runs_of(services, "parent")
    root = parent.info.artifact_uri
    assert root.startswith("mlflow-artifacts:")
    path = f"{root.split('/', 1)[1].lstrip('/')}/sweep"
    base = f"{services.tracking}/api/2.0/mlflow-artifacts/artifacts"
    with urllib.request.urlopen(f"{base}?path={path}") as answer:
        names = {file["path"] for file in json.load(answer)["files"]}
    assert "trials.csv" in names
    assert any(name.endswith(".png") for name in names)
    with urllib.request.urlopen(f"{base}/{path}/trials.csv") as answer:
        served = answer.read()
    assert served == (services.artifacts / path / "trials.csv").read_bytes()
    local = [machine / ".langspec/studies/tiny-pos-grl/trials.csv" for machine in swept]
    assert served in [file.read_bytes() for file in local]
    assert 0 < len(list(csv.DictReader(served.decode().splitlines()))) <= TRIALS
