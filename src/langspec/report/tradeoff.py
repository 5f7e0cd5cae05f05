"""The figure of transfer against leak: methods as they were trained, then behind erasers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langspec.report.names import name_beside
from langspec.report.plotting import NARROW, Plot, span
from langspec.report.run_results import Run
from langspec.report.style import GROUND, MUTED, Sign, eraser_style, method_style
from langspec.report.table import (
    METRIC_TITLES,
    ORACLE,
    decimal,
    eraser_label,
    leak_scores,
    leak_unit,
    method_label,
    pick,
    task_title,
)
from langspec.report.tradeoff_points import tradeoff_points
from langspec.results import LEAK_METRIC, LEAK_PROBE

AT_CHANCE = 0.03
"""A leak that is no further above chance stands in the strip of what lies at chance."""
_ENDS = [f"{key}{end}" for key in ("leak", "score") for end in ("", "_low", "_high")]


def tradeoff(run: Run, task: str) -> Plot | None:
    """Transfer against leak: a panel of the methods; a strip and a panel of each that was erased.

    What erasers leave at chance has one place on the axis of the leak. Such erasers stand side by
    side in the strip.
    """
    points = tradeoff_points(run, task)
    if points.empty:
        return None
    unit = leak_unit(run, task)
    floor = pick(leak_scores(run, task, "majority"), language="all", unit=unit)
    floor = pick(floor, metric=LEAK_METRIC)
    chance = float(floor["value"].iloc[0]) if len(floor) else None
    bases = list(dict.fromkeys(points[points["eraser"] != ""]["method"]))
    figure = Figure(figsize=(NARROW, 2.5 + 2.3 * len(bases)), layout="constrained")
    heights = (1.1, *(1.0 for _ in bases))
    grid = figure.add_gridspec(1 + len(bases), 2, width_ratios=(1, 2.4), height_ratios=heights)
    _trained(figure.add_subplot(grid[0, :]), points[points["eraser"] == ""], chance, unit)
    for row, base in enumerate(bases, start=1):
        strip = figure.add_subplot(grid[row, 0])
        beside = figure.add_subplot(grid[row, 1], sharey=strip)
        _erased(strip, beside, pick(points, method=base), base, chance)
    if bases:
        beside.set_xlabel(_leak_words(unit))
    means = points.groupby("label", sort=False)[["leak", "score"]].mean()
    alt = "Scatter plots of transfer against language leak. " + "; ".join(
        f"{method}: leak {decimal(row['leak'])}, accuracy {decimal(row['score'])}"
        for method, row in means.iterrows()
    )
    title = f"{task_title(task)}: transfer against leak"
    return Plot(f"tradeoff_{task}", title, _caption(task, points), alt + ".", figure)


def _trained(axis: Axes, points: pd.DataFrame, chance: float | None, unit: str) -> None:
    """Methods without an eraser, zoomed in on them; a path as a line through its strengths."""
    for method, rows in points[~points["of_path"].astype(bool)].groupby("method", sort=False):
        sign = method_style(str(method))
        mean = _mean(axis, rows, sign, size=8)
        name_beside(axis, method_label(str(method)), (mean["leak"], mean["score"]), sign[0])
    for method, path in _paths(points):
        _path(axis, path, method_style(method))
    axis.margins(x=0.12, y=0.15)
    low, high = axis.get_xlim()
    zoom = "zoomed"
    if chance is not None:
        zoom += "" if low <= chance <= high else f"; chance, {decimal(chance)}, lies outside"
        if low <= chance <= high:
            _chance(axis, chance)
    axis.set_title("as trained")
    axis.set_xlabel(f"{_leak_words(unit)} ({zoom})")
    axis.set_ylabel("accuracy, mean of targets")


def _erased(
    strip: Axes, axis: Axes, points: pd.DataFrame, base: str, chance: float | None
) -> None:
    """What erasers leave of one method: at chance side by side, else against the leak."""
    plain = points[(points["eraser"] == "") & ~points["of_path"].astype(bool)]
    accuracy = float(plain["score"].mean())
    for panel in (strip, axis):
        panel.axhline(accuracy, color=method_style(base)[0], lw=1, ls=":", zorder=1)
    mean = _mean(axis, plain, method_style(base), size=7)
    name_beside(axis, "nothing erased", (mean["leak"], mean["score"]), method_style(base)[0])
    slots: list[str] = []
    of_erasers = points[points["eraser"] != ""]
    order = (
        of_erasers.groupby("eraser")["score"].mean().sort_values(ascending=False, kind="stable")
    )
    for eraser in order.index:
        rows = pick(of_erasers, eraser=eraser)
        sign, name = eraser_style(eraser), eraser_label(eraser)
        hollow = eraser.endswith(ORACLE)
        if chance is not None and rows["leak"].mean() <= chance + AT_CHANCE:
            place = rows.assign(leak=len(slots), leak_low=len(slots), leak_high=len(slots))
            _mean(strip, place, sign, size=7, hollow=hollow)
            slots.append(name)
        else:
            mean = _mean(axis, rows, sign, size=7, hollow=hollow)
            name_beside(axis, name, (mean["leak"], mean["score"]), sign[0], fontsize=7.5)
    strip.set_xticks(range(len(slots)), slots, rotation=40, ha="right", rotation_mode="anchor")
    strip.set_xlim(-0.6, max(len(slots), 3) - 0.4)
    strip.grid(axis="x", visible=False)
    strip.set_title(f"{method_label(base)}: at chance")
    strip.set_ylabel("accuracy")
    strip.margins(y=0.15)
    axis.tick_params(labelleft=False)
    axis.set_xlim(0, 1.05)
    if chance is not None:
        _chance(axis, chance)
    axis.set_title(f"{method_label(base)}: above chance")


def _leak_words(unit: str) -> str:
    return f"language leak: {unit} {METRIC_TITLES[LEAK_METRIC]} of a {LEAK_PROBE} probe"


def _chance(axis: Axes, chance: float) -> None:
    axis.axvline(chance, color=MUTED, lw=1, ls=":", zorder=1)
    axis.annotate(
        "chance",
        (chance, 0),
        xycoords=("data", "axes fraction"),
        xytext=(3, 3),
        textcoords="offset points",
        fontsize=7,
        color=MUTED,
    )


def _mean(
    axis: Axes, rows: pd.DataFrame, sign: Sign, *, size: float, hollow: bool = False
) -> pd.Series:
    """The mean over seeds and its intervals, seeds faint; hollow: an oracle."""
    colour, marker = sign
    if len(rows) > 1:
        looks: dict[str, Any] = {"ms": 3.5, "mew": 0, "alpha": 0.35, "zorder": 3}
        axis.plot(rows["leak"], rows["score"], marker, color=colour, **looks)
    mean = rows[_ENDS].mean()
    axis.errorbar(
        mean["leak"],
        mean["score"],
        xerr=_reach(mean, "leak"),
        yerr=_reach(mean, "score"),
        fmt=marker,
        color=colour,
        mfc=GROUND if hollow else colour,
        mec=colour if hollow else GROUND,
        mew=1.2 if hollow else 0.6,
        ms=1.4 * size if marker == "*" else size,  # a star has little area
        elinewidth=0.8,
        zorder=4,
    )
    return mean


def _reach(mean: pd.Series, key: str) -> list[list[float]]:
    """How far an interval reaches below and above its value."""
    below, above = mean[key] - mean[f"{key}_low"], mean[f"{key}_high"] - mean[key]
    return [[max(below, 0.0)], [max(above, 0.0)]]


def _paths(points: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each method trained at several strengths, and its points of one seed by strength."""
    for method, trained in points[points["eraser"] == ""].groupby("method", sort=False):
        further = trained[trained["of_path"]]
        if len(further):
            seeds = trained[trained["seed"].isin(further["seed"])]
            yield str(method), seeds.sort_values("strength")


def _path(axis: Axes, path: pd.DataFrame, sign: Sign) -> None:
    """A line through one method's strengths, each named."""
    colour, marker = sign
    looks: dict[str, Any] = {"ms": 5, "mec": GROUND, "mew": 0.5, "lw": 1.1, "alpha": 0.8}
    axis.plot(path["leak"], path["score"], marker=marker, color=colour, zorder=2, **looks)
    for point in path.to_dict("records"):
        place = (point["leak"], point["score"])
        name_beside(axis, f"λ {point['strength']:g}", place, colour, fontsize=7.5)


def _caption(task: str, points: pd.DataFrame) -> str:
    seeds = points.groupby("label")["seed"].nunique()
    count = span(seeds)
    joined = (
        " Joined by a line: one seed at several strengths of reversal."
        if any(True for _ in _paths(points))
        else ""
    )
    erased = (
        " Below: behind each eraser, the head kept; hollow: an oracle, which is given the "
        "language; dotted: nothing erased."
        if (points["eraser"] != "").any()
        else ""
    )
    return (
        f"{task_title(task)}: accuracy of the target languages against the leak. Mean over "
        f"{count} seed{'s' * (count != '1')}, seeds faint; bars: 95 % intervals over test items."
        f"{erased}{joined}"
    )
