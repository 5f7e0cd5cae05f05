"""What figures of the report and of an audit are drawn with: curves, heat maps, colour bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from langspec.report.colour import on_cell
from langspec.report.style import GROUND, PALETTE

SHARES = sns.light_palette(PALETTE[0], as_cmap=True)
DASHES = (0, (4, 2))


def curve(
    axis: Axes,
    x: Any,
    y: Any,
    colour: str,
    marker: str | None,
    *,
    dashes: Any = "-",
    size: float = 5,
    width: float = 1.8,
    **more: Any,
) -> None:
    """A line with markers that stand out from what they lie on."""
    marks = {"mec": GROUND, "mew": 0.6, "clip_on": False, "zorder": 3, **more}
    axis.plot(x, y, marker=marker, color=colour, ms=size, lw=width, ls=dashes, **marks)


def key(label: str, **signs: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **signs)


def heat(
    axis: Axes,
    table: Any,
    *,
    colours: Any = "cividis",
    digits: float | None = None,
    form: str = ".2f",
    gap: float = 0.5,
    bar: bool = False,
    **more: Any,
) -> None:
    """A heat map; with ``digits``, each cell carries its number in letters of that size.

    The letters are dark or light, whichever stand out more from their cell.
    """
    sns.heatmap(
        table,
        ax=axis,
        cmap=colours,
        cbar=bar,
        annot=digits is not None,
        fmt=form,
        annot_kws={} if digits is None else {"fontsize": digits},
        linewidths=gap,
        linecolor=GROUND,
        **more,
    )
    if digits is not None:
        cells: Any = axis.collections[0]
        cells.update_scalarmappable()
        shown = ~np.ma.getmaskarray(cells.get_array()).ravel()
        for text, face in zip(axis.texts, cells.get_facecolor()[shown], strict=True):
            text.set_color(on_cell(to_hex(face)))


def name_cells(axis: Axes, rows: Sequence[Any] | None, columns: Sequence[Any] | None) -> None:
    """Names in the middle of a heat map's rows and columns, without ticks; None: as they are."""
    axis.tick_params(length=0)
    if rows is not None:
        axis.set_yticks(np.arange(len(rows)) + 0.5, list(rows), rotation=0)
    if columns is not None:
        axis.set_xticks(np.arange(len(columns)) + 0.5, list(columns), rotation=0)


def colour_bar(
    figure: Figure, axes: Sequence[Axes] | np.ndarray, label: str, **looks: Any
) -> None:
    """One bar for heat maps of one scale."""
    bar = figure.colorbar(axes[0].collections[0], ax=list(axes), **looks)
    bar.set_label(label)
    bar.outline.set_visible(False)
