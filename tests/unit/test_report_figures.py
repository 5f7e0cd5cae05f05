"""How figures look: colours that stand out, signs that stay, names that cover nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from langspec.measures.discovery import declared
from langspec.report.colour import MARK, TEXT, contrast
from langspec.report.first_figures import first_plots
from langspec.report.marks import SHARES, heat
from langspec.report.names import Name, best_places, name_along, name_beside
from langspec.report.plotting import Plot, laid_out
from langspec.report.run_results import load_run, over_seeds
from langspec.report.style import (
    BASELINES,
    ERASERS,
    GROUND,
    METHODS,
    PALETTE,
    dark_colours,
    eraser_style,
    language_styles,
    method_styles,
    name_colour,
)
from langspec.report.task_figures import plots_of

pytestmark = pytest.mark.medium

DARK = dark_colours()
MARKS = sorted({colour for of in (METHODS, ERASERS, BASELINES) for colour, _ in of.values()})
FRAME = np.array([[0.0, 0.0], [230.0, 230.0]])  # points


@pytest.mark.parametrize("colour", [*MARKS, *PALETTE])
def test_marks_and_their_names_stand_out_on_light_and_dark_paper(colour: str) -> None:
    assert contrast(colour, GROUND) >= MARK
    assert contrast(name_colour(colour), GROUND) >= TEXT
    assert contrast(DARK[colour], DARK[GROUND]) >= TEXT
    assert contrast(DARK[name_colour(colour)], DARK[GROUND]) >= TEXT


def test_a_sign_stays_when_another_method_or_eraser_is_added() -> None:
    alone = method_styles(["of_my_own"])["of_my_own"]
    among = method_styles(["frozen", "a_new_one", "of_my_own", "grl", "majority", "zz"])
    assert among["of_my_own"] == alone
    assert alone not in METHODS.values()
    assert eraser_style("centring_oracle") == eraser_style("centring")
    for signs in (METHODS, ERASERS, BASELINES):
        assert len({marker for _, marker in signs.values()}) == len(signs)


def test_no_two_of_the_demos_languages_share_a_colour() -> None:
    signs = language_styles(["en", "de", "es", "fr", "ru", "tr"])
    assert len({colour for colour, _ in signs.values()}) == 6


@pytest.mark.parametrize("colours", [SHARES, "cividis", "viridis"])
def test_the_number_of_a_cell_stands_out_from_it(colours: object) -> None:
    axis = Figure().subplots()
    heat(axis, np.linspace(0, 1, 48).reshape(6, 8), colours=colours, digits=7, vmin=0, vmax=1)
    faces = axis.collections[0].get_facecolor()
    assert len(axis.texts) == len(faces) == 48
    for text, face in zip(axis.texts, faces, strict=True):
        assert contrast(to_hex(text.get_color()), to_hex(face)) >= TEXT
    assert len({to_hex(text.get_color()) for text in axis.texts}) == 2


def test_the_number_of_a_cell_stands_out_where_others_are_empty() -> None:
    axis = Figure().subplots()
    heat(axis, np.array([[0.0, np.nan, 1.0]]), digits=7, vmin=0, vmax=1)
    dark, light = (text.get_color() for text in axis.texts)
    assert dark == "#fefefe"
    assert light == "#010101"


def words_of(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Every text that is drawn, and its box in pixels."""
    drawn: list[tuple[str, np.ndarray]] = []
    draw = Text.draw

    def noted(text: Text, renderer: RendererBase) -> None:
        draw(text, renderer)
        slanted = text.get_rotation() % 90  # its box is larger than what it covers
        if text.get_text() and text.get_visible() and not slanted:
            box = Text.get_window_extent(text, renderer)
            drawn.append((text.get_text(), np.array([[box.x0, box.y0], [box.x1, box.y1]])))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", noted)  # an axis draws not all the ticks that it has
        FigureCanvasAgg(figure).draw()
    return drawn


def overlaps(drawn: list[tuple[str, np.ndarray]]) -> list[tuple[str, str]]:
    """The texts that lie on each other."""
    return [
        (one, other)
        for i, (one, a) in enumerate(drawn)
        for other, b in drawn[:i]
        if (a[0] < b[1] - 0.5).all() and (b[0] < a[1] - 0.5).all()
    ]


