"""Commands that use a trained model: labels for new text, a folder for other libraries."""

from __future__ import annotations

from pathlib import Path

import click

from langspec.commands.shared_options import ROOT, configure, examples


@click.command(
    short_help="Label new text with a trained model.",
    epilog=examples(
        "predict --model models:/langspec-pos@champion text.txt",
        "predict --model exported/ pairs.tsv --output tsv",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--model", required=True, help="models:/NAME@ALIAS or a FOLDER.")
@click.option("--format", "kind", help="txt, jsonl, tsv or conllu; default: by FILE's name.")
@click.option("--output", default="jsonl", show_default=True, help="jsonl or tsv.")
@click.option("--eraser", default="", help="One of the model's erasers.")
def predict(file: Path | None, model: str, kind: str | None, output: str, eraser: str) -> None:
    """Label the rows of FILE (default: standard input) with a registered or exported model."""
    config = configure(()) if (ROOT / "params.yaml").exists() else None
    from langspec.stages import predict as stage

    for line in stage.run(config, ROOT, model, file, kind=kind, output=output, eraser=eraser):
        click.echo(line)


@click.command(
    short_help="Write a trained encoder for transformers.",
    epilog=examples(
        "export --task pos --method finetune --seed 1 --out exported/",
        "export --task pos --method finetune --seed 1 --out erased/ --eraser leace",
    ),
)
@click.option("--task", required=True, help="pos or nli.")
@click.option("--method", required=True, help="A method that was trained.")
@click.option("--seed", required=True, type=int, help="One of its seeds.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New or empty folder.")
@click.option("--eraser", help="lsar, inlp or leace, or a folder DIR/eraser of another export.")
@click.option("--head/--no-head", default=False, help="Put the task's head beside the encoder.")
def export(task: str, method: str, seed: int, out: Path, eraser: str | None, head: bool) -> None:
    """Write a trained encoder as a folder for transformers and sentence-transformers."""
    config = configure(())
    from langspec.stages import export as stage

    folder = stage.run(
        config,
        ROOT,
        task_name=task,
        method=method,
        seed=seed,
        out=out,
        eraser=eraser,
        with_head=head,
    )
    click.echo(folder)


COMMANDS = (predict, export)
