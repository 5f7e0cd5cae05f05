"""A password that a command is given goes to the client library and is shown nowhere."""

from __future__ import annotations

import ast
import json
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import CHECKOUT
from langspec.config import load_config
from langspec.errors import LangspecError, without_passwords
from langspec.presets import preset_text
from langspec.section import Decides, deciding
from langspec.tracking.store import Store, shown, tracking_store
from langspec.training.identity import run_settings
from langspec.tuning.storage import place_of

SECRET = "pa55-w0rd"
ADDRESSES = [
    f"http://user:{SECRET}@host:5000/path",
    f"https://user:{SECRET}%40x@host",
    f"postgresql+psycopg://user:{SECRET}@host:5432/runs",
    f"postgresql://host/runs?user=u&password={SECRET}",
    f"mysql://:{SECRET}@host/x",
    f"https://host/x?api_key={SECRET}&y=1",
    f"https://host/x?a=1&token={SECRET}",
    f"postgresql://user:x@{SECRET}@host/runs",
    f"postgresql://user:x/{SECRET}@host/runs",
    f"https://account.blob.core.windows.net/x?sv=1&sig={SECRET}",
]


@pytest.mark.parametrize("uri", ADDRESSES)
def test_one_function_shows_an_address(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    for text in (
        without_passwords(f"cannot reach {uri}, try again"),
        shown(uri),
        str(Store(uri, None)),
        str(tracking_store(uri)),
        str(LangspecError(f"{uri} is lost", place=uri)),
    ):
        assert SECRET not in text
        assert "***" in text
        assert "host" in text or "account" in text
    if "?" not in uri and uri.startswith(("postgresql", "mysql")):
        assert SECRET not in str(place_of(uri))


def test_an_address_without_a_secret_is_shown_as_it_is() -> None:
    for uri in ("http://127.0.0.1:5000", "postgresql://user@host/x", "https://host/?a=b"):
        assert shown(uri) == uri


def test_a_training_notes_no_address(tmp_path: Path) -> None:
    """What runs, keys, records and registry cards take from params.yaml."""
    (tmp_path / "params.yaml").write_text(preset_text("tiny"), encoding="utf-8")
    config = load_config(
        tmp_path / "params.yaml", [f"tracking.uri=http://user:{SECRET}@host:5000"]
    )
    assert config.tracking.uri is not None
    noted: list[Any] = [
        run_settings(config, task, method)
        for task in config.train.tasks
        for method in config.train.run
    ]
    noted += [deciding(config), deciding(config, Decides.RUNS)]
    assert SECRET not in json.dumps(noted, default=str)


def test_pages_get_the_store_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user of a machine can read a command line."""
    from langspec.tracking import pages

    started: list[list[str]] = []

    class Ended(Exception):
        pass

    def popen(command: list[str], **_: Any) -> None:
        started.append(command)
        raise Ended

    monkeypatch.setattr(subprocess, "Popen", popen)
    with (
        pytest.raises(Ended),
        pages._server(Store(f"postgresql://user:{SECRET}@host/x", None), 0),
    ):
        pass
    assert SECRET not in " ".join(started[0])


def test_addresses_of_pages_are_shown_without_the_password() -> None:
    from langspec.tracking.pages import _addresses

    store = Store(f"http://user:{SECRET}@host:5000", None)
    lines = list(_addresses(str(store), {"langspec-pos": "1"}, browser=False))
    assert lines
    assert SECRET not in "\n".join(lines)


def test_a_lost_store_is_named_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    from langspec.tracking.link import Link

    caplog.set_level(logging.DEBUG)
    link = Link(str(Store(f"http://user:{SECRET}@host:5000", None)))

    def lost() -> None:
        raise OSError("gone")

    assert link.send(lost, None) is None
    link.report()
    assert "the store of runs was lost" in caplog.text
    assert SECRET not in caplog.text


def test_no_text_is_made_of_a_raw_address() -> None:
    """No f-string and no log line holds ``store.uri``: ``str(store)`` is what people read."""
    offenders = []
    for path in sorted((CHECKOUT / "src" / "langspec").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            for part in ast.walk(node):
                if isinstance(part, ast.Attribute) and part.attr in ("uri", "full"):
                    offenders.append(f"{path.name}:{node.lineno}")
    assert offenders == []
