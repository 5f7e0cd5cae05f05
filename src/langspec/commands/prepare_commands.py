"""Commands that prepare a run: presets, corpora, the starting encoder, downloads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from langspec.commands.shared_options import (
    ROOT,
    configure,
    examples,
    plan_or_run,
    stage_options,
)
from langspec.errors import LangspecError


@click.group(
    invoke_without_command=True,
    short_help="Read, filter and split the corpora; write the data card.",
    epilog=examples("corpora", "corpora add official/", "corpora status"),
)
@stage_options
@click.pass_context
def corpora(context: click.Context, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: read the corpora from files or the Hub, filter, split, write the data card."""
    if context.invoked_subcommand:
        return
    plan_or_run("corpora", assignments, dry_run)


@corpora.command(
    "add",
    short_help="Record a folder of official files.",
    epilog=examples("corpora add official/", "corpora add official/ --copy", "corpora add"),
)
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
    click.echo(stage.add(folder, ROOT, copy=copy))


@corpora.command(
    "status",
    short_help="Which recorded files changed or are gone.",
    epilog=examples("corpora status"),
)
def corpora_status() -> None:
    """Say which recorded files have changed or are gone; exit code 1 if any."""
    from langspec.corpora.enter import status

    text, same = status(ROOT)
    click.echo(text)
    sys.exit(0 if same else 1)


@click.command(
    short_help="Pre-train, convert or copy the starting encoder.",
    epilog=examples("encoder --dry-run", "encoder"),
)
@stage_options
def encoder(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: pre-train, convert or copy the starting encoder."""
    plan_or_run("encoder", assignments, dry_run)


@click.command(
    short_help="Download the encoder and corpora of kind hub.",
    epilog=examples("fetch --preset paper --dry-run", "fetch"),
)
@click.option("--preset", "name", help="A preset's values instead of params.yaml's.")
@stage_options
def fetch(name: str | None, assignments: tuple[str, ...], dry_run: bool) -> None:
    """Download the encoder and corpora of kind hub; then all runs with HF_HUB_OFFLINE=1."""
    config = configure(assignments, name)
    from langspec.stages import fetch as stage

    click.echo(stage.plan(config) if dry_run else stage.run(config))


@click.command(
    short_help="Write a preset into params.yaml, or list them.",
    epilog=examples("preset", "preset e5"),
)
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Write a preset's values into params.yaml and show what changed; without NAME, list them."""
    from langspec import presets

    click.echo(presets.write(name, ROOT / "params.yaml") if name else presets.listing())


COMMANDS = (corpora, encoder, fetch, preset)
