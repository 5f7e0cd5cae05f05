"""The two figures of the first screen: what each measure reads, and what less language costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from langspec.report.first_answers import short
from langspec.report.first_published import differences
from langspec.report.names import name_beside
from langspec.report.plotting import Plot, laid_out
from langspec.report.published_tables import is_token, language_quantity, published_rows
from langspec.report.run_results import Run
from langspec.report.style import GROUND, MUTED, method_styles
from langspec.report.table import (
    leak_scores,
    leak_unit,
    leaks,
    ordered_methods,
    pick,
    task_name,
)
from langspec.report.tradeoff_points import tradeoff_points
from langspec.results import LEAK_METRIC, RANDOM

WIDTH = 3.9  # inches: a phone's width, so that letters keep their size there
SMALL = 7.5
WORD, TEXT = "word", "text"  # what a measure reads at once


@dataclass(frozen=True)
class _Read:
    """What two measures read on one task, by method: rows with ``value``, ``min``, ``max``.

    ``differs``: why the paper's measure is another one than the probe's.
    """

    task: str
    unit: str
    probe: pd.DataFrame
    paper: pd.DataFrame
    differs: tuple[str, ...] = ()


def _height(rows: int) -> float:
    """In inches, of a figure with a row a method."""
    return 0.66 + 0.17 * max(rows, 4)


def first_plots(run: Run) -> list[Plot]:
    """The figures over tasks that the run's files allow."""
    makers: tuple[Callable[[Run], Plot | None], ...] = (two_measures, small_tradeoff)
    plots = (laid_out(partial(make, run)) for make in makers)
    return [plot for plot in plots if plot is not None]


# --- a row a method: the paper's measure and the converged probe ------------------------------


def two_measures(run: Run) -> Plot | None:
    """A dumbbell a method: hollow the paper's measure, filled the converged probe."""
    read = [one for task in run.tasks if (one := _read(run, task))]
    if not read:
        return None
    present = {method: None for one in read for method in one.probe["method"]}
    methods = ordered_methods(run, [method for method in present if method != RANDOM])
    keys = _keys(read, methods)
    height = _height(len(methods)) + 0.13 * len(keys)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(1, len(read), sharey=True, squeeze=False)[0]
    styles = method_styles(methods)
    for axis, one in zip(axes, read, strict=True):
        for place, method in enumerate(methods):
            _dumbbell(axis, one, method, place, styles[method])
            if not len(pick(one.probe, method=method)):
                axis.text(
                    0.5, place, "not in this run", fontsize=6.5, color=MUTED, ha="center",
                    va="center",
                )  # fmt: skip
        _floors(axis, run, one, len(methods))
        axis.set_title(f"{task_name(one.task)}, by {one.unit}", fontsize=8.5)
        axis.set_xlim(-0.03, 1.05)
        axis.set_ylim(len(methods) + 1.25, -0.6)
        axis.set_xticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=SMALL)
        axis.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(methods)), methods, fontsize=8.5)
    figure.supxlabel("\n".join(["how well the language is read (F1)", *keys]), fontsize=SMALL)
    alt = "Dot plot of how well the language is read. " + " ".join(map(_in_words, read))
    alt = " ".join([alt, *(f"{line}." for line in keys)])
    title = "What each measure reads of the language"
    return Plot("first_measures", title, title + ".", alt, figure)


def _keys(read: list[_Read], methods: list[str]) -> list[str]:
    """What the signs mean, a line each: the two measures, why they differ, bands, control."""
    with_paper = [one for one in read if len(one.paper)]
    lines = [
        "filled: our converged probe"
        + "; hollow: the paper's probe, same vectors" * bool(with_paper)
    ]
    differs = dict.fromkeys(part for one in with_paper for part in one.differs)
    if differs:
        lines.append(f"({'; '.join(differs)})")
    seeds = any(
        (rows["min"] < rows["max"]).any() for one in read for rows in (one.probe, one.paper)
    )
    signs = ["bands: from seed to seed"] if seeds else []
    signs += ["control: as grl, nothing reversed"] if "control" in methods else []
    return [*lines, "; ".join(signs)] if signs else lines


def _read(run: Run, task: str) -> _Read | None:
    """Both measures where the paper's was measured, else the leak of words."""
    if quantity := language_quantity(run, task):
        unit = WORD if is_token(published_rows(run, task)) else TEXT
        differs = tuple(differences(run, task, quantity))
        return _Read(task, unit, quantity.sound, quantity.compat, differs)
    unit = leak_unit(run, task)
    probe = pick(leaks(run, task), unit=unit)
    name = WORD if unit == "token" else TEXT
    return _Read(task, name, probe, probe.head(0)) if len(probe) else None


