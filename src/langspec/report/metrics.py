"""The few numbers that `dvc metrics diff`, `dvc plots diff` and `dvc exp show` compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from langspec.files import atomic_folder, write_json
from langspec.results import headline, leak_rows, read_results

METRICS, PLOTS = "metrics.json", "plots"


def write_metrics(results: Path, tasks: Sequence[str], methods: Sequence[str]) -> None:
    """Write ``metrics.json`` and ``plots/leak_TASK_METHOD.csv`` into ``results``.

    The metrics are :func:`langspec.results.headline` of each task and method, over seeds, six
    significant digits. The plots hold macro-F1 of the linear language probe, a line for each
    layer.
    """
    values: dict[str, Any] = {}
    with atomic_folder(results / PLOTS) as plots:
        for task in tasks:
            rows = read_results(results / "evaluate" / task / "results.csv")
            rows = rows[(rows["eraser"] == "") & rows["strength"].isna()]
            for method in methods:
                of_method = rows[rows["method"] == method]
                table = _by_layer(of_method)
                table.to_csv(plots / f"leak_{task}_{method}.csv", float_format="%.6g")
                numbers = headline(of_method)
                values.setdefault(task, {})[method] = {
                    name: float(f"{number['value']:.6g}") for name, number in numbers.items()
                }
    write_json(results / METRICS, values)


def _by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns ``token_macro_f1`` and ``sentence_macro_f1``, a row for each layer."""
    leaks = leak_rows(rows, None)
    if leaks.empty:
        return pd.DataFrame()
    table = leaks.pivot_table(index="layer", columns="unit", values="value")
    return table.rename(columns=lambda unit: f"{unit}_macro_f1").rename_axis(columns=None)
