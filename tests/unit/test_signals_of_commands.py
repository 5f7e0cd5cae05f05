"""A signal to any command unwinds it: nothing half-written stays, and one line says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from langspec.cli import main
from langspec.files import atomic_folder
from langspec.interrupts import raised


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