def _dumbbell(axis: Axes, one: _Read, method: str, place: int, signs: tuple[str, str]) -> None:
    colour, marker = signs
    ends = [pick(rows, method=method) for rows in (one.paper, one.probe)]
    known = [float(rows["value"].iloc[0]) for rows in ends if len(rows)]
    axis.plot(known, [place] * len(known), color=colour, lw=1.6, alpha=0.5, zorder=2)
    for rows, face in zip(ends, (GROUND, colour), strict=True):
        if len(rows):
            row = rows.iloc[0]
            axis.plot([row["min"], row["max"]], [place] * 2, color=colour, lw=3, alpha=0.3)
            looks: dict[str, Any] = {"mfc": face, "mec": colour if face == GROUND else GROUND}
            axis.plot(row["value"], place, marker, color=colour, ms=6, mew=1, zorder=4, **looks)


def _floors(axis: Axes, run: Run, one: _Read, place: int) -> None:
    """Labelled ticks below the rows: what chance and random weights give the probe."""
    unit = "token" if one.unit == WORD else "sentence"
    chance = pick(leak_scores(run, one.task, "majority"), language="all", unit=unit)
    chance = pick(chance, metric=LEAK_METRIC)
    floors = ((chance, "chance"), (pick(one.probe, method=RANDOM), "random weights"))
    for line, (rows, name) in zip((place, place + 0.75), floors, strict=True):
        if len(rows):
            value = float(rows["value"].iloc[0])
            axis.plot([value] * 2, [line - 0.25, line + 0.25], color=MUTED, lw=1.4)
            side = "right" if value > 0.7 else "left"
            shift = (-3 if side == "right" else 3, 0)
            axis.annotate(
                name, (value, line), xytext=shift, textcoords="offset points", ha=side,
                va="center", fontsize=6.5, color=MUTED,
            )  # fmt: skip


def _in_words(one: _Read) -> str:
    parts = []
    for row in one.probe.to_dict("records"):
        paper = pick(one.paper, method=row["method"])["value"]
        beside = f" (the paper's measure {short(paper.iloc[0])})" if len(paper) else ""
        parts.append(f"{row['method']} {short(row['value'])}{beside}")
    return f"{task_name(one.task)}, by {one.unit}: {', '.join(parts)}."


# --- transfer against leak -------------------------------------------------------------------


def small_tradeoff(run: Run) -> Plot | None:
    """A point a method, its name beside it; seeds faint."""
    points = {task: tradeoff_points(run, task) for task in run.tasks}
    points = {task: _trained(rows) for task, rows in points.items() if len(rows)}
    points = {task: rows for task, rows in points.items() if len(rows)}
    if not points:
        return None
    methods = ordered_methods(run, [m for rows in points.values() for m in rows["method"]])
    styles = method_styles(methods)
    figure = Figure(figsize=(WIDTH, _height(len(methods))), layout="constrained")
    axes = figure.subplots(1, len(points), squeeze=False)[0]
    words = []
    for axis, (task, rows) in zip(axes, points.items(), strict=True):
        means = rows.groupby("method", sort=False)[["leak", "score"]].mean()
        for seed in rows.to_dict("records"):
            colour, marker = styles[seed["method"]]
            place = seed["leak"], seed["score"]
            axis.plot(*place, marker, color=colour, ms=3, alpha=0.3, mew=0)
        for method, mean in means.iterrows():
            colour, marker = styles[str(method)]
            axis.plot(*mean, marker, color=colour, ms=7, mec=GROUND, mew=0.6, zorder=4)
            name_beside(axis, str(method), tuple(mean), colour, fontsize=SMALL)
        unit = WORD if leak_unit(run, task) == "token" else TEXT
        axis.set_title(f"{task_name(task)}, by {unit}", fontsize=8.5)
        axis.margins(0.22)
        axis.tick_params(labelsize=SMALL)
        for which in (axis.xaxis, axis.yaxis):
            which.set_major_locator(MaxNLocator(3))
            which.set_major_formatter(lambda value, _: short(value).rstrip("0").rstrip(".") or "0")
        listed = ", ".join(f"{m} {short(v.leak)}, {short(v.score)}" for m, v in means.iterrows())
        words.append(f"{task_name(task)}: {listed}.")
    axes[0].set_ylabel("accuracy,\nlanguages\nwithout labels", fontsize=SMALL)
    below = ["left: less language; up: better; small: seeds"]
    below += ["the panels' scales differ"] if len(points) > 1 else []
    lines = ["how well our probe reads the language (F1)", "; ".join(below)]
    figure.supxlabel("\n".join(lines), fontsize=SMALL)
    title = "What less language costs the task"
    alt = "Scatter plot: of each method the language leak, then accuracy. " + " ".join(words)
    return Plot("first_tradeoff", title, title + ".", alt, figure)


def _trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Points of methods alone: nothing erased, no point of a path."""
    return rows[(rows["eraser"] == "") & ~rows["of_path"].astype(bool)]
