"""t-SNE maps of the report: before and after, by language and by label.

Sizes are in inches throughout: panels have one size and the figure grows, so that many languages
or methods can be distinguished on paper as well as few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langspec.report.names import name_beside
from langspec.report.plotting import Plot, span
from langspec.report.run_results import Run, language_family, language_name
from langspec.report.style import EDGE, INK, MUTED, class_styles, language_styles, sorted_codes
from langspec.report.table import (
    corpus_words,
    join,
    method_label,
    ordered_methods,
    pick,
    task_title,
)

PANEL = 3.2  # inches, both ways, at most
WIDEST = 9.0  # of all panels of a row
SIDE = 0.2  # for the name of a row
GAP, RIM, TITLE = 0.16, 0.08, 0.3
LINE = 0.128  # of the legend
RASTER = 4000  # points of a panel from which an SVG holds them as an image
SINGLES = "other families"

Styles = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """One line of a legend: a heading, or a name with its colour and marker."""

    text: str
    colour: str = MUTED
    marker: str = ""


def projection(run: Run, task: str) -> Plot | None:
    """t-SNE grid: a column for each method, a row coloured by language, one by label."""
    frame = run.projections.get(task)
    if frame is None or frame.empty:
        return None
    seed = frame.groupby("method")["seed"].transform("min")
    frame = frame[frame["seed"] == seed]
    methods = ordered_methods(run, frame["method"])
    labelled = frame["label"].notna() & (frame["label"].astype(str) != "")
    rows = ["language", "label"] if labelled.any() else ["language"]
    signs, entries = {}, {}
    for kind in rows:
        values = frame if kind == "language" else frame[labelled]
        if kind == "language":
            signs[kind] = language_styles(sorted_codes(list(values[kind])))
            entries[kind] = language_entries(signs[kind])
        else:
            signs[kind] = class_styles(sorted(set(values[kind].astype(str))))
            entries[kind] = [Entry(name, *sign) for name, sign in signs[kind].items()]
    columns = {kind: legend_columns(entries[kind]) for kind in rows}
    beside = max(sum(width for width, _ in matched) for matched in columns.values())
    panel = min(PANEL, WIDEST / len(methods))
    width = 2 * RIM + SIDE + len(methods) * (panel + GAP) + beside
    height = 2 * RIM + TITLE + len(rows) * (panel + GAP)
    figure = Figure(figsize=(width, height))
    for line, kind in enumerate(rows):
        values = frame if kind == "language" else frame[labelled]
        bottom = height - RIM - TITLE - (line + 1) * (panel + GAP) + GAP
        for column, method in enumerate(methods):
            left = RIM + SIDE + column * (panel + GAP)
            axis = figure.add_axes((left / width, bottom / height, panel / width, panel / height))
            _scatter(axis, pick(values, method=method), kind, signs[kind])
            if line == 0:
                when = {"frozen": "before"}.get(method, "after")
                axis.set_title(f"{method_label(method)} ({when})")
            if column == 0:
                axis.set_ylabel(f"by {kind}")
        left = RIM + SIDE + len(methods) * (panel + GAP)
        tall = max(panel, LINE * max(len(part) for _, part in columns[kind]))
        low = bottom - (tall - panel) / 2
        axis = figure.add_axes((left / width, low / height, (width - left) / width, tall / height))
        _legend(axis, columns[kind], width - left, tall)
    counts = frame.groupby("method").size()
    seeds = join(frame["seed"].astype(str))
    caption = (
        f"t-SNE of last-layer vectors, {task_title(task)}, on {corpus_words(frame['corpus'])}: "
        f"{span(counts)} points a column, seed {seeds}. A name stands where its language or label "
        "lies densest. Each column is fitted by itself: read neighbourhoods only."
    )
    alt = (
        f"Scatter plots of t-SNE projections for {', '.join(map(method_label, methods))}, "
        f"coloured by {' and by '.join(rows)}."
    )
    title = f"{task_title(task)}: representations before and after"
    return Plot(f"projection_{task}", title, caption, alt, figure)


# --- panels ----------------------------------------------------------------------------------


def _scatter(axis: Axes, points: pd.DataFrame, kind: str, styles: Styles) -> None:
    size = float(np.clip(7000 / max(len(points), 1), 4, 15))
    # Drawn in a mixed order, so that no class hides another because its name comes later.
    order = np.random.default_rng(0).permutation(len(points))
    names = points[kind].astype(str).to_numpy()
    places = points[["x", "y"]].to_numpy(dtype=float)
    for part in np.array_split(order, max(1, len(order) // 150)):
        for name, (colour, marker) in styles.items():
            selected = part[names[part] == name]
            axis.scatter(
                places[selected, 0],
                places[selected, 1],
                s=size,
                color=colour,
                marker=marker,
                alpha=0.8,
                linewidths=0,
                rasterized=len(places) > RASTER,
            )
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = 0.04 * np.maximum(high - low, 1e-9)
    axis.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axis.set_ylim(low[1] - margin[1], high[1] + margin[1])
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(EDGE)
    present = [name for name in styles if (names == name).any()]
    if present:
        _name(axis, present, [places[names == name] for name in present], styles)


def densest(places: np.ndarray) -> np.ndarray:
    """The point of ``places`` ``[N, 2]`` that the nearest third of the others lies nearest to.

    A centroid of several clusters lies where none of them is.
    """
    if len(places) <= 2:
        return np.asarray(places[0])
    count = max(2, len(places) // 3 + 1)
    gaps = places[:, None, :] - places[None, :, :]
    reach = np.partition((gaps**2).sum(axis=2), count - 1, axis=1)[:, count - 1]
    return np.asarray(places[int(np.argmin(reach))])


def _name(axis: Axes, names: list[str], groups: list[np.ndarray], styles: Styles) -> None:
    """Direct labels, with a line where one had to make room."""
    for name, group in zip(names, groups, strict=True):
        point = densest(group)
        looks = {"fontsize": 7.5, "fontweight": "bold"}
        name_beside(axis, name, (point[0], point[1]), styles[name][0], **looks)


# --- legend ----------------------------------------------------------------------------------


def language_entries(styles: Styles) -> list[Entry]:
    """Languages below the name of their family; families of one language together, at the end."""
    families: dict[str, list[str]] = {}
    for code in styles:
        families.setdefault(language_family(code), []).append(code)
    several = {family: codes for family, codes in sorted(families.items()) if len(codes) > 1}
    rest = [codes[0] for codes in families.values() if len(codes) == 1]
    if rest:
        several[SINGLES if several else ""] = sorted_codes(rest)
    matched = []
    for family, codes in several.items():
        if family:
            matched.append(Entry(family))
        for code in sorted_codes(codes):
            name = language_name(code)
            matched.append(Entry(f"{name} ({code})" if name != code else code, *styles[code]))
    return matched


def legend_columns(entries: list[Entry]) -> list[tuple[float, list[Entry]]]:
    """Entries dealt out into columns that fit beside a panel, with the width of each in inches.

    A heading and what stands below it stay together where they fit into one column.
    """
    most = int(PANEL / LINE)
    blocks: list[list[Entry]] = []
    for entry in entries:
        if not entry.marker or not blocks or (blocks[-1][0].marker and len(blocks[-1]) >= most):
            blocks.append([])
        blocks[-1].append(entry)
    columns: list[list[Entry]] = [[]]
    for block in blocks:
        if columns[-1] and len(columns[-1]) + len(block) > most:
            columns.append([])
        columns[-1] += block
    parts = [part[low : low + most] for part in columns for low in range(0, len(part), most)]
    return [(0.26 + 0.062 * max(len(e.text) for e in part), part) for part in parts]


def _legend(
    axis: Axes, columns: list[tuple[float, list[Entry]]], width: float, height: float
) -> None:
    axis.set_axis_off()
    axis.set(xlim=(0, width), ylim=(height, 0))
    longest = max(len(part) for _, part in columns)
    top = max(0.0, (height - longest * LINE) / 2)
    left = 0.0
    for inches, part in columns:
        for line, entry in enumerate(part):
            y = top + (line + 0.5) * LINE
            if not entry.marker:
                axis.text(left, y, entry.text, fontsize=6.6, color=MUTED, va="center")
                continue
            axis.plot(left + 0.07, y, entry.marker, color=entry.colour, ms=4.6, mew=0)
            axis.text(left + 0.17, y, entry.text, fontsize=7, color=INK, va="center")
        left += inches
