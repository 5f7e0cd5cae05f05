"""The report's comparisons: against each baseline once, judged together, said as judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions, holm
from langspec.report.compare_text import rendered
from langspec.report.compared import CompareOptions, Line, Side, compare_leaks, load_side
from langspec.report.contrasts import (
    TRANSFER_KEY,
    contrast_sentences,
    contrast_table,
    contrasts,
)
from langspec.report.run_results import Run, load_run
from langspec.report.sentences import selection_words
from langspec.report.table import (
    with_rule,
)
from report_files import write_predictions, write_run

METHODS = ("frozen", "finetune", "control", "grl")
PLANTED = {"frozen": 0.70, "finetune": 0.84, "control": 0.838, "grl": 0.837}
OPTIONS = CompareOptions(JudgeOptions(margin=0.01), BootstrapOptions(resamples=200, seed=0))


def load(root: Path) -> Run:
    return load_run(
        root / "results",
        root / "corpora",
        root / "encoder",
        name="made-up",
        tasks=("pos",),
        methods=METHODS,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(
        folder, tasks=("pos",), points=1, layers=1, languages=("en", "de", "tr"), task_text=True
    )
    write_predictions(folder / "results", "pos", PLANTED, languages=("en", "de", "tr"), noise=4e-4)
    return folder


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return load(root)


def test_each_pair_is_compared_once(run: Run) -> None:
    found = contrasts(run, "pos", OPTIONS).pairs
    pairs = list(dict.fromkeys((one.method, one.baseline) for one in found))
    assert sorted(pairs) == [
        ("control", "finetune"),
        ("control", "frozen"),
        ("finetune", "frozen"),
        ("grl", "control"),
        ("grl", "finetune"),
        ("grl", "frozen"),
    ]
    assert {(c.line.language, c.line.metric) for c in found if c.method == "finetune"} == {
        ("mean_targets", "accuracy"),
        ("mean_targets", "macro_f1"),
        ("en", "accuracy"),
        ("all", "leak"),
    }


def test_p_is_adjusted_over_the_methods_of_a_quantity(run: Run) -> None:
    table = contrast_table(run, "pos", contrasts(run, "pos", OPTIONS), OPTIONS)
    assert table is not None
    for (section, *_), rows in table.frame.groupby(["section", "quantity", "metric"]):
        asked = ("finetune", "against frozen"), ("grl", "against control")
        alone = [(method, section) in asked for method in rows["method"]]
        for family in (rows[alone], rows[[not one for one in alone]]):
            assert family["p_holm"].tolist() == pytest.approx(holm(family["p"]).tolist())
    against = table.frame.set_index(["section", "method", "quantity", "metric"])
    mean = ("mean of targets", "accuracy")
    assert against.loc[("against frozen", "finetune", *mean), "verdict"] == "better"
    assert against.loc[("against finetune", "grl", *mean), "verdict"] == "equivalent"
    leak = ("against frozen", "finetune", "language leak (token, layer 1)", "macro-F1")
    assert against.loc[leak, "verdict"] == "lower"
    assert against.loc[leak, "difference"] == pytest.approx(0.973 - 0.991)  # on language text


def test_what_the_run_is_made_to_find_out_is_judged_by_itself(run: Run) -> None:
    found = contrasts(run, "pos", OPTIONS)
    line = found.line("finetune", "frozen", TRANSFER_KEY)
    assert line is not None
    assert line.judged.comparisons == 1
    assert line.judged.p_adjusted == line.compared.difference.p
    beside = found.line("control", "frozen", TRANSFER_KEY)
    assert beside is not None
    assert beside.judged.comparisons == 2
    assert found.line("frozen", "finetune", TRANSFER_KEY) is None  # the other direction


def test_a_leak_is_higher_only_where_it_is_so_along_the_curve(root: Path) -> None:
    folder = root / "results"
    frozen, finetune = (load_side(folder, "pos", method) for method in ("frozen", "finetune"))
    head = ("token", frozen.head_layer if frozen.head_layer >= 0 else 1)

    def head_line(side: Side) -> Line:
        return next(
            line
            for line in compare_leaks(side, finetune, OPTIONS)
            if (line.unit, line.layer) == head
        )

    assert head_line(frozen).verdict == "higher"
    # The same leak with all vectors; with half of them there was nothing between the two.
    half = finetune.curves[head][1][1]
    learnt_faster = {0: (0.5, half, frozen.leaks[head][0])}
    late = head_line(replace(frozen, curves={**frozen.curves, head: learnt_faster}))
    assert late.compared.difference.value == head_line(frozen).compared.difference.value
    assert late.judged.verdict == "higher"
    assert late.verdict == late.verdict_words(OPTIONS.judge) == "depends on probe size"
    larger = head_line(replace(frozen, probe_sizes={**frozen.probe_sizes, head: (1, 2, 3)}))
    assert larger.verdict_words(OPTIONS.judge) == "undecided (no common curve of the leak)"
    alone = head_line(replace(frozen, curves={}))
    assert alone.verdict == "undecided"
    assert alone.verdict_words(OPTIONS.judge) == "undecided (no common curve of the leak)"
    text = rendered(frozen, finetune, [late], "leak", OPTIONS.judge, "text")
    assert "depends on probe size" in text
    assert "only where that holds along the probe's learning curve" in text


def test_sentences_say_no_more_than_the_verdicts(run: Run) -> None:
    found = contrasts(run, "pos", OPTIONS)
    frozen, finetune, control = contrast_sentences(found, OPTIONS.judge)
    assert frozen.startswith("Against frozen, in mean accuracy over the targets (margin 0.01)")
    assert "finetune: better, +0.1" in frozen
    assert "control: equivalent (±0.01)" in finetune
    assert "better" not in finetune + control


def test_a_run_without_predictions_says_so(tmp_path: Path) -> None:
    write_run(tmp_path, tasks=("pos",), points=1, layers=1, languages=("en", "de"))
    run = load(tmp_path)
    assert contrasts(run, "pos", OPTIONS).pairs == ()
    assert "evaluate/pos/predictions.parquet" in run.missing


def test_a_method_whose_seeds_all_failed_is_named(run: Run) -> None:
    failed = {"selection": "source_dev", "seeds": [{"seed": 1, "status": "failed"}]}
    found = contrasts(replace(run, runs={**run.runs, ("pos", "grl"): failed}), "pos", OPTIONS)
    assert found.left_out == ("grl",)
    assert "grl" not in {one.method for one in found.pairs}
    table = contrast_table(run, "pos", found, OPTIONS)
    assert table is not None
    assert table.notes == ("grl: every seed failed, so it is not compared.",)


def test_every_measured_table_names_its_rule(run: Run) -> None:
    table = contrast_table(run, "pos", contrasts(run, "pos", OPTIONS), OPTIONS)
    assert table is not None
    assert with_rule(run, table).caption.endswith(
        "Epochs chosen by the best score on the source language's development set."
    )
    chosen = {"selection": "mean_dev", "selection_languages": ["de", "en"], "seeds": []}
    other = replace(run, runs={("pos", "finetune"): chosen})
    assert selection_words(other) == (
        "best mean over the languages with a development set (de, en)"
    )
