"""Figures of geometry, alignment and what fine-tuning moved, by layer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from langspec.report.layer_lines import label_axes, last_values, level, line
from langspec.report.plotting import WIDTH, Plot, legend, seed_words
from langspec.report.run_results import Run
from langspec.report.style import MUTED, method_styles
from langspec.report.table import (
    measured,
    ordered_methods,
    pick,
    task_title,
)
from langspec.results import RANDOM

Place = tuple[str, str]  # corpus and unit
NOT_PARALLEL = (
    "The language text is not parallel by line, so no translations can be looked for: no "
    "retrieval."
)


def places(rows: pd.DataFrame) -> list[Place]:
    """Corpus and unit of some rows: the language text first, words before texts."""
    present = set(zip(rows["corpus"], rows["unit"], strict=True))
    return sorted(present, key=lambda pair: (pair[0] != "text", pair[1] != "token", pair))


def of_task(run: Run, task: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Rows of a task's models with one of the metrics."""
    rows = measured(run.summary, "geometry", task=task, split="test")
    return rows[rows["metric"].isin(list(metrics))]


def _title(where: Place, factor: str) -> str:
    """Two lines that fit a narrow panel."""
    corpus, unit = where
    return f"{factor}s\n{'text' if corpus == 'text' else 'task'}, per {unit}"


def geometry(run: Run, task: str) -> Plot | None:
    """Agreement of clusters and share of variance, by layer; languages, then labels."""
    metrics = ("ami", "variance_share")
    rows = of_task(run, task, [f"{m}_{f}" for m in metrics for f in ("language", "label")])
    rows = rows[rows["probe"].isin(["", "chance"])]
    if rows.empty:
        return None
    panels = [
        (factor, where)
        for factor in ("language", "label")
        for where in places(rows[rows["metric"] == f"ami_{factor}"])
    ]
    methods = ordered_methods(run, rows["method"])
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH + 0.4, 4.9), layout="constrained")
    grid = figure.subplots(2, len(panels), sharey="row", sharex=True, squeeze=False)
    names = {"ami": "k-means, AMI", "variance_share": "variance between classes"}
    for axes, metric in zip(grid, metrics, strict=True):
        for axis, (factor, where) in zip(axes, panels, strict=True):
            here = pick(rows, metric=f"{metric}_{factor}", corpus=where[0], unit=where[1])
            for method in methods:
                line(axis, pick(here, method=method, probe=""), method, styles)
            level(axis, pick(here, probe="chance"), "chance" if axis is axes[-1] else "")
        values = rows[rows["metric"].str.startswith(metric)]
        axes[0].set_ylim(min(0.0, values["min"].min() - 0.02), 1.05 * values["max"].max())
        label_axes(axes, names[metric])
    for axis, (factor, where) in zip(grid[0], panels, strict=True):
        axis.set_title(_title(where, factor), fontsize=8.5)
        axis.set_xlabel("")
    legend(figure, methods, styles)
    trained = [m for m in methods if m != RANDOM]
    caption = (
        f"Models of {task_title(task)}, test split, by layer. Top: adjusted mutual information of "
        "k-means clusters (k: number of classes) with languages or labels; 0 by chance. Bottom: "
        "share of the variance of all vectors that lies between the means of the classes. Mean "
        f"over {seed_words(rows, trained)}; band: smallest to largest seed."
    )
    last = pick(rows, metric="ami_language", probe="", corpus="text", unit="sentence")
    alt = (
        "Line plots by layer of cluster agreement and variance share. Cluster agreement with "
        "languages at the last layer, per sentence of language text: " + last_values(last, methods)
    )
    title = f"{task_title(task)}: geometry by layer"
    return Plot(f"geometry_{task}", title, caption, alt + ".", figure)


