from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from langspec.errors import LangspecError
from langspec.report.data_tables import data_tables
from langspec.report.headline_table import headline
from langspec.report.run_results import Run, load_run, over_seeds
from langspec.report.sentences import facts, limits, reading
from langspec.report.table import Table
from langspec.report.terminal import headline_text
from langspec.results import Result, results_frame
from report_files import ACCURACY, BASELINES, LEAK, tables_of_measures, write_run

pytestmark = pytest.mark.medium

ALL = {"name": "made-up", "tasks": ("pos", "nli"), "methods": ("frozen", "finetune")}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("run")
    write_run(root)
    return load_run(root / "results", root / "corpora", root / "encoder", **ALL)


@pytest.fixture(scope="module")
def tables(run: Run) -> dict[str, Table]:
    return tables_of_measures(run)


def row(frame: pd.DataFrame, **equal: str | int) -> pd.Series:
    for column, value in equal.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize("task", ["pos", "nli"])
def test_headline_has_the_planted_numbers_in_their_cells(run: Run, task: str) -> None:
    title = {"pos": "POS tagging", "nli": "Natural language inference"}[task]
    frame = headline(run).frame
    for method in ("frozen", "finetune"):
        found = row(frame, task=title, method=method)
        planted = ACCURACY[task, method]
        assert found["targets_accuracy"] == pytest.approx(planted)
        assert found["targets_accuracy_min"] == pytest.approx(planted - 0.004)
        assert found["targets_accuracy_max"] == pytest.approx(planted + 0.004)
        assert found["targets_accuracy_low"] == pytest.approx(planted - 0.006)
        assert found["targets_macro_f1"] == pytest.approx(planted - 0.05)
        assert found["source_accuracy"] == pytest.approx(0.961)
        assert found["gap_accuracy"] == pytest.approx(0.961 - planted)
        assert found["token_leak_macro_f1"] == pytest.approx(LEAK[method])
        assert found["seeds"] == 3
    for name, value in BASELINES[task].items():
        found = row(frame, task=title, method=f"baseline: {name.replace('_', ' ')}")
        assert found["targets_accuracy"] == pytest.approx(value)
        assert pd.isna(found["token_leak_macro_f1"])
    random = row(frame, task=title, method="random encoder")
    assert random["token_leak_macro_f1"] == pytest.approx(LEAK["random"])
    assert pd.isna(random["targets_accuracy"])
    chance = row(frame, task=title, method="chance: majority class")
    assert chance["token_leak_accuracy"] == pytest.approx(0.167)


def test_language_table_has_source_first_and_the_means_last(tables: dict[str, Table]) -> None:
    frame = tables["transfer_pos"].frame
    assert list(frame["role"])[:2] == ["source", "target"]
    assert list(frame["language"])[-2:] == ["mean of targets", "source − targets"]
    turkish = row(frame, code="tr")
    assert turkish["finetune_accuracy"] == pytest.approx(ACCURACY["pos", "finetune"] - 0.08)
    assert turkish["n"] == 1200
    assert row(frame, code="en")["finetune_accuracy"] == pytest.approx(0.961)


def test_leak_tables_keep_units_and_layers_apart(tables: dict[str, Table]) -> None:
    table = tables["leak_pos"]
    assert row(table.frame, unit="token", layer=0)["random_macro_f1"] == pytest.approx(0.998)
    assert row(table.frame, unit="token", layer=4)["random_macro_f1"] == pytest.approx(0.561)
    assert row(table.frame, unit="sentence", layer=4)["random_macro_f1"] == pytest.approx(0.995)
    assert row(table.frame, unit="token", layer=2)["majority_macro_f1"] == pytest.approx(0.048)
    german = row(tables["leak_languages_pos"].frame, unit="token", code="de")
    assert german["finetune_recall"] == pytest.approx(LEAK["finetune"] - 0.002)


