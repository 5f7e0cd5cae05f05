"""Figures of lines by layer, drawn from their specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.measures.spec import FigureSpec, Level, Panel
from langspec.report.marks import DASHES, curve
from langspec.report.names import name_along, name_beside
from langspec.report.pivot import meant, select
from langspec.report.plotting import Plot, legend, seed_words, values_in_words
from langspec.report.run_results import Run
from langspec.report.style import MUTED, method_styles
from langspec.report.table import method_label, ordered_methods, pick, task_title
from langspec.results import RANDOM

DIRECT = 2  # panels beside each other up to which lines carry their names
ZOOM_ROOM = 0.06  # of a zoomed scale: what is left above and below the numbers
ROOM = 0.42  # of the width of lines: what is left beside them for their names


def draw(
    spec: FigureSpec,
    rows: pd.DataFrame,
    run: Run,
    *,
    task: str = "",
    seeds: pd.DataFrame | None = None,
    words: Mapping[str, str] | None = None,
) -> Plot | None:
    """The figure of some rows; None where there are none.

    Args:
        spec: what it shows.
        rows: over seeds (see :func:`langspec.report.run_results.over_seeds`).
        run: for the order of the methods.
        task: its key, for the name; its title, for the words.
        seeds: the same rows of single seeds, for figures that draw them.
        words: what further names of caption and alt text stand for.
    """

    spec = _meant(spec, task, run.source)
    rows = select(rows, spec.where)
    present = [i for i, panel in enumerate(spec.panels) if len(_drawn(panel, rows))]
    if not present:
        return None
    lines = [[of[i] for i in present] for of in (spec.panels, spec.below) if of]
    first = [_drawn(panel, rows) for panel in lines[0]]
    drawn = [_drawn(panel, rows) for panels in lines for panel in panels]
    methods = ordered_methods(run, pd.concat(drawn)["method"])
    styles = method_styles(methods)
    figure, grid = _empty_panels(spec, len(lines), len(present))
    direct = len(present) <= DIRECT
    named: set[str] = set()
    for axes, panels in zip(grid, lines, strict=True):
        for axis, panel in zip(axes, panels, strict=True):
            here = _drawn(panel, rows)
            for method in methods:
                each = None if seeds is None else pick(_drawn(panel, seeds), method=method)
                of_method = pick(here, method=method)
                _line(axis, of_method, each, styles[method], method == RANDOM)
                if direct and method not in named and len(of_method):
                    named.add(method)
                    _name_end(axis, of_method, method, styles[method][0])
            _levels(axis, panel, rows, here["layer"])
            if direct and axis is axes[0] and len(here):
                _make_room(axis, here["layer"])
            if panel.sized:
                axis.set_xticks(sorted(set(here["layer"])))
            axis.set_ylim(*_limits(panel, panels, rows))
            axis.set_ylabel(panel.label)
    _name(spec, grid, lines[0], [int(of["n"].max()) for of in first])
    if not direct:
        legend(figure, methods, styles)
    last = select(rows, spec.last) if spec.last else first[0]
    wording = {"task": task_title(task), **_numbers(spec, rows, last, methods), **(words or {})}
    title, caption, alt = (text.format(**wording) for text in (spec.title, spec.caption, spec.alt))
    return Plot(spec.name.format(task=task), title, caption, alt, figure)


def _meant(spec: FigureSpec, task: str, source: str) -> FigureSpec:
    """The spec with the names of task and source language in place of what stands for them."""

    def placed(panel: Panel) -> Panel:
        levels = (replace(one, where=meant(one.where, task, source)) for one in panel.levels)
        return replace(panel, where=meant(panel.where, task, source), levels=tuple(levels))

    panels, below = tuple(map(placed, spec.panels)), tuple(map(placed, spec.below))
    return replace(spec, where=meant(spec.where, task, source), panels=panels, below=below)


def _empty_panels(spec: FigureSpec, lines: int, columns: int) -> tuple[Figure, Any]:
    """A figure and its axes, an array ``[lines, columns]``; they share the scales of the spec."""
    figure = Figure(figsize=(spec.width, spec.height), layout="constrained")
    sharing: dict[str, Any] = {"sharey": "row" if spec.shared else False}
    sharing["sharex"] = "col" if spec.x_label == spec.x_label_below else False
    if lines > 1:
        sharing["height_ratios"] = spec.heights
    return figure, figure.subplots(lines, columns, squeeze=False, **sharing)


def _numbers(
    spec: FigureSpec, rows: pd.DataFrame, last: pd.DataFrame, methods: Sequence[str]
) -> dict[str, str]:
    """What caption and alt text say of the data: the seeds, and the values at the last layer."""
    trained = [method for method in methods if method != RANDOM]
    at_end = last[last["layer"] == last["layer"].max()]
    return {
        "seeds": seed_words(select(rows, spec.seeds), trained),
        "last": values_in_words(at_end, methods, spec.last_form),
    }


def _drawn(panel: Panel, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a panel's lines; where it is not by layer, another number stands for it."""
    if panel.zoomed:
        rows = rows[rows["method"] != RANDOM]
    if panel.sized:
        here = select(rows, panel.where)
        here = here[here["layer"] == here["layer"].max()]
        sizes = here["train_n"].where(here["train_n"] > 0, here["layer"])  # chance has no size
        return here.assign(layer=sizes)
    if not panel.numbered:
        return select(rows, panel.where)
    where = {key: value for key, value in panel.where.items() if key != "metric"}
    here = select(rows, where)
    here = here[here["metric"].str.fullmatch(panel.where["metric"] + r"_\d+")]
    here = here[here["layer"] == here["layer"].max()]
    if "seeds" in here:  # a mean over other seeds at each number would be another line
        here = here[here["seeds"] == here.groupby("method")["seeds"].transform("max")]
    number = here["metric"].str.extract(r"_(\d+)$", expand=False)
    return here.assign(layer=number.astype(int))


