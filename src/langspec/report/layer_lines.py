"""Figures of lines by layer: their parts, and what draws one from its spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.measures.spec import FigureSpec
from langspec.report.marks import DASHES, curve
from langspec.report.pivot import select
from langspec.report.plotting import WIDTH, Plot, legend, seed_words, values_in_words
from langspec.report.run_results import Run
from langspec.report.style import MUTED, method_styles
from langspec.report.table import (
    ordered_methods,
    pick,
    task_title,
)
from langspec.results import RANDOM

Styles = dict[str, tuple[str, str]]


def line(axis: Axes, rows: pd.DataFrame, method: str, styles: Styles) -> None:
    """A method by layer: a line, and what lies between seeds or within an interval as a band."""
    selected = rows.sort_values("layer")
    if selected.empty:
        return
    colour, marker = styles[method]
    ends = ("low", "high") if selected["low"].notna().all() else ("min", "max")
    axis.fill_between(
        selected["layer"], selected[ends[0]], selected[ends[1]], color=colour, alpha=0.16, lw=0
    )
    looks: dict[str, Any] = {"width": 1.2, "dashes": DASHES} if method == RANDOM else {}
    curve(
        axis,
        selected["layer"],
        selected["value"],
        colour,
        marker,
        **{"width": 1.7, "size": 4.5, **looks},
    )


def level(axis: Axes, rows: pd.DataFrame, words: str, *, above: bool = True) -> None:
    """A dotted line by layer for what chance or noise gives, named in the panel."""
    if rows.empty:
        return
    present = rows.groupby("layer")["value"].mean().sort_index()
    axis.plot(present.index, present.to_numpy(), color=MUTED, lw=1, ls=":", zorder=1)
    axis.annotate(
        words,
        (present.index[-1], present.iloc[-1]),
        xytext=(0, 3 if above else -3),
        textcoords="offset points",
        ha="right",
        va="bottom" if above else "top",
        fontsize=7,
        color=MUTED,
    )


def label_axes(axes: Sequence[Axes], label: str) -> None:
    """Layers below every panel, ``label`` beside the first."""
    for axis in axes:
        axis.set_xlabel("layer")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel(label)


def last_values(rows: pd.DataFrame, methods: Sequence[str], form: str = "") -> str:
    """The values at the last layer, for an alt text."""
    return values_in_words(rows[rows["layer"] == rows["layer"].max()], methods, form)


def draw(
    spec: FigureSpec,
    rows: pd.DataFrame,
    run: Run,
    *,
    task: str = "",
    words: Mapping[str, str] | None = None,
) -> Plot | None:
    """The figure of some rows; None where there are none.

    Args:
        spec: what it shows.
        rows: over seeds (see :func:`langspec.report.run_results.over_seeds`).
        run: for the order of the methods.
        task: its key, for the name; its title, for the words.
        words: what further names of caption and alt text stand for.
    """
    rows = select(rows, spec.where)
    panels = [panel for panel in spec.panels if len(select(rows, panel.where))]
    if not panels:
        return None
    methods = ordered_methods(run, pd.concat([select(rows, p.where) for p in panels])["method"])
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH + 0.4, spec.height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        here = select(rows, panel.where)
        for method in methods:
            line(axis, pick(here, method=method), method, styles)
        if panel.floor is not None:
            level(axis, select(rows, panel.floor), panel.floor_words)
        axis.set_ylim(*panel.limits)
        axis.set_title(panel.title)
    label_axes(axes, spec.label)
    for axis, panel in zip(axes, panels, strict=True):
        if panel.label:
            axis.set_ylabel(panel.label)
    legend(figure, methods, styles)
    wording = {
        "task": task_title(task),
        "seeds": seed_words(rows, [m for m in methods if m != RANDOM]),
        "last": last_values(select(rows, panels[0].where), methods),
        **(words or {}),
    }
    return Plot(
        spec.name.format(task=task),
        spec.title.format(**wording),
        spec.caption.format(**wording),
        spec.alt.format(**wording),
        figure,
    )
