"""One definition of leak and of the few numbers: every place that shows them shows the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from langspec.files import read_json
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.difference import JudgeOptions
from langspec.release.version_facts import seed_numbers
from langspec.report.compared import CompareOptions, compare_sides, load_side
from langspec.report.headline_table import headline as headline_table
from langspec.report.metrics import write_metrics
from langspec.report.run_results import load_run
from langspec.results import headline, read_results, results_frame
from langspec.tracking.history import evaluation_points
from report_files import write_predictions, write_run

INNER = 2
OPTIONS = CompareOptions(JudgeOptions(margin=0.01), BootstrapOptions(resamples=100, seed=0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one seed whose head reads an inner layer: its leak is another than the last."""
    root = tmp_path_factory.mktemp("run")
    write_run(root, tasks=("pos",), seeds=(1,), points=4, languages=("en", "de", "tr"))
    path = root / "results" / "evaluate" / "pos" / "results.csv"
    frame = read_results(path)
    frame.loc[frame["measure"] == "task", "layer"] = INNER
    frame.to_csv(path, index=False)
    accuracies = {"frozen": 0.6, "finetune": 0.8}
    write_predictions(root / "results", "pos", accuracies, seeds=(1,))
    return root


def test_every_place_shows_the_leak_of_the_layer_that_the_head_reads(root: Path) -> None:
    results = root / "results"
    rows = read_results(results / "evaluate" / "pos" / "results.csv")
    rows = rows[(rows["method"] == "finetune") & (rows["seed"] == 1)]
    leaks = rows[(rows["measure"] == "leak") & (rows["probe"] == "linear")]
    leaks = leaks[leaks["unit"] == "token"]
    leaks = leaks[(leaks["language"] == "all") & (leaks["metric"] == "macro_f1")]
    by_layer = leaks.set_index("layer")["value"]
    expected = by_layer[INNER]
    assert expected != pytest.approx(by_layer[by_layer.index.max()], abs=0.005)

    numbers = headline(rows)
    assert numbers["leak"]["value"] == expected
    write_metrics(results, {"pos": ["finetune"]})
    metrics = read_json(results / "metrics.json")["pos"]["finetune"]
    assert metrics["leak"] == pytest.approx(expected, rel=1e-3)
    points = {point.name: point.value for point in evaluation_points(rows)}
    assert points["headline/leak"] == expected
    assert seed_numbers(rows, "finetune", 1, INNER) == numbers
    run = load_run(
        results, root / "corpora", root / "encoder",
        name="x", tasks=("pos",), methods=("frozen", "finetune"),
    )  # fmt: skip
    table = headline_table(run)
    cell = table.frame.set_index("method").loc["finetune"]
    assert cell["token_leak_macro_f1"] == expected
    assert f"layer {INNER}, which the head reads" in table.caption
    sides = [load_side(results, "pos", method) for method in ("finetune", "frozen")]
    (line,) = [
        line
        for line in compare_sides(*sides, OPTIONS, "en")
        if line.of_head and line.unit == "token"
    ]
    assert (line.layer, line.compared.a) == (INNER, expected)
    assert set(numbers) == {"transfer", "gap", "leak", "sentence_leak"}
    assert set(metrics) == {"transfer", "leak"}


def test_another_probe_of_leaks_is_followed_by_the_headline_table(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root, tmp_path / "run")
    path = tmp_path / "run" / "results" / "evaluate" / "pos" / "results.csv"
    frame = read_results(path)
    leak = headline(frame[(frame["method"] == "finetune") & (frame["seed"] == 1)])["leak"]
    frame.loc[frame["probe"] == "linear", "probe"] = "ridge"
    frame.to_csv(path, index=False)
    monkeypatch.setattr("langspec.results.LEAK_PROBE", "ridge")
    run = load_run(
        path.parents[2], tmp_path / "run" / "corpora", tmp_path / "run" / "encoder",
        name="x", tasks=("pos",), methods=("frozen", "finetune"),
    )  # fmt: skip
    shown = headline_table(run).frame.set_index("method").loc["finetune"]
    assert shown["token_leak_macro_f1"] == leak["value"]


def test_rows_in_the_schema_of_before_are_refused(tmp_path: Path) -> None:
    from langspec.errors import LangspecError

    old = tmp_path / "results.csv"
    columns = "task method seed corpus split language layer probe unit metric value n"
    pd.DataFrame(columns=columns.split()).to_csv(old, index=False)
    with pytest.raises(LangspecError, match=r"expected the columns .*measure.*rerun the stage"):
        read_results(old)
    assert results_frame([]).empty


def test_a_sweep_calls_what_it_measures_by_names_of_their_own() -> None:
    """Its numbers are of dev rows: no number of the headline, whose rows are test rows."""
    from dataclasses import fields

    from langspec.release.version_card import _NAMES
    from langspec.results import GAP, LEAK, SENTENCE_LEAK, TRANSFER
    from langspec.tuning.records import TrialRecord
    from langspec.tuning.score import MEASURED, Measured

    names = {TRANSFER, GAP, LEAK, SENTENCE_LEAK}
    assert set(_NAMES) == names
    assert all(words.startswith(f"{name}: ") for name, words in _NAMES.items())
    for declared in (Measured, TrialRecord):
        assert not names & {field.name for field in fields(declared)}
        assert set(MEASURED) <= {field.name for field in fields(declared)}
    assert all(name.startswith("dev_") for name in MEASURED)
