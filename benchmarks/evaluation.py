"""What evaluating one trained checkpoint costs, all measures of its preset, beside another commit.

    python benchmarks/evaluation.py --preset e5 --root DIR --against 20d272e

DIR is a project in which stages `corpora` and `encoder` ran. Every side is a copy of a checkout
in a temporary folder with these corpora and this encoder. There one seed of `--method` is trained.
Then `langspec evaluate` runs with nothing cached, and once more with everything cached. It
evaluates the random encoder, too, which every evaluation has as its floor. CPU seconds are those
of all processes, as `pipeline.py` counts them. Each side has the values of its own preset; `--set`
changes values of all sides, in every command. Sizes of the corpora are those of DIR: stage
`corpora` limits them.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from machine import said
from pipeline import Side, table
from shared import ROOT
from told import Rows


def take_data(side: Side, root: Path) -> None:
    """Copy the prepared corpora and the encoders of a project into a side."""
    for name in ("corpora", "encoders"):
        shutil.copytree(root / "data" / name, side.project / "data" / name, dirs_exist_ok=True)


def turn(side: Side, number: int, given: argparse.Namespace, rows: Rows) -> None:
    """Train one checkpoint, evaluate it, and evaluate it again."""
    side.run("langspec", "preset", given.preset)
    take_data(side, given.root)
    values = [f"train.run=[{given.method}]", "train.also.run=[]", "train.seeds=[1]", *given.set]
    changed = [word for value in values for word in ("--set", value)]
    task = ["--task", given.task]
    commands = (
        ("train", ["train", *task, "--method", given.method]),
        ("nothing cached", ["evaluate", *task]),
        ("everything cached", ["evaluate", *task]),
    )
    for state, command in commands:
        found = side.run("langspec", *command, *changed)
        cells = {"side": side.name, "turn": number, "state": state}
        command_line = " ".join(["langspec", *command])
        rows.add(
            {**cells, "command": command_line, "cpu_s": found["cpu_s"], "wall_s": found["wall_s"]}
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="e5")
    parser.add_argument("--root", type=Path, required=True, help="a project with prepared data/")
    parser.add_argument("--task", default="pos")
    parser.add_argument("--method", default="finetune")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of params.yaml")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--source", type=Path, default=ROOT, help="a checkout to measure")
    parser.add_argument("--against", help="a commit of this repository to measure before it")
    parser.add_argument("--out", type=Path, help="a CSV file to write, too, row by row")
    given = parser.parse_args(arguments)
    checkouts = {f"commit {given.against}": (ROOT, given.against)} if given.against else {}
    checkouts["now"] = (given.source, "")
    rows = Rows(given.out)
    for number in range(given.turns):
        with tempfile.TemporaryDirectory(prefix="evaluation-") as name:
            for place, (side, (source, commit)) in enumerate(checkouts.items()):
                turn(Side(side, source, commit, Path(name) / str(place)), number, given, rows)
    print(table(rows.all, list(checkouts)))
    print(f"\nPreset {given.preset}, {given.turns} turns. {said()}")


if __name__ == "__main__":
    main()
