"""Commands of the pipeline: the stages from training on, `dvc repro`, and MLflow's records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langspec import launch
from langspec.commands.shared_options import (
    ROOT,
    configure,
    examples,
    plan_or_run,
    run_and_say,
    stage_options,
    sweep_unfinished,
)
from langspec.errors import LangspecError

if TYPE_CHECKING:
    from langspec.config import Config


@click.command(
    short_help="Train a method on a task, every seed.",
    epilog=examples(
        "train --task pos --method finetune",
        "train --task pos --method grl --set train.methods.grl.strength=0.1",
        "train --task nli --method adversary --dry-run",
    ),
)
@click.option("--task", required=True, help="pos, nli or one of tasks.")
@click.option("--method", required=True, help="A method of train.methods, such as grl.")
@stage_options
def train(task: str, method: str, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: train a method on a task, every seed.

    In several processes: compute.launch, or `accelerate launch -m langspec train ...`.
    """
    config = configure(assignments)
    methods = type(config.train.methods).model_fields
    if method not in methods:
        raise LangspecError(
            f"found {method!r}, expected one of {', '.join(methods)}", place="--method"
        )
    from langspec.stages import train as stage

    if dry_run:
        click.echo(stage.plan(config, ROOT, task_name=task, method_name=method))
        return
    if not launch.is_launched() and (wanted := _launch_asked_for(config)):
        given = ["langspec", "train", "--task", task, "--method", method]
        given += [part for pair in assignments for part in ("--set", pair)]
        sys.exit(launch.launch(wanted, given))
    sweep_unfinished()
    run_and_say("train", config, task_name=task, method_name=method)


def _launch_asked_for(config: Config) -> launch.Launch | None:
    """The processes that params.yaml asks for, or an ``accelerate launch`` by hand; None: one."""
    if config.compute.launch is not None:
        return launch.read_launch(Path(config.compute.launch))
    from langspec.accelerate_launch import asked_for

    return asked_for()


@click.command(
    short_help="Score the checkpoints of a task and measure their layers.",
    epilog=examples("evaluate --task pos --dry-run", "evaluate --task pos"),
)
@click.option("--task", required=True, help="pos, nli or one of tasks.")
@stage_options
def evaluate(task: str, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: score every trained checkpoint of a task, probe its layers for language."""
    plan_or_run("evaluate", assignments, dry_run, task_name=task)


@click.command(
    short_help="Train and measure a cell at a time; stops between cells.",
    epilog=examples(
        "cells --dry-run",
        "cells --task pos --seed 1",
        "cells --preset study --collect",
    ),
)
@click.option("--task", "tasks", multiple=True, help="Only its cells; may be repeated.")
@click.option("--method", "methods", multiple=True, help="Only its cells; may be repeated.")
@click.option("--seed", "seeds", type=int, multiple=True, help="Only its cells; may be repeated.")
@click.option("--preset", metavar="NAME", help="Read this preset in place of params.yaml.")
@click.option("--collect", is_flag=True, help="Draw the report from the finished cells.")
@stage_options
def cells(
    preset: str | None,
    collect: bool,
    assignments: tuple[str, ...],
    dry_run: bool,
    **chosen: tuple[Any, ...],
) -> None:
    """Train and measure a run cell by cell: one method, one seed.

    Finished cells lie in results/NAME/cells and are not made again; they hold tables and no
    weights. With --collect tables, figures and page are drawn from them alone.
    """
    config = configure(assignments, preset)
    from langspec.stages import cells as stage

    if collect:
        click.echo(stage.collect(config, ROOT))
    elif dry_run:
        click.echo(stage.plan(config, ROOT, **chosen))
    else:
        sweep_unfinished()
        click.echo(stage.run(config, ROOT, **chosen))


@click.command(
    short_help="Draw tables, figures, the page of answers and that of details.",
    epilog=examples("report", "report --set report.margin=0.02"),
)
@stage_options
def report(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: tables, figures, the page of answers and that of details."""
    plan_or_run("report", assignments, dry_run)


@click.command(
    short_help="Put the best seed of every method into the registry.",
    epilog=examples("register --dry-run", "register"),
)
@stage_options
def register(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: put the best seed of every method, with its card, into MLflow's registry."""
    plan_or_run("register", assignments, dry_run)


@click.command(
    context_settings={"ignore_unknown_options": True},
    short_help="Run `dvc repro` under a launched `mlflow run`.",
    epilog=examples("pipeline --preset tiny", "pipeline --seeds 1,2 --methods frozen,grl report"),
)
@click.option("--preset", default="", help="Write a preset into params.yaml first.")
@click.option("--name", default="", help="Write `name`.")
@click.option("--seeds", default="", help="Write train.seeds, e.g. 1,2,3.")
@click.option("--methods", default="", help="Write train.run, e.g. frozen,finetune.")
@click.option("--values", default="", help="Write any others: 'train.clip=0.5 train.warmup=0'.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def pipeline(
    preset: str, name: str, seeds: str, methods: str, values: str, arguments: tuple[str, ...]
) -> None:
    """Run `dvc repro ARGUMENTS` with the stages as child runs of a launched `mlflow run`.

    Values are written into params.yaml first, and the change is shown.
    """
    from langspec.stages import pipeline as stage

    changes = stage.assignments(name=name, seeds=seeds, methods=methods, values=values)
    for line in stage.write_values(preset, changes, ROOT):
        click.echo(line)
    sys.exit(stage.run(list(arguments), ROOT))


@click.command(short_help="Rebuild MLflow's runs from results/.", epilog=examples("replay"))
def replay() -> None:
    """Rebuild MLflow runs from results/: what DVC restored unrun, or after a lost store."""
    config = configure(())
    from langspec.stages import register
    from langspec.stages import replay as stage

    click.echo(stage.run(config, ROOT, required=True))
    if versions := register.restore(config, ROOT):
        click.echo(versions)


@click.command(short_help="Mark runs whose process died as killed.", epilog=examples("reap"))
def reap() -> None:
    """Mark runs whose process died as killed."""
    config = configure(())
    from langspec.stages import replay as stage

    click.echo(stage.reap(config, ROOT))


COMMANDS = (train, evaluate, cells, report, register, pipeline, replay, reap)