def _line(
    axis: Axes,
    rows: pd.DataFrame,
    seeds: pd.DataFrame | None,
    signs: tuple[str, str],
    floor: bool,
) -> None:
    """A method by layer: a line, and what lies between seeds or within an interval as a band."""
    rows = rows.sort_values("layer")
    if rows.empty:
        return
    colour, marker = signs
    ends = ("low", "high") if rows["low"].notna().all() else ("min", "max")
    band: dict[str, Any] = {"color": colour, "alpha": 0.16, "lw": 0}
    axis.fill_between(rows["layer"], rows[ends[0]], rows[ends[1]], **band)
    if seeds is not None and seeds["seed"].nunique() > 1:
        looks: dict[str, Any] = {"ms": 6, "mew": 0.9, "alpha": 0.45, "zorder": 2}
        axis.plot(seeds["layer"], seeds["value"], "_", color=colour, **looks)
    width, dashes = (1.2, DASHES) if floor else (1.7, "-")
    curve(axis, rows["layer"], rows["value"], colour, marker, size=4.5, width=width, dashes=dashes)


def _name_end(axis: Axes, rows: pd.DataFrame, method: str, colour: str) -> None:
    """The method's name at the end of its line."""
    end = rows.sort_values("layer").iloc[-1]
    name_beside(axis, method_label(method), (end["layer"], end["value"]), colour)


