"""Figures of the language leak: by layer, and by language and layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.report.marks import DASHES, colour_bar, curve, heat
from langspec.report.plotting import WIDTH, Plot, legend, seed_words, span, values_in_words
from langspec.report.run_results import Run, by_family, language_name
from langspec.report.style import MUTED, method_styles
from langspec.report.table import (
    decimal,
    join,
    leak_scores,
    measured,
    method_label,
    ordered_methods,
    pick,
    task_title,
)
from langspec.results import LEAK_METRIC, RANDOM, at_layer, leak_rows


def leak_layers(run: Run, task: str) -> Plot | None:
    """Macro-F1 of the linear language probe by layer, per token and per sentence."""
    rows = leak_rows(leak_scores(run, task), None)
    if rows.empty:
        return None
    chance = pick(leak_scores(run, task, "majority"), language="all", metric=LEAK_METRIC)
    units = [unit for unit in ("token", "sentence") if unit in set(rows["unit"])]
    methods = ordered_methods(run, rows["method"])
    seeds = leak_rows(measured(run.results, "leak", task=task), None)
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    axes = figure.subplots(1, len(units), sharey=True, squeeze=False)[0]
    for axis, unit in zip(axes, units, strict=True):
        for method in methods:
            of_method = pick(rows, unit=unit, method=method).sort_values("layer")
            each = pick(seeds, unit=unit, method=method)
            if len(of_method):
                _leak_line(axis, of_method, each, styles[method], floor=method == RANDOM)
        _majority(axis, pick(chance, unit=unit)["value"])
        axis.set_title(f"per {unit} (n = {pick(rows, unit=unit)['n'].max():,})")
        axis.set_xlabel("layer (0: embeddings)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(0, 1.02)
    axes[0].set_ylabel("language probe, macro-F1")
    legend(figure, methods, styles)
    caption = (
        f"Models of {task_title(task)}: macro-F1 over languages of a linear probe "
        "trained on the frozen representation of each layer, on corpus "
        f"{join(rows['corpus'])}, test split (lines not seen by the probe). Mean over "
        f"{seed_words(rows, [m for m in methods if m != RANDOM])}; dashes: single seeds; "
        "band: 95 % interval over lines, bounds averaged over the seeds. Dotted: always the "
        "largest class."
    )
    last = at_layer(pick(rows, unit=units[0]))
    alt = (
        f"Line plot of language probe macro-F1 by layer. Last layer, per {units[0]}: "
        + values_in_words(last, methods)
    )
    title = f"{task_title(task)}: language leak by layer"
    return Plot(f"leak_{task}", title, caption, alt + ".", figure)


def _leak_line(
    axis: Axes, rows: pd.DataFrame, seeds: pd.DataFrame, signs: tuple[str, str], *, floor: bool
) -> None:
    """A method by layer: its band, its seeds as dashes, its line; dashed where it is a floor."""
    colour, marker = signs
    if rows["low"].notna().all():
        axis.fill_between(rows["layer"], rows["low"], rows["high"], color=colour, alpha=0.16, lw=0)
    if seeds["seed"].nunique() > 1:
        axis.plot(seeds["layer"], seeds["value"], "_", color=colour, ms=6, mew=0.9, zorder=4)
    looks: dict[str, Any] = {"width": 1.3, "dashes": DASHES} if floor else {}
    curve(axis, rows["layer"], rows["value"], colour, marker, **looks)


def _majority(axis: Axes, values: pd.Series) -> None:
    """What always naming the largest class gives."""
    if values.empty:
        return
    level = float(values.mean())
    axis.axhline(level, color=MUTED, lw=1, ls=":", zorder=1)
    axis.annotate(
        "majority class",
        (1, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=7.5,
        color=MUTED,
    )


def leak_heatmap(run: Run, task: str) -> Plot | None:
    """Recall of the token probe by language and layer, one panel a method."""
    rows = pick(leak_scores(run, task), metric="recall", unit="token")
    if rows.empty or rows["layer"].nunique() < 2:
        return None
    methods = ordered_methods(run, rows["method"])
    codes = by_family(list(rows["language"]), run.source)
    layers = sorted(set(rows["layer"]))
    annotate = len(layers) * len(methods) <= 24
    figure = Figure(figsize=(WIDTH, 1.3 + 0.22 * len(codes)), layout="constrained")
    axes = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    low = min(0.9, float(np.floor(rows["value"].min() * 10) / 10))
    for axis, method in zip(axes, methods, strict=True):
        grid = (
            pick(rows, method=method)
            .pivot(index="language", columns="layer", values="value")
            .reindex(index=codes, columns=layers)
        )
        digits = 7 if annotate else None
        heat(axis, grid, digits=digits, vmin=low, vmax=1)
        axis.set_title(method_label(method))
        axis.set_xlabel("layer")
        axis.set_ylabel("")
        axis.tick_params(length=0, labelrotation=0)
        axis.set_yticks(np.arange(len(codes)) + 0.5, [language_name(c) for c in codes])
        every = 1 if len(layers) * len(methods) <= 30 else 2
        axis.set_xticks(np.arange(0, len(layers), every) + 0.5, layers[::every])
    colour_bar(figure, axes, "recall", shrink=0.8, aspect=30, pad=0.01)
    caption = (
        f"Models of {task_title(task)}: share of each language's tokens that the linear probe "
        f"names rightly, by layer, corpus {join(rows['corpus'])}, test split, "
        f"{span(rows['n'])} tokens a language, mean over {seed_words(rows, methods)}. "
        "Languages by family."
    )
    weakest = at_layer(rows).sort_values(["value", "language"]).iloc[0]
    alt = (
        "Heat map of language probe recall by language and layer. Lowest at the last layer: "
        f"{language_name(weakest['language'])} with {method_label(weakest['method'])}, "
        f"{decimal(weakest['value'])}."
    )
    title = f"{task_title(task)}: language leak by language and layer"
    return Plot(f"leak_languages_{task}", title, caption, alt, figure)
