"""The few numbers that `dvc metrics diff`, `dvc plots diff` and `dvc exp show` compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from langspec.files import atomic_folder, write_json
from langspec.results import read_results

METRICS, PLOTS = "metrics.json", "plots"


def write_metrics(results: Path, tasks: Sequence[str], methods: Sequence[str]) -> None:
    """Write ``metrics.json`` and ``plots/leak_TASK_METHOD.csv`` into ``results``.

    Means over seeds, six significant digits: for each task and method ``transfer`` and ``gap``
    (accuracy), ``leak`` and ``sentence_leak`` (macro-F1 of the linear language probe at the last
    layer probed); the plots have a line a layer.
    """
    values: dict[str, Any] = {}
    with atomic_folder(results / PLOTS) as plots:
        for task in tasks:
            rows = read_results(results / "evaluate" / task / "results.csv")
            rows = rows[rows["split"] == "test"]
            for method in methods:
                mine = rows[rows["method"] == method]
                leaks = _leaks(mine)
                leaks.to_csv(plots / f"leak_{task}_{method}.csv", float_format="%.6g")
                values.setdefault(task, {})[method] = _scores(mine) | _last(leaks)
    write_json(results / METRICS, values)


def _scores(rows: pd.DataFrame) -> dict[str, float]:
    found = {}
    scores = rows[(rows["probe"] == "") & (rows["metric"] == "accuracy")]
    for name, language in (("transfer", "mean_targets"), ("gap", "gap")):
        mine = scores[scores["language"] == language]["value"]
        if len(mine):
            found[name] = _rounded(mine.mean())
    return found


def _leaks(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns ``token_macro_f1`` and ``sentence_macro_f1``, a row a layer."""
    linear = rows[(rows["probe"] == "linear") & (rows["corpus"] == "text")]
    linear = linear[(linear["language"] == "all") & (linear["metric"] == "macro_f1")]
    table = linear.pivot_table(index="layer", columns="unit", values="value", aggfunc="mean")
    return table.rename(columns=lambda unit: f"{unit}_macro_f1").rename_axis(columns=None)


def _last(leaks: pd.DataFrame) -> dict[str, float]:
    if leaks.empty:
        return {}
    names = {"token_macro_f1": "leak", "sentence_macro_f1": "sentence_leak"}
    last = leaks.sort_index().iloc[-1]
    return {name: _rounded(last[column]) for column, name in names.items() if column in last}


def _rounded(value: Any) -> float:
    return float(f"{float(value):.6g}")