def test_dev_scores_stay_out_of_test_tables(tables: dict[str, Table]) -> None:
    assert row(tables["transfer_pos"].frame, code="en")["frozen_accuracy"] < 0.965


def test_probe_diagnostics_count_what_did_not_converge(tmp_path: Path) -> None:
    write_run(tmp_path, unconverged=True, tasks=("pos",))
    run = load_run(
        tmp_path / "results",
        tmp_path / "corpora",
        tmp_path / "encoder",
        name="x",
        tasks=("pos",),
        methods=("frozen", "finetune"),
    )
    table = tables_of_measures(run)["probes"]
    bad = row(table.frame, method="finetune", unit="token", layer=1)
    assert (bad["probes"], bad["converged"], bad["c_max"]) == (3, 0, 0.1)
    assert row(table.frame, method="finetune", unit="token", layer=2)["converged"] == 3
    said = " ".join(limits(run, []))
    assert "6 of 50 linear probes did not converge" in said
    assert "pos/finetune, token, layer 1" in said


def test_reading_names_the_best_method_its_baseline_and_the_floors(run: Run) -> None:
    transfer, leak = reading(run, "nli")
    assert "finetune has the highest mean accuracy, 0.561" in transfer
    assert "frozen 0.431" in transfer
    assert "best baseline (length overlap) 0.432" in transfer
    assert "of a token with macro-F1 0.991 for frozen, 0.973 for finetune" in leak
    assert "0.561 from a random encoder" in leak


def test_limits_follow_from_the_files(run: Run) -> None:
    said = limits(run, [])
    assert any("artificial" in text for text in said)
    assert any("3 seeds" in text for text in said)
    assert "POS tagging: no development rows for Turkish." in said
    assert any("11 of 7,211 gold labels" in text for text in said)
    assert any("frozen (0.431) does not reach the baseline length overlap" in t for t in said)
    assert any("a warning from the card" in text for text in said)
    assert ("Selection", "best score on the source language's development set") in (facts(run))


def test_data_tables_come_from_the_card(run: Run) -> None:
    tables = {table.name: table for table in data_tables(run)}
    kept, sources = tables["data"], tables["data_sources"]
    english = row(kept.frame, corpus="pos", code="en")
    assert (english["train"], english["dev"], english["test"]) == (300, 300, 300)
    assert (english["dropped"], english["over_limit"]) == (21, 9)
    assert row(kept.frame, corpus="pos", code="tr")["train"] == 0
    assert any("too long" in note for note in kept.notes)
    assert "CC BY 4.0" in set(sources.frame["licence"])


def test_the_cards_filters_labels_and_near_duplicates_are_shown(run: Run) -> None:
    counted = {"language": "en", "split": "test", "read": 9, "dropped": {"too_long": 2}}
    counted |= {"over_limit": 1, "kept": 6, "labels": {"NOUN": 3, "VERB": 1}, "words": {}}
    near = {"language": "en", "dev_rows_near_train": 4, "test_rows_near_train": 5}
    near |= {"test_rows_near_dev": 0, "train_rows_near_dev_or_test": 7}
    near |= {"adversary_rows_near_dev_or_test": 6}
    across = {"corpus": "pos", "language": "en", "text_rows_near_it": 1, "its_rows_near_text": 2}
    card = {
        "corpora": {"pos": {"rows": [counted], "near_duplicates": [near]}},
        "across": [across],
        "options": {"near_duplicates": 0.8},
    }
    tables = {table.name: table for table in data_tables(replace(run, card=card))}
    (filtered,) = tables["data_filters"].frame.to_dict("records")
    assert filtered["read"] - filtered["dropped_too_long"] - filtered["over_limit"] == 6
    (labelled,) = tables["data_labels_pos"].frame.to_dict("records")
    assert (labelled["label_NOUN"], labelled["label_VERB"], labelled["units"]) == (75.0, 25.0, 4)
    (told,) = tables["data_near"].frame.to_dict("records")
    assert (told["test_rows_near_train"], told["its_rows_near_text"]) == (5, 2)
    assert told["adversary_rows_near_dev_or_test"] == 6
    assert "0.8" in tables["data_near"].caption


