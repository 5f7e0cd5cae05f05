"""Published numbers and rows of their measure, for tests of reports."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from conftest import CHECKOUT
from langspec.results import Result, read_results, results_frame

PUBLISHED = CHECKOUT / "data" / "published"
# Published score and accuracy by the method's own setting, and by a converged probe.
READ = {"frozen": (0.70, 0.96, 0.90, 0.99), "finetune": (0.24, 0.85, 0.58, 0.94)}


def compat_rows(task: str) -> list[Result]:
    """What stage evaluate writes of the published measure, of one seed."""
    token = task == "pos"
    of_text, of_task = ("token", "token") if token else ("sentence", "pair")
    rows: list[Result] = []

    def add(method, corpus, probe, metric, value, unit, n=900):
        rows.append(
            Result(task=task, method=method, seed=1, corpus=corpus, split="test", language="all",
                   layer=-1, measure="published", probe=probe, unit=unit, metric=metric,
                   value=value, n=n)
        )  # fmt: skip

    for method, (score, accuracy, linear_score, linear) in READ.items():
        label = "compat/seqeval" if token else "compat/pooled"
        add(method, task, label, "macro_f1", 0.5 + score / 10, of_task)
        add(method, task, label, "micro_f1", 0.6 + score / 10, of_task)
        probes = {"": (score, accuracy), "/frozen": (score, accuracy),
                  "/grl": (score / 2, accuracy - 0.2),
                  "linear": (linear_score, linear)}  # fmt: skip
        for name, (value, right) in probes.items():
            probe = "compat/linear" if name == "linear" else f"compat/paper_probe{name}"
            for corpus, unit, less in (("text", of_text, 0.0), (task, of_task, 0.01)):
                add(method, corpus, probe, "published_macro_f1", value - less, unit)
                add(method, corpus, probe, "accuracy", right - less, unit)
                add(method, corpus, probe, "macro_f1", right - less - 0.001, unit)
                if token:
                    add(method, corpus, probe, "error_correlation", 0.05, unit)
            if name == "":
                add(method, "text", probe, "updates", 1805.0, of_text)
            if name.startswith("/"):
                add(method, "text", probe, "updates", 75.0, of_text)
                add(method, "text", probe, "epoch", 5.0, of_text)
        for corpus, unit in (("text", of_text), (task, of_task)):
            add(method, corpus, "compat/v_measure", "v_measure_language", score / 2, unit)
            add(method, corpus, "compat/v_measure", "ami_language", 0.02, unit)
    if token:
        for corpus in ("text", task):
            for share, length in ((5, 3.0), (50, 6.0), (95, 11.0)):
                add("all", corpus, "compat/seqeval", f"length_{share:02d}", length, "sentence")
    return rows


def add_published(root: Path, task: str) -> None:
    """Put rows of the published measure into the results of a made-up run."""
    path = root / "results" / "evaluate" / task / "results.csv"
    both = pd.concat([read_results(path), results_frame(compat_rows(task))])
    both.to_csv(path, index=False)
