"""A training started by hand with ``accelerate launch``, in fewer processes than its file says.

For a CPU file ``accelerate launch`` starts one process, whatever ``num_processes`` says. That
process then starts them itself, as ``compute.launch`` does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from langspec.errors import LangspecError
from langspec.launch import Launch, read_launch

_STARTED = "ACCELERATE_MIXED_PRECISION"  # set by accelerate launch in what it starts
_LAUNCHERS = ("launch", "accelerate.commands.launch")
_WORLD = "WORLD_SIZE"  # set by a launcher that starts several processes


def asked_for(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What the ``accelerate launch`` that started this process asks for; None: one process.

    Raises:
        LangspecError: it asks for several processes without a file.
    """
    if _STARTED not in environment or _WORLD in environment:
        return None
    return read_command(_command_of(os.getppid()), environment)


def read_command(command: Sequence[str], environment: Mapping[str, str]) -> Launch | None:
    """As :func:`asked_for`, from the words of the command line of ``accelerate launch``."""
    starts = [
        n
        for n, word in enumerate(command)
        if word in _LAUNCHERS or Path(word).name == "accelerate-launch"
    ]
    if not starts or not any("accelerate" in word for word in command):
        return None
    words = list(command[starts[0] + 1 :])
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("config_file", "main_process_ip"):
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}")
    for name in ("num_processes", "num_machines", "machine_rank", "main_process_port"):
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", type=int)
    parser.add_argument("--cpu", action="store_true")
    given, _ = parser.parse_known_args(words[: _script(words)])
    default = default_file(environment)
    if given.config_file is None and not given.cpu and default.is_file():
        given.config_file = default
    if given.config_file is None:
        if (given.num_processes or 1) > 1 or (given.num_machines or 1) > 1:
            raise LangspecError(
                "accelerate launch starts one process on CPUs, whatever --num_processes says; "
                "name a file, such as --config_file accelerate/cpu-2.yaml, or run langspec train "
                "with --set compute.launch=accelerate/cpu-2.yaml",
                place="accelerate launch",
            )
        return None
    wanted = read_launch(Path(given.config_file), environment)
    overruled = {
        "processes": given.num_processes,
        "machines": given.num_machines,
        "rank": given.machine_rank,
        "address": given.main_process_ip,
        "port": given.main_process_port,
    }
    wanted = replace(wanted, **{k: v for k, v in overruled.items() if v is not None})
    return wanted if wanted.cpu and wanted.processes > 1 else None


def default_file(environment: Mapping[str, str]) -> Path:
    """The file that ``accelerate config`` writes.

    ``accelerate launch`` reads it where it is given neither a file nor ``--cpu``.
    """
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home, "accelerate", "default_config.yaml").expanduser()


def _script(words: Sequence[str]) -> int:
    """Where the options of ``accelerate launch`` end: at ``-m``, or at the name of a script."""
    for place, word in enumerate(words):
        if word in ("-m", "--module") or word.endswith(".py"):
            return place
    return len(words)


def _command_of(pid: int) -> list[str]:
    import psutil

    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []
