"""The table of controls for erasure and the figure of INLP's rounds, from planted numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from langspec.measures.erasure_path import FIGURE
from langspec.report.declared import figure_of
from langspec.report.run_results import Run, load_run
from langspec.results import Result, read_results, results_frame
from report_files import tables_of_measures, write_run

DIFFERENCES = {"inlp": (-0.1, -0.14, -0.06), "leace": (-0.004, -0.008, 0.004),
               "lsar": (-0.004, -0.012, 0.004)}  # fmt: skip


def control_rows() -> list[Result]:
    """Erasers: one costs more than random subspaces, one as much, one is undecided."""
    rows: list[Result] = []

    def add(seed: int, eraser: str, **columns: object) -> None:
        values = {"task": "pos", "method": "finetune", "corpus": "pos", "split": "test",
                  "language": "mean_targets", "layer": 4, "measure": "erasure_control",
                  "unit": "token", "n": 900}  # fmt: skip
        rows.append(Result(**(values | {"seed": seed, "eraser": eraser} | columns)))

    for seed in (1, 2):
        for eraser, (value, low, high) in DIFFERENCES.items():
            add(seed, eraser, measure="erasure", probe="", metric="accuracy", value=0.8 + value)
            for kind in ("equal_rank", "equal_variance"):
                add(seed, eraser, probe=kind, metric="accuracy", value=0.8)
                name = "accuracy_beyond_random"
                add(seed, eraser, probe=kind, metric=name, value=value, low=low, high=high)
        add(seed, "inlp", measure="erasure", corpus="text", probe="linear", metric="macro_f1",
            unit="sentence", language="all", value=0.3)  # fmt: skip
        rounds = ((0, 0.99), (4, 0.4), (8, 0.21), (12, 0.2))
        for rank, leak in rounds[: 2 + seed]:  # the second seed goes a round further
            read = {"measure": "erasure_path", "corpus": "text", "split": "dev",
                    "language": "all", "probe": "linear"}  # fmt: skip
            ends = {"low": leak - 0.02, "high": leak + 0.02}
            add(seed, "inlp", metric=f"accuracy_{rank}", value=leak, **read, **ends)
            add(seed, "inlp", metric=f"majority_{rank}", value=0.2, **read)
            add(seed, "inlp", measure="erasure_path", probe="", metric=f"accuracy_{rank}",
                value=0.8 - rank / 100)  # fmt: skip
        add(seed, "inlp", metric="at_majority", value=float(seed == 1), **read)
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root: Path = tmp_path_factory.mktemp("run")
    write_run(root, tasks=("pos",), seeds=(1, 2), points=4, languages=("en", "de", "tr"))
    path = root / "results" / "evaluate" / "pos" / "results.csv"
    both = pd.concat([read_results(path), results_frame(control_rows())])
    both.to_csv(path, index=False)
    return load_run(
        root / "results", root / "corpora", root / "encoder",
        name="made-up", tasks=("pos",), methods=("frozen", "finetune"),
    )  # fmt: skip


def test_the_table_says_what_random_subspaces_cost(run: Run) -> None:
    table = tables_of_measures(run)["erasure_controls_pos"]
    rows = table.frame.set_index("method")
    assert list(rows.index) == ["finetune", "finetune+inlp", "finetune+leace", "finetune+lsar"]
    inlp = rows.loc["finetune+inlp"]
    assert inlp["accuracy"] == pytest.approx(0.7)
    assert inlp["accuracy_equal_rank"] == pytest.approx(0.8)
    assert inlp["accuracy_equal_rank_beyond"] == pytest.approx(-0.1)
    assert inlp["accuracy_equal_rank_beyond_high"] == pytest.approx(-0.06)
    assert inlp["sentence_leak_macro_f1"] == pytest.approx(0.3)
    assert not any("retrieval" in column.key for column in table.columns)


def test_the_verdict_is_a_comparison_and_never_no_cost(run: Run) -> None:
    table = tables_of_measures(run)["erasure_controls_pos"]
    said = " ".join(table.notes)
    begin = "Of accuracy, at equal rank, beside a random removal: cost more: finetune+inlp;"
    assert (
        f"{begin} cost as much: finetune+leace (to within 0.008); undecided: finetune+lsar" in said
    )
    assert "nothing" not in said


def test_the_rounds_of_inlp_are_drawn_by_rank(run: Run) -> None:
    plot = figure_of(FIGURE, run, "pos")
    assert plot is not None
    assert "ended at chance in 1 of 2 fits" in plot.caption
    language, task = plot.figure.axes
    assert language.get_title() == "language, per token"
    assert list(language.lines[0].get_xdata()) == [0, 4, 8]
    assert list(task.lines[0].get_ydata()) == pytest.approx([0.8, 0.76, 0.72])
