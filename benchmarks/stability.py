"""How often unlearning collapses or diverges at the shipped defaults.

Trains many seeds of `grl` and `adversary`, with `finetune` and `control` beside them:

    python benchmarks/stability.py --seeds 10 --workers 2                      # the demo
    python benchmarks/stability.py --root TINY --params TINY/params.yaml --seeds 30 --name tiny

Needs the project's corpora and encoder. Finished runs are kept under `.langspec/stability`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from shared import ROOT, write_csv
from unlearning_runs import Job, run_all

from langspec.files import write_text

METHODS = ("finetune", "control", "grl", "adversary")


def upper_bound(failures: int, runs: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson bound of a failure rate: 0 of 30 leaves up to 9.5 %."""
    from scipy.stats import beta

    if failures >= runs:
        return 1.0
    return float(beta.ppf(confidence, failures + 1, runs - failures))


def table(rows: Sequence[dict[str, Any]], task: str, name: str) -> str:
    """The Markdown page."""
    seeds = len({row["seed"] for row in rows})
    lines = [
        f"# Stability of unlearning ({name}, {task.upper()})",
        "",
        f"{seeds} seeds a method at the shipped defaults; means over the seeds that finished. "
        "Failed: collapsed or diverged by the watch; the bound is the largest rate that 95 % "
        "confidence leaves. Leak: a fresh linear probe on last-layer tokens.",
        "",
        "| method | failed | rate at most | source | source − finetune | targets "
        "| targets − control | leak | warnings |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    means: dict[str, dict[str, float]] = {}
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        good = [row for row in own if row["status"] == "finished"]
        if good:
            keys = ("source", "targets", "token_leak")
            means[method] = {key: fmean(row[key] for row in good) for key in keys}
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        if not own:
            continue
        failed = [row for row in own if row["status"] == "failed"]
        reasons = ", ".join(sorted({row["reason"] for row in failed}))
        cells = [f"{len(failed)} of {len(own)}" + (f" ({reasons})" if reasons else "")]
        cells.append(f"{upper_bound(len(failed), len(own)):.1%}")
        mean = means.get(method, {})

        def gap(key: str, other: str, mean: dict[str, float] = mean) -> str:
            both = mean and other in means
            return f"{mean[key] - means[other][key]:+.3f}" if both else ""

        cells += [f"{mean['source']:.3f}" if mean else "", gap("source", "finetune")]
        cells += [f"{mean['targets']:.3f}" if mean else "", gap("targets", "control")]
        cells += [f"{mean['token_leak']:.3f}" if mean else ""]
        cells += [str(sum(bool(row["warnings"]) for row in own))]
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Made by `benchmarks/stability.py`; rows in `stability-{name}-{task}.csv`.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not done yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--root", type=Path, default=ROOT, help="project with data/")
    parser.add_argument("--name", default="demo", help="of the table: stability-NAME-TASK")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=10, help="seeds 1 to N")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the table")
    given = parser.parse_args(arguments)
    wanted: list[Job] = [
        (f"{method} {seed}", (), given.task, method, seed)
        for seed in range(1, given.seeds + 1)
        for method in given.methods
    ]
    done: dict[str, dict[str, Any]] = {}
    cache = ROOT / ".langspec" / "stability"
    for row in run_all(wanted, given.params, given.root, cache, given.workers):
        done[row["run"]] = row
        print(f"{row['run']}: {row['status']} {row['reason']} source {row['source']:.3f}, "
              f"targets {row['targets']:.3f}, leak {row['token_leak']:.3f}", flush=True,
        )  # fmt: skip
    rows = [done[job[0]] for job in wanted]
    write_csv(given.out / f"stability-{given.name}-{given.task}.csv", rows)
    page = table(rows, given.task, given.name)
    write_text(given.out / f"stability-{given.name}-{given.task}.md", page)


if __name__ == "__main__":
    main()
