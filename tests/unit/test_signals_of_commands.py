"""A signal to any command unwinds it: nothing half-written stays, and one line says so."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from audit_fixtures import biased_bert, write_texts
from langspec.cli import main
from langspec.errors import LangspecError
from langspec.files import atomic_folder
from langspec.interrupts import raised

pytestmark = pytest.mark.medium


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("name", sorted(main.commands))
def test_a_signal_unwinds_every_command(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "half").write_text("half", encoding="utf-8")
            os.kill(os.getpid(), number)

    monkeypatch.setitem(main.commands, name, click.Command(name, callback=stopped))
    before = signal.signal(number, lambda *_: None)
    try:
        ended = CliRunner().invoke(main, [name])
    finally:
        signal.signal(number, before)
    assert ended.exit_code == 128 + number
    (line,) = ended.output.splitlines()
    assert line.startswith(f"stopped by {signal.Signals(number).name}; the same command ")
    assert [*tmp_path.iterdir()] == []


def test_handlers_are_as_they_were_after_a_command() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert CliRunner().invoke(main, ["preset"]).exit_code == 0
    assert signal.getsignal(signal.SIGTERM) is before
    with raised():
        assert CliRunner().invoke(main, ["preset"]).exit_code == 0
        assert signal.getsignal(signal.SIGTERM) is not before


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An encoder, and text of its languages."""
    root = tmp_path_factory.mktemp("audited")
    text = write_texts(root / "text", ("de", "en", "tr"), 50)
    return biased_bert(root / "encoder", text, 1.0), text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "moment", ["langspec.features.encode.hidden_states", "langspec.audit.run.render"]
)
def test_an_audit_that_is_stopped_at_work_leaves_nothing_half_written(
    audited: tuple[Path, Path],
    moment: str,
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it encodes, and while it writes the page."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("LANGSPEC_CACHE", str(cache))
    reached = []

    def stopped(*arguments: Any, **named: Any) -> Any:
        reached.append(moment)
        os.kill(os.getpid(), number)
        time.sleep(1)  # a thread goes on until the main thread has the signal
        raise LangspecError("the signal did not come")

    monkeypatch.setattr(moment, stopped)
    # It refuses a process that has imported PyTorch, as this one has.
    monkeypatch.setattr("langspec.compute.set_environment", lambda compute: None)
    encoder, text = audited
    before = signal.signal(number, lambda *_: None)
    try:
        given = ["--quiet", "audit", str(encoder), "--text", str(text)]
        ended = CliRunner().invoke(main, [*given, "--out", str(tmp_path / "out")])
    finally:
        signal.signal(number, before)
    assert reached, ended.output
    assert ended.exit_code == 128 + number
    assert ended.output.splitlines()[-1] == (
        f"stopped by {signal.Signals(number).name}; the same command goes on from what was saved"
    )
    assert not (tmp_path / "out").exists()
    assert [file.name for file in tmp_path.rglob("*.part")] == []
