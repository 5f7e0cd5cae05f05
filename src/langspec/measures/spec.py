"""What a table or a figure of the report shows, said in values. Nothing heavy is imported here.

A measure declares its tables and figures beside its numbers, and the report draws them::

    TABLE = TableSpec(
        name="mine_{task}",
        title="{task}: my measure",
        caption="Models of {task}: what it is, on what. " + IN_SHORT,
        where={"measure": "mine", "split": "test"},
        rows=("unit", "layer", "method"),
        columns=(
            Column("unit", shown=False),
            Column("layer", "Layer", kind="count"),
            Column("method", "Method"),
            Column("score", "score", "My measure", "score", {"metric": "my_score"}),
        ),
        section="unit",
    )
    FIGURE = FigureSpec(
        name="mine_{task}",
        title="{task}: my measure by layer",
        caption="Models of {task}: what is drawn. Mean over {seeds}.",
        alt="Line plot by layer of my score. Last layer: {last}.",
        where={"measure": "mine", "split": "test"},
        panels=(Panel("per token", {"metric": "my_score", "unit": "token"}),),
        label="my score",
    )

In a title, a caption and an alt text ``{task}`` is the task's title; in a name and in a ``where``
it is its key. A table whose name has no ``{task}`` is made once, over all tasks.
:func:`langspec.report.pivot.fill` makes the table, :func:`langspec.report.layer_lines.draw` the
figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "count", "number", "score"]
Part = Literal["score", "value", "flag", "stated", "min", "max", "seeds", "count", "train_n"]
Where = Mapping[str, Any]
"""Which tidy rows: a value, or a tuple of values, for each column of them that matters.

``{task}`` and ``{source}`` in a value stand for the task and the source language of the run. Rows
of erased vectors and of points of a path are left out where neither this nor the rows of the table
name ``eraser`` and ``strength``.
"""

IN_SHORT = (
    "Mean over seeds; smallest to largest seed; [95 % interval over test items, bounds averaged "
    "over seeds]."
)
SHORTER = "Mean over seeds; smallest to largest seed."


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: its name in the CSV. Without ``where``, the name of what it shows: ``method``,
            ``language``, ``code``, ``family``, ``role``, ``unit``, ``layer``, ``place``, ``n``,
            ``train_n``, ``seeds``.
        label: its heading on the page.
        group: the heading above it and its neighbours.
        kind: how a cell looks; a ``score`` also shows ``KEY_min`` .. ``KEY_high`` beside it.
        where: the tidy rows of a cell, beside what makes the row of the table.
        each: a tidy column; this column is repeated for each of its values, and ``{}`` in its
            key and its group stands for the value.
        text: a template of names, where the cell of a text is put together: ``per {unit}``.
        marked: a cell carries a dagger where a fit behind it did not converge.
        floor: the cell reads the rows of the floor (chance), not those of the methods.
        part: of the rows of a cell. ``score``: the mean over seeds, and in the CSV the range over
            seeds and the interval; ``value``: the mean; ``flag``: whether it is not 0 (without a
            row: no); ``stated``: the same (without a row: empty); ``train_n``: how many units its
            probe was fitted on; ``min``, ``max``: over seeds; ``seeds``: how many seeds;
            ``count``: for how many of them a value that is 0 or 1 is 1.
        shown: is it on the page? Else in the CSV only.
        trained: for heuristics, which are not trained, it is in the CSV only.
    """

    key: str
    label: str = ""
    group: str = ""
    kind: Kind = "text"
    where: Where | None = None
    each: str = ""
    text: str = ""
    marked: bool = False
    floor: bool = False
    part: Part = "score"
    shown: bool = True
    trained: bool = False


Words = Callable[["pd.DataFrame", Mapping[str, Any]], str]
"""Gives a part of a caption or a note.

It is called with all rows of the task over seeds (:func:`langspec.report.run_results.over_seeds`)
and with the card of the corpora.
"""


