"""MLflow's pages: a server over a project's runs, and the addresses that show the methods."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

from langspec import interrupts
from langspec.errors import LangspecError
from langspec.tracking.methods_view import view_address, write_views
from langspec.tracking.store import Store, open_client

_HOST = "127.0.0.1"
_START_SECONDS = 180.0  # a cold start of the server took half a minute on a busy machine


def show_pages(store: Store, port: int, *, browser: bool) -> Iterator[str]:
    """Show the methods of every task in MLflow's pages; yields lines for the terminal.

    A store that is a server is only written the view. For a database a server is started on the
    loopback, which runs until a signal ends this process or the server itself ends.

    Args:
        store: of the runs.
        port: of the server that is started; 0: a free one.
        browser: whether a browser opens the first address.

    Raises:
        LangspecError: the store cannot be opened, the port is in use, or the server ends at once.
    """
    experiments = write_views(open_client(store))
    ids = {one.name: one.experiment_id for one in experiments}
    if not store.uri.startswith(("http://", "https://")):
        with _server(store, port) as (process, server):
            yield from _addresses(server, ids, browser)
            yield "Ctrl-C ends the server"
            process.wait()
        return
    yield from _addresses(str(store), ids, browser)


def _addresses(server: str, ids: dict[str, str], browser: bool) -> Iterator[str]:
    """A line for each experiment and form; opens the first."""
    if not ids:
        yield f"{server}: no runs yet; `dvc repro` trains and logs them"
        return
    addresses = {name: view_address(server, one) for name, one in ids.items()}
    for name, one in ids.items():
        yield f"{name}: methods as a table   {addresses[name]}"
        yield f"{name}: methods as charts    {view_address(server, one, charts=True)}"
    if browser:
        webbrowser.open(next(iter(addresses.values())))


@contextmanager
def _server(store: Store, port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """MLflow's server over a store, once it answers; it ends with the body."""
    port = _free_port(port)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", _HOST, "--port", str(port)]
    command += ["--workers", "1"]
    command += ["--uvicorn-opts", "--log-level=warning"]  # no line a request
    if store.artifacts is not None:
        command += ["--default-artifact-root", store.artifacts.as_uri()]
    variables = os.environ | {
        # Not on the command line: every user of the machine could read a password there.
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        # Else the server starts workers that run jobs of its own.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    server = f"http://{_HOST}:{port}"
    with interrupts.raised():
        process = subprocess.Popen(
            command, env=variables, stdout=sys.stderr, start_new_session=True
        )
        try:
            _wait(process, server)
            yield process, server
        finally:
            process.terminate()
            process.wait()


def _free_port(port: int) -> int:
    """The port, if it is free; a free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise LangspecError(
                f"port {port} cannot be used ({error.strerror}); name another one, or 0 for any "
                "that is free",
                place="--port",
            ) from None
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], server: str) -> None:
    """Wait until the server answers; it is on this machine, so no proxy is asked."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LangspecError(
                f"MLflow's server ended with exit code {process.returncode} before it answered; "
                "its own lines stand above",
                place=server,
            )
        try:
            direct.open(f"{server}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise LangspecError(
        f"MLflow's server did not answer within {_START_SECONDS:.0f} seconds", place=server
    )
