"""The command line: one command a stage. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langspec import __version__, launch, logs
from langspec.errors import LangspecError
from langspec.interrupts import Terminated, leave, raised

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
            leave(2)
        except (Terminated, KeyboardInterrupt) as error:
            ended = error if isinstance(error, Terminated) else Terminated(signal.SIGINT)
            click.echo(
                f"stopped by {ended.signal_name}; the same command goes on from what was saved",
                err=True,
            )
            leave(128 + ended.number)


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
@_stage_options
def register(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: put the best seed of every method, with its card, into MLflow's registry."""
    config = _configure(assignments)
    from langspec.stages import register as stage

    click.echo(stage.plan(config, _ROOT) if dry_run else stage.run(config, _ROOT))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--model", required=True, help="models:/NAME@ALIAS or a FOLDER.")
@click.option("--format", "kind", help="txt, jsonl, tsv or conllu; default: by FILE's name.")
@click.option("--output", default="jsonl", show_default=True, help="jsonl or tsv.")
@click.option("--eraser", default="", help="One of the model's erasers.")
def predict(file: Path | None, model: str, kind: str | None, output: str, eraser: str) -> None:
    """Label the rows of FILE (default: standard input) with a registered or exported model."""
    config = _configure(()) if (_ROOT / "params.yaml").exists() else None
    from langspec.stages import predict as stage

    for line in stage.run(config, _ROOT, model, file, kind=kind, output=output, eraser=eraser):
        click.echo(line)


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
@click.argument("encoder")
@click.option(
    "--text",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of en.txt, de.txt.gz, fr/*.txt ...: one text a line. "
    "Default: that of --parallel.",
)
@click.option(
    "--parallel",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The same, line n of each a translation of line n: adds retrieval. "
    "May be the folder of --text.",
)
@click.option("--against", metavar="ENCODER", help="A second encoder, set beside the first.")
@click.option("--layers", metavar="LIST", help="Such as 0,4-6,-1 (0: embeddings). Default: all.")
@click.option(
    "--pooling", metavar="mean|cls", help="Default: as the model's folder says, or mean."
)
@click.option("--prefix", metavar="TEXT", help="Put before every text, such as 'query: ' for E5.")
@click.option("--against-pooling", metavar="mean|cls", help="The same for --against.")
@click.option("--against-prefix", metavar="TEXT", help="The same for --against.")
@click.option("--full", is_flag=True, help="Also MLP probe, codelength, n-grams, random encoder.")
@click.option("--max-texts", default=2000, show_default=True, help="Texts a language.")
@click.option("--max-words", default=1000, show_default=True, help="Words a language to probe.")
@click.option("--max-tokens", type=int, help="Tokens of a text. Default: what the encoder reads.")
@click.option("--batch-tokens", default=2048, show_default=True, help="Tokens encoded at once.")
@click.option("--threads", type=int, help="Processor threads. Default: all cores.")
@click.option("--seed", default=0, show_default=True, help="Of samples, splits, random weights.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write. Default: ./audit-NAME.",
)
@click.option("--force", is_flag=True, help="Replace an earlier audit that files were added to.")
def audit(
    encoder: str,
    text: Path | None,
    parallel: Path | None,
    against: str | None,
    threads: int | None,
    **values: Any,
) -> None:
    """Which languages does ENCODER keep apart, at which layer, and does retrieval suffer?

    ENCODER is a folder (transformers or sentence-transformers), a model of the Hugging Face Hub
    (NAME or NAME@REVISION), a registered one (models:/NAME@ALIAS) or e5 (packaged). Needs no
    params.yaml, trains nothing but probes, and leaves one page with figures and tables.

    \b
    Examples:
      langspec audit e5 --parallel ntrex/
      langspec audit FacebookAI/xlm-roberta-base --text wiki/ --layers 0,6,12
      langspec audit my-model/ --parallel flores/ --against e5 --out compared/
    """
    from langspec.compute import Compute, set_environment

    if text is None and parallel is None:
        raise LangspecError("expected a folder of text files", place="--text")
    if threads is not None and threads < 1:
        raise LangspecError(f"{threads}; expected 1 or more", place="--threads")
    from langspec.workers import available_cores

    cores = threads or available_cores()
    set_environment(
        Compute(
            threads=cores,
            workers=1,
            precision="fp32",
            launch=None,
            trim_vocabulary=False,
            portable=True,
        )
    )
    from langspec.audit.options import AuditOptions, Wanted
    from langspec.stages import audit as stage

    encoders = [Wanted(encoder, values.pop("prefix"), values.pop("pooling"))]
    second = values.pop("against_prefix"), values.pop("against_pooling")
    if against is not None:
        encoders.append(Wanted(against, *second))
    elif any(value is not None for value in second):
        raise LangspecError("needs --against", place="--against-prefix, --against-pooling")
    command = shlex.join(["langspec", *sys.argv[1:]])
    folder = text or parallel
    assert folder is not None  # refused above
    options = AuditOptions(tuple(encoders), folder, parallel, command=command, **values)
    click.echo(stage.run(options))


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


@main.command("seqeval-curve")
@click.option("--languages", help="Codes with commas, or how many.  [default: the published 33]")
@click.option("--length", default="25", show_default=True, help="Tokens: 25 | 5,10,20 | 25-90.")
@click.option("--sentences", type=int, default=100, show_default=True, help="Of each language.")
@click.option("--accuracy", default="0.5,0.8,0.9,0.95,0.98,0.99,0.995,1", show_default=True)
@click.option(
    "--errors", type=click.Choice(["iid", "clustered", "both"]), default="both", show_default=True
)
@click.option(
    "--correlation", default=0.5, show_default=True, help="In a sentence, of clustered errors."
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["markdown", "csv"]), default="markdown",
    show_default=True,
)  # fmt: skip
def seqeval_curve(**options: Any) -> None:
    """Print what seqeval says of raw language labels at given token accuracies; no project."""
    from langspec.stages import seqeval_curve as command

    click.echo(command.run(**options))


@main.command()
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
    config = _configure(())
    from langspec.stages import compare as stage

    found = stage.run(
        config,
        _ROOT,
        first,
        second,
        task=task,
        metric=metric,
        margin=margin,
        seed=seed,
        form=form,
    )
    click.echo(found)


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
    for line in stage.write_values(preset, changes, _ROOT):
        click.echo(line)
    sys.exit(stage.run(list(arguments), _ROOT))


@main.command()
@_stage_options
def tune(assignments: tuple[str, ...], dry_run: bool) -> None:
    """Stage: the sweep that params.yaml names, one worker, repeatable; none with tune.trials 0."""
    config = _configure(assignments)
    from langspec.stages import tune as stage

    click.echo(stage.plan(config, _ROOT) if dry_run else stage.run(config, _ROOT))


@main.command()
@click.option("--task", help="pos, nli or one of tasks.")
@click.option("--method", help="frozen, finetune, control, grl or adversary.")
@click.option("--trials", type=int, metavar="N", help="Of the study, over all workers of it.")
@click.option("--workers", type=click.IntRange(1), default=1, help="Processes here.")
@click.option("--study", metavar="NAME", help="Its name; there: go on with it.")
@click.option(
    "--storage", metavar="URL", envvar="LANGSPEC_STUDIES", help="A database, or a journal file."
)
@click.option("--pareto", is_flag=True, help="Transfer and leak each for itself: a front.")
@click.option(
    "--space",
    is_flag=False,
    flag_value="list",
    type=click.Choice(["default", "paper", "list"]),
    help="What is searched; alone: list all of it.",
)
@click.option("--epochs", type=int, metavar="N", help="Of a trial.")
@click.option("--rows", type=int, metavar="N", help="Training rows of a trial.")
@click.option("--seed", type=int, metavar="N", help="Of the sampler.")
@click.option("--lost", multiple=True, metavar="HOST", help="A machine that will not come back.")
@click.option("--worker", is_flag=True, hidden=True)
@_stage_options
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
    """Search a method's parameters with Optuna; the same command goes on with a study.

    What is not given is as in the section tune of params.yaml.
    """
    listed = values["space"] == "list"
    given = {k: v for k, v in values.items() if v is not None and v != "list"}
    given |= {"pareto": "true"} if pareto else {}
    assignments += tuple(f"tune.{key}={value}" for key, value in given.items())
    config = _configure(assignments)
    if listed:
        from langspec.tuning.space import listing

        return click.echo(listing(config))
    from langspec.stages import sweep as stage

    if worker:
        stage.worker(config, _ROOT, study=study or "")
    elif dry_run:
        told = stage.plan(config, _ROOT, study=study, storage=storage, workers=workers)
        click.echo(told)
    else:
        found = stage.run(
            config,
            _ROOT,
            assignments=assignments,
            study=study,
            storage=storage,
            workers=workers,
            lost=lost,
        )
        click.echo(found)


@main.command()
@click.argument("study")
@click.option(
    "--storage", metavar="URL", envvar="LANGSPEC_STUDIES", help="Where, if not in its journal."
)
@click.option("--trial", type=int, metavar="N", help="Not the best one, but this.")
@click.option("--front", "row", type=int, metavar="I", help="Row I of front.csv, from 0.")
def adopt(study: str, storage: str | None, trial: int | None, row: int | None) -> None:
    """Write the values of a study's best trial into params.yaml; STUDY tune: of the stage."""
    config = _configure(())
    from langspec.stages import adopt as stage

    found = stage.run(config, _ROOT, study=study, storage=storage, trial=trial, place_on_front=row)
    click.echo(found)


@main.command()
def replay() -> None:
    """Rebuild MLflow runs from results/: what DVC restored unrun, or after a lost store."""
    config = _configure(())
    from langspec.stages import register
    from langspec.stages import replay as stage

    click.echo(stage.run(config, _ROOT))
    if versions := register.restore(config, _ROOT):
        click.echo(versions)


@main.command()
def reap() -> None:
    """Mark runs whose process died as killed."""
    config = _configure(())
    from langspec.stages import replay as stage

    click.echo(stage.reap(config, _ROOT))