def _heights(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of a level, those of other sizes of sample apart.

    What chance gives depends on the number of units. The random encoder may be measured on fewer
    lines (``evaluate.random_lines``); it then has a level of its own.
    """
    floor = rows["method"] == RANDOM
    parts = [rows[~floor], rows[floor]]
    if set(parts[0]["n"]) == set(parts[1]["n"]):
        parts = [rows]
    return [part for part in parts if len(part)]


def _make_room(axis: Axes, places: pd.Series) -> None:
    """Leave room for names beside the last points of lines."""
    first, last = float(places.min()), float(places.max())
    span = max(last - first, 1.0)
    axis.set_xlim(first - 0.05 * span, last + ROOM * span)


def _levels(axis: Axes, panel: Panel, rows: pd.DataFrame, places: pd.Series) -> None:
    """The dotted lines of a panel; ``places`` are its layers."""
    for level in panel.levels:
        for at in _heights(_drawn(replace(panel, where=level.where), rows)):
            _level(axis, at, level, places)


def _level(axis: Axes, rows: pd.DataFrame, level: Level, places: pd.Series) -> None:
    """A dotted line for what chance or noise gives, by layer or at one height.

    ``rows`` are of one size of sample (:func:`_heights`); ``places`` are the layers of the panel.
    """
    looks: dict[str, Any] = {"color": MUTED, "lw": 1, "ls": ":", "zorder": 1}
    present = rows.groupby("layer")["value"].mean().sort_index()
    words = level.words
    if words and set(rows["method"]) == {RANDOM}:
        words = f"{words}, random encoder"
    if present.index[-1] < 0:  # of no layer
        axis.axhline(present.iloc[-1], **looks)
        present = pd.Series(present.iloc[-1], index=[places.min(), places.max()])
    else:
        axis.plot(present.index, present.to_numpy(), **looks)
    if words:
        x = np.linspace(present.index[0], present.index[-1], 25)
        along = np.stack([x, np.interp(x, present.index, present.to_numpy())], axis=1)
        name_along(axis, words, along[::-1], MUTED, level=True, fontsize=7)


def _limits(
    panel: Panel, beside: Sequence[Panel], rows: pd.DataFrame
) -> tuple[float | None, float | None]:
    """Of the vertical axis; those of one scale reach from 0 to above the highest of all."""
    if panel.zoomed:
        values = pd.concat([_drawn(other, rows) for other in beside])
        low, high = values[["min", "low"]].min().min(), values[["max", "high"]].max().max()
        room = ZOOM_ROOM * max(high - low, 0.01)
        return low - room, high + room
    if not panel.scale:
        return panel.limits
    parts = [
        part
        for other in beside
        if other.scale == panel.scale
        for part in (_drawn(other, rows), *(select(rows, level.where) for level in other.levels))
    ]
    values = pd.concat(parts)[["min", "max", "low", "high"]]
    return min(0.0, float(values.min().min()) - 0.02), 1.05 * float(values.max().max())


def _name(spec: FigureSpec, grid: Any, panels: Sequence[Panel], counts: Sequence[int]) -> None:
    """Titles above the first row; layers below, and what is measured beside."""
    for axis, panel, n in zip(grid[0], panels, counts, strict=True):
        lines = {"fontsize": 8.5} if "\n" in panel.title else {}
        axis.set_title(panel.title.format(n=n), **lines)
    if not panels[0].sized:
        for axis in grid.flat:
            # No tick beside the last point, where only names stand.
            low, high = (round(end) for end in axis.dataLim.intervalx)
            ticks = MaxNLocator(integer=True).tick_values(low, high)
            axis.set_xticks([tick for tick in ticks if low <= tick <= high])
    below = spec.x_label_below if len(grid) > 1 else spec.x_label
    of_rows = [(grid[-1], below)]
    if spec.x_label != spec.x_label_below and len(grid) > 1:
        of_rows.append((grid[0], spec.x_label))
    for axes, words in of_rows:
        # Labels of narrow neighbours would touch: the first one speaks for its row.
        for axis in axes if len(axes) <= DIRECT else axes[:1]:
            axis.set_xlabel(words, loc="center" if len(axes) <= DIRECT else "left")
    for axes, label in zip(grid, (spec.label, spec.label_below), strict=False):
        if label:
            low, high = axes[0].get_ylim()
            room = ZOOM_ROOM / (1 + 2 * ZOOM_ROOM) * (high - low)
            axes[0].set_ylabel(label.format(zoom=f"{low + room:.2f} to {high - room:.2f}"))
