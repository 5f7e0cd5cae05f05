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

_CLOSE = 5.0  # points between a level and the middle of its name
_REACH = (_CLOSE, 8.0, 11.0, 15.0, 20.0, 27.0, 36.0, 48.0, 64.0, 85.0, 110.0, 140.0)
_TURNS = 16
_MARKER, _DOT = 7.0, 1.0  # points: side of the square that a marker takes, and a level's dot
_STEP = 8.0  # pixels between the points that stand for a line
_ROUNDS = 6
_JOINED, _JOINED_LEVEL = (
    7.0,
    2.5,
)  # points between a mark and its name from which a line joins them
_ALONG = np.linspace(0, 1, 15)  # of such a line, where it is looked at
# Against one point of distance.
_ON_NAME, _OUTSIDE, _CROSSED, _ON_MARK = 1000.0, 1000.0, 250.0, 60.0


class Name(Annotation):
    """A name that is moved to where there is room."""

    def __init__(
        self, text: str, points: np.ndarray, colour: str, *, level: bool, **looks: Any
    ) -> None:
        self.points, self.level = points, level
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
    axis: Axes, text: str, points: Any, colour: str, *, level: bool = False, **looks: Any
) -> Name:
    """As :func:`name_beside`, beside whichever of some points ``[N, 2]`` has the most room.

    ``level``: are the points of a dotted line? It has no markers, so its name stands close to it.
    """
    name = Name(text, np.asarray(points, dtype=float), colour, level=level, **looks)
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
    marks = np.concatenate([np.empty((0, 2)), *(part * points for part in _drawn(axis))])
    levels = [name.level for name in names]
    centres = best_places(named, np.array(sizes), marks, ends, levels)
    for name, size, centre, of in zip(names, sizes, centres, named, strict=True):
        nearest = _nearest(of, centre)
        name.xy = tuple(name.points[nearest])
        name.set_position(tuple(centre - of[nearest]))
        assert name.arrow_patch is not None
        name.arrow_patch.set_visible(
            bool(_joined(of[nearest], centre, np.array(size), name.level))
        )


def _drawn(axis: Axes) -> Iterator[np.ndarray]:
    """Pixels ``[N, 2]`` of what is plotted in a panel; of a line, points along it."""
    for line in axis.lines:
        if line.get_transform() != axis.transData or line.get_linestyle() == ":":  # a level
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
    named: Sequence[np.ndarray],
    sizes: np.ndarray,
    marks: np.ndarray,
    frame: np.ndarray,
    levels: Sequence[bool] = (),
) -> np.ndarray:
    """Centres ``[N, 2]`` of boxes near what they name, on no other box, on few marks, in a frame.

    Nor does a box lie on the line that joins another one to what it names, where there is room.
    Each box in turn takes the best of the places around its point, the others where they are,
    until none moves.

    Args:
        named: of each of N boxes the points ``[., 2]`` of which it names one.
        sizes: ``[N, 2]``, widths and heights.
        marks: ``[M, 2]``, centres of what the boxes should leave free, besides what they name.
        frame: ``[2, 2]``, lower left and upper right corner of where they may lie.
        levels: of each box, is it the name of a dotted line? None is, unless this is given.
    """
    angles = np.arange(_TURNS) * 2 * np.pi / _TURNS
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    offsets = np.concatenate([reach * ways for reach in _REACH])
    centres = np.full((len(named), 2), np.inf)
    far = np.linalg.norm(offsets, axis=1)
    of_level = np.array(levels or [False] * len(named), dtype=bool)
    marks = np.concatenate([marks, *named])
    squares = np.full(marks.shape, _MARKER)
    squares[len(marks) - sum(map(len, named)) :][np.repeat(of_level, [*map(len, named)])] = _DOT
    for _ in range(_ROUNDS):
        before = centres.copy()
        for i, (points, size) in enumerate(zip(named, sizes, strict=True)):
            # A box stands beside its point, not on it: the wider it is, the further its centre.
            beside = offsets + np.sign(np.round(offsets, 6)) * (size / 2 - 4)
            places = (points[:, None] + beside).reshape(-1, 2)
            others = np.arange(len(named)) != i
            cost = np.tile(
                far if of_level[i] else np.where(far > _CLOSE, far, np.inf), len(points)
            )
            cost += _ON_NAME * _overlaps(places, size, centres[others], sizes[others])
            cost += _ON_MARK * _overlaps(places, size, marks, squares)
            rest = [j for j in range(len(named)) if j != i and np.isfinite(centres[j]).all()]
            joining = [_line(named[j], centres[j], sizes[j], of_level[j]) for j in rest]
            lines = np.concatenate([np.empty((0, 2)), *joining])
            cost += _CROSSED * (_overlaps(places, size, lines, np.zeros_like(lines)) > 0)
            anchors = np.repeat(points, len(offsets), axis=0)
            joined = _joined(anchors, places, size, of_level[i])
            cost += _CROSSED * (joined & _crosses(anchors, places, centres[rest], sizes[rest]))
            low, high = places - size / 2 - frame[0], frame[1] - places - size / 2
            cost += _OUTSIDE * ((low < 0) | (high < 0)).any(axis=1)
            centres[i] = places[int(np.argmin(np.round(cost, 6)))]
        if np.array_equal(before, centres):
            break
    return centres


def _nearest(points: np.ndarray, centre: np.ndarray) -> int:
    """Which of some points ``[N, 2]`` a name stands beside."""
    return int(np.argmin(np.linalg.norm(points - centre, axis=1)))


def _joined(anchors: np.ndarray, centres: np.ndarray, size: np.ndarray, level: bool) -> np.ndarray:
    """Do lines join boxes of a size, at ``[..., 2]``, to what they name?"""
    gaps = np.maximum(np.abs(centres - anchors) - np.asarray(size) / 2, 0)
    return np.asarray(np.linalg.norm(gaps, axis=-1) > (_JOINED_LEVEL if level else _JOINED))


def _line(points: np.ndarray, centre: np.ndarray, size: np.ndarray, level: bool) -> np.ndarray:
    """Points along the line that joins a box to what it names ``[., 2]``; none: no line does."""
    anchor = points[_nearest(points, centre)]
    if not _joined(anchor, centre, size, level):
        return np.empty((0, 2))
    return np.asarray(anchor + _ALONG[:, None] * (centre - anchor))


def _crosses(
    anchors: np.ndarray, places: np.ndarray, centres: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Would a line from ``anchors`` to ``places`` ``[P, 2]`` cross one of some boxes?"""
    along = anchors[:, None] + _ALONG[:, None] * (places - anchors)[:, None]
    hit = _overlaps(along.reshape(-1, 2), np.zeros(2), centres, sizes)
    return np.asarray(hit.reshape(len(places), -1).any(axis=1))


def _overlaps(
    places: np.ndarray, size: np.ndarray, others: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """How many of the others a box of one size lies on at each place ``[P, 2]``."""
    present = np.isfinite(others).all(axis=1)
    gaps = np.abs(places[:, None] - others[present][None])
    return np.asarray((gaps < (size + sizes[present]) / 2).all(axis=2).sum(axis=1))
