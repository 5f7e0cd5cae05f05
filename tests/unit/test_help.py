"""What `--help` says: commands in groups, a line each, and examples that parse."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from langspec.cli import GROUPS, SAVE, main


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command, also those below another one, by what is typed."""
    for name, command in main.commands.items():
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {one}", below) for one, below in command.commands.items())


COMMANDS = dict(commands())


def examples(command: click.Command) -> list[str]:
    """The calls below the word Examples in a command's help."""
    text = f"{command.help}\n{command.epilog}"
    below = text.partition("Examples:")[2]
    return [line.strip() for line in below.splitlines() if line.strip().startswith("langspec ")]


def test_every_command_is_in_one_group() -> None:
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(main.commands)
    assert set(main.commands) >= SAVE


def test_no_line_of_the_help_is_cut_or_wider_than_a_terminal() -> None:
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert all(title in text for title in GROUPS)
    assert "..." not in text.partition("Options:")[2]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_parse(name: str) -> None:
    command = COMMANDS[name]
    calls = examples(command)
    assert calls, f"{name}: no examples"
    for call in calls:
        words = shlex.split(call)[1:]
        assert words[: len(name.split())] == name.split() or name == "corpora", call
        if name != "corpora":
            command.make_context(name, words[len(name.split()) :])
        assert main.get_command(click.Context(main), words[0]) is not None
