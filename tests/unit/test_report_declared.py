"""A measure declares its table and its figure; the report draws them, and says so on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from langspec.measures.linear_leak import CURVE_FIGURE
from langspec.measures.spec import Column, FigureSpec, Panel, TableSpec
from langspec.report.declared import declared_figures, declared_tables
from langspec.report.layer_lines import draw
from langspec.report.run_results import Run, load_run
from report_files import TRAIN_N, build_made_up

pytestmark = pytest.mark.medium

WHERE = {
    "measure": "leak",
    "probe": "linear",
    "language": "all",
    "metric": "macro_f1",
    "split": "test",
}


TABLE = TableSpec(
    name="mine_{task}",
    title="{task}: mine",
    caption="Models of {task}: what a reader sees.",
    where=WHERE,
    rows=("unit", "layer", "method"),
    columns=(
        Column("section", text="per {unit}", shown=False),
        Column("layer", "Layer", kind="count"),
        Column("method", "Method"),
        Column("score", "score", "Mine", "score", {"metric": "macro_f1"}),
    ),
    section="section",
)
FIGURE = FigureSpec(
    name="mine_{task}",
    title="{task}: mine by layer",
    caption="Models of {task}. Mean over {seeds}.",
    alt="Lines. Last layer: {last}.",
    where=WHERE,
    panels=(
        Panel("per token", {"unit": "token"}, limits=(0, 1)),
        Panel("of nothing", {"unit": "pair"}),
    ),
    label="mine",
)


# Of a measure whose rows this run does not have.
OTHER_TABLE = TableSpec("other_{task}", "other", "other", (), where={"probe": "no such probe"})
OTHER_FIGURE = FigureSpec(
    "other_{task}", "other", "other", "other", {"probe": "no"}, (), absent="the other"
)
DECLARED = (TABLE, OTHER_TABLE, FIGURE, OTHER_FIGURE)


@pytest.fixture(scope="module")
def root(made_up_run: Path) -> Path:
    return made_up_run


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    folders = (root / part for part in ("results", "corpora", "encoder"))
    values = {"name": "x", "tasks": ("pos",), "methods": ("frozen", "finetune")}
    return load_run(*folders, **values, declared=DECLARED)


def test_the_table_has_a_row_a_unit_layer_and_method(run: Run) -> None:
    (table,) = declared_tables(run)
    assert (table.name, table.title) == ("mine_pos", "POS tagging: mine")
    rows = run.summary
    for key, value in (*WHERE.items(), ("task", "pos")):
        rows = rows[rows[key] == value]
    assert len(table.frame) == len(rows) > 0
    assert table.frame["score"].sum() == pytest.approx(rows["value"].sum())
    assert list(table.frame["section"].unique()) == ["per token", "per sentence"]


def test_the_figure_has_the_panels_that_have_rows(run: Run) -> None:
    (plot,), absent = declared_figures(run, "pos")
    assert absent == ["the other"]
    assert [axis.get_title(loc="left") for axis in plot.figure.axes] == ["per token"]
    assert plot.caption == "Models of POS tagging. Mean over 1 to 2 seeds."
    assert "finetune 0." in plot.alt


def test_the_page_shows_both_after_what_it_has_a_place_for(root: Path, tmp_path: Path) -> None:
    page = (build_made_up(root, tmp_path / "with", declared=DECLARED) / "details.html").read_text(
        encoding="utf-8"
    )
    at = page.index('id="pos-further"')
    assert at < page.index('id="table-mine_pos"') < page.index('id="pos-training"')
    assert (tmp_path / "with" / "figures" / "mine_pos.svg").is_file()
    assert page.count('id="table-') == page.count("tables/") // 2


def test_without_such_a_measure_the_page_has_no_such_part(made_up_report: Path) -> None:
    assert "further" not in (made_up_report / "details.html").read_text(encoding="utf-8")


def test_a_curve_is_drawn_by_training_units_and_chance_across_it(run: Run) -> None:
    plot = draw(CURVE_FIGURE, run.summary, run, task="pos")
    assert plot is not None
    zoomed, axis = plot.figure.axes[0], plot.figure.axes[-1]
    assert list(zoomed.get_xticks()) == [TRAIN_N // 4, TRAIN_N // 2, TRAIN_N]
    points = [list(line.get_xdata()) for line in axis.get_lines()]
    assert [TRAIN_N // 4, TRAIN_N // 2, TRAIN_N] in points
    chance = next(line for line in axis.get_lines() if list(line.get_xdata()) == [0, 1])
    assert list(chance.get_ydata()) == pytest.approx([0.048, 0.048])
