"""Processes forked from a server are like those that the interpreter starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import CHECKOUT
from forked import ForkServer, start_python

SCRIPT = """
import os, sys
print(sys.argv, os.getcwd(), os.environ.get("LANGSPEC_X"), __name__, sys.stdin.read())
print("to stderr", file=sys.stderr)
import answer
sys.exit(answer.STATUS)
"""


@pytest.mark.parametrize("status", ["0", "7", "None", "'in words'", "1 / 0"])
def test_a_forked_process_ends_as_a_started_one(
    forked: ForkServer, tmp_path: Path, status: str
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "answer.py").write_text(f"STATUS = {status}\n", encoding="utf-8")
    variables = os.environ | {"PYTHONPATH": str(tmp_path / "code"), "LANGSPEC_X": "5"}
    for arguments in (["-c", SCRIPT, "one", "2"], ["-m", "answer"]):
        ours = forked.run(arguments, cwd=tmp_path, env=variables)
        started = start_python(arguments, cwd=tmp_path, env=variables)
        assert (ours.returncode, ours.stdout) == (started.returncode, started.stdout)
        assert ours.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_the_libraries_are_there_and_nothing_stays(forked: ForkServer) -> None:
    script = "import sys; print(*[n in sys.modules for n in ('torch.nn', 'torch', 'langspec')])\n"
    script += "import torch, torch.nn as nn; assert torch.nn is nn; sys.modules['left'] = sys"
    for _ in range(2):
        done = forked.run(["-c", script])
        assert (done.stdout.split(), done.returncode) == (["True", "False", "False"], 0)
    assert forked.run(["-c", "import left"]).returncode == 1


def test_kernels_are_those_that_commands_set(forked: ForkServer) -> None:
    script = "import sys; sys.path[:0] = {!r}; import forked\n".format([str(CHECKOUT / "tests")])
    script += "from langspec.compute import set_environment, without_project; import os\n"
    script += "compute = without_project(1).model_copy(update={'portable': True})\n"
    script += "set_environment(compute); import torch\n"
    script += "assert forked.KERNELS.items() <= os.environ.items()\n"
    script += "print(torch.backends.cpu.get_cpu_capability())"
    done = forked.run(["-c", script])
    assert done.stdout == start_python(["-c", script]).stdout != "", done.stderr


def test_a_variable_that_libraries_read_early_starts_a_process_afresh(forked: ForkServer) -> None:
    script = "import os, sys; print('torch.nn' in sys.modules, os.environ['OMP_NUM_THREADS'])"
    done = forked.run(["-c", script], env=os.environ | {"OMP_NUM_THREADS": "3"})
    assert done.stdout.split() == ["False", "3"]


def test_an_exit_function_runs_and_a_kill_is_told(forked: ForkServer) -> None:
    script = "import atexit; atexit.register(print, 'at the end')"
    assert forked.run(["-c", script]).stdout == "at the end\n"
    killed = forked.run(["-c", "import os; os.kill(os.getpid(), 9)"])
    assert killed.returncode == -9
