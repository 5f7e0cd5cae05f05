"""Commands that print results."""

from __future__ import annotations

import click

from langspec.commands.shared_options import ROOT, configure, examples
from langspec.errors import LangspecError


@click.command(short_help="Print the headline table.", epilog=examples("headline"))
def headline() -> None:
    """Print the headline table and where the report is."""
    config = configure(())
    from langspec.stages import report as stage

    click.echo(stage.headline(config, ROOT))


@click.command(
    short_help="Print a table of the report.",
    epilog=examples("table", "table leak_pos", "table leak_pos --columns unit,layer,n"),
)
@click.argument("name", required=False)
@click.option("--columns", help="Only these columns, separated by commas.")
def table(name: str | None, columns: str | None) -> None:
    """Print a table of the report as Markdown; without NAME, list the tables."""
    config = configure(())
    from langspec.stages import report as stage

    wanted = columns.split(",") if columns else []
    click.echo(stage.table(config, ROOT, name, wanted))


@click.command(
    short_help="Is A better than B? A verdict a language.",
    epilog=examples(
        "compare finetune frozen",
        "compare grl control --task pos --metric leak",
        "compare demo/grl study/grl --format md",
    ),
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--task", help="Only this one; else all that both were evaluated on.")
@click.option(
    "--metric",
    type=click.Choice(["accuracy", "macro_f1", "leak"]),
    default="accuracy",
    show_default=True,
    help="Of the task, or of the language probe by layer.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="A difference that would not matter; else report.margin.",
)
@click.option("--seed", type=int, help="Only this seed of both (then nothing is decided).")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "csv", "json"]),
    default="text",
    show_default=True,
    help="json: every metric and the whole arithmetic.",
)
def compare(
    first: str,
    second: str,
    task: str | None,
    metric: str,
    margin: float | None,
    seed: int | None,
    form: str,
) -> None:
    """Is A better than B? On the same test items, over seeds, with a verdict a language.

    A and B: METHOD of this run, RUN/METHOD of another below results/, or mlflow:ID-or-name.
    """
    config = configure(())
    if margin is not None and not 0 < margin < 1:  # click lets NaN pass
        raise LangspecError(f"found {margin:g}, expected 0 to 1", place="--margin")
    from langspec.stages import compare as stage

    comparison = stage.run(
        config,
        ROOT,
        first,
        second,
        task=task,
        metric=metric,
        margin=margin,
        seed=seed,
        form=form,
    )
    click.echo(comparison)


@click.command(
    short_help="Open MLflow's pages on the methods side by side.",
    epilog=examples("ui", "ui --port 0 --no-browser"),
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Of the server on this machine; 0: one that is free.",
)
@click.option("--browser/--no-browser", default=True, help="Open the first address in a browser.")
def ui(port: int, browser: bool) -> None:
    """Show the methods side by side in MLflow's pages, as a table and as charts.

    A server runs on 127.0.0.1 until Ctrl-C. Where tracking.uri names a server, its address is
    printed and no other one is started.
    """
    config = configure(())
    from langspec.tracking.pages import show_pages
    from langspec.tracking.store import tracking_store

    for line in show_pages(tracking_store(config.tracking.uri), port, browser=browser):
        click.echo(line)


COMMANDS = (headline, table, compare, ui)
