"""Signals and launchers, as a user or a scheduler meets them: the command line, real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import CHECKOUT, Make
from langspec.files import read_json, sha256_file

pytestmark = pytest.mark.slow

LONG = ("--set", "train.methods.finetune.overrides={pos: {epochs: 5}}")
TRAIN = ("train", "--task", "pos", "--method", "finetune", *LONG)
LAUNCHED = ("--set", "compute.launch=accelerate/cpu-2.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ready_project: Make) -> Path:
    """A project at size `tiny` that is ready to train."""
    folder = ready_project(tmp_path_factory.mktemp("stop") / "project")
    shutil.copytree(CHECKOUT / "accelerate", folder / "accelerate")
    return folder


def outputs(folder: Path) -> dict[str, str]:
    """Hashes of weights and histories."""
    out = folder / "results" / "tiny" / "train" / "pos" / "finetune"
    files = [*out.glob("seed-*/*.safetensors"), *out.glob("seed-*/*.csv")]
    assert len(files) == 6
    return {file.relative_to(out).as_posix(): sha256_file(file) for file in files}


def stopped(folder: Path, number: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Start a training, send it a signal once there is a checkpoint, and wait."""
    shutil.rmtree(folder / ".langspec" / "checkpoints", ignore_errors=True)
    command = [sys.executable, "-m", "langspec", *TRAIN, *more]
    child = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    end = time.monotonic() + 120
    while not list((folder / ".langspec" / "checkpoints").glob("*/slot-*/state.json")):
        assert child.poll() is None, child.communicate()[1][-2000:]
        assert time.monotonic() < end
        time.sleep(0.1)
    child.send_signal(number)
    told, errors = child.communicate(timeout=120)
    return subprocess.CompletedProcess(command, child.returncode, told, errors)


@pytest.mark.parametrize(
    ("number", "code", "more"),
    [
        (signal.SIGTERM, 143, ()),
        (signal.SIGINT, 130, ("--set", "compute.workers=2")),
        (signal.SIGHUP, 129, ("--set", "compute.workers=2")),
        (signal.SIGTERM, 143, LAUNCHED),
    ],
)
def test_a_stopped_training_saves_ends_in_order_and_goes_on(
    project: Path, langspec, number: int, code: int, more: tuple[str, ...]
) -> None:
    from mlflow import MlflowClient

    langspec(project, *TRAIN, *more)
    before = outputs(project)
    done = stopped(project, number, *more)
    assert done.returncode == code
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"stopped by {signal.Signals(number).name}; the same command goes on")
    if more != LAUNCHED:  # PyTorch's launcher tells of the signal in its own way
        assert "Traceback" not in done.stderr
    assert outputs(project) == before  # those of the run before, untouched
    steps = [
        max(read_json(slot / "state.json")["step"] for slot in folder.glob("slot-*"))
        for folder in (project / ".langspec" / "checkpoints").iterdir()
    ]
    assert any(step % 10 for step in steps)  # checkpoint_steps is 10: this one was asked for
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    states = [run.info.status for run in client.search_runs(experiments)]
    assert "RUNNING" not in states
    assert "KILLED" in states
    again = langspec(project, *TRAIN, *more)
    assert "resumed at step" in again.stderr
    assert outputs(project) == before
    run = read_json(project / "results" / "tiny" / "train" / "pos" / "finetune" / "run.json")
    assert run["processes"] == (2 if more == LAUNCHED else 1)


def test_a_launch_file_is_checked(project: Path, langspec) -> None:
    for text, expected in (
        (None, "compute.launch: accelerate/x.yaml: no such file"),
        ("[1]", "expected a file of `accelerate config`"),
        ("distributed_type: TPU", "distributed_type: found 'TPU', expected one of NO"),
        ("{distributed_type: MULTI_CPU, num_processes: 3, num_machines: 2}", "found 3 on 2"),
        ("{distributed_type: MULTI_CPU, num_processes: zwei}", "num_processes: found 'zwei'"),
    ):
        if text is not None:
            (project / "accelerate" / "x.yaml").write_text(text)
        launch = ("--set", "compute.launch=accelerate/x.yaml")
        done = langspec(project, *TRAIN, *launch, check=False)
        assert done.returncode == 2
        assert expected in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_fewer_processes_than_asked_for_are_refused(project: Path, langspec) -> None:
    """What `accelerate launch --cpu --num_processes 2` does: one process, silently."""
    asked = {"LANGSPEC_LAUNCHED": "accelerate/cpu-2.yaml", "LANGSPEC_PROCESSES": "2"}
    done = langspec(project, *TRAIN, check=False, **asked)
    assert done.returncode == 2
    assert "num_processes is 2, but 1 work together here" in done.stderr


BUSY = """
import time
import torch
from langspec.cli import main
from langspec.interrupts import raised
from langspec.threads import side_by_side

def work(number):
    if number == 1:
        print("at work", flush=True)
    time.sleep(60)

@main.command()
def busy():
    torch.set_num_threads(2)
    list(side_by_side(work, range(4)))

with raised():  # a shell starts what it runs in the background with SIGINT ignored
    main(["busy"])
"""


def test_nobody_waits_for_work_in_threads_once_stopped(tmp_path: Path) -> None:
    """Ctrl-C ends it at once, not when the pieces of work are done that are under way."""
    child = subprocess.Popen(
        [sys.executable, "-c", BUSY], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "at work\n"
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=50)
    assert time.monotonic() - began < 30  # the work itself sleeps for 60
    assert child.returncode == 130
    assert errors.startswith("stopped by SIGINT")


@pytest.mark.parametrize(
    ("file", "processes"), [("cpu-1", 1), ("cpu-2", 2)]
)  # cpu-nodes-2 needs a second machine: test_launch
def test_accelerate_launch_by_hand_trains_in_the_processes_of_its_file(
    project: Path, file: str, processes: int
) -> None:
    """The command that people type; accelerate itself starts one process for a CPU file."""
    command = [str(Path(sys.executable).with_name("accelerate")), "launch"]
    command += ["--config_file", f"accelerate/{file}.yaml", "-m", "langspec", *TRAIN]
    done = subprocess.run(
        command, cwd=project, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    run = read_json(project / "results" / "tiny" / "train" / "pos" / "finetune" / "run.json")
    assert run["processes"] == processes


def test_several_processes_by_hand_without_a_file_are_refused(project: Path) -> None:
    command = [str(Path(sys.executable).with_name("accelerate")), "launch", "--quiet", "--cpu"]
    done = subprocess.run(
        [*command, "--num_processes", "2", "-m", "langspec", *TRAIN], cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "compute.launch=accelerate/cpu-2.yaml" in line
