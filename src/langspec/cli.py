"""The command line: one command a stage. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from typing import Any

import click

import langspec.garbage  # noqa: F401 - sets Python's collector
from langspec import __version__, logs
from langspec.commands import (
    audit_commands,
    erase_commands,
    model_commands,
    prepare_commands,
    read_commands,
    repair_commands,
    run_commands,
    sweep_commands,
    upkeep_commands,
)
from langspec.commands.shared_options import SAVES_NOTHING
from langspec.errors import LangspecError, without_passwords
from langspec.interrupts import Terminated, leave, raised
from langspec.user_names import name_user

GROUPS = {
    "Use": (
        "audit", "repair", "erase", "headline", "table", "compare", "ui", "predict", "export",
    ),
    "Pipeline (what `dvc repro` runs, in this order)": (
        "corpora", "encoder", "train", "evaluate", "tune", "report", "register",
    ),
    "Project": (
        "preset", "fetch", "cells", "sweep", "adopt", "pipeline", "replay", "reap", "doctor",
        "clean", "seqeval-curve",
    ),
}  # fmt: skip
"""The sections of `langspec --help`, each with its commands in the order that people need them."""

SAVE = {
    "train",
    "evaluate",
    "cells",
    "tune",
    "sweep",
    "audit",
    "repair",
    "fetch",
    "encoder",
    "pipeline",
    "replay",
}
"""Commands that keep finished work when they are stopped."""


class _OneLineErrors(click.Group):
    """An error ends in one line and an exit code that is not 0, never in a traceback.

    The code is 2 for bad input, 128 + its number for a signal and 1 for what no code foresaw.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with raised():  # a signal unwinds: what is half-written goes
                result = super().invoke(ctx)
            sys.stdout.flush()  # a full disk behind it is an error, not a note at exit
            return result
        except LangspecError as error:
            click.echo(f"error: {error}", err=True)
            leave(2)
        except (Terminated, KeyboardInterrupt) as error:
            ended = error if isinstance(error, Terminated) else Terminated(signal.SIGINT)
            saved = ctx.invoked_subcommand in SAVE and not ctx.meta.get(SAVES_NOTHING)
            after = "goes on from what was saved" if saved else "starts anew"
            click.echo(f"stopped by {ended.signal_name}; the same command {after}", err=True)
            leave(128 + ended.number)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                shown = without_passwords("".join(traceback.format_exception(error)))
                click.echo(shown, err=True, nl=False)
            else:
                from langspec.commands.unforeseen import one_line

                click.echo(f"error: {one_line(error)}", err=True)
            _drop_output()
            leave(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by :data:`GROUPS`."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(62)) for name in names]
                )


def _drop_output() -> None:
    """Where the output's disk is full, drop what waits: Python would fail over it once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--quiet", is_flag=True, help="Warnings and errors only.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error nobody foresaw.")
def main(quiet: bool, debug: bool) -> None:
    """How much a multilingual encoder knows about which language it reads.

    `langspec COMMAND --help` shows examples of each.
    """
    logs.set_up(logging.WARNING if quiet else logging.INFO)
    name_user()


for _group in (
    prepare_commands,
    run_commands,
    read_commands,
    sweep_commands,
    model_commands,
    audit_commands,
    erase_commands,
    repair_commands,
    upkeep_commands,
):
    for _command in _group.COMMANDS:
        main.add_command(_command)
