"""Starting a training in several processes, as a file of ``accelerate config`` says.

``accelerate launch`` starts one process for a CPU file, whatever ``num_processes`` says, so CPU
processes are started by PyTorch's own launcher; in either case the processes count themselves.
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

LAUNCHED = "LANGSPEC_LAUNCHED"  # the file that this process was started by
PROCESSES = "LANGSPEC_PROCESSES"  # how many it asked for
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
        """What the processes are told beside it."""
        own = {LAUNCHED: str(self.path), PROCESSES: str(self.processes)}
        if self.cpu:
            own |= {"ACCELERATE_USE_CPU": "true", "ACCELERATE_MIXED_PRECISION": self.precision}
        return own


def read_launch(path: Path, environment: Mapping[str, str] = os.environ) -> Launch:
    """Read a file; ``NODE_RANK`` (or ``SLURM_NODEID``) and ``MASTER_ADDR`` say which machine.

    Raises:
        LangspecError: there is no such file, or it asks for what this program does not do.
    """
    from ruamel.yaml import YAML, YAMLError

    place = f"compute.launch: {path}"
    try:
        values: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LangspecError("no such file; expected one as in accelerate/", place=place) from None
    except (OSError, YAMLError) as error:
        raise LangspecError(str(error), place=place) from None
    if not isinstance(values, dict):
        raise LangspecError("expected a file of `accelerate config`", place=place)
    kinds = ("NO", "MULTI_CPU", "MULTI_GPU")
    kind = values.get("distributed_type")
    if kind not in kinds:
        raise LangspecError(
            f"distributed_type: found {kind!r}, expected one of {', '.join(kinds)}", place=place
        )
    counts = {key: values.get(key, 1) for key in ("num_processes", "num_machines")}
    for key, found in counts.items():
        if not isinstance(found, int) or found < 1:
            raise LangspecError(f"{key}: found {found!r}, expected 1 or more", place=place)
    processes, machines = counts["num_processes"], counts["num_machines"]
    if processes % machines or (kind == "NO") != (processes == 1):
        raise LangspecError(
            f"num_processes: found {processes} on {machines} machines with distributed_type "
            f"{kind}; expected as many on each, and more than one unless it is NO",
            place=place,
        )
    rank = environment.get("NODE_RANK") or environment.get("SLURM_NODEID")
    return Launch(
        path=path,
        processes=processes,
        machines=machines,
        rank=int(rank or values.get("machine_rank", 0)),
        address=environment.get("MASTER_ADDR") or values.get("main_process_ip") or "127.0.0.1",
        port=int(values.get("main_process_port") or 29500),
        cpu=bool(values.get("use_cpu")),
        precision=str(values.get("mixed_precision", "no")),
    )


def is_launched() -> bool:
    """Was this process started by :func:`launch`?"""
    return LAUNCHED in os.environ


def launch(path: Path, arguments: list[str]) -> int:
    """Run ``python -m ARGUMENTS`` in the processes that a file asks for; their exit code.

    A signal is handed on, and what the processes then save is waited for.
    """
    asked = read_launch(path)
    environment = {**os.environ, **asked.variables()}
    with subprocess.Popen(asked.command(arguments), env=environment) as process:
        try:
            return process.wait()
        except Terminated:
            process.terminate()
            try:
                process.wait(_SAVING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def check_processes(found: int) -> None:
    """Refuse another number of processes than the file asks for (a launcher may fall back)."""
    wanted = int(os.environ.get(PROCESSES, found))
    if found != wanted:
        raise LangspecError(
            f"num_processes is {wanted}, but {found} work together here; are there as many GPUs?",
            place=f"compute.launch: {os.environ[LAUNCHED]}",
        )
