"""Names that stand beside what they name, instead of a legend that has to be looked up.

A figure asks for them with :func:`name_beside` while it is drawn. :func:`place_names` moves them
once the figure is laid out, so that none lies on another, on a marker or outside its panel. The
same figure gives the same places: no random numbers, no time limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from langspec.report.style import GROUND, name_colour

_REACH = (8.0, 11.0, 15.0, 20.0, 27.0, 36.0, 48.0, 64.0, 85.0, 110.0, 140.0)
_TURNS = 16
_MARKER = 7.0  # points: side of the square that a marker takes
_STEP = 8.0  # pixels between the points that stand for a line
_ROUNDS = 6
_JOINED = 7.0  # points between a marker and its name from which a line joins them
_ON_NAME, _OUTSIDE, _ON_MARK = 1000.0, 1000.0, 60.0  # against one point of distance


class Name(Annotation):
    """A name that is moved to where there is room."""

    def __init__(
        self, text: str, points: np.ndarray, colour: str, *, joined: bool, **looks: Any
    ) -> None:
        self.points, self.joined = points, joined
        letters = name_colour(colour)
        line = {"arrowstyle": "-", "color": letters, "lw": 0.7, "shrinkA": 0, "shrinkB": 2}
        super().__init__(
            text,
            tuple(points[0]),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            color=letters,
            zorder=6,
            annotation_clip=False,
            arrowprops=line,
            path_effects=[patheffects.withStroke(linewidth=2, foreground=GROUND)],
            **{"fontsize": 8, **looks},
        )
        self.set_in_layout(False)


def name_beside(
    axis: Axes, text: str, point: tuple[float, float], colour: str, **looks: Any
) -> Name:
    """Write a name beside a point (in data coordinates) of a panel, as soon as there is a layout.

    Args:
        axis: the panel.
        text: the name.
        point: what it names.
        colour: of the mark; its letters are of the same hue.
        looks: of the letters.
    """
    return name_along(axis, text, [point], colour, **looks)


def name_along(
    axis: Axes, text: str, points: Any, colour: str, *, joined: bool = True, **looks: Any
) -> Name:
    """As :func:`name_beside`, beside whichever of some points ``[N, 2]`` has the most room.

    ``joined``: does a line lead to a name that had to make room?
    """
    name = Name(text, np.asarray(points, dtype=float), colour, joined=joined, **looks)
    axis.add_artist(name)
    return name


def place_names(figure: Figure) -> None:
    """Move every name of a laid-out figure to the free place nearest to what it names."""
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    for axis in figure.axes:
        names = [child for child in axis.get_children() if isinstance(child, Name)]
        if names:
            _place(axis, names, renderer, 72 / figure.dpi)


def _place(axis: Axes, names: Sequence[Name], renderer: Any, points: float) -> None:
    """Place the names of a panel; ``points`` are those of a pixel."""
    sizes = []
    for name in names:
        box = Text.get_window_extent(name, renderer)
        sizes.append((box.width * points + 2, box.height * points))
    named = [axis.transData.transform(name.points) * points for name in names]
    frame = axis.get_window_extent(renderer)
    ends = np.array([[frame.x0, frame.y0], [frame.x1, frame.y1]]) * points
    marks = np.concatenate([*named, *(part * points for part in _drawn(axis))])
    centres = best_places(named, np.array(sizes), marks, ends)
    for name, size, centre, of in zip(names, sizes, centres, named, strict=True):
        nearest = int(np.argmin(np.linalg.norm(of - centre, axis=1)))
        name.xy = tuple(name.points[nearest])
        name.set_position(tuple(centre - of[nearest]))
        gap = np.maximum(np.abs(centre - of[nearest]) - np.array(size) / 2, 0)
        assert name.arrow_patch is not None
        name.arrow_patch.set_visible(name.joined and bool(np.hypot(*gap) > _JOINED))


def _drawn(axis: Axes) -> Iterator[np.ndarray]:
    """Pixels ``[N, 2]`` of what is plotted in a panel; of a line, points along it."""
    for line in axis.lines:
        if line.get_transform() != axis.transData:  # a level across the panel
            continue
        places = axis.transData.transform(line.get_xydata())
        places = places[np.isfinite(places).all(axis=1)]
        if line.get_linestyle() not in ("None", "") and len(places) > 1:
            length = np.concatenate(
                [[0], np.hypot(*np.diff(places, axis=0).T).clip(1e-9).cumsum()]
            )
            along = np.arange(0, length[-1], _STEP)
            places = np.stack([np.interp(along, length, part) for part in places.T], axis=1)
        yield places


def best_places(
    named: Sequence[np.ndarray], sizes: np.ndarray, marks: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """Centres ``[N, 2]`` of boxes near what they name, on no other box, on few marks, in a frame.

    Each box in turn takes the best of the places around its point, the others where they are,
    until none moves.

    Args:
        named: of each of N boxes the points ``[., 2]`` of which it names one.
        sizes: ``[N, 2]``, widths and heights.
        marks: ``[M, 2]``, centres of what the boxes should leave free.
        frame: ``[2, 2]``, lower left and upper right corner of where they may lie.
    """
    angles = np.arange(_TURNS) * 2 * np.pi / _TURNS
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    offsets = np.concatenate([reach * ways for reach in _REACH])
    centres = np.full((len(named), 2), np.inf)
    far = np.linalg.norm(offsets, axis=1)
    for _ in range(_ROUNDS):
        before = centres.copy()
        for i, (points, size) in enumerate(zip(named, sizes, strict=True)):
            # A box stands beside its point, not on it: the wider it is, the further its centre.
            beside = offsets + np.sign(np.round(offsets, 6)) * (size / 2 - 4)
            places = (points[:, None] + beside).reshape(-1, 2)
            others = np.arange(len(named)) != i
            cost = np.tile(far, len(points))
            cost += _ON_NAME * _overlaps(places, size, centres[others], sizes[others])
            cost += _ON_MARK * _overlaps(places, size, marks, np.full_like(marks, _MARKER))
            low, high = places - size / 2 - frame[0], frame[1] - places - size / 2
            cost += _OUTSIDE * ((low < 0) | (high < 0)).any(axis=1)
            centres[i] = places[int(np.argmin(np.round(cost, 6)))]
        if np.array_equal(before, centres):
            break
    return centres


def _overlaps(
    places: np.ndarray, size: np.ndarray, others: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """How many of the others a box of one size lies on at each place ``[P, 2]``."""
    present = np.isfinite(others).all(axis=1)
    gaps = np.abs(places[:, None] - others[present][None])
    return np.asarray((gaps < (size + sizes[present]) / 2).all(axis=2).sum(axis=1))
