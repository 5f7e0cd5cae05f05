"""What every figure shares: a plot with its words, its looks, legends and captions.

Equal numbers give equal bytes: no backend state, fixed fonts, no dates, a fixed salt for ids.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from langspec.measurement.baselines import is_baseline
from langspec.report.drawing import Drawing
from langspec.report.names import place_names
from langspec.report.style import GROUND, RC, dark_colours
from langspec.report.table import (
    decimal,
    method_label,
)
from langspec.results import RANDOM

WIDTH = 7.6  # inches; the page's column
NARROW = 6.4  # of a figure that stands beside another one
PNG_DPI = 180


@dataclass(frozen=True)
class Plot:
    """A drawn figure with the words that go with it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure

    def drawn(self, formats: Sequence[str]) -> Drawing:
        """The figure as files, without what it was drawn with."""
        width, height = (round(96 * float(inches)) for inches in self.figure.get_size_inches())
        files = {kind: self.render(kind) for kind in sorted(set(formats))}
        return Drawing(self.name, self.title, self.caption, self.alt, width, height, files)

    def render(self, kind: str) -> bytes:
        """The figure as ``png`` or ``svg`` bytes, without dates or versions."""
        buffer = io.BytesIO()
        with looks():
            # Straight to the canvas: savefig draws everything once more to lay it out.
            self.figure.set_dpi(PNG_DPI)
            if kind == "png":
                FigureCanvasAgg(self.figure).print_png(buffer, metadata={"Software": None})
            else:
                canvas = FigureCanvasSVG(self.figure)
                canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
                return with_dark_colours(buffer.getvalue())
        return buffer.getvalue()


def with_dark_colours(svg: bytes) -> bytes:
    """The SVG with a style sheet that changes its colours where a reader prefers a dark page.

    A browser follows it in an ``img`` too. What knows no style sheets shows the light figure.
    """
    rules = [
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in dark_colours().items()
        for kind in ("fill", "stroke")
        if f"{kind}: {light}".encode() in svg
    ]
    sheet = f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"
    return svg.replace(b"</style>", sheet.encode(), 1)


@contextmanager
def looks() -> Iterator[None]:
    """Draw in the style of the report, whatever matplotlibrc a user has."""
    # From matplotlib's own defaults, so that no user's matplotlibrc changes a byte.
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)  # type: ignore[arg-type]
        yield


def laid_out(make: Callable[[], Plot | None]) -> Plot | None:
    """What ``make`` draws in these looks, laid out once and not again for every format."""
    with looks():
        plot = make()
        if plot is not None:
            plot.figure.set_dpi(PNG_DPI)
            # What drawing begins with, without drawing.
            if (engine := plot.figure.get_layout_engine()) is not None:
                engine.execute(plot.figure)
            plot.figure.set_layout_engine("none")
            place_names(plot.figure)
    return plot


def legend(figure: Figure, methods: Sequence[str], styles: dict[str, tuple[str, str]]) -> None:
    """A legend of methods above the panels."""
    handles = []
    for method in methods:
        colour, marker = styles[method]
        thin = is_baseline(method)
        handles.append(
            Line2D(
                [],
                [],
                color=colour,
                marker=marker,
                ms=6,
                mew=1.4 if thin else 0.6,
                mec=colour if thin else GROUND,
                lw=0 if thin else 1.6,
                ls=(0, (4, 2)) if method == RANDOM else "-",
                label=method_label(method),
            )
        )
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=_columns([method_label(method) for method in methods], figure),
        handlelength=1.8,
        columnspacing=1.6,
    )


def _columns(names: Sequence[str], figure: Figure) -> int:
    """How many entries of a legend stand beside each other in the width of the figure."""
    widths = [0.52 + 0.068 * len(name) for name in names]  # inches: line, gap and letters
    for count in range(len(names), 1, -1):
        rows = -(-len(names) // count)
        columns = [max(widths[at : at + rows]) for at in range(0, len(names), rows)]
        if sum(columns) <= figure.get_size_inches()[0]:
            return len(columns)
    return 1


def in_order(rows: pd.DataFrame, methods: Sequence[str]) -> list[Any]:
    """Rows as named tuples, in the order of the methods."""
    rank = {method: index for index, method in enumerate(methods)}
    ordered = rows.assign(rank=rows["method"].map(rank)).sort_values("rank")
    return list(ordered.itertuples())


def values_in_words(rows: pd.DataFrame, methods: Sequence[str], form: str = "") -> str:
    """``finetune 0.912; grl 0.640``, for an alt text; ``form``: of the numbers."""
    return "; ".join(
        f"{method_label(row.method)} " + (f"{row.value:{form}}" if form else decimal(row.value))
        for row in in_order(rows, methods)
    )


def span(values: pd.Series) -> str:
    """Smallest to largest count, for a caption."""
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def seed_words(rows: pd.DataFrame, methods: Sequence[str]) -> str:
    """How many seeds the methods have, for a caption."""
    counts = rows[rows["method"].isin(list(methods))]["seeds"]
    if counts.empty:
        return "one seed"
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        return "one seed" if low == 1 else f"{low} seeds"
    return f"{low} to {high} seeds"
