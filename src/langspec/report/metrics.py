"""The few numbers that `dvc metrics diff`, `dvc plots diff` and `dvc exp show` compare.

Git holds these files (``cache: false`` in ``dvc.yaml``): they are small.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from langspec.files import atomic_folder, write_json
from langspec.results import (
    LEAK,
    TRANSFER,
    failed_seeds,
    headline,
    leak_rows,
    read_results,
    read_training_record,
)

METRICS, LEAK_PLOTS, TRAINING_PLOTS = "metrics.json", "plots/leak", "plots/training"
NAMES = (TRANSFER, LEAK)
"""Of :func:`langspec.results.headline`, those that a line of `dvc exp show` has room for."""
_POINTS, _FORM = 40, ".4g"


def write_metrics(results: Path, methods: Mapping[str, Sequence[str]]) -> None:
    """Write ``metrics.json`` and, below ``plots``, a file a task and method for each plot.

    ``metrics.json`` has :data:`NAMES` of each task and method, means over seeds that did not fail.
    ``leak/TASK_METHOD.csv`` has macro-F1 of the linear language probe by layer.
    ``training/TASK_METHOD.csv`` has the training loss by step, means over seeds and over windows
    of steps, at most 40 of them.

    Args:
        results: folder of the run.
        methods: trained ones, by task.
    """
    values: dict[str, Any] = {}
    (results / "plots").mkdir(parents=True, exist_ok=True)
    with (
        atomic_folder(results / LEAK_PLOTS) as leak,
        atomic_folder(results / TRAINING_PLOTS) as training,
    ):
        for task, trained in methods.items():
            rows = read_results(results / "evaluate" / task / "results.csv")
            rows = rows[(rows["eraser"] == "") & rows["strength"].isna()]
            for method in trained:
                folder = results / "train" / task / method
                card = folder / "run.json"
                failed = failed_seeds(read_training_record(card) if card.is_file() else {})
                of_method = rows[(rows["method"] == method) & ~rows["seed"].isin(failed)]
                _write(_by_layer(of_method), leak / f"{task}_{method}.csv")
                losses = _losses(folder, failed)
                _write(losses, training / f"{task}_{method}.csv")
                numbers = headline(of_method)
                values.setdefault(task, {})[method] = {
                    name: float(f"{numbers[name]['value']:{_FORM}}")
                    for name in NAMES
                    if name in numbers
                }
    write_json(results / METRICS, values)


def _write(table: pd.DataFrame, path: Path) -> None:
    if not table.empty:
        table.to_csv(path, float_format=f"%{_FORM}", lineterminator="\n")


def _by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns ``token_macro_f1`` and ``sentence_macro_f1``, a row for each layer."""
    leaks = leak_rows(rows, None)
    if leaks.empty:
        return pd.DataFrame()
    table = leaks.pivot_table(index="layer", columns="unit", values="value")
    return table.rename(columns=lambda unit: f"{unit}_macro_f1").rename_axis(columns=None)


def _losses(folder: Path, failed: Collection[int]) -> pd.DataFrame:
    """Column ``loss``, a row for each window of steps, by the window's last step."""
    histories = [
        pd.read_csv(file, usecols=["step", "loss"])
        for file in sorted(folder.glob("seed-*/steps.csv"))
        if int(file.parent.name.removeprefix("seed-")) not in failed
    ]
    if not histories:
        return pd.DataFrame()
    steps = pd.concat(histories)
    window = -(-int(steps["step"].max()) // _POINTS)
    ends = (steps["step"] - 1) // window * window + window
    return steps.assign(step=ends).groupby("step")[["loss"]].mean()