def test_headline_text_is_a_table_for_the_terminal(tmp_path: Path) -> None:
    write_run(tmp_path, tasks=("pos",))
    values = {"name": "x", "tasks": ("pos",), "methods": ("frozen", "finetune")}
    folders = (tmp_path / part for part in ("results", "corpora", "encoder"))
    text = headline_text(load_run(*folders, **values))
    line = next(line for line in text.splitlines() if line.startswith("finetune"))
    told = "finetune 3 0.842 [0.836 0.848] 0.792 0.961 0.119 0.973 0.973 0.995"
    assert " ".join(line.split()) == told
    assert max(map(len, text.splitlines())) <= 120


def test_csv_is_rounded_and_empty_where_not_measured(run: Run, tmp_path: Path) -> None:
    table = headline(run)
    table.write(tmp_path / "headline.csv")
    read = pd.read_csv(tmp_path / "headline.csv")
    assert list(read.columns) == list(table.frame.columns)
    assert read["targets_accuracy"].isna().sum() == table.frame["targets_accuracy"].isna().sum()
    assert all(len(cell) <= 9 for cell in read["targets_accuracy"].dropna().map(str))


def planted(metric: str, seed: int, value: float, low: float | None = None) -> Result:
    return Result(
        task="pos", method="m", seed=seed, corpus="c", split="test", language="de", layer=-1,
        measure="task", probe="", unit="token", metric=metric, value=value, low=low, n=10,
    )  # fmt: skip


def test_over_seeds_means_ranges_and_intervals() -> None:
    frame = results_frame(
        [
            planted("accuracy", 1, 0.6, 0.5),
            planted("accuracy", 2, 0.8, 0.7),
            planted("macro_f1", 1, 0.4),
        ]
    )
    summary = over_seeds(frame).set_index("metric")
    accuracy = summary.loc["accuracy"]
    assert accuracy["value"] == pytest.approx(0.7)
    assert (accuracy["min"], accuracy["max"], accuracy["seeds"]) == (0.6, 0.8, 2)
    assert accuracy["low"] == pytest.approx(0.6)
    assert pd.isna(accuracy["high"])
    assert summary.loc["macro_f1", "seeds"] == 1


def test_two_rows_for_one_measurement_are_refused() -> None:
    frame = results_frame([planted("accuracy", 1, 0.6), planted("accuracy", 1, 0.7)])
    with pytest.raises(LangspecError, match="two rows for one measurement"):
        over_seeds(frame)


@pytest.mark.parametrize(
    ("frozen", "finetune", "said"),
    [
        ((0.60, 0.62), (0.61, 0.63), "(seed ranges overlap, item intervals overlap)"),
        ((0.60, 0.61), (0.63, 0.64), "(item intervals overlap)"),
        ((0.40, 0.41), (0.63, 0.64), "frozen 0.405."),
    ],
)
def test_reading_says_which_ranges_overlap(
    frozen: tuple[float, float], finetune: tuple[float, float], said: str
) -> None:
    rows = [
        Result(
            task="pos", method=method, seed=seed, corpus="pos", split="test",
            language="mean_targets", layer=-1, measure="task", probe="", unit="token",
            metric="accuracy", value=centre, low=centre - 0.02, high=centre + 0.02, n=9,
        )
        for method, values in (("frozen", frozen), ("finetune", finetune))
        for seed, centre in enumerate(values)
    ]  # fmt: skip
    frame = results_frame(rows)
    run = Run("x", ("pos",), ("frozen", "finetune"), frame, over_seeds(frame))
    (text,) = reading(run, "pos")
    assert said in text


def test_options_of_the_corpora_are_told_without_the_limits_that_are_none(run: Run) -> None:
    caption = data_tables(run)[0].caption
    assert "limits text 500;" in caption
    assert "None" not in caption
