"""Leak by layer and training step: heat maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from langspec.report.marks import heat
from langspec.report.plotting import WIDTH, Plot
from langspec.report.run_results import Run
from langspec.report.table import (
    METRIC_TITLES,
    decimal,
    method_label,
    ordered_methods,
    pick,
    task_title,
)
from langspec.results import LEAK_METRIC, LEAK_PROBE

_PANELS = (
    (LEAK_PROBE, LEAK_METRIC, "token", "probe, per token"),
    (LEAK_PROBE, LEAK_METRIC, "sentence", "probe, per sentence"),
    ("", "variance_share_language", "token", "variance, per token"),
    ("", "variance_share_language", "sentence", "variance, per sentence"),
)


def trajectory(run: Run, task: str) -> Plot | None:
    """Layer x step for each method that was followed: what a probe reads, and variance shares."""
    rows = pick(run.trajectory, task=task)
    if rows.empty:
        return None
    methods = ordered_methods(run, rows["method"])
    layers = sorted(set(rows["layer"]) - {-1})
    figure = Figure(
        figsize=(WIDTH + 0.6, 0.5 + (0.9 + 0.2 * len(layers)) * len(methods)),
        layout="constrained",
    )
    grid = figure.subplots(len(methods), len(_PANELS), squeeze=False)
    for axes, method in zip(grid, methods, strict=True):
        selected = pick(rows, method=method)
        for axis, (probe, metric, unit, words) in zip(axes, _PANELS, strict=True):
            shown = pick(selected, probe=probe, metric=metric, unit=unit)
            table = shown.pivot(index="layer", columns="step", values="value").sort_index(
                ascending=False
            )
            # One scale for what can be compared: all layers, steps and methods of a measure.
            values = pick(rows, probe=probe, metric=metric, unit=unit)["value"]
            low = min(0.9, float(np.floor(values.min() * 10) / 10))
            heat(
                axis,
                table,
                gap=0.4,
                bar=True,
                vmin=low if probe else 0,
                vmax=1 if probe else values.max(),
                cbar_kws={"aspect": 12, "pad": 0.02},
            )
            axis.set_title(words if method == methods[0] else "", fontsize=8.2)
            axis.set_ylabel(f"{method_label(method)}: layer" if axis is axes[0] else "")
            axis.set_xlabel("step" if method == methods[-1] else "")
            axis.tick_params(length=0, labelrotation=0, labelsize=7)
            steps = list(table.columns)
            at = np.arange(0, len(steps), max(1, -(-len(steps) // 4)))
            axis.set_xticks(at + 0.5, [str(steps[i]) for i in at])
    leaks = pick(rows, probe=LEAK_PROBE, metric=LEAK_METRIC)
    alt = (
        "Heat maps of language leak by layer and training step. Probe "
        f"{METRIC_TITLES[LEAK_METRIC]} per token at the last layer: "
        f"{_ends(pick(leaks, layer=max(layers), unit='token'), methods)}."
    )
    title = f"{task_title(task)}: language by layer and step"
    caption = _caption(task, methods, leaks, pick(rows, metric="same_weights"))
    return Plot(f"trajectory_{task}", title, caption, alt, figure)


def _ends(rows: pd.DataFrame, methods: Sequence[str]) -> str:
    """From the first step to the last, of each method."""
    values = {method: pick(rows, method=method).sort_values("step")["value"] for method in methods}
    return "; ".join(
        f"{method_label(method)} from {decimal(of.iloc[0])} to {decimal(of.iloc[-1])}"
        for method, of in values.items()
    )


def _caption(task: str, methods: Sequence[str], leaks: pd.DataFrame, same: pd.DataFrame) -> str:
    score = METRIC_TITLES[LEAK_METRIC]
    n = leaks.groupby("unit")["n"].max()
    return (
        f"{task_title(task)}: first seed of {', '.join(map(method_label, methods))}, trained once "
        f"more and looked at on the way. {score[0].upper()}{score[1:]} of a converged "
        f"{LEAK_PROBE} language probe, fitted anew at each layer and step, and share of the "
        "variance between languages, on a small fixed sample of the language text ("
        + ", ".join(f"{count:,} test {unit}s" for unit, count in n.items())
        + "): read the shape, and the leak tables for the numbers. "
        + (
            "The weights at the end are those of the trained run, bit for bit."
            if (same["value"] == 1).all()
            else "The weights at the end are not those of the trained run (a processor or a "
            "number of processes differs): it is another run of the same recipe."
        )
    )
