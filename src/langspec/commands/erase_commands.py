"""The command that erases language from vectors in a file; needs no project and no encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from langspec.commands.shared_options import SAVES_NOTHING, examples, take_threads
from langspec.errors import LangspecError


def vector_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say where the parts of a row of vectors are."""
    command = click.option(
        "--vector-column",
        metavar="NAME",
        help="Column, key or array of the vectors. Default: the only one there is.",
    )(command)
    command = click.option(
        "--language-column",
        metavar="NAME",
        help="Column, key or array of language codes. Default: language or lang.",
    )(command)
    return click.option(
        "--languages",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A language code a line, in the order of the vectors, as for npy.",
    )(command)


@click.command(
    short_help="Erase language from vectors in a file.",
    epilog=examples(
        "erase eraser/ vectors.npy --out erased.npy",
        "erase repaired-encoder/eraser/ vectors.npy --out erased.npy",
        "erase eraser/ vectors.parquet --out erased.parquet --vector-column embedding",
    ),
)
@click.argument("eraser", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", required=True, help="File to write."
)
@vector_options
@click.option(
    "--force",
    is_flag=True,
    help="Also over a file, and on vectors that look like another encoder's.",
)
def erase(eraser: Path, file: Path, out: Path, force: bool, **columns: Any) -> None:
    """Apply ERASER to the vectors of FILE.

    ERASER is a folder of `langspec repair --vectors`, or eraser/ of a repaired encoder.

    FILE is npy, npz, parquet or jsonl, of any size: a few thousand vectors are in memory at once.
    What is written has the same format, type of numbers and other columns, whole or not at all;
    its vectors have length 1.
    """
    from langspec.vectors.erase_file import erase_file
    from langspec.vectors.vector_file import Columns

    named = Columns(
        vector=columns["vector_column"],
        language=columns["language_column"],
        languages=columns["languages"],
    )
    click.echo(erase_file(eraser, file, out, named, force=force))


_OF_VECTORS = ("methods", "rule", "loss", "seed")
_NOT_OF_VECTORS = (
    "encoder", "text", "parallel", "fit_languages", "pooling", "prefix", "max_texts",
    "max_tokens", "batch_tokens", "precision", "query_prefix", "corpus_prefix",
)  # fmt: skip


def fit_on_vectors(
    context: click.Context, path: Path, columns: tuple[Any, ...], command: str
) -> None:
    """Do `langspec repair --vectors`.

    Args:
        context: of the command, with its options.
        path: the file.
        columns: names of the columns of vectors, languages and lines, and the file of languages.
        command: the command line.

    Raises:
        LangspecError: an option that is about an encoder; what the repair refuses.
    """
    context.meta[SAVES_NOTHING] = True
    for name in _NOT_OF_VECTORS:
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = name.upper() if name == "encoder" else f"--{name.replace('_', '-')}"
            raise LangspecError(
                "is about an encoder, and --vectors reads none; leave it out", place=option
            )
    values = context.params
    take_threads(values["threads"])
    from langspec.vectors.repair_vectors import VectorOptions, plan_vectors, repair_vectors
    from langspec.vectors.vector_file import Columns

    chosen = {name: values[name] for name in _OF_VECTORS}
    options = VectorOptions(path, Columns(*columns), values["out"], command=command, **chosen)
    work = plan_vectors if values["dry_run"] else repair_vectors
    click.echo(work(options))


COMMANDS = (erase,)