def crowd(count: int, spread: float) -> Plot:
    points = 0.5 + spread * (np.random.default_rng(3).random((count, 2)) - 0.5)

    def make() -> Plot:
        figure = Figure(figsize=(3.2, 3.2), layout="constrained")
        axis = figure.subplots()
        axis.set(xlim=(0, 1), ylim=(0, 1))
        for i, point in enumerate(points):
            axis.plot(*point, "o", color=PALETTE[0])
            name_beside(axis, f"name {i}", tuple(point), PALETTE[0])
        return Plot("x", "", "", "", figure)

    plot = laid_out(make)
    assert plot is not None
    return plot


@pytest.mark.parametrize("spread", [0.02, 0.4, 0.98])
def test_names_lie_neither_on_each_other_nor_outside_the_panel(spread: float) -> None:
    plot = crowd(12, spread)
    drawn = [one for one in words_of(plot.figure) if one[0].startswith("name")]
    assert len(drawn) == 12
    assert overlaps(drawn) == []
    frame = plot.figure.axes[0].get_window_extent()
    for _, box in drawn:
        assert box[0][0] >= frame.x0 - 1
        assert box[1][0] <= frame.x1 + 1
    assert plot.render("svg") == crowd(12, spread).render("svg")


def crossed(axis: Axes) -> list[tuple[str, str]]:
    """Names whose line to what they name lies on another name."""
    names = [child for child in axis.get_children() if isinstance(child, Name)]
    canvas: Any = FigureCanvasAgg(axis.figure)
    renderer = canvas.get_renderer()
    boxes = [Text.get_window_extent(name, renderer) for name in names]
    out = []
    for name, box in zip(names, boxes, strict=True):
        start = axis.transData.transform(name.xy)
        centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
        along = start + np.linspace(0, 1, 50)[:, None] * (centre - start)
        assert name.arrow_patch is not None
        for other, of in zip(names, boxes, strict=True):
            on = (along > (of.x0 + 1, of.y0 + 1)) & (along < (of.x1 - 1, of.y1 - 1))
            if other is not name and name.arrow_patch.get_visible() and on.all(axis=1).any():
                out.append((name.get_text(), other.get_text()))
    return out


def test_no_name_lies_on_the_line_of_another() -> None:
    for count, spread in ((6, 0.02), (8, 0.05), (8, 0.1), (10, 0.1)):
        assert crossed(crowd(count, spread).figure.axes[0]) == [], (count, spread)


@pytest.mark.parametrize("above", [0.9, 0.06])
def test_the_name_of_a_level_stands_at_it_or_a_line_leads_there(above: float) -> None:
    def make() -> Plot:
        figure = Figure(figsize=(3.2, 3.2), layout="constrained")
        axis = figure.subplots()
        axis.set(xlim=(0, 1), ylim=(0, 1))
        x = np.linspace(0, 1, 25)
        axis.plot(x, np.full(25, 0.02), ":")
        axis.plot(x, np.full(25, above), "-o")
        level = np.stack([x, np.full(25, 0.02)], axis=1)
        name_along(axis, "chance", level, PALETTE[0], level=True, fontsize=7)
        return Plot("x", "", "", "", figure)

    plot = laid_out(make)
    assert plot is not None
    axis = plot.figure.axes[0]
    (name,) = (child for child in axis.get_children() if isinstance(child, Name))
    ((_, box),) = (one for one in words_of(plot.figure) if one[0] == "chance")
    gap = (box[0][1] - axis.transData.transform((0, 0.02))[1]) * 72 / plot.figure.dpi
    assert name.arrow_patch is not None
    assert name.arrow_patch.get_visible() == (above < 0.1)
    assert (gap < 4) == (above > 0.1)


@pytest.mark.parametrize("spread", [0.0, 20.0, 150.0])
def test_33_short_names_find_places_of_their_own(spread: float) -> None:
    named = 115 + spread * (np.random.default_rng(3).random((33, 2)) - 0.5)
    sizes = np.tile([13.0, 9.0], (33, 1))
    places = best_places(list(named[:, None]), sizes, named[:0], FRAME)
    gap = np.abs(places[:, None] - places[None])
    hit = (gap < sizes[0] - 1e-9).all(axis=2)
    assert not np.triu(hit, 1).any()
    assert ((places - sizes / 2 >= 0) & (places + sizes / 2 <= 230)).all()
    alone = [np.array([[40.0, 40]]), np.array([[180.0, 180]])]
    far = best_places(alone, sizes[:2], named[:0], FRAME)
    assert (np.abs(far - [[40, 40], [180, 180]]) < 15).all()


