"""What a fine-tuning costs as its rows grow: CPU seconds and peak memory, a process a size.

    python benchmarks/growth.py --sizes 1 2 4 8

Rows of the train set, repeated where there are too few; one epoch of ``finetune``. Sizes take
turns; the table has medians, and the largest peak.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from contest import configuration, parser_of
from machine import said
from told import Rows


def one_size(pipe: Any, given: Namespace, size: int) -> None:
    """Train on so many rows and send what it took."""
    config = configuration(given)
    import numpy as np
    import torch
    from accelerate import Accelerator

    from langspec.encoders.load import load_encoder
    from langspec.modelling.model import freeze_embeddings
    from langspec.modelling.saved import build_model
    from langspec.objectives import get_objective
    from langspec.paths import paths_of
    from langspec.tasks import get_task
    from langspec.training.loop import fit
    from langspec.training.train_section import recipe_of

    torch.set_num_threads(1)
    paths, task = paths_of(config, given.root), get_task(given.task)
    encoder, source = load_encoder(paths.encoder), [config.corpora.source]
    table = task.rows(paths.corpora, "train", source)
    rows = np.arange(given.rows * size) % len(table)
    train = task.data(table.take(rows), encoder)
    dev = task.data(task.rows(paths.corpora, "dev", source)[:50], encoder)
    model = build_model(encoder, task, feature_layer=-1, dropout=0.1, init=0.02)
    freeze_embeddings(model.encoder)
    recipe = replace(recipe_of(config.train, given.task, "finetune", 1), epochs=1)
    began = time.process_time()
    fit(
        model, get_objective("finetune"), train, dev, recipe, Accelerator(cpu=True),
        classes=len(task.labels), watch=config.train.watch,
    )  # fmt: skip
    took = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send({"size": size, "rows": len(train), "cpu_s": took, "peak_mb": peak})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rows", type=int, default=400, help="rows of size 1")
    given = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    rows = Rows(given.out)
    for turn in range(given.turns):
        for size in given.sizes:
            ours, theirs = context.Pipe()
            process = context.Process(target=one_size, args=(theirs, given, size))
            process.start()
            theirs.close()
            rows.add({"turn": turn, **ours.recv()})
            process.join()
    print("| rows | CPU s | times the first | peak MB |\n|---|---|---|---|")
    first = given.sizes[0]
    for size in given.sizes:
        own = [row for row in rows.all if row["size"] == size]
        base = [row for row in rows.all if row["size"] == first]
        ratio = median(a["cpu_s"] / b["cpu_s"] for a, b in zip(own, base, strict=True))
        took, peak = median(row["cpu_s"] for row in own), max(row["peak_mb"] for row in own)
        print(f"| {own[0]['rows']} | {took:.1f} | {ratio:.2f} | {peak:.0f} |")
    print("\n" + said("Compare the column of times with other machines, not the seconds"))


if __name__ == "__main__":
    main()
