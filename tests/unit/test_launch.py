"""The files of accelerate/: what each starts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import CHECKOUT
from langspec import launch
from langspec.accelerate_launch import asked_for, read_command
from langspec.errors import LangspecError

FILES = sorted((CHECKOUT / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_starts_what_its_name_says(path: Path) -> None:
    found = launch.read_launch(path, {})
    command = " ".join(found.command(["langspec", "train"]))
    variables = found.variables()
    assert command.endswith("-m langspec train")
    # A CPU file goes to PyTorch's launcher: accelerate's own would start one process.
    assert ("torch.distributed.run" in command) == path.stem.startswith("cpu")
    assert ("accelerate.commands.launch" in command) == ("cpu" not in path.stem)
    assert variables["LANGSPEC_PROCESSES"] == str(found.processes)
    assert ("ACCELERATE_USE_CPU" in variables) == found.cpu == ("cpu" in path.stem)
    wanted = {"cpu-1": 1, "cpu-2": 2, "gpus-8": 8, "nodes-2x8": 16, "cpu-nodes-2": 2}
    assert found.processes == wanted.get(path.stem, 1)
    assert found.machines == (2 if "nodes" in path.stem else 1)


def test_a_machine_is_told_its_place_by_the_environment() -> None:
    for name in ("nodes-2x8", "cpu-nodes-2"):
        path = CHECKOUT / "accelerate" / f"{name}.yaml"
        where = {"SLURM_NODEID": "1", "MASTER_ADDR": "10.0.0.7"}
        command = launch.read_launch(path, where).command(["langspec"])
        text = " ".join(command).replace("=", " ")
        assert "10.0.0.7" in text
        assert "_rank 1" in text
    assert "--nproc_per_node=1" in command  # two processes on two machines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no such file"),
        ("[1]", "expected a file of `accelerate config`"),
        ("a: [", "x.yaml: "),
        ("distributed_type: TPU", "distributed_type: found 'TPU', expected one of NO"),
        ("{distributed_type: MULTI_CPU, num_processes: 3, num_machines: 2}", "found 3 on 2"),
        ("{distributed_type: 'NO', num_processes: 2}", "more than one unless it is NO"),
        ("{distributed_type: MULTI_CPU, num_processes: zwei}", "num_processes: found 'zwei'"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str | None, expected: str) -> None:
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LangspecError, match=r"^compute\.launch: ") as refused:
        launch.read_launch(path, {})
    assert expected in str(refused.value)


TRAIN = "-m langspec train --task pos --method grl --set train.clip=0.5"


@pytest.mark.parametrize(
    ("command", "processes", "rank"),
    [
        ("python /bin/accelerate launch --config_file accelerate/cpu-2.yaml", 2, 0),
        ("python /bin/accelerate launch --config-file=accelerate/cpu-2.yaml", 2, 0),
        ("python -m accelerate.commands.launch --config_file accelerate/cpu-2.yaml", 2, 0),
        ("python /bin/accelerate-launch --config_file accelerate/cpu-2.yaml", 2, 0),
        ("accelerate launch --config_file accelerate/cpu-2.yaml --num_processes 3", 3, 0),
        ("accelerate launch --config_file accelerate/cpu-nodes-2.yaml --machine_rank 1", 2, 1),
    ],
)
def test_what_accelerate_launch_was_asked_for_is_started(
    monkeypatch: pytest.MonkeyPatch, command: str, processes: int, rank: int
) -> None:
    monkeypatch.chdir(CHECKOUT)
    wanted = read_command([*command.split(), *TRAIN.split()], {})
    assert wanted is not None
    assert (wanted.processes, wanted.rank) == (processes, rank)
    assert "torch.distributed.run" in wanted.command(["langspec"])


@pytest.mark.parametrize(
    "command",
    [
        "accelerate launch --config_file accelerate/cpu-1.yaml",
        "accelerate launch --config_file accelerate/gpus-8.yaml",  # starts eight by itself
        "accelerate launch --cpu --num_processes 1",
        "accelerate launch",
        "bash -c langspec",
        "",
    ],
)
def test_one_process_trains_by_itself(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(CHECKOUT)
    assert read_command([*command.split(), *TRAIN.split()], {"HF_HOME": "/nowhere"}) is None


def test_the_file_that_accelerate_config_writes_is_read(tmp_path: Path) -> None:
    """`accelerate launch` takes it where no file is named, but with --cpu."""
    file = tmp_path / "accelerate" / "default_config.yaml"
    file.parent.mkdir()
    file.write_bytes((CHECKOUT / "accelerate" / "cpu-2.yaml").read_bytes())
    launch_it, home = ["accelerate", "launch", *TRAIN.split()], {"HF_HOME": str(tmp_path)}
    wanted = read_command(launch_it, home)
    assert wanted is not None
    assert (wanted.processes, wanted.path) == (2, file)
    assert read_command(["accelerate", "launch", "--cpu", *TRAIN.split()], home) is None
    file.write_text("distributed_type: TPU")
    with pytest.raises(LangspecError, match=r"default_config\.yaml: distributed_type: found"):
        read_command(launch_it, home)


@pytest.mark.parametrize(
    ("environment", "text", "expected"),
    [
        ({"NODE_RANK": "first"}, "", r"NODE_RANK: found 'first'"),
        ({}, "machine_rank: first", r"machine_rank: found 'first'"),
        ({}, "main_process_port: a door", r"main_process_port: found 'a door'"),
        ({}, "machine_rank: 2", r"machine_rank: found 2, expected 0 to 1"),
    ],
)
def test_the_place_of_a_machine_is_a_number(
    tmp_path: Path, environment: dict[str, str], text: str, expected: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"distributed_type: MULTI_CPU\nnum_processes: 2\nnum_machines: 2\n{text}\n")
    with pytest.raises(LangspecError, match=expected):
        launch.read_launch(path, environment)


def test_several_processes_without_a_file_are_refused() -> None:
    command = ["accelerate", "launch", "--cpu", "--num_processes", "2", *TRAIN.split()]
    with pytest.raises(LangspecError, match=r"--set compute\.launch=accelerate/cpu-2\.yaml"):
        read_command(command, {})


def test_only_what_accelerate_launch_started_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(pid: int) -> list[str]:
        return ["accelerate", "launch", "--config_file", str(CHECKOUT / "accelerate/cpu-2.yaml")]

    monkeypatch.setattr("langspec.accelerate_launch._command_of", asked)
    started = {"ACCELERATE_MIXED_PRECISION": "no"}
    assert asked_for({}) is None
    assert asked_for(started | {"WORLD_SIZE": "2"}) is None
    assert asked_for(started) is not None


def test_processes_count_themselves(monkeypatch) -> None:
    launch.check_processes(3)
    monkeypatch.setenv(launch.LAUNCHED, "accelerate/cpu-2.yaml")
    monkeypatch.setenv(launch.PROCESSES, "2")
    assert launch.is_launched()
    launch.check_processes(2)
    with pytest.raises(LangspecError, match=r"cpu-2\.yaml: num_processes is 2, but 1 work"):
        launch.check_processes(1)


def test_more_processes_than_gpus_are_refused(monkeypatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    launch.check_gpus()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(LangspecError, match="2 processes on a machine with 1 GPU: each needs its"):
        launch.check_gpus()
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    launch.check_gpus()
