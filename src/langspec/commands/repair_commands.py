"""The command that repairs an encoder; it needs no project."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from langspec.commands.erase_commands import fit_on_vectors, vector_options
from langspec.commands.shared_options import encoding_options, examples, take_threads
from langspec.errors import LangspecError


@click.command(
    short_help="Remove an encoder's language bias, proved on search.",
    epilog=examples(
        "repair e5 --parallel ntrex/ --out e5-repaired/",
        "repair my-model/ --parallel flores/ --methods leace,lsar --loss 0.02 --out repaired/",
        "repair my-model/ --parallel flores/ --fit-languages en,de,fr --out repaired/",
        "repair my-model/ --text wiki/ --parallel flores/ --out repaired/ --dry-run",
        "repair my-model/ --parallel flores/ --queries q.jsonl --qrels qrels.tsv --corpus "
        "corpus.jsonl --out repaired/",
        "repair --vectors index.parquet --line-column pair --out eraser/",
        "repair --vectors index.npy --languages codes.txt --out eraser/",
    ),
)
@click.argument("encoder", required=False)
@click.option(
    "--parallel",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of en.txt, de.txt.gz ...: one text a line, line n of each a translation of "
    "line n. Search is measured on it.",
)
@click.option(
    "--text",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The same without translations: methods are fitted on it. Alone: search is not proved.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="New or empty folder: the encoder, its card, and a page.",
)
@click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Instead of ENCODER: npy, npz, parquet or jsonl with vectors and languages, of any size. "
    "What is written is an eraser for `langspec erase`.",
)
@vector_options
@click.option(
    "--line-column",
    metavar="NAME",
    help="Of --vectors: column of what translations share, so that search is measured. With "
    "--languages: a second column after a tab.",
)
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of your own judged search set, measured before and after: JSON lines with _id, text and "
    "language, as BEIR and mteb have them.",
)
@click.option(
    "--qrels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its judgements: query-id, corpus-id and score with tabs between them, or TREC's form.",
)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its texts: JSON lines with _id, title, text and language.",
)
@click.option(
    "--query-prefix",
    metavar="TEXT",
    help="Before each of --queries, such as 'query: '. Default: the encoder's prompt for queries, "
    "else --prefix.",
)
@click.option(
    "--corpus-prefix",
    metavar="TEXT",
    help="Before each text of --corpus, such as 'passage: '. Default: the encoder's prompt for "
    "documents, else --prefix.",
)
@click.option("--methods", metavar="LIST", help="Such as leace,lsar,lir+leace. Default: all.")
@click.option(
    "--rule",
    metavar="NAME",
    help="Best recall, first, mrr, ndcg, preference or share. Default: recall (share with --text "
    "alone).",
)
@click.option(
    "--loss", default=0.01, show_default=True, help="Monolingual recall@10 that may be lost."
)
@click.option("--fit-languages", metavar="LIST", help="Fit on these; others count as unseen.")
@encoding_options
@click.option("--seed", default=0, show_default=True, help="Of samples and splits.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done, with an estimate of time and memory."
)
@click.pass_context
def repair(
    context: click.Context,
    encoder: str | None,
    vectors: Path | None,
    pooling: str | None,
    prefix: str | None,
    threads: int | None,
    dry_run: bool,
    **values: Any,
) -> None:
    """Find ENCODER's language bias in search, remove it, and write the encoder that is left.

    Every method is fitted on training lines, one is chosen on validation lines, and test lines
    prove it. Nothing is called repaired whose interval holds zero. ENCODER is named as for audit;
    SentenceTransformer opens what is written.
    """
    command = shlex.join(["langspec", *sys.argv[1:]])
    columns = [values.pop(f"{name}_column") for name in ("vector", "language", "line")]
    languages = values.pop("languages")
    if vectors is not None:
        if any(values[name] is not None for name in ("queries", "qrels", "corpus")):
            raise LangspecError("is encoded by an encoder; --vectors has none", place="--queries")
        fit_on_vectors(context, vectors, (*columns, languages), command)
        return
    if encoder is None:
        raise LangspecError("expected an encoder, or --vectors FILE", place="ENCODER")
    if any(one is not None for one in (*columns, languages)):
        raise LangspecError("say where the parts of --vectors are", place="columns, --languages")
    if values["text"] is None and values["parallel"] is None:
        raise LangspecError("expected a folder of translations (or --text)", place="--parallel")
    take_threads(threads)
    from langspec.audit.options import EncoderChoice
    from langspec.repair.repair_options import RepairOptions
    from langspec.stages import repair as stage

    choice = EncoderChoice(encoder, prefix, pooling)
    click.echo(stage.run(RepairOptions(choice, command=command, **values), dry_run=dry_run))


COMMANDS = (repair,)
