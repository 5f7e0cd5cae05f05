"""Commands that need no project: an audit of any encoder, and what seqeval says of raw labels."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from langspec.commands.shared_options import encoding_options, examples, take_threads
from langspec.errors import LangspecError


@click.command(short_help="Which languages does an encoder keep apart?")
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
@encoding_options
@click.option("--against-pooling", metavar="mean|cls", help="--pooling of the second.")
@click.option("--against-prefix", metavar="TEXT", help="--prefix of the second.")
@click.option("--full", is_flag=True, help="Also attackers, codelength, n-grams, random encoder.")
@click.option("--max-words", default=1000, show_default=True, help="Training words a language.")
@click.option("--prefix-words", is_flag=True, help="Read words behind --prefix, as texts are.")
@click.option("--seed", default=0, show_default=True, help="Of samples, splits, random weights.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write. Default: ./audit-NAME.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done, with an estimate of time and memory."
)
@click.option("--force", is_flag=True, help="Replace an earlier audit that files were added to.")
def audit(
    encoder: str,
    text: Path | None,
    parallel: Path | None,
    against: str | None,
    threads: int | None,
    dry_run: bool,
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
    if text is None and parallel is None:
        raise LangspecError("expected a folder of text files", place="--text")
    take_threads(threads)
    from langspec.audit.options import AuditOptions, EncoderChoice
    from langspec.stages import audit as stage

    encoders = [EncoderChoice(encoder, values.pop("prefix"), values.pop("pooling"))]
    second = values.pop("against_prefix"), values.pop("against_pooling")
    if against is not None:
        encoders.append(EncoderChoice(against, *second))
    elif any(value is not None for value in second):
        raise LangspecError("needs --against", place="--against-prefix, --against-pooling")
    command = shlex.join(["langspec", *sys.argv[1:]])
    folder = text or parallel
    assert folder is not None  # refused above
    options = AuditOptions(tuple(encoders), folder, parallel, command=command, **values)
    click.echo(stage.run(options, dry_run=dry_run))


@click.command(
    "seqeval-curve",
    short_help="What seqeval says of raw language labels.",
    epilog=examples("seqeval-curve", "seqeval-curve --languages en,de,fr --length 10"),
)
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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["markdown", "csv"]), default="markdown",
    show_default=True,
)  # fmt: skip
def seqeval_curve(**options: Any) -> None:
    """Print what seqeval says of raw language labels at given token accuracies; no project."""
    from langspec.stages import seqeval_curve as command

    click.echo(command.run(**options))


COMMANDS = (audit, seqeval_curve)
