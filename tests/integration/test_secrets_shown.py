"""The passwords of the store of runs and of a sweep's storage are shown nowhere.

The server of runs asks for none, so that a command works as far as it does with the right one.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_tracking_lost import MlflowServer, ended

import postgres_server
from conftest import Make, Run
from langspec import presets

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

SECRET = "pa55-w0rd"
WRITTEN = f"{SECRET}%40x"
"""As it stands in an address: it ends in ``@x``."""
FORMS = [SECRET.encode(), b64encode(f"user:{SECRET}@x".encode())[:16]]
VALUES = [
    "train.tasks=[pos]",
    "train.run=[frozen]",
    "train.also.run=[]",
    "train.seeds=[1]",
    "evaluate.trajectory.of=[]",
    "evaluate.compat.run=[]",
    "evaluate.conditional.run=false",
    "evaluate.geometry.run=false",
    "evaluate.beyond.run=[]",
    "evaluate.erasers.run=[leace]",
    "evaluate.erasers.of=[frozen]",
    "evaluate.erasers.layers=head",
    "tune.trials=0",
]


@contextmanager
def watched() -> Iterator[set[str]]:
    """Command lines with the password, of any process while the body runs."""
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for process in psutil.process_iter(["cmdline"]):
                line = " ".join(process.info["cmdline"] or [])
                if SECRET in line:
                    seen.add(line)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def holding(folder: Path) -> list[str]:
    """Files below a folder that hold the password in any form, but for the file that names it."""
    return [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and file.name != "params.yaml"
        and any(form in file.read_bytes() for form in FORMS)
    ]


def with_password(address: str, user: str) -> str:
    return address.replace("://", f"://{user}:{WRITTEN}@", 1)


def test_a_whole_run_shows_no_password(tmp_path: Path, ready_project: Make, langspec: Run) -> None:
    """Neither in logs, params, tags, pages, results and the registry, nor in ps."""
    project = ready_project(tmp_path / "project")
    of_runs = MlflowServer(tmp_path)
    server = of_runs.start()
    uri = with_password(of_runs.address, "user")
    presets.change([f"tracking.uri={uri}", *VALUES], project / "params.yaml")
    said: list[str] = []

    def run(*arguments: str, **variables: Any) -> int:
        done = langspec(project, *arguments, **variables)
        said.extend([done.stdout, done.stderr])
        return done.returncode

    try:
        with watched() as command_lines, postgres_server.running() as database:
            storage = with_password(database.replace("me@", ""), "me")
            for command in (
                "train --task pos --method frozen",
                "evaluate --task pos",
                "tune",
                "report",
                "register",
                "replay",
                "doctor",
            ):
                assert run(*command.split(), check=command != "doctor") in (0, 1)
            sweep = "sweep --task pos --method finetune --study s --trials 2 --workers 2"
            run(*sweep.split(), "--set", "tune.epochs=1", LANGSPEC_STUDIES=storage)
            run("adopt", "s", LANGSPEC_STUDIES=storage)
        ended(server)
        for command in ("replay", "doctor"):
            assert run(*command.split(), check=False) != 0, command  # no server
            run("--debug", *command.split(), check=False)
        run(*sweep.split(), check=False, LANGSPEC_STUDIES=storage)  # no database
    finally:
        ended(server)
    assert command_lines == set()
    lines = [line for text in said for line in text.splitlines()]
    assert not [line for line in lines if any(form in line.encode() for form in FORMS)]
    assert (tmp_path / "s.db").stat().st_size > 100_000
    assert holding(tmp_path) == []
    assert any("***" in text for text in said)  # what was looked for would have been shown


def test_the_search_finds_a_password(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"x {SECRET}@x")
    (tmp_path / "params.yaml").write_text(SECRET)
    assert holding(tmp_path) == ["a.txt"]
    with watched() as command_lines:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", SECRET], check=True)
    assert len(command_lines) == 1
