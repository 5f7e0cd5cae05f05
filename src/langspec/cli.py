"""The command line: one command a stage. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langspec import __version__, launch, logs
from langspec.errors import LangspecError
from langspec.interrupts import Terminated, raised

if TYPE_CHECKING:
    from langspec.config import Config

_ROOT = Path()


class _OneLineErrors(click.Group):
    """Bad input ends in one line and exit code 2, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LangspecError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        except (Terminated, KeyboardInterrupt) as error:
            ended = error if isinstance(error, Terminated) else Terminated(signal.SIGINT)
            click.echo(
                f"stopped by {ended.signal_name}; the same command goes on from what was saved",
                err=True,
            )
            sys.exit(ended.code)


def _stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
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


def _configure(assignments: tuple[str, ...], preset: str | None = None) -> Config:
    """Read params.yaml and fix threads and kernels before anything numerical is imported.

    ``preset`` is read in its place where it is named.
    """
    from langspec.compute import set_environment
    from langspec.config import load_config

    if assignments and os.environ.get("DVC_STAGE"):
        raise LangspecError(
            "a stage that DVC started reads params.yaml alone, or its lock file would lie; use "
            "dvc exp run -S KEY=VALUE",
            place="--set",
        )
    if preset is None:
        config = load_config(_ROOT / "params.yaml", list(assignments))
    else:
        from langspec.presets import load_preset

        config = load_preset(preset, list(assignments))
    set_environment(config.compute)
    return config


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--quiet", is_flag=True, help="Warnings and errors only.")
def main(quiet: bool) -> None:
    """How much a multilingual encoder knows about which language it reads.

    `dvc repro` runs the stages below in their order; each also runs by itself.
    """
    logs.set_up(logging.WARNING if quiet else logging.INFO)


