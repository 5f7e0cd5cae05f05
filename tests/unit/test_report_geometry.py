"""Tables and figures of geometry, and maps that stay legible with many languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from measure_options import geometry_options

from bank_fixtures import bank_of
from langspec.measurement.alignment import retrieval
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.geometry import label_geometry, language_geometry
from langspec.measurement.moves import moves
from langspec.measurement.rows import Origin
from langspec.measurement.similarity import checkpoint_similarity
from langspec.measures.geometry_lines import ALIGNMENT, GEOMETRY_FIGURES
from langspec.measures.geometry_tables import NOT_PARALLEL
from langspec.measures.space_geometry import SpaceGeometry
from langspec.report.declared import figure_of
from langspec.report.maps import (
    PANEL,
    densest,
    language_entries,
    legend_columns,
    projection,
)
from langspec.report.plotting import looks
from langspec.report.run_results import Run, over_seeds
from langspec.report.style import language_styles
from langspec.results import results_frame
from report_files import tables_of_measures

pytestmark = pytest.mark.medium

LINES = 24
LANGUAGE, LINE = np.repeat(np.arange(3), LINES), np.tile(np.arange(LINES), 3)
SPECS = SpaceGeometry.tables
UD = (
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi "
    "yo zh"
).split()


def measured(root: Path) -> pd.DataFrame:
    """What stage evaluate writes, of two layers and two seeds."""
    rows = []
    options = geometry_options(per_class=20, starts=1)
    units = ("sentence",)
    rng = np.random.default_rng(0)
    banks = {}
    for seed in (0, 1, 2):
        layers = rng.standard_normal((2, len(LINE), 6)) + LANGUAGE[:, None] / (1 + seed)
        banks[seed] = {
            "text": bank_of(root, f"text{seed}", layers, LANGUAGE, line=LINE),
            "pos": bank_of(root, f"pos{seed}", layers, LANGUAGE, line=LINE, label=LINE % 2),
        }
    for seed, found in banks.items():
        for corpus, bank in found.items():
            origin = Origin(
                "pos", "finetune" if seed else "frozen", seed, corpus, "test", "geometry"
            )
            rows += language_geometry(bank, origin, options, units=units)
            if corpus == "pos":
                rows += label_geometry(bank, origin, options, units=units)
            else:
                rows += retrieval(bank, origin, "en", BootstrapOptions(resamples=100, seed=0))
            if seed:
                rows += checkpoint_similarity(bank, banks[0][corpus], origin, units=units)
                rows += moves(bank, banks[0][corpus], origin, units=units)
    return results_frame(rows)


def run_of(rows: pd.DataFrame, **more: object) -> Run:
    run = Run("x", ("pos",), ("frozen", "finetune"), rows, over_seeds(rows), source="en")
    return replace(run, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(measured(tmp_path_factory.mktemp("banks")))


def test_tables_show_what_was_measured(run: Run) -> None:
    tables = tables_of_measures(run)
    names = {"geometry", "alignment", "moves"}
    expected = {f"{n}{layers}_pos" for n in names for layers in ("", "_layers")}
    assert set(tables) == expected | {"retrieval_languages_pos"}
    shown = tables["geometry_pos"].frame
    assert set(shown["layer"]) == {1}
    assert set(tables["geometry_layers_pos"].frame["layer"]) == {0, 1}
    row = shown[(shown["method"] == "finetune") & shown["place"].str.startswith("task")].iloc[0]
    rows = run.summary
    found = rows[
        (rows["metric"] == "ami_label") & (rows["layer"] == 1) & (rows["method"] == "finetune")
    ]
    value = found[found["probe"] == ""]["value"].item()
    assert row["ami_label"] == pytest.approx(value)
    assert row["ami_label_min"] < row["ami_label"] < row["ami_label_max"]  # two seeds
    moved = tables["moves_pos"].frame
    assert set(moved["method"]) == {"finetune"}
    assert (moved["angle_language_halves"] < moved["angle_language_chance"] + 20).all()
    by_language = tables["retrieval_languages_pos"].frame
    assert list(by_language["code"]) == ["de", "fi"]
    assert (by_language["n"] == LINES).all()
    for table in tables.values():
        assert all(f"{c.key}" in table.frame for c in table.columns)
    assert not any(NOT_PARALLEL in note for note in tables["alignment_pos"].notes)


def test_chance_stands_beside_every_index_share_and_angle(run: Run) -> None:
    """In the CSV and, where the number is on the page, on the page."""
    sizes = {"feature_norm", "effective_rank", "feature_spread"}
    whole = ("geometry_pos", "alignment_pos", "moves_pos", "retrieval_languages_pos")
    for table in (tables_of_measures(run)[name] for name in whole):
        spec = next(spec for spec in SPECS if spec.name.format(task="pos") == table.name)
        metrics = {}
        for column in spec.columns:
            if column.where is not None:
                key = (column.where.get("metric", "retrieval"), column.where["probe"] == "chance")
                metrics.setdefault(key[0], set()).add(key[1])
        for metric, probes in metrics.items():
            named = metric.removeprefix("retrieval_").replace("variance_share", "share")
            if metric in sizes or "variance" in named or named in ("from_source", "to_source"):
                continue  # no share; or one chance for both directions
            assert True in probes, (table.name, metric)
        shown = {column.key for column in table.columns}
        for key in shown & {"ami_label", "v_measure_language", "variance_share_language",
                            "debiased_cka", "debiased_cka_within_language", "retrieval",
                            "angle_language", "angle_principal"}:  # fmt: skip
            assert f"{key}_chance" in shown
    moved = tables_of_measures(run)["moves_pos"]
    text = moved.frame[moved.frame["place"].str.startswith("task")].iloc[0]
    assert text["angle_language_label_chance"] > 0
    assert text["variance_share_language_chance"] == pytest.approx(2 / (3 * LINES - 1))


def test_single_angles_have_the_chance_of_each(run: Run) -> None:
    with looks():
        plot = figure_of(GEOMETRY_FIGURES[2], run, "pos")
    assert plot is not None
    lowest = plot.figure.axes[len(plot.figure.axes) // 2]  # the first panel of single angles
    dotted = [line for line in lowest.lines if line.get_linestyle() == ":"]
    assert [len(line.get_xdata()) for line in dotted] == [2]  # three languages: two angles


def test_the_random_encoders_fewer_lines_have_a_level_of_their_own(run: Run) -> None:
    """Chance is 1 / n: that of the trained encoders is not mixed with that of fewer lines."""
    rows = run.results
    fewer = rows[rows["method"] == "frozen"].assign(method="random", n=LINES // 2)
    chance = (fewer["metric"] == "retrieval") & (fewer["probe"] == "chance")
    fewer.loc[chance, "value"] = 2 / LINES
    with looks():
        plot = figure_of(ALIGNMENT, run_of(pd.concat([rows, fewer])), "pos")
    assert plot is not None
    panel = plot.figure.axes[0]
    dotted = [line for line in panel.lines if line.get_linestyle() == ":"]
    heights = sorted(float(line.get_ydata()[0]) for line in dotted)
    assert heights == pytest.approx([1 / LINES, 2 / LINES])


def test_absent_retrieval_is_told(run: Run) -> None:
    run = run_of(run.results[~run.results["metric"].str.startswith("retrieval")])
    tables = tables_of_measures(run)
    assert NOT_PARALLEL in tables["alignment_pos"].notes
    assert not [c for c in tables["alignment_pos"].columns if "retrieval" in c.key]
    assert "retrieval_languages_pos" not in tables
    with looks():
        plot = figure_of(ALIGNMENT, run, "pos")
    assert plot is not None
    assert NOT_PARALLEL in plot.caption
    assert len(plot.figure.axes) == 2


def test_figures_have_a_line_a_method_and_name_the_last_layer(run: Run) -> None:
    with looks():
        plots = [figure_of(spec, run, "pos") for spec in GEOMETRY_FIGURES]
    for plot in plots:
        assert plot is not None
        assert "finetune" in plot.alt
    mean = run.summary.query("metric == 'retrieval' and probe == 'cosine' and layer == 1")
    value = mean.query("language == 'mean_targets' and method == 'finetune'")["value"].item()
    assert f"finetune {value:.3f}" in plots[1].alt  # type: ignore[union-attr]


def test_without_geometry_there_is_nothing(run: Run) -> None:
    bare = run_of(run.results.iloc[:0])
    assert tables_of_measures(bare) == {}
    assert not [spec for spec in GEOMETRY_FIGURES if figure_of(spec, bare, "pos")]


# --- maps ------------------------------------------------------------------------------------


def test_a_name_stands_on_the_densest_spot_not_between_clusters() -> None:
    rng = np.random.default_rng(0)
    heap, few = rng.normal([10, 0], 0.5, (60, 2)), rng.normal([-10, 0], 0.5, (30, 2))
    assert np.linalg.norm(densest(np.concatenate([few, heap])) - [10, 0]) < 1
    assert densest(heap[:1]).tolist() == heap[0].tolist()


def test_the_legend_names_every_language_once_and_keeps_families_together() -> None:
    entries = language_entries(language_styles(UD))
    columns = legend_columns(entries)
    shown = [entry for _, part in columns for entry in part]
    assert shown == entries
    assert len([entry for entry in entries if entry.marker]) == len(UD)
    assert all(len(part) * 0.128 <= PANEL for _, part in columns)
    assert all(not part[0].marker for _, part in columns)  # each begins with a heading
    labels = legend_columns([entry for entry in entries if entry.marker])
    assert len(labels) == 2  # 33 lines without headings


def test_the_map_of_33_languages_has_panels_of_one_size(run: Run) -> None:
    rng = np.random.default_rng(0)
    count = 33 * 6
    frame = pd.DataFrame(
        {
            "language": np.repeat(UD, 6),
            "label": np.tile(["NOUN", "VERB"], count // 2),
            "x": rng.normal(size=count),
            "y": rng.normal(size=count),
            "seed": 1,
            "corpus": "pos",
        }
    )
    both = pd.concat([frame.assign(method="frozen"), frame.assign(method="finetune")])
    with looks():
        plot = projection(run_of(run.results, projections={"pos": both}), "pos")
    assert plot is not None
    width, height = plot.figure.get_size_inches()
    boxes = [axis.get_position() for axis in plot.figure.axes if axis.axison]
    assert len(boxes) == 4
    for box in boxes:
        assert box.width * width == pytest.approx(PANEL)
        assert box.height * height == pytest.approx(PANEL)
    assert {t.get_text() for t in plot.figure.axes[0].texts} == set(UD)
    # Nothing of the legend reaches into a panel or out of the figure.
    plot.figure.set_dpi(100)
    plot.figure.draw_without_rendering()
    side = plot.figure.axes[2]
    for text in side.texts:
        extent = text.get_window_extent()
        assert extent.x0 >= boxes[1].x1 * width * 100
        assert extent.x1 <= width * 100 + 1
