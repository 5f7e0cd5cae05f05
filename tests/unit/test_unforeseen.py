"""No command prints a traceback: an error that nobody foresaw ends in one line too."""

from __future__ import annotations

import errno
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from langspec import logs
from langspec.cli import main
from langspec.commands.unforeseen import one_line
from langspec.errors import LangspecError

SECRET = "postgresql://user:pa55@host/studies"


def leaves(group: click.Group, *before: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, *before, name)
        else:
            yield (*before, name), command


def needed(command: click.Command) -> list[str]:
    """Arguments that let the command's function be called."""
    given: list[str] = []
    for parameter in command.params:
        if not parameter.required:
            continue
        kind = parameter.type
        value = kind.choices[0] if isinstance(kind, click.Choice) else "."
        if isinstance(kind, click.types.IntParamType):
            value = "1"
        several = parameter.nargs if parameter.nargs > 0 else 1
        if isinstance(parameter, click.Option):
            given += [parameter.opts[0], *[str(value)] * several]
        else:
            given += [str(value)] * several
    return given


COMMANDS = {" ".join(path): (path, command) for path, command in leaves(main)}


def fail(monkeypatch: pytest.MonkeyPatch, command: click.Command, error: Exception) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(command, "callback", broken)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("")


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unforeseen_error_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, command = COMMANDS[name]
    fail(monkeypatch, command, ZeroDivisionError(f"of\n{SECRET}"))
    done = CliRunner().invoke(main, [*path, *needed(command)])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    (line,) = done.output.strip().splitlines()
    assert line.startswith("error: unforeseen ZeroDivisionError")
    (file,) = Path(".langspec", "errors").iterdir()
    assert str(file) in line
    text = file.read_text()
    assert "Traceback" in text
    assert "pa55" not in text + line


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    path, command = COMMANDS["headline"]
    fail(monkeypatch, command, ZeroDivisionError(SECRET))
    done = CliRunner().invoke(main, ["--debug", *path, *needed(command)])
    assert done.exit_code == 1
    assert "Traceback" in done.output
    assert "ZeroDivisionError" in done.output
    assert "pa55" not in done.output
    assert not Path(".langspec").exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.ENAMETOOLONG, "File name too long"),
    ],
)
def test_an_error_of_the_system_names_its_file(
    code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, command = COMMANDS["headline"]
    fail(monkeypatch, command, OSError(code, said, "results/a file.csv"))
    done = CliRunner().invoke(main, [*path, *needed(command)])
    assert done.exit_code == 1
    (line,) = done.output.strip().splitlines()
    assert line.startswith(f"error: results/a file.csv: {said}; ")
    assert line.endswith("then run the same command again")
    assert not Path(".langspec").exists()


@pytest.mark.parametrize("error", [click.UsageError("x"), click.exceptions.Exit(3), click.Abort()])
def test_what_click_raises_on_purpose_passes(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, command = COMMANDS["headline"]
    fail(monkeypatch, command, error)
    done = CliRunner().invoke(main, [*path, *needed(command)])
    assert done.exit_code in (1, 2, 3)
    assert "unforeseen" not in done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "langspec", "preset"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: No space left on device")


@pytest.mark.parametrize("password", ["pa55", "pa/55", "pa:55"])
def test_no_message_shows_a_password(password: str, caplog: pytest.LogCaptureFixture) -> None:
    url = f"postgresql://user:{password}@host/studies"
    assert password not in str(LangspecError(f"{url} is lost", place=url))
    assert password not in one_line(RuntimeError("x" * 270 + url))  # the line is cut there
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        logs.set_up(logging.WARNING)
        logging.getLogger("another library").warning("no answer of %s", url)
    finally:
        logging.getLogger().removeHandler(handler)
    assert stream.getvalue() == "no answer of postgresql://user:***@host/studies\n"
