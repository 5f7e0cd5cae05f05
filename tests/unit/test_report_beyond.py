"""The table beyond the linear probe, leak on task text, and the mark of what did not converge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from langspec.measures.spec import Column
from langspec.report.headline_table import headline
from langspec.report.report_page import score
from langspec.report.run_results import Run, load_run
from langspec.report.sentences import limits
from langspec.report.table import (
    MARK,
)
from langspec.report.terminal import headline_text
from langspec.results import Result, read_results, results_frame
from langspec.tracking.history import evaluation_points
from report_files import tables_of_measures, write_run

pytestmark = pytest.mark.medium

VALUES = {
    ("linear_sample", "accuracy"): 0.70,
    ("mlp", "accuracy"): 0.90,
    ("control", "accuracy"): 0.30,
    ("selectivity", "accuracy"): 0.40,
    ("shuffled", "accuracy"): 0.16,
    ("mdl", "compression"): 3.0,
    ("mdl", "bits"): 0.86,
}


def planted() -> list[Result]:
    rows = []
    for unit in ("token", "sentence"):
        for method, seeds in (("frozen", (0,)), ("finetune", (1, 2))):
            for seed in seeds:
                shift = 0.02 * (2 * seed - 3) * (method == "finetune")
                for layer in (0, 2, 4):
                    for (probe, metric), value in VALUES.items():
                        rows.append((method, seed, "text", layer, probe, unit, metric,
                                     value + shift, 0.05))  # fmt: skip
                        failed = probe == "mlp" and layer == 4 and seed == 2
                        if probe != "selectivity" and metric != "bits":
                            rows.append((method, seed, "text", layer, probe, unit,
                                         "converged", float(not failed), 0))  # fmt: skip
                    for metric in ("accuracy", "macro_f1"):
                        rows.append((method, seed, "pos", layer, "linear", unit, metric,
                                     0.5 + shift, 0))  # fmt: skip
                    rows.append((method, seed, "pos", layer, "linear", unit, "converged", 1.0, 0))
        rows.append(("all", 0, "text", -1, "char_ngrams", unit, "accuracy", 0.95, 0))
    return [
        Result(
            task="pos", method=method, seed=seed, corpus=corpus, split="test", language="all",
            layer=layer, measure="beyond" if corpus == "text" else "task_text", probe=probe,
            unit=unit, metric=metric, value=value,
            low=value - reach if reach else None, high=value + reach if reach else None, n=700,
        )
        for method, seed, corpus, layer, probe, unit, metric, value, reach in rows
    ]  # fmt: skip


def read(root: Path, *, unconverged: bool = False, extra: bool = True) -> Run:
    write_run(
        root, tasks=("pos",), seeds=(1, 2), points=4, languages=("en", "de", "tr"),
        unconverged=unconverged,
    )  # fmt: skip
    path = root / "results" / "evaluate" / "pos" / "results.csv"
    if extra:
        pd.concat([read_results(path), results_frame(planted())]).to_csv(path, index=False)
    return load_run(
        root / "results", root / "corpora", root / "encoder",
        name="made-up", tasks=("pos",), methods=("frozen", "finetune"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read(tmp_path_factory.mktemp("run"))


def test_planted_numbers_stand_in_their_cells(run: Run) -> None:
    table = tables_of_measures(run)["beyond_pos"]
    rows = table.frame.set_index(["unit", "method", "layer"])
    cell = rows.loc["token", "finetune", 4]
    assert cell["linear"] == pytest.approx(0.70)
    assert (cell["linear_min"], cell["linear_max"]) == pytest.approx((0.68, 0.72))
    assert (cell["mlp_low"], cell["mlp_high"]) == pytest.approx((0.85, 0.95))
    assert cell["compression"] == pytest.approx(3.0)
    assert cell["selectivity"] == pytest.approx(0.40)
    assert cell["shuffled"] == pytest.approx(0.16)
    texts = table.frame[table.frame["method"] == "all"]
    assert texts["char_ngrams"].tolist() == pytest.approx([0.95, 0.95])
    assert texts["linear"].isna().all()
    assert any("How to read it" in note for note in table.notes)


def test_what_did_not_converge_carries_a_mark(run: Run) -> None:
    table = tables_of_measures(run)["beyond_pos"]
    records = table.frame.set_index(["unit", "method", "layer"]).to_dict("index")
    column = Column("mlp", "MLP", kind="score")
    assert score(records["token", "finetune", 4], column)["value"].endswith(MARK)
    assert not score(records["token", "finetune", 2], column)["value"].endswith(MARK)
    assert not score(records["token", "frozen", 4], column)["value"].endswith(MARK)
    assert any(MARK in note for note in table.notes)
    assert any("2 of" in text and "did not converge" in text for text in limits(run, []))


def test_the_other_tables_do_not_change(run: Run, tmp_path: Path) -> None:
    bare = read(tmp_path, extra=False)
    with_them, without = tables_of_measures(run), tables_of_measures(bare)
    assert set(with_them) - set(without) == {"beyond_pos", "task_text_pos"}
    pd.testing.assert_frame_equal(headline(run).frame, headline(bare).frame)
    for name, table in without.items():
        pd.testing.assert_frame_equal(with_them[name].frame, table.frame)


def test_an_unconverged_linear_probe_is_marked_in_the_leak_table(tmp_path: Path) -> None:
    run = read(tmp_path, unconverged=True, extra=False)  # layer 1 of finetune
    table = tables_of_measures(run)["leak_pos"]
    marked = table.frame.set_index(["unit", "layer"])["finetune_macro_f1_unconverged"]
    assert marked["token", 1] == 2
    assert pd.isna(marked["token", 2])
    assert any(MARK in note for note in table.notes)
    assert MARK not in headline_text(run)  # the last layer did
    failed = run.results.assign(
        value=run.results["value"].where(run.results["metric"] != "converged", 0.0)
    )
    assert MARK in headline_text(replace(run, results=failed))


def test_leak_on_task_text_has_its_own_table_and_its_own_names(run: Run) -> None:
    table = tables_of_measures(run)["task_text_pos"]
    assert table.frame["finetune_accuracy"].tolist() == pytest.approx([0.5] * 6)
    mine = [r for r in planted() if (r.method, r.seed) == ("finetune", 1)]
    known = [replace(r, corpus="text", value=0.9) for r in mine if r.corpus == "pos"]
    names = {p.name: p.value for p in evaluation_points(results_frame([*mine, *known]))}
    assert names["leak/linear/layer_04/token_accuracy"] == pytest.approx(0.9)
    assert names["leak_task_text/linear/layer_04/token_accuracy"] == pytest.approx(0.48)