def alignment(run: Run, task: str) -> Plot | None:
    """Retrieval of translations and likeness to the start, by layer."""
    present = pick(of_task(run, task, ["retrieval"]), language="mean_targets")
    likeness = pick(of_task(run, task, ["cka", "cka_within_language"]), corpus="text")
    likeness = pick(likeness, unit="sentence")
    if present.empty and likeness.empty:
        return None
    methods = ordered_methods(run, [*present["method"], *likeness["method"]])
    styles = method_styles(methods)
    shown = ["cosine", "centred"] if len(present) else []
    likenesses = ["cka", "cka_within_language"] if len(likeness) else []
    figure = Figure(figsize=(WIDTH + 0.4, 2.9), layout="constrained")
    axes = figure.subplots(1, len(shown) + len(likenesses), squeeze=False, sharey=False)[0]
    titles = {"cosine": "as they are", "centred": "centred by language"}
    titles |= {"cka": "all sentences", "cka_within_language": "within a language"}
    top = 1.08 * float(present["high"].max()) if len(present) else 1.0
    for axis, name in zip(axes, [*shown, *likenesses], strict=True):
        if name in shown:
            here = pick(present, probe=name)
            chance = pick(present, probe="chance")
            if len(chance):
                axis.axhline(float(chance["value"].mean()), color=MUTED, lw=1, ls=":", zorder=1)
            axis.set_ylim(0, top)
        else:
            rows = pick(likeness, metric=name)
            here = pick(rows, probe="")
            level(axis, pick(rows, probe="chance"), "chance")
            axis.set_ylim(0, 1.03)
        for method in methods:
            line(axis, pick(here, method=method), method, styles)
        axis.set_title(titles[name])
    label_axes(axes, "retrieval of translations" if shown else "CKA with the start")
    if shown and likenesses:
        axes[len(shown)].set_ylabel("CKA with the start")
    legend(figure, methods, styles)
    trained = [m for m in methods if m != RANDOM]
    wording = (
        "Left: share of sentences whose nearest sentence in the other language is their "
        "translation (mean of both directions and of the target languages; dotted: chance; band: "
        "95 % interval over lines), as vectors are and after each language's mean is subtracted. "
        if shown
        else f"{NOT_PARALLEL} "
    )
    caption = (
        f"Models of {task_title(task)}, sentences of the language text, test split, by layer. "
        f"{wording}Right: linear CKA with the starting encoder on the same sentences, and after "
        f"each language's mean is subtracted. Mean over {seed_words(likeness, trained)}."
    )
    last = pick(present, probe="cosine")
    alt = "Line plots by layer of retrieval and CKA. Retrieval at the last layer: " + last_values(
        last, methods
    )
    title = f"{task_title(task)}: alignment by layer"
    return Plot(f"alignment_{task}", title, caption, alt + ".", figure)


def moves(run: Run, task: str) -> Plot | None:
    """Principal angles before and after: their mean by layer, and each at the last layer."""
    names = ("angle_language", "angle_label", "angle_principal")
    rows = measured(run.summary, "geometry", task=task, split="test", language="all")
    rows = rows[rows["metric"].str.startswith(names)]
    if rows.empty:
        return None
    panels: list[tuple[str, Place]] = []
    for metric in names:
        panels += [
            (metric, where)
            for where in places(pick(rows, metric=metric, probe=""))
            # Principal directions once: of the text that the others are compared on first.
            if metric != "angle_principal" or where == places(rows)[0]
        ]
    methods = ordered_methods(run, rows["method"])
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH + 0.8, 4.9), layout="constrained")
    grid = figure.subplots(2, len(panels), sharey=True, squeeze=False)
    for column, (metric, where) in enumerate(panels):
        here = pick(rows, corpus=where[0], unit=where[1])
        top, bottom = grid[0][column], grid[1][column]
        for method in methods:
            line(top, pick(here, metric=metric, probe="", method=method), method, styles)
        level(top, pick(here, metric=metric, probe="halves"), "noise", above=False)
        level(top, pick(here, metric=metric, probe="chance"), "chance")
        each = here[here["metric"].str.fullmatch(metric + r"_\d+")]
        each = each[each["layer"] == each["layer"].max()]
        each = each.assign(layer=each["metric"].str.extract(r"_(\d+)$", expand=False).astype(int))
        for method in methods:
            line(bottom, pick(each, method=method), method, styles)
        what = metric.removeprefix("angle_")
        what = "principal direction" if what == "principal" else what
        top.set_title(_title(where, what), fontsize=8.2)
        top.set_ylim(0, 93)
    label_axes(grid[0], "mean angle, degrees")
    label_axes(grid[1], "each angle, degrees")
    for axis in grid[1]:
        axis.set_xlabel("angle, from the smallest")
    legend(figure, methods, styles)
    caption = (
        f"{task_title(task)}: principal angles between the span of the class means of the "
        "starting encoder and of the trained one. Top: their mean by layer. Bottom: each of them "
        "at the last layer. Dotted: what two halves of the lines of one checkpoint differ by "
        "(noise), and random subspaces (chance). Last column: directions of largest variance, as "
        "many as the language subspace has. Mean over "
        f"{seed_words(rows, methods)}; band: smallest to largest seed."
    )
    last = pick(rows, metric="angle_language", probe="", corpus=places(rows)[0][0])
    last = pick(last, unit=places(rows)[0][1])
    alt = (
        "Line plots of principal angles before and after. Mean angle of the language subspace at "
        "the last layer, in degrees: " + last_values(last, methods, form=".0f")
    )
    title = f"{task_title(task)}: principal angles before and after"
    return Plot(f"moves_{task}", title, caption, alt + ".", figure)
