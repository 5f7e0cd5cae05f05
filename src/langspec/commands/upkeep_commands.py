"""Commands that look after a project: is it healthy, and what can go."""

from __future__ import annotations

import sys

import click

from langspec.commands.shared_options import ROOT, examples


@click.command(
    short_help="Is this project healthy? For bug reports, too.", epilog=examples("doctor")
)
def doctor() -> None:
    """Say versions, machine, precision, store, disk, encoder, corpora and leftovers.

    Exit code 1 where something will make a run fail. A report of a bug should hold the output.
    """
    from langspec.upkeep.checks import examine

    faults = 0
    for one in examine(ROOT):
        click.echo(f"{one.level:5}  {one.subject:9}  {one.text}")
        faults += one.level == "fault"
    sys.exit(1 if faults else 0)


@click.command(
    short_help="Remove caches, checkpoints and leftovers.",
    epilog=examples("clean --dry-run", "clean", "clean --only caches --yes"),
)
@click.option(
    "--only",
    type=click.Choice(["caches", "checkpoints", "unfinished"]),
    help="This kind alone.",
)
@click.option("--dry-run", is_flag=True, help="List what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(only: str | None, dry_run: bool, yes: bool) -> None:
    """Remove what a run computes again, and what killed processes left; asks first.

    Results, corpora, encoders, studies and runs stay.
    """
    from langspec.upkeep.leftovers import KINDS, leftovers, remove

    chosen = [one for one in leftovers(ROOT) if only in (None, one.kind)]
    for kind, says in KINDS.items():
        if part := [one for one in chosen if one.kind == kind]:
            click.echo(f"{kind}: {says}")
            for one in part:
                click.echo(f"  {one.size / 1e6:8.1f} MB  {one.path}")
    if not chosen:
        click.echo("nothing to remove")
    elif not dry_run and (yes or click.confirm("Remove all of these?")):
        click.echo(f"removed {remove(ROOT, chosen) / 1e6:.1f} MB")


COMMANDS = (doctor, clean)
