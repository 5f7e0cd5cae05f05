"""Write the files of the demo corpora."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path

from demo.datasets import COMMITTED, DATASETS, TEXTS, generate_dataset, publish
from demo.generate import LANGUAGES, Sizes, generate
from langspec.errors import LangspecError


def main() -> int:
    """Run the command line; the exit code."""
    chosen = _parser().parse_args()
    try:
        if chosen.out is not None:
            generate(
                chosen.out,
                languages=sorted(chosen.languages.split(",")),
                source=chosen.source,
                sizes=_sizes(chosen.size),
                seed=chosen.seed,
            )
            print(f"{chosen.out}: enter it by: langspec corpora add {chosen.out}")
            return 0
        for name in DATASETS:
            with tempfile.TemporaryDirectory(prefix="langspec-") as scratch:
                raw = Path(scratch) / name
                generate_dataset(name, raw)
                publish(name, raw, texts=TEXTS if chosen.pretrain else None)
            print(COMMITTED / name)
        if chosen.pretrain:
            print(*(TEXTS / name for name, one in DATASETS.items() if not one.text_committed))
    except LangspecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Write the generated corpora demo and tiny to src/langspec/corpora/generated.",
    )
    parser.add_argument(
        "--pretrain",
        action="store_true",
        help="also write the text that the demo's encoder is pre-trained on",
    )
    parser.add_argument("--out", type=Path, help="write plain files of another setting here")
    parser.add_argument("--languages", default=",".join(LANGUAGES), help="with --out: codes")
    parser.add_argument("--source", default="en", help="with --out: language of the train files")
    parser.add_argument("--seed", type=int, default=7, help="with --out")
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME=ROWS",
        help=f"with --out: one of {', '.join(field.name for field in fields(Sizes))}",
    )
    return parser


def _sizes(given: list[str]) -> Sizes:
    sizes, names = DATASETS["demo"].sizes, {field.name for field in fields(Sizes)}
    for one in given:
        name, _, rows = one.partition("=")
        if name not in names or not rows.isdecimal() or not int(rows):
            raise LangspecError(
                f"expected NAME=ROWS with NAME one of {', '.join(sorted(names))}, found {one!r}",
                place="--size",
            )
        sizes = replace(sizes, **{name: int(rows)})
    return sizes


if __name__ == "__main__":
    sys.exit(main())
