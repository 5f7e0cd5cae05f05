"""The figure of transfer against leak, trained and erased."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langspec.report.marks import key
from langspec.report.plotting import WIDTH, Plot, span
from langspec.report.run_results import Run
from langspec.report.style import GROUND, MUTED, eraser_style, method_styles
from langspec.report.table import (
    METRIC_TITLES,
    ORACLE,
    decimal,
    eraser_label,
    leak_scores,
    method_label,
    pick,
    task_title,
)
from langspec.report.tradeoff_points import tradeoff_points
from langspec.results import LEAK_METRIC, LEAK_PROBE


def tradeoff(run: Run, task: str) -> Plot | None:
    """Transfer against leak: a point for each method and seed, trained or erased."""
    points = tradeoff_points(run, task)
    if points.empty:
        return None
    bases = list(dict.fromkeys(points["method"]))
    erasers = sorted({eraser for eraser in points["eraser"] if eraser})
    colours = method_styles(bases)
    markers = {eraser: eraser_style(eraser)[1] for eraser in erasers}
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axis = figure.subplots()
    for point in points.to_dict("records"):
        colour, marker = colours[point["method"]]
        _point(axis, point, colour, markers.get(point["eraser"], marker))
    for method, path in _paths(points):
        _path(axis, path, colours[method][0])
    floor = pick(leak_scores(run, task, "majority"), language="all", unit="token")
    floor = pick(floor, metric=LEAK_METRIC)
    if len(floor):
        axis.axvline(float(floor["value"].iloc[0]), color=MUTED, lw=1, ls=":", zorder=1)
    score = METRIC_TITLES[LEAK_METRIC]
    axis.set_xlabel(f"language leak: token {score} of a fresh {LEAK_PROBE} probe, last layer")
    axis.set_ylabel("accuracy, mean of targets")
    axis.set_xlim(0, 1.02)
    handles = [
        key(method_label(b), color=colours[b][0], marker=colours[b][1], lw=0, ms=8, mec=GROUND)
        for b in bases
    ]
    for eraser in erasers:
        face = GROUND if eraser.endswith(ORACLE) else MUTED
        looks = {"color": MUTED, "marker": markers[eraser], "lw": 0, "ms": 6, "mfc": face}
        handles.append(key(f"+ {eraser_label(eraser)}", **looks))
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 5))
    means = points.groupby("label", sort=False)[["leak", "score"]].mean()
    alt = "Scatter plot of transfer against language leak. " + "; ".join(
        f"{method}: leak {decimal(row['leak'])}, accuracy {decimal(row['score'])}"
        for method, row in means.iterrows()
    )
    title = f"{task_title(task)}: transfer against leak"
    return Plot(f"tradeoff_{task}", title, _caption(task, points), alt + ".", figure)


def _paths(points: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each method trained at several strengths, and its points of one seed by strength."""
    for method, trained in points[points["eraser"] == ""].groupby("method", sort=False):
        further = trained[trained["of_path"]]
        if len(further):
            seeds = trained[trained["seed"].isin(further["seed"])]
            yield str(method), seeds.sort_values("strength")


def _ends(point: dict[Any, Any], key: str) -> list[list[float]]:
    """How far the interval of a point reaches below and above it."""
    return [
        [max(point[key] - point[f"{key}_low"], 0.0)],
        [max(point[f"{key}_high"] - point[key], 0.0)],
    ]


def _point(axis: Axes, point: dict[Any, Any], colour: str, marker: str) -> None:
    """A method and seed with its intervals; hollow: an oracle, which knows the language."""
    erased, oracle = bool(point["eraser"]), point["eraser"].endswith(ORACLE)
    axis.errorbar(
        point["leak"],
        point["score"],
        xerr=_ends(point, "leak"),
        yerr=_ends(point, "score"),
        fmt=marker,
        color=colour,
        mfc=GROUND if oracle else colour,
        mec=colour if oracle else GROUND,
        mew=1.1 if oracle else 0.6,
        ms=6 if erased else 8,
        elinewidth=0.7,
        alpha=0.85,
        zorder=3 if erased else 4,
    )


def _path(axis: Axes, path: pd.DataFrame, colour: str) -> None:
    """A line through one method's strengths, each named."""
    axis.plot(path["leak"], path["score"], color=colour, lw=1.1, alpha=0.7, zorder=2)
    for point in path.to_dict("records"):
        axis.annotate(
            f"λ {point['strength']:g}",
            (point["leak"], point["score"]),
            textcoords="offset points",
            xytext=(5, 6),
            fontsize=7.5,
            color=colour,
        )


def _caption(task: str, points: pd.DataFrame) -> str:
    seeds = points.groupby("label")["seed"].nunique()
    count = span(seeds)
    joined = (
        " Joined by a line: one seed at several strengths of reversal."
        if any(True for _ in _paths(points))
        else ""
    )
    return (
        f"{task_title(task)}: mean accuracy over the target languages against the token-level "
        "language leak, test splits; one point for each method and seed "
        f"({count} seed{'s' * (count != '1')} of each method). Colour: the trained method; "
        "small marker: the same behind an eraser, its head kept (hollow: an oracle "
        f"that knows the language).{joined} Bars: 95 % interval over test items. Dotted: "
        "always the largest class. Up and left is better."
    )
