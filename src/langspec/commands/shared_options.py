"""What commands share: the options of stages, and reading params.yaml."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langspec.errors import LangspecError
from langspec.precisions import PRECISIONS

if TYPE_CHECKING:
    from langspec.config import Config

ROOT = Path()
"""The project: the folder where a command is called."""
SAVES_NOTHING = "langspec.saves_nothing"
"""Key in the meta of a command's context: where it is stopped, it starts anew."""


def examples(*lines: str) -> str:
    """The end of a command's help: calls that people make, a line each."""
    return "\n".join(["\b", "Examples:", *(f"  langspec {line}" for line in lines)])


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every stage shares."""
    command = click.option(
        "--dry-run",
        is_flag=True,
        help="Say what would be done, with an estimate of time, disk and memory.",
    )(command)
    return click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a value of params.yaml for this run only, e.g. --set train.clip=0.5.",
    )(command)


_ENCODING = (
    click.option(
        "--pooling", metavar="mean|cls", help="Default: as the model's folder says, or mean."
    ),
    click.option(
        "--prefix", metavar="TEXT", help="Put before every text, such as 'query: ' for E5."
    ),
    click.option("--max-texts", default=2000, show_default=True, help="Texts a language."),
    click.option(
        "--max-tokens", type=int, help="Tokens of a text. Default: what the encoder reads."
    ),
    click.option(
        "--batch-tokens", default=2048, show_default=True, help="Tokens encoded at once."
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="auto",
        show_default=True,
        help="Of encoding; auto: the fastest that this machine multiplies in hardware.",
    ),
    click.option("--threads", type=int, help="Processor threads. Default: all cores."),
)


def encoding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How the texts of a folder are encoded: options of commands that need no project."""
    for option in reversed(_ENCODING):
        command = option(command)
    return command


def take_threads(threads: int | None) -> None:
    """Fix the processor threads of a command that needs no project, before PyTorch is imported.

    Args:
        threads: of ``--threads``; None: all cores.

    Raises:
        LangspecError: less than one, or more than any machine has.
    """
    from langspec.compute import MOST_THREADS, set_environment, without_project

    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise LangspecError(f"{threads}; expected 1 to {MOST_THREADS}", place="--threads")
    from langspec.workers import available_cores

    set_environment(without_project(threads or available_cores()))


def plan_or_run(stage: str, assignments: tuple[str, ...], dry_run: bool, **values: Any) -> None:
    """Run a stage that has ``plan`` and ``run``, and print what came of it.

    Args:
        stage: its name; ``values`` are further arguments of both.
        assignments: of ``--set``.
        dry_run: plan alone.
    """
    config = configure(assignments)
    if dry_run:
        click.echo(import_module(f"langspec.stages.{stage}").plan(config, ROOT, **values))
        return
    sweep_unfinished()
    run_and_say(stage, config, **values)


def run_and_say(stage: str, config: Config, **values: Any) -> None:
    """Run a stage, and print the line of :mod:`langspec.commands.done_lines`.

    Of processes that a launcher started only the first prints it.
    """
    began = time.monotonic()
    said = import_module(f"langspec.stages.{stage}").run(config, ROOT, **values)
    from langspec.commands.done_lines import done_line, says_lines

    if says_lines():
        click.echo(done_line(stage, config, ROOT, said, time.monotonic() - began, **values))


def sweep_unfinished() -> None:
    """Remove what killed processes left half-written in the project."""
    from langspec.upkeep.leftovers import sweep

    sweep(ROOT)


def configure(assignments: tuple[str, ...], preset: str | None = None) -> Config:
    """Read params.yaml and fix threads and kernels before anything numerical is imported.

    ``preset`` is read in its place where it is named.
    """
    from langspec.compute import set_environment
    from langspec.config import load_config

    if assignments and os.environ.get("DVC_STAGE"):
        raise LangspecError(
            "a stage that DVC started reads params.yaml alone, else dvc.lock would hold other "
            "values than the run had; use dvc exp run -S KEY=VALUE",
            place="--set",
        )
    if preset is None:
        config = load_config(ROOT / "params.yaml", list(assignments))
    else:
        from langspec.presets import load_preset

        config = load_preset(preset, list(assignments))
    set_environment(config.compute)
    return config
