"""Python processes that start with the libraries already imported.

``python -m langspec`` spends three to five seconds on imports of PyTorch and others. A server
imports them once (libraries alone, nothing of ``langspec``) and forks a process for every command:
it has its own working folder, environment, ``sys.path``, output and exit status. PyTorch is not in
``sys.modules`` until the process imports it: commands set threads and kernels first, and refuse
to run otherwise. The server starts with the kernels of ``compute.portable: true``.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.abc
import importlib.machinery
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = (
    "numpy", "pandas", "pyarrow.parquet", "scipy.stats", "scipy.optimize", "sklearn.linear_model",
    "torch", "torch.fx.experimental.symbolic_shapes", "transformers.models.bert.modeling_bert",
    "accelerate", "datasets", "optuna", "mlflow", "matplotlib.pyplot", "pydantic", "ruamel.yaml",
    "jinja2",
)  # fmt: skip
# What langspec.compute sets for these commands, read while PyTorch is imported.
KERNELS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
    "MKL_DYNAMIC": "FALSE",
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
# A library may read any other variable while it is imported: such a command starts afresh.
READ_LATER = ("LANGSPEC_", "PYTHONPATH", "PYTEST_", "COLUMNS", "PATH", "TORCHINDUCTOR_")


def start_python(
    arguments: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments; output as text."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


class ForkServer:
    """Runs ``python -m MODULE ...`` and ``python -c SCRIPT ...``, one command at a time."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """As :func:`start_python`, without the time that imports take.

        Args:
            arguments: ``-m`` and a module, or ``-c`` and a script; then its own arguments.
            cwd: the working folder; by default that of the test.
            env: the whole environment; by default that of the test.
        """
        variables = dict(os.environ if env is None else env)
        if not self._may_fork(variables):
            return start_python(arguments, cwd=cwd, env=variables)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("out", "err")]
            job = {
                "arguments": list(arguments),
                "cwd": str(cwd or Path.cwd()),
                "env": variables,
                "files": [str(file) for file in files],
            }
            with self._lock:
                status = self._ask(job)
            output, errors = (file.read_text(encoding="utf-8") for file in files)
        return subprocess.CompletedProcess(arguments, status, output, errors)

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            assert self._server.stdin is not None
            self._server.stdin.close()
            self._server.wait()
            self._server = None

    def _may_fork(self, variables: Mapping[str, str]) -> bool:
        names = {*variables, *self._environment}
        changed = {n for n in names if variables.get(n) != self._environment.get(n)}
        return all(name.startswith(READ_LATER) for name in changed)

    def _ask(self, job: dict[str, Any]) -> int:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                env=self._environment | KERNELS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(job), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())


def serve() -> None:
    """Import the libraries; then fork a process for each line of standard input."""
    base = [place for place in sys.path if Path(place) != Path(__file__).parent]
    base = [place for place in base if place not in os.environ.get("PYTHONPATH", "").split(":")]
    for library in LIBRARIES:
        __import__(library)
    assert not [name for name in sys.modules if name.split(".")[0] == "langspec"]
    commands, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    while line := commands.readline():
        child = os.fork()
        if not child:
            commands.close()
            answers.close()
            _become(json.loads(line), base)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, file=answers, flush=True)
    os._exit(0)  # the interpreter's way out takes a second with this much imported


def _become(job: dict[str, Any], base: list[str]) -> None:
    """Run the job in this process, and end it."""
    for number, file in ((0, os.devnull), *zip((1, 2), job["files"], strict=True)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        opened = os.open(file, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.meta_path.insert(0, _Loaded(sys.modules.pop("torch")))
    kind, what, *arguments = job["arguments"]
    first = job["cwd"] if kind == "-m" else ""
    named = [place for place in job["env"].get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = [first, *named, *base]
    sys.argv[:] = [kind, *arguments]
    status = _status_of(kind, what)
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class _Loaded(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers the import of a module with one that was loaded before."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._module.__name__:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        spec.origin = self._module.__file__
        spec.submodule_search_locations = list(self._module.__path__)
        return spec

    def create_module(self, spec: Any) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Its code ran already."""


def _status_of(kind: str, what: str) -> int:
    """The exit status that the interpreter gives a module or a script."""
    import runpy

    try:
        if kind == "-m":
            runpy._run_module_as_main(what)  # type: ignore[attr-defined]
        else:
            main = type(sys)("__main__")
            sys.modules["__main__"] = main
            exec(compile(what, "<string>", "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return int(end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    serve()
