"""The command line: one command a stage. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging
import signal
from typing import Any

import click

from langspec import __version__, logs
from langspec.commands import (
    audit_commands,
    model_commands,
    prepare_commands,
    read_commands,
    run_commands,
    sweep_commands,
)
from langspec.errors import LangspecError
from langspec.interrupts import Terminated, leave


class _OneLineErrors(click.Group):
    """Bad input ends in one line and exit code 2, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LangspecError as error:
            click.echo(f"error: {error}", err=True)
            leave(2)
        except (Terminated, KeyboardInterrupt) as error:
            ended = error if isinstance(error, Terminated) else Terminated(signal.SIGINT)
            click.echo(
                f"stopped by {ended.signal_name}; the same command goes on from what was saved",
                err=True,
            )
            leave(128 + ended.number)


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--quiet", is_flag=True, help="Warnings and errors only.")
def main(quiet: bool) -> None:
    """How much a multilingual encoder knows about which language it reads.

    `dvc repro` runs the stages below in their order; each also runs by itself.
    """
    logs.set_up(logging.WARNING if quiet else logging.INFO)


for _group in (
    prepare_commands,
    run_commands,
    read_commands,
    sweep_commands,
    model_commands,
    audit_commands,
):
    for _command in _group.COMMANDS:
        main.add_command(_command)