@dataclass(frozen=True)
class TableSpec:
    """One table over tidy rows.

    Attributes:
        name: the CSV's name without its ending.
        title: the heading.
        caption: what was measured on what.
        columns: in the order of the CSV.
        rows: the tidy columns whose values make a row of the table, the outermost first.
        where: the tidy rows that it is made of.
        having: only methods that have such rows.
        layers: ``head``: of what was probed, the layer that the task's head reads; ``last``: the
            last one of each corpus and unit; "" for every layer.
        by_layer: after it comes the same table of every layer, named ``KIND_layers_TASK``.
        by_language: only rows of one language, none that is over languages.
        floor: the rows of chance, for columns that read them.
        section: the key whose changes start a new body on the page.
        pooled: heading of the rows that are over languages, which have no code of their own.
        notes: sentences below the table; one that comes out empty is left out.
        words: what further names in caption, notes and labels stand for.
        names: for people, by tidy column and value; named values follow others in this order.
        page: the keys on the page in its order, where it is not that of the CSV; ``{}`` stands for
            all repeated columns.
        drop_empty: a score that was measured nowhere is no column of the page.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    having: Where = field(default_factory=dict)
    layers: Literal["", "head", "last"] = ""
    by_layer: bool = False
    by_language: bool = False
    floor: Where = field(default_factory=dict)
    section: str = ""
    pooled: str = ""
    notes: tuple[str, ...] = ()
    words: Mapping[str, Words] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    page: tuple[str, ...] = ()
    drop_empty: bool = False


@dataclass(frozen=True)
class Level:
    """A dotted line for what chance or noise gives: by layer, or one for all of them.

    Attributes:
        where: its tidy rows.
        words: what stands beside it, where the panel has room; "" for nothing.
    """

    where: Where
    words: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: a line for each method, by layer.

    Attributes:
        title: above the panel; ``{n}`` counts its units.
        where: the tidy rows that it draws.
        levels: dotted lines.
        limits: of the vertical axis; None: from the numbers.
        scale: panels of one name have one vertical scale, from the numbers of all of them.
        label: of the vertical axis; "" for none.
        numbered: draws, at the last layer, metrics whose names end in a number, by that number;
            ``metric`` of ``where`` is then the name before the number.
        sized: draws, at the last layer, by the number of training units (``train_n``).
        zoomed: shows the part of the scale on which the methods lie, without the random encoder.
    """

    title: str
    where: Where
    levels: tuple[Level, ...] = ()
    limits: tuple[float | None, float | None] = (None, None)
    scale: str = ""
    label: str = ""
    numbered: bool = False
    sized: bool = False
    zoomed: bool = False


@dataclass(frozen=True)
class FigureSpec:
    """One figure of lines by layer, a panel beside the other.

    Attributes:
        name: of its files, without their ending.
        title: the heading.
        caption: what was measured on what; ``{seeds}`` says how many seeds.
        alt: what it shows, in words; ``{last}`` lists values at the last layer.
        where: the tidy rows that it is made of.
        panels: from left to right; one without rows is left out.
        below: a second row of panels, one under each of the first.
        label: of the vertical axis of the first panel; ``{zoom}`` says what a zoomed one shows.
        label_below: of that of the first one below.
        x_label: of the horizontal axes.
        x_label_below: of those below.
        shared: do the panels of a row share their vertical axis?
        each_seed: are single seeds drawn too, as dashes?
        last: the rows of ``{last}``; none: those of the first panel.
        last_form: format of the numbers of ``{last}``; "": three decimals.
        seeds: the rows whose seeds ``{seeds}`` counts; none: all.
        words: what further names in caption and alt text stand for.
        absent: what the page names where nothing can be drawn; "": it says nothing.
        width: in inches.
        height: in inches.
        heights: of the two rows of panels, in relation to each other.
    """

    name: str
    title: str
    caption: str
    alt: str
    where: Where
    panels: tuple[Panel, ...]
    below: tuple[Panel, ...] = ()
    label: str = ""
    label_below: str = ""
    x_label: str = "layer"
    x_label_below: str = "layer"
    shared: bool = False
    each_seed: bool = False
    last: Where = field(default_factory=dict)
    last_form: str = ""
    seeds: Where = field(default_factory=dict)
    words: Mapping[str, Words] = field(default_factory=dict)
    absent: str = ""
    width: float = 8.0
    height: float = 3.0
    heights: tuple[float, float] = (1.0, 1.0)