def test_an_svg_says_what_each_of_its_colours_is_on_a_dark_page() -> None:
    svg = crowd(2, 0.5).render("svg").decode()
    sheet = re.search(r"@media \(prefers-color-scheme: dark\)\{(.*?)\}</style>", svg, re.S)
    assert sheet
    body = svg[svg.index("</style>") :]
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", body))
    changed = set(re.findall(r'\[style\*="(?:fill|stroke): (#[0-9a-f]{6})"\]', sheet[1]))
    assert used == changed
    assert f"fill:{DARK[GROUND]}!important" in sheet[1]
    assert b"prefers-color-scheme" not in crowd(2, 0.5).render("png")


# --- every figure of a run with all methods ---------------------------------------------------

SHIFTS = {"control": 0.003, "grl": 0.15, "adversary": 0.33}
"""How much less than finetune a made-up method leaks."""


@pytest.fixture(scope="module")
def plots(made_up_run: Path) -> dict[str, Plot]:
    folders = (made_up_run / part for part in ("results", "corpora", "encoder"))
    methods = ("frozen", "finetune", *SHIFTS)
    run = load_run(*folders, name="x", tasks=("pos",), methods=methods, declared=declared())
    parts = [run.results]
    tuned = run.results[run.results["method"] == "finetune"]
    for method, less in SHIFTS.items():
        value = tuned["value"].where(tuned["probe"] != "linear", tuned["value"] - less)
        parts.append(tuned.assign(method=method, value=value, low=value - 0.01, high=value + 0.01))
    for base in ("frozen", "finetune"):
        of_base = parts[0][parts[0]["method"] == base]
        for i, eraser in enumerate((*ERASERS, "centring_oracle", "another")):
            leak = 0.05 if i % 2 else 0.05 + 0.06 * i
            value = of_base["value"].where(of_base["probe"] != "linear", leak)
            parts.append(of_base.assign(eraser=eraser, value=value, low=value, high=value))
    results = pd.concat(parts, ignore_index=True)
    run = replace(run, results=results, summary=over_seeds(results))
    drawn, _ = plots_of(run, "pos")
    drawn += first_plots(run)
    return {plot.name: plot for plot in drawn}


def test_a_run_of_all_methods_has_its_figures_with_short_captions(plots: dict[str, Plot]) -> None:
    assert {"tradeoff_pos", "transfer_pos", "leak_pos", "first_tradeoff"} <= set(plots)
    lengths = {name: len(plot.caption.split()) for name, plot in plots.items()}
    assert {name: count for name, count in lengths.items() if count > 45} == {}


def test_no_text_of_a_figure_lies_on_another_or_outside(plots: dict[str, Plot]) -> None:
    faults = {}
    for name, plot in plots.items():
        drawn = words_of(plot.figure)
        size = plot.figure.get_size_inches() * plot.figure.dpi
        outside = [text for text, box in drawn if (box[0] < -2).any() or (box[1] > size + 2).any()]
        if present := [*overlaps(drawn), *outside]:
            faults[name] = present
    assert faults == {}


def test_beside_lines_there_is_room_for_names_and_no_tick(plots: dict[str, Plot]) -> None:
    axis = plots["leak_pos"].figure.axes[0]
    assert axis.get_xticks().tolist() == [0, 1, 2, 3, 4]
    assert axis.get_xlim()[1] > 5


def test_a_method_has_one_marker_in_all_figures(plots: dict[str, Plot]) -> None:
    """Whatever is drawn in a method's colour is drawn with its marker, and the other way round."""
    markers: dict[str, set[str]] = {}
    for name in ("tradeoff_pos", "transfer_pos", "leak_pos", "first_tradeoff", "first_measures"):
        for axis in plots[name].figure.axes:
            for line in axis.lines:
                if line.get_marker() not in ("None", "", None, "|", "_"):
                    markers.setdefault(to_hex(line.get_color()), set()).add(line.get_marker())
    for method in ("frozen", "finetune", *SHIFTS):
        colour, marker = METHODS[method]
        assert markers[colour] == {marker}, method
