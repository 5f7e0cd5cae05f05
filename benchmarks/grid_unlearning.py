"""Strengths, rates and inner steps of the unlearning methods, on the demo.

Short runs of one seed: a row each, and a table:

    python benchmarks/grid_unlearning.py --workers 2

Needs the demo's corpora (`dvc repro corpora`). Finished runs are kept under `.langspec/grid` and
not run again while recipe, data and code stay the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared import ROOT, write_csv
from unlearning_runs import Job, run_all

from langspec.files import write_text

# Where a run does not say otherwise; written out, so that other defaults do not move the grid.
BASE: dict[str, Any] = {
    "inner_steps": 3,
    "discriminator.layers": 0,
    "discriminator.lr": 3e-3,
}
_SHORT = {
    "strength": "lambda",
    "weight": "w",
    "inner_steps": "k",
    "discriminator.layers": "layers",
    "discriminator.lr": "lr",
    "retention.kind": "retention",
}
MARGIN = 0.03  # of mean target accuracy below the control's, above which a setting is not chosen


def named(method: str, values: dict[str, Any]) -> str:
    """A run's name: the method and what is set."""
    order = ["strength", "weight", *(key for key in values if key not in ("strength", "weight"))]
    told = [f"{_SHORT.get(key, key)}={values[key]}" for key in order if key in values]
    return " ".join([method, *told])


def jobs(task: str, seed: int) -> list[Job]:
    """At most 24 runs: references; strength or weight against k, depth, rate and retention."""
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("finetune", "finetune", {}),
        ("control", "control", BASE),
    ]
    grl: list[dict[str, Any]] = [
        *({"strength": strength} for strength in (0.1, 0.3, 1.0, 3.0)),
        *({"strength": strength, "inner_steps": 0} for strength in (0.1, 1.0)),
        *({"strength": strength, "discriminator.layers": 1} for strength in (0.1, 0.3, 1.0)),
        *({"strength": strength, "discriminator.lr": 1e-2} for strength in (0.3, 1.0)),
        {"strength": 0.3, "discriminator.layers": 1, "discriminator.lr": 1e-2},
        {"strength": 1.0, "schedule": "constant"},
        {"strength": 1.0, "retention.kind": "distil"},
    ]
    adversary: list[dict[str, Any]] = [
        *({"weight": 0.3, "inner_steps": k} for k in (1, 3)),
        {"weight": 0.5},
        {"weight": 0.3, "discriminator.layers": 1},
        {"weight": 0.1, "inner_steps": 5, "discriminator.lr": 1e-2},
        {"weight": 0.3, "discriminator.lr": 1e-2},
        {"weight": 0.2, "inner_steps": 5, "discriminator.lr": 1e-2},
        {"weight": 0.3, "loss": "entropy", "scale": "sum"},
    ]
    found += [(named("grl", BASE | values), "grl", BASE | values) for values in grl]
    found += [(named("adversary", BASE | v), "adversary", BASE | v) for v in adversary]
    assert len(found) <= 24
    return [
        (
            name,
            tuple(f"train.methods.{method}.{key}={value}" for key, value in values.items()),
            task,
            method,
            seed,
        )
        for name, method, values in found
    ]


def chosen(rows: Sequence[dict[str, Any]], method: str) -> dict[str, Any] | None:
    """The least leak among finished runs within the margin of the control's target accuracy."""
    control = next((row for row in rows if row["run"] == "control"), None)
    if control is None:
        return None
    near = [
        row
        for row in rows
        if row["method"] == method
        and row["status"] == "finished"
        and row["targets"] >= control["targets"] - MARGIN
    ]
    return min(near, key=lambda row: row["token_leak"]) if near else None


def table(rows: Sequence[dict[str, Any]], task: str, seed: int) -> str:
    """The Markdown page."""
    lines = [
        "# Strengths, rates and inner steps",
        "",
        f"{task.upper()} on the demo, seed {seed}, one run each. Accuracy on test: the source, "
        "and the mean over the target languages. Leak: accuracy of a fresh, converged linear "
        "probe for language on last-layer tokens of text (majority "
        f"{rows[0]['token_majority']:.3f}). The adversary's own accuracy stands beside it because "
        "it says so little: at chance it is no evidence of removal.",
        "",
        "| run | source | targets | leak | adversary | its cross-entropy | ended | CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ended = row["reason"] or row["status"]
        lines.append(
            f"| {row['run']} | {row['source']:.3f} | {row['targets']:.3f} "
            f"| {row['token_leak']:.3f} | {row['adversary_accuracy']:.3f} "
            f"| {row['adversary_cross_entropy']:.2f} | {ended} | {row['cpu_seconds']:.0f} |"
        )
    lines += ["", f"Rule: the least leak within {100 * MARGIN:g} points of the control's targets."]
    for method in ("grl", "adversary"):
        best = chosen(rows, method)
        lines.append(f"- `{method}`: " + (f"{best['run']}." if best else "no setting qualifies."))
    lines += ["", "Made by `python benchmarks/grid_unlearning.py`; rows in `unlearning-grid.csv`."]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not done yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--root", type=Path, default=ROOT, help="project with data/corpora")
    parser.add_argument("--task", choices=("pos", "nli"), default="pos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="runs whose name starts with one of these")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the table")
    given = parser.parse_args(arguments)
    wanted = [
        job
        for job in jobs(given.task, given.seed)
        if not given.only or job[0].startswith(tuple(given.only))
    ]
    done: dict[str, dict[str, Any]] = {}
    cache = ROOT / ".langspec" / "grid"
    for row in run_all(wanted, given.params, given.root, cache, given.workers):
        done[row["run"]] = row
        print(f"{row['run']}: targets {row['targets']:.3f} leak {row['token_leak']:.3f} "
              f"{row['status']} {row['cpu_seconds']:.0f} s", flush=True)  # fmt: skip
    rows = [done[job[0]] for job in wanted]
    write_csv(given.out / "unlearning-grid.csv", rows)
    write_text(given.out / "unlearning-grid.md", table(rows, given.task, given.seed))


if __name__ == "__main__":
    main()