@main.group(invoke_without_command=True)
@_stage_options
@click.pass_context
def corpora(context: click.Context, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: read or generate the corpora, split, filter, write the data card."""
    if context.invoked_subcommand:
        return
    config = _configure(assignments)
    from langspec.stages import corpora as stage

    click.echo(stage.plan(config, _ROOT) if dry_run else stage.run(config, _ROOT))


@corpora.command("add")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--copy", is_flag=True, help="Copy them to data/raw and let DVC keep them.")
def corpora_add(folder: Path | None, copy: bool) -> None:
    """Record a folder of official files by name, size and SHA-256; without FOLDER, all again.

    Recognised are UD, XNLI, MultiNLI, text, Wikipedia, and what tasks in params.yaml name.

    Writes data/sources.json, which holds no absolute path; where the folder is on this machine
    stays in .langspec/ (or in the variable LANGSPEC_CORPORA).
    """
    from langspec.stages import corpora as stage

    if copy and folder is None:
        raise LangspecError("expected the folder to copy", place="--copy")
    click.echo(stage.add(folder, _ROOT, copy=copy))


@corpora.command("status")
def corpora_status() -> None:
    """Say which recorded files have changed or are gone; exit code 1 if any."""
    from langspec.stages import corpora as stage

    told, same = stage.status(_ROOT)
    click.echo(told)
    sys.exit(0 if same else 1)


@main.command()
@_stage_options
def encoder(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: pre-train, convert or copy the starting encoder."""
    config = _configure(assignments)
    from langspec.stages import encoder as stage

    click.echo(stage.plan(config, _ROOT) if dry_run else stage.run(config, _ROOT))


@main.command()
@click.option("--task", required=True, help="pos, nli or one of tasks.")
@click.option("--method", required=True, help="frozen, finetune, control, grl or adversary.")
@_stage_options
def train(task: str, method: str, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: train a method on a task, every seed.

    In several processes: compute.launch, or `accelerate launch -m langspec train ...`.
    """
    config = _configure(assignments)
    methods = type(config.train.methods).model_fields
    if method not in methods:
        raise LangspecError(
            f"found {method!r}, expected one of {', '.join(methods)}", place="--method"
        )
    from langspec.stages import train as stage

    if dry_run:
        click.echo(stage.plan(config, _ROOT, task_name=task, method_name=method))
        return
    with raised():
        if config.compute.launch is not None and not launch.is_launched():
            given = ["langspec", "train", "--task", task, "--method", method]
            given += [part for pair in assignments for part in ("--set", pair)]
            sys.exit(launch.launch(Path(config.compute.launch), given))
        click.echo(stage.run(config, _ROOT, task_name=task, method_name=method))


@main.command()
@click.option("--task", required=True, help="pos, nli or one of tasks.")
@_stage_options
def evaluate(task: str, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: score every trained checkpoint of a task, probe its layers for language."""
    config = _configure(assignments)
    from langspec.stages import evaluate as stage

    if dry_run:
        click.echo(stage.plan(config, _ROOT, task_name=task))
    else:
        click.echo(stage.run(config, _ROOT, task_name=task))


@main.command()
@_stage_options
def report(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: tables, figures and one page from the results."""
    config = _configure(assignments)
    from langspec.stages import report as stage

    click.echo(stage.plan(config, _ROOT) if dry_run else stage.run(config, _ROOT))


@main.command()
@click.option("--task", required=True, help="pos or nli.")
@click.option("--method", required=True, help="A method that was trained.")
@click.option("--seed", required=True, type=int, help="One of its seeds.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New or empty folder.")
@click.option("--eraser", help="lsar, inlp or leace, or a folder DIR/eraser of another export.")
@click.option("--head/--no-head", default=False, help="Put the task's head beside the encoder.")
def export(task: str, method: str, seed: int, out: Path, eraser: str | None, head: bool) -> None:
    """Write a trained encoder as a folder for transformers and sentence-transformers."""
    config = _configure(())
    from langspec.stages import export as stage

    found = stage.run(
        config,
        _ROOT,
        task_name=task,
        method=method,
        seed=seed,
        out=out,
        eraser=eraser,
        with_head=head,
    )
    click.echo(found)


@main.command()
def headline() -> None:
    """Print the headline table and where the report is."""
    config = _configure(())
    from langspec.stages import report as stage

    click.echo(stage.headline(config, _ROOT))


@main.command()
@click.argument("name", required=False)
@click.option("--columns", help="Only these columns, separated by commas.")
def table(name: str | None, columns: str | None) -> None:
    """Print a table of the report as Markdown; without NAME, list the tables."""
    config = _configure(())
    from langspec.stages import report as stage

    wanted = columns.split(",") if columns else []
    click.echo(stage.table(config, _ROOT, name, wanted))


@main.command()
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Write a preset's values into params.yaml and show what changed; without NAME, list them."""
    from langspec import presets

    click.echo(presets.write(name, _ROOT / "params.yaml") if name else presets.listing())


@main.command()
@click.option("--preset", "name", help="A preset's values instead of params.yaml's.")
@_stage_options
def fetch(name: str | None, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Download the encoder and corpora of kind hub; then all runs with HF_HUB_OFFLINE=1."""
    config = _configure(assignments, name)
    from langspec.stages import fetch as stage

    click.echo(stage.plan(config) if dry_run else stage.run(config))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def pipeline(arguments: tuple[str, ...]) -> None:
    """Run `dvc repro ARGUMENTS` with the stages as child runs of a launched `mlflow run`."""
    from langspec.stages import pipeline as stage

    sys.exit(stage.run(list(arguments), _ROOT))


@main.command()
def replay() -> None:
    """Rebuild MLflow runs from results/: what DVC restored unrun, or after a lost store."""
    config = _configure(())
    from langspec.stages import replay as stage

    click.echo(stage.run(config, _ROOT))


@main.command()
def reap() -> None:
    """Mark runs whose process died as killed."""
    config = _configure(())
    from langspec.stages import replay as stage

    click.echo(stage.reap(config, _ROOT))
