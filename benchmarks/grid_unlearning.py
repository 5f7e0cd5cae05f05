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

MARGIN = 0.03  # of mean target accuracy below the control's, above which a setting is not chosen


def jobs(task: str, seed: int) -> list[Job]:
    """At most 24 runs: references, lambda x k, rates, the adversary's weight x k, losses."""
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("finetune", "finetune", {}),
        ("control", "control", {}),
    ]
    for strength in (0.1, 0.3, 1.0, 3.0):
        for k in (0, 3):
            values = {"strength": strength, "inner_steps": k}
            found.append((f"grl lambda={strength:g} k={k}", "grl", values))
    found += [
        ("grl lambda=1 k=3 lr=1e-3", "grl", {"discriminator.lr": 1e-3}),
        ("grl lambda=1 k=3 lr=1e-2", "grl", {"discriminator.lr": 1e-2}),
        ("grl lambda=1 k=3 layers=1", "grl", {"discriminator.layers": 1}),
        ("grl lambda=1 k=3 constant", "grl", {"schedule": "constant"}),
        ("grl lambda=1 k=3 distil", "grl", {"retention.kind": "distil"}),
    ]
    for weight in (0.3, 0.5, 0.7):
        for k in (1, 3):
            values = {"weight": weight, "inner_steps": k}
            found.append((f"adversary w={weight:g} k={k}", "adversary", values))
    found += [
        ("adversary w=0.5 k=1 lr=1e-2", "adversary", {"discriminator.lr": 1e-2}),
        ("adversary w=0.5 k=1 entropy", "adversary", {"loss": "entropy", "scale": "sum"}),
        ("adversary w=0.5 k=1 layers=1", "adversary", {"discriminator.layers": 1}),
    ]
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
