"""Starting a training in several processes, as a file of ``accelerate config`` asks for.

For a CPU file ``accelerate launch`` starts one process, whatever ``num_processes`` says.
PyTorch's launcher therefore starts CPU processes. :func:`check_processes` compares how many were
started with how many the file asks for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langspec.errors import LangspecError
from langspec.interrupts import Terminated

LAUNCHED = "LANGSPEC_LAUNCHED"  # the file that started this process
PROCESSES = "LANGSPEC_PROCESSES"  # how many processes the file asks for
_SAVING_SECONDS = 90


@dataclass(frozen=True)
class Launch:
    """What a file of ``accelerate config`` asks for."""

    path: Path
    processes: int
    machines: int
    rank: int
    address: str
    port: int
    cpu: bool
    precision: str

    def command(self, arguments: list[str]) -> list[str]:
        """The command that runs ``python -m ARGUMENTS`` in every process of this machine."""
        many = self.machines > 1
        if self.cpu:
            starts = [sys.executable, "-m", "torch.distributed.run"]
            starts += [f"--nproc_per_node={self.processes // self.machines}"]
            place = [f"--nnodes={self.machines}", f"--node_rank={self.rank}"]
            place += [f"--master_addr={self.address}", f"--master_port={self.port}"]
            return [*starts, *(place if many else ["--standalone"]), "-m", *arguments]
        starts = [sys.executable, "-m", "accelerate.commands.launch"]
        starts += ["--config_file", str(self.path)]
        place = ["--machine_rank", str(self.rank), "--main_process_ip", self.address]
        return [*starts, *(place if many else []), "-m", *arguments]

    def variables(self) -> dict[str, str]:
        """Environment variables of the processes."""
        variables = {LAUNCHED: str(self.path), PROCESSES: str(self.processes)}
        if self.cpu:
            variables["ACCELERATE_USE_CPU"] = "true"
            variables["ACCELERATE_MIXED_PRECISION"] = self.precision
        return variables


def read_launch(path: Path, environment: Mapping[str, str] = os.environ) -> Launch:
    """Read a file of ``accelerate config``.

    Args:
        path: of the file.
        environment: ``NODE_RANK`` (or ``SLURM_NODEID``) is the number of this machine,
            ``MASTER_ADDR`` the address of the first one.

    Raises:
        LangspecError: there is no such file, or it asks for something that is not supported.
    """
    from ruamel.yaml import YAML, YAMLError

    place = f"compute.launch: {path}"
    try:
        values: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LangspecError("no such file; expected one as in accelerate/", place=place) from None
    except (OSError, YAMLError, ValueError, RecursionError) as error:
        raise LangspecError(
            f"{error}; expected a file of `accelerate config`", place=place
        ) from None
    if not isinstance(values, dict):
        raise LangspecError("expected a file of `accelerate config`", place=place)
    kinds = ("NO", "MULTI_CPU", "MULTI_GPU")
    kind = values.get("distributed_type")
    if kind not in kinds:
        raise LangspecError(
            f"distributed_type: found {kind!r}, expected one of {', '.join(kinds)}", place=place
        )
    counts = {key: values.get(key, 1) for key in ("num_processes", "num_machines")}
    for key, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise LangspecError(f"{key}: found {count!r}, expected 1 or more", place=place)
    processes, machines = counts["num_processes"], counts["num_machines"]
    if processes % machines or (kind == "NO") != (processes == 1):
        raise LangspecError(
            f"num_processes: found {processes} on {machines} machines with distributed_type "
            f"{kind}; expected as many on each, and more than one unless it is NO",
            place=place,
        )
    rank, named = values.get("machine_rank", 0), f"{place}: machine_rank"
    for variable in ("SLURM_NODEID", "NODE_RANK"):  # the latter wins
        if environment.get(variable):
            rank, named = environment[variable], f"environment variable {variable}"
    rank = _number(rank, machines - 1, named)
    port = values.get("main_process_port") or 29500
    return Launch(
        path=path,
        processes=processes,
        machines=machines,
        rank=rank,
        address=environment.get("MASTER_ADDR") or values.get("main_process_ip") or "127.0.0.1",
        port=_number(port, 65535, f"{place}: main_process_port"),
        cpu=bool(values.get("use_cpu")),
        precision=str(values.get("mixed_precision", "no")),
    )


def _number(value: object, most: int, place: str) -> int:
    """A whole number from 0 to ``most``.

    Raises:
        LangspecError: it is none.
    """
    text = str(value)
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise LangspecError(f"found {value!r}, expected 0 to {most}", place=place)
    return int(text)


def is_launched() -> bool:
    """Whether :func:`launch` started this process."""
    return LAUNCHED in os.environ


def launch(wanted: Launch, arguments: list[str]) -> int:
    """Run ``python -m ARGUMENTS`` in the processes that a file asks for.

    A signal is passed on to them; this process then waits until they have saved their work.

    Returns:
        The exit code.
    """
    environment = {**os.environ, **wanted.variables()}
    with subprocess.Popen(wanted.command(arguments), env=environment) as process:
        try:
            return process.wait()
        except Terminated:
            process.terminate()
            try:
                process.wait(_SAVING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def check_processes(started: int) -> None:
    """Refuse another number of processes than the file asks for: a launcher may start fewer.

    Raises:
        LangspecError: the numbers differ.
    """
    wanted = int(os.environ.get(PROCESSES, started))
    if started != wanted:
        raise LangspecError(
            f"num_processes is {wanted}, but {started} work together here; "
            "are there as many GPUs?",
            place=f"compute.launch: {os.environ[LAUNCHED]}",
        )


def check_gpus() -> None:
    """Refuse more processes than this machine has GPUs: two on one would wait for each other.

    Raises:
        LangspecError: a launcher has started more.
    """
    import torch

    from langspec.compute import device_type

    if device_type() == "cpu":
        return
    gpus, started = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if 0 < gpus < started:
        raise LangspecError(
            f"{started} processes on a machine with {gpus} GPU{'s' * (gpus > 1)}: each needs its "
            f"own; start {gpus}, or train a seed a GPU with CUDA_VISIBLE_DEVICES",
            place="compute.launch",
        )
