r"""Does training with bf16 passes end as well as in fp32? The same seeds in both precisions.

    python benchmarks/half_quality.py                              # the demo, as params.yaml says
    python benchmarks/half_quality.py --preset e5 --root DIR --rows 480 --dev-rows 60 \
        --test-rows 15 --set train.pos.batch_tokens=512 train.nli.batch_tokens=512

A seed has the same first weights, batches and epochs in both precisions, and other dropout masks.
The table has test accuracy in the source language, the mean test accuracy of the target languages
and, with ``--leak``, the accuracy of a fresh linear probe that reads the language off token
vectors. The last column is the mean difference of the seeds and its 95 % interval (Student's t,
paired by seed). Kernels are not kept to AVX2 here (``compute.portable``), in either precision.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

from contest import configuration, parser_of
from machine import said
from shared import accuracies, token_leak
from told import Rows

PRECISIONS = ("fp32", "bf16")
_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571}  # 97.5 % of Student's t, by seeds


def trained(given: Namespace, config: Any, task: str, precision: str, seed: int) -> dict[str, Any]:
    """Train ``finetune`` once; its test accuracies, and CPU seconds of the training."""
    import time

    import numpy as np
    import torch

    from langspec.paths import paths_of
    from langspec.training.changes import Changes
    from langspec.training.experiment import Workbench
    from langspec.training.scoring import predict

    compute = config.compute.model_copy(update={"precision": precision, "launch": None})
    config = config.model_copy(update={"compute": compute})
    paths = paths_of(config, given.root)
    bench = Workbench(config, task, paths.corpora, paths.encoder)
    torch.set_num_threads(1)
    if bench.precision != precision:
        raise SystemExit(
            f"this machine takes {bench.precision} for {precision}: nothing to compare"
        )
    experiment = bench.experiment(config, "finetune", seed, Changes(rows=given.rows))
    if given.dev_rows is not None:
        dev = bench.source_rows(config.corpora.source, "dev", given.dev_rows)
        experiment = replace(experiment, dev=dev)
    model = experiment.model()
    began = time.process_time()
    result = experiment.fit(model, description=f"{task} {precision} seed {seed}")
    seconds = time.process_time() - began
    bench.accelerator.free_memory()
    model.load_state_dict(result.tensors, strict=False)
    table = bench.task.rows(paths.corpora, "test", config.corpora.languages)
    if given.test_rows is not None:
        codes = np.asarray(table["language"].to_pylist())
        first = [np.flatnonzero(codes == code)[: given.test_rows] for code in np.unique(codes)]
        table = table.take(np.concatenate(first))
    test = bench.task.data(table, bench.encoder)
    device = bench.accelerator.device
    by = accuracies(test, predict(model, test, config.features.batch_tokens, device, "fp32"))
    targets = [by[code] for code in config.corpora.targets if code in by]
    found = {"source": by[config.corpora.source], "targets": mean(targets)}
    if given.leak:
        encoder = replace(bench.encoder, model=model.encoder)
        found["leak"] = token_leak(encoder, paths.corpora, config)[0]
    return {**found, "cpu_s": seconds}


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: a line a task and measure."""
    lines = ["| task | | fp32 (range) | bf16 (range) | bf16 - fp32 [95 %] |", "|---" * 5 + "|"]
    for task in dict.fromkeys(row["task"] for row in rows):
        for name in ("source", "targets", "leak", "cpu_s"):
            if name not in rows[0]:
                continue
            by = {
                precision: [
                    row[name]
                    for row in rows
                    if (row["task"], row["precision"]) == (task, precision)
                ]
                for precision in PRECISIONS
            }
            shown = [f"{mean(v):.4g} ({min(v):.4g} to {max(v):.4g})" for v in by.values()]
            apart = [b - a for a, b in zip(*by.values(), strict=True)]
            half = _T[len(apart)] * stdev(apart) / len(apart) ** 0.5
            interval = f"{mean(apart):+.4f} [{mean(apart) - half:+.4f} {mean(apart) + half:+.4f}]"
            label = {"cpu_s": "CPU s of training", "leak": "token leak"}.get(name, f"{name} acc")
            lines.append(f"| {task} | {label} | {' | '.join(shown)} | {interval} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--tasks", nargs="+", default=["pos", "nli"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="two to six")
    parser.add_argument("--rows", type=int, help="training rows, drawn by the seed; else all")
    parser.add_argument("--dev-rows", type=int, help="the first so many choose the epoch")
    parser.add_argument("--test-rows", type=int, help="the first so many a language; else all")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--leak", action="store_true", help="measure the token leak, too")
    given = parser.parse_args(arguments)
    config = configuration(given, ["compute.portable=false", *given.set])
    rows = Rows(given.out)
    for task in given.tasks:
        for seed in given.seeds:
            for precision in PRECISIONS:
                found = trained(given, config, task, precision, seed)
                rows.add({"task": task, "seed": seed, "precision": precision, **found})
    print(summary(rows.all))
    print("\n" + said("Compare no row of this table with another machine's: kernels differ"))


if __name__ == "__main__":
    main()
