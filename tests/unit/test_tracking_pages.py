"""MLflow's server: how it is started, and how it is asked whether it answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from langspec.errors import LangspecError
from langspec.tracking import pages
from langspec.tracking.store import Store

URI = "postgresql://user:secret@host/runs"


def test_the_stores_password_is_on_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def start(command: Sequence[str], *, env: Mapping[str, str], **_: Any) -> SimpleNamespace:
        started.append((command, env))
        return SimpleNamespace(
            poll=lambda: 1, returncode=1, terminate=lambda: None, wait=lambda: None
        )

    monkeypatch.setattr(pages, "subprocess", SimpleNamespace(Popen=start))
    with pytest.raises(LangspecError, match="exit code 1"), pages._server(Store(URI, None), 0):
        pass
    ((command, variables),) = started
    assert "secret" not in " ".join(command)
    assert variables["MLFLOW_BACKEND_STORE_URI"] == URI


def test_mlflow_reads_the_store_from_the_variable() -> None:
    from mlflow.cli import cli

    (option,) = (one for one in cli.commands["server"].params if one.name == "backend_store_uri")
    assert option.envvar == "MLFLOW_BACKEND_STORE_URI"


def test_no_proxy_is_asked_whether_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(pages, "_START_SECONDS", 5.0)
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process: Any = SimpleNamespace(poll=lambda: None)
        try:
            pages._wait(process, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
    assert asked == ["/health"]
