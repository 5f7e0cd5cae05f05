"""What a leak loses where the adversary reads the text that the probe is fitted on.

Trains `grl` on two splits of equal size: on `train`, whose lines the probe of the leak is fitted
on, and on `adversary`, which no probe reads. The corpora need these splits:

    langspec corpora --set "corpora.text_splits={train: 0.3, dev: 0.1, test: 0.3, adversary: 0.3}"
    python benchmarks/adversary_split.py --seeds 1 2 3

Needs the project's encoder too. Finished runs are kept under `.langspec/adversary_split`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from confirm_sweep import interval
from shared import ROOT
from unlearning_runs import run_all

SPLITS = ("train", "adversary")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not done yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--root", type=Path, default=ROOT, help="project with data/corpora")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--method", choices=("grl", "adversary"), default="grl")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    given = parser.parse_args(arguments)
    jobs = [
        (split, (f"train.language_split={split}",), given.task, given.method, seed)
        for seed in given.seeds
        for split in SPLITS
    ]
    found: dict[tuple[str, int], dict[str, Any]] = {}
    cache = ROOT / ".langspec" / "adversary_split"
    for row in run_all(jobs, given.params, given.root, cache, given.workers):
        found[row["run"], row["seed"]] = row
    print("| seed | leak, one split | leak, two splits | targets, one | targets, two |")
    print("|---|---|---|---|---|")
    for seed in given.seeds:
        one, two = (found[split, seed] for split in SPLITS)
        print(
            f"| {seed} | {one['token_leak']:.3f} | {two['token_leak']:.3f} "
            f"| {one['targets']:.3f} | {two['targets']:.3f} |"
        )
    leaks = [[found[split, seed]["token_leak"] for seed in given.seeds] for split in SPLITS]
    print(f"| mean | {fmean(leaks[0]):.3f} | {fmean(leaks[1]):.3f} | | |")
    differences = [two - one for one, two in zip(*leaks, strict=True)]
    print(f"Two splits less one, mean and 95 % interval: {interval(differences)}")


if __name__ == "__main__":
    main()
