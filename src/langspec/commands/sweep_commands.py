"""Commands of sweeps."""

from __future__ import annotations

from typing import Any

import click

from langspec.commands.shared_options import (
    ROOT,
    configure,
    examples,
    plan_or_run,
    stage_options,
    sweep_unfinished,
)


@click.command(
    short_help="The sweep of params.yaml, repeatable.",
    epilog=examples("tune --dry-run", "tune --set tune.trials=5"),
)
@stage_options
def tune(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: the sweep of params.yaml, by one worker, repeatable; tune.trials 0: none."""
    plan_or_run("tune", assignments, dry_run)


@click.command(
    short_help="Search a method's parameters with Optuna.",
    epilog=examples(
        "sweep --space",
        "sweep --task pos --method grl --trials 20 --study grl-pos",
    ),
)
@click.option("--task", help="pos, nli or one of tasks.")
@click.option("--method", help="A method of train.methods, such as grl.")
@click.option(
    "--trials", type=int, metavar="N", help="Number of trials of the study, over all workers."
)
@click.option("--workers", type=click.IntRange(1), default=1, help="Processes on this machine.")
@click.option("--study", metavar="NAME", help="Its name; an existing study is continued.")
@click.option(
    "--storage", metavar="URL", envvar="LANGSPEC_STUDIES", help="A database, or a journal file."
)
@click.option(
    "--pareto", is_flag=True, help="Two aims, dev_macro_f1 and dev_leak, and their front."
)
@click.option(
    "--space",
    is_flag=False,
    flag_value="list",
    type=click.Choice(["default", "paper", "grid", "list"]),
    help="Parameters that are searched; without a value: list them.",
)
@click.option("--epochs", type=int, metavar="N", help="Of a trial.")
@click.option("--rows", type=int, metavar="N", help="Training rows of a trial.")
@click.option("--seed", type=int, metavar="N", help="Of the sampler.")
@click.option(
    "--lost", multiple=True, metavar="HOST", help="A machine whose processes have all ended."
)
@click.option("--worker", is_flag=True, hidden=True)
@stage_options
def sweep(
    workers: int,
    study: str | None,
    storage: str | None,
    pareto: bool,
    lost: tuple[str, ...],
    worker: bool,
    assignments: tuple[str, ...],
    dry_run: bool,
    **values: Any,
) -> None:
    """Search a method's parameters with Optuna; the same command continues its study.

    What is not given is as in the section tune of params.yaml.
    """
    listed = values["space"] == "list"
    given = {k: v for k, v in values.items() if v is not None and v != "list"}
    given |= {"pareto": "true"} if pareto else {}
    assignments += tuple(f"tune.{key}={value}" for key, value in given.items())
    config = configure(assignments)
    if listed:
        from langspec.tuning.space import listing

        return click.echo(listing(config))
    from langspec.tuning import sweeping

    if worker:
        sweeping.worker(config, ROOT, study=study or "")
    elif dry_run:
        plan = sweeping.plan(config, ROOT, study=study, storage=storage, workers=workers)
        click.echo(plan)
    else:
        sweep_unfinished()
        summary = sweeping.run(
            config,
            ROOT,
            assignments=assignments,
            study=study,
            storage=storage,
            workers=workers,
            lost=lost,
        )
        click.echo(summary)


@click.command(
    short_help="Write a study's best values into params.yaml.",
    epilog=examples("adopt grl-pos", "adopt grl-pos --trial 7", "adopt tune"),
)
@click.argument("study")
@click.option(
    "--storage",
    metavar="URL",
    envvar="LANGSPEC_STUDIES",
    help="Storage of the study, if not its journal.",
)
@click.option("--trial", type=int, metavar="N", help="This trial, in place of the best one.")
@click.option("--front", "row", type=int, metavar="I", help="Row I of front.csv, from 0.")
def adopt(study: str, storage: str | None, trial: int | None, row: int | None) -> None:
    """Write the values of a study's best trial into params.yaml; STUDY tune: of the stage."""
    config = configure(())
    from langspec.tuning.adoption import take_over

    changes = take_over(config, ROOT, study, storage=storage, trial=trial, place_on_front=row)
    click.echo(changes)


COMMANDS = (tune, sweep, adopt)
