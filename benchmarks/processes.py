"""Two processes that share every step against one process on one core: wall seconds.

    python benchmarks/processes.py                        # the demo; wants two idle cores
    python benchmarks/processes.py --preset e5 --root DIR --rows 256

The same training (``finetune``, embeddings frozen, the same rows and steps) by one process, and by
two that ``compute.launch: accelerate/cpu-2.yaml`` would start (gloo), one thread each, taking
turns. Timed from the second step to the last, in every process: the first one waits for its peers.
What both spend before it (imports, the encoder, its data) is the same and is not counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from contest import configuration, parser_of
from machine import said
from shared import ROOT
from told import Rows

ASKED = 1.5
NOT_COMPARABLE = (
    "The ratio of wall times holds for two idle cores alone; compare no milliseconds with other "
    "machines"
)


def child(given: Namespace) -> None:
    """One of the processes: train, and leave in a folder what it took."""
    config = configuration(given)
    import torch
    from accelerate import Accelerator

    from langspec.compute import resolve_precision
    from langspec.encoders.load import load_encoder
    from langspec.files import write_json
    from langspec.modelling.model import freeze_embeddings
    from langspec.modelling.saved import build_model
    from langspec.objectives import get_objective
    from langspec.paths import paths_of
    from langspec.tasks import get_task
    from langspec.training.experiment import MIXED
    from langspec.training.loop import fit
    from langspec.training.train_section import recipe_of

    torch.set_num_threads(1)
    precision = resolve_precision(config.compute.precision, "cpu")
    accelerator = Accelerator(cpu=True, mixed_precision=MIXED[precision])
    if accelerator.num_processes != given.child:
        sys.exit(f"{accelerator.num_processes} processes, expected {given.child}")
    paths, task = paths_of(config, given.root), get_task(given.task)
    encoder, source = load_encoder(paths.encoder), [config.corpora.source]
    train = task.data(task.rows(paths.corpora, "train", source)[: given.rows], encoder)
    dev = task.data(task.rows(paths.corpora, "dev", source)[:4], encoder)
    torch.manual_seed(1)
    model = build_model(encoder, task, feature_layer=-1, dropout=0.1, init=0.02)
    freeze_embeddings(model.encoder)
    recipe = recipe_of(config.train, given.task, "finetune", 1)
    changes = {"epochs": 1, "batch_tokens": given.batch_tokens or recipe.batch_tokens}
    recipe = replace(recipe, **changes)
    objective: Any = get_objective("finetune")
    update, begun = objective.update, []

    def timed(*arguments: Any) -> Any:
        begun.append((time.perf_counter(), time.process_time()))
        return update(*arguments)

    objective.update = timed
    fit(model, objective, train, dev, recipe, accelerator,
        classes=len(task.labels), precision=precision, watch=config.train.watch)  # fmt: skip
    if len(begun) < 3:
        sys.exit(f"{len(begun)} steps, expected at least 3; more --rows or fewer --batch-tokens")
    wall, cpu = (last - first for first, last in zip(begun[1], begun[-1], strict=True))
    write_json(
        given.into / f"{accelerator.process_index}.json",
        {"steps": len(begun) - 2, "wall_s": wall, "cpu_s": cpu},
    )


def one_turn(given: Namespace, processes: int) -> dict[str, float]:
    """A training by so many processes: wall seconds of the slowest, CPU seconds of all."""
    from langspec.files import read_json
    from langspec.launch import read_launch

    with tempfile.TemporaryDirectory() as into:
        arguments = ["processes", "--child", str(processes), "--into", into]
        arguments += ["--task", given.task, "--root", str(given.root.resolve())]
        arguments += ["--rows", str(given.rows)]
        arguments += ["--preset", given.preset] if given.preset else []
        arguments += ["--batch-tokens", str(given.batch_tokens)] if given.batch_tokens else []
        command, more = [sys.executable, "-m", *arguments], {"ACCELERATE_USE_CPU": "true"}
        if processes > 1:
            asked = read_launch(ROOT / "accelerate" / f"cpu-{processes}.yaml")
            command, more = asked.command(arguments), asked.variables()
        here = str(Path(__file__).parent)
        variables = {**os.environ, **more, "OMP_NUM_THREADS": "1", "PYTHONPATH": here}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        found = [read_json(file) for file in sorted(Path(into).glob("*.json"))]
    if done.returncode or len(found) != processes:
        sys.exit(f"{processes} processes ended with {done.returncode}: {done.stderr[-2000:]}")
    return {
        "processes": processes,
        "steps": found[0]["steps"],
        "wall_s": max(each["wall_s"] for each in found),
        "cpu_s": sum(each["cpu_s"] for each in found),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--rows", type=int, default=500, help="rows of the training")
    parser.add_argument("--batch-tokens", type=int, help="a step; else as configured")
    parser.add_argument("--child", type=int, help="(what this program starts)")
    parser.add_argument("--into", type=Path, help="(a folder for what a child found)")
    given = parser.parse_args(arguments)
    if given.child:
        child(given)
        return
    rows = Rows(given.out)
    for turn in range(given.turns):
        for processes in (1, 2):
            rows.add({"turn": turn, **one_turn(given, processes)})
    one, two = ([row for row in rows.all if row["processes"] == count] for count in (1, 2))
    print("| processes | wall ms a step | CPU ms a step | times as fast (wall) | asked |")
    print("|---|---|---|---|---|")
    for own, asked in ((one, ""), (two, f"≥ {ASKED:g}")):
        wall, cpu = (median(1e3 * row[key] / row["steps"] for row in own)
                     for key in ("wall_s", "cpu_s"))  # fmt: skip
        pairs = zip(one, own, strict=True)
        ratio = median(single["wall_s"] / each["wall_s"] for single, each in pairs)
        print(f"| {own[0]['processes']} | {wall:.1f} | {cpu:.1f} | {ratio:.2f} | {asked} |")
    print(f"\n{one[0]['steps']} steps a turn, {given.turns} turns. {said(NOT_COMPARABLE)}")


if __name__ == "__main__":
    main()
