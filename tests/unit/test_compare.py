"""The command compare, on result files with planted predictions."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from langspec import presets
from langspec.cli import main
from langspec.files import read_json, write_json
from report_files import write_predictions, write_run

pytestmark = pytest.mark.medium

PLANTED = {"frozen": 0.70, "finetune": 0.84, "grl": 0.839}


def add_run(root: Path, name: str, **changes) -> Path:
    folder = root / "results" / name
    shutil.rmtree(root / "made", ignore_errors=True)
    write_run(root / "made", points=1, layers=1, task_text=True)
    shutil.copytree(root / "made" / "results", folder)
    for task in ("pos", "nli"):
        write_predictions(folder, task, PLANTED, **changes)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    presets.write("demo", root / "params.yaml")
    values = (root / "params.yaml").read_text(encoding="utf-8")
    assert "bootstrap: 500" in values
    fewer = values.replace("bootstrap: 500", "bootstrap: 200")
    (root / "params.yaml").write_text(fewer, encoding="utf-8")
    add_run(root, "demo")
    add_run(root, "twin")
    add_run(root, "other", corpus=5)
    add_run(root, "short", items=150)
    return root


@pytest.fixture
def project(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    # It fixes this process's kernels, and refuses after a test that imported PyTorch.
    monkeypatch.setattr("langspec.compute.set_environment", lambda compute: None)
    return made


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["--quiet", "compare", *arguments])


def told(*arguments: str) -> str:
    result = compare(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> str:
    result = compare(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    return line


def by_language(text: str, metric: str = "accuracy") -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text))
    return {row["language"]: row for row in rows if row["metric"] == metric}


def test_a_planted_difference_is_found_and_none_is_equivalence(project: Path) -> None:
    found = by_language(told("finetune", "frozen", "--task", "pos", "--format", "csv"))
    assert set(found) == {"mean_targets", "en", "de", "es", "fr", "ru", "tr", "gap"}
    languages = [row for code, row in found.items() if code != "gap"]
    assert {row["verdict"] for row in languages} == {"better"}
    assert float(found["mean_targets"]["difference"]) == pytest.approx(0.14, abs=0.01)
    assert found["gap"]["verdict"] in ("equivalent", "undecided")
    mirrored = by_language(told("frozen", "finetune", "--task", "pos", "--format", "csv"))
    assert {mirrored[code]["verdict"] for code in ("mean_targets", "de")} == {"worse"}
    near = by_language(told("grl", "finetune", "--task", "pos", "--format", "csv"))
    assert near["mean_targets"]["verdict"] == "equivalent"


def test_margin_decides_what_is_equivalent(project: Path) -> None:
    arguments = ("grl", "finetune", "--task", "pos", "--format", "csv", "--margin")
    assert by_language(told(*arguments, "0.0001"))["mean_targets"]["verdict"] != "equivalent"
    assert by_language(told(*arguments, "0.05"))["mean_targets"]["verdict"] == "equivalent"


def test_text_fits_a_screen_and_says_what_it_rests_on(project: Path) -> None:
    text = told("finetune", "frozen")
    assert len(text.splitlines()) < 40
    assert max(map(len, text.splitlines())) <= 125
    assert "POS tagging, accuracy, test: finetune − frozen" in text
    assert "3 seeds, paired (1, 2, 3)" in text
    assert "epochs chosen by source_dev" in text
    assert "leak, token, layer 1" in text
    assert text == told("finetune", "frozen")


def test_an_undecided_difference_tells_what_would_have_been_found(project: Path) -> None:
    text = told("grl", "finetune", "--task", "pos", "--margin", "0.0001")
    rows = json.loads(
        told("grl", "finetune", "--task", "pos", "--margin", "0.0001", "--format", "json")
    )
    undecided = [row for row in rows if row["verdict"] == "undecided"]
    assert undecided
    assert all(row["detectable"] > 0 for row in undecided)
    assert "undecided (detects 0." in text


def test_an_undecided_difference_tells_the_seeds_that_an_equivalence_needs(project: Path) -> None:
    arguments = ("grl", "finetune", "--task", "pos", "--margin")
    rows = json.loads(told(*arguments, "0.0001", "--format", "json"))
    means = {row["language"]: row for row in rows if row["metric"] == "accuracy"}
    assert means["mean_targets"]["verdict"] == "undecided"
    assert means["mean_targets"]["seeds_for_equivalence"] is None  # the items are too few
    wide = json.loads(told(*arguments, "0.05", "--format", "json"))
    for row in (row for row in wide if row["seeds"] != "single"):
        alone, first = row["seeds_for_equivalence"], row["seeds_for_equivalence_adjusted"]
        assert 2 <= alone <= first
    text = told(*arguments, "0.0001")
    assert "seeds ±0.0001" in text
    assert ">1000" in text
    assert "power if there is no difference" in text


def test_markdown_has_the_same_rows(project: Path) -> None:
    text = told("finetune", "frozen", "--task", "nli", "--format", "md", "--metric", "macro_f1")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert any("mean of targets" in row and "better" in row for row in rows)


def test_leaks_are_compared_over_seeds_by_layer(project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(
        told("finetune", "frozen", "--task", "pos", "--metric", "leak", "--format", "csv")
    )))  # fmt: skip
    assert [(row["unit"], row["layer"]) for row in rows] == [
        ("token", "0"), ("token", "1"), ("sentence", "0"), ("sentence", "1"),
    ]  # fmt: skip
    # frozen was probed once, as no training changed it.
    assert {row["seeds"] for row in rows} == {"fixed"}
    assert rows[1]["verdict"] == "lower"


def test_one_seed_decides_nothing(project: Path) -> None:
    rows = json.loads(told("finetune", "frozen", "--seed", "2", "--format", "json"))
    assert {row["verdict"] for row in rows} == {"undecided"}
    assert "one seed: the noise of training is unknown" in told(
        "finetune", "frozen", "--seed", "2"
    )


def test_another_run_with_the_same_items(project: Path) -> None:
    rows = json.loads(told("twin/finetune", "finetune", "--format", "json"))
    assert {row["difference"] for row in rows} == {0.0}
    assert {row["verdict"] for row in rows} == {"equivalent"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("finetun", "frozen"),
            "the method 'finetun', expected one of frozen, finetune, grl",
        ),
        (("finetune+leace", "frozen"), "what is erased has no predictions by item"),
        (("finetune", "finetune"), "finetune and finetune are one method; name two"),
        (("demo/finetune", "finetune"), "demo/finetune and finetune are one method"),
        (("none/finetune", "frozen"), "evaluated runs: demo, other, short, twin"),
        (("other/finetune", "finetune"), "not the same test items of nli: "),
        (("short/finetune", "finetune"), "900 items and 1,200; evaluate both on the same corpora"),
        (("finetune", "frozen", "--task", "ner"), "expected one that both were evaluated on: nli"),
        (("finetune", "frozen", "--seed", "9"), "found the seeds 1, 2, 3 of finetune"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(
    project: Path, arguments: tuple[str, ...], line: str
) -> None:
    assert line in refused(*arguments)


def test_failed_seeds_are_left_out_by_name(project: Path) -> None:
    file = project / "results" / "twin" / "train" / "pos" / "finetune" / "run.json"
    before = read_json(file)
    changed = {**before, "seeds": [dict(entry) for entry in before["seeds"]]}
    changed["seeds"][0]["status"] = "failed"
    try:
        write_json(file, changed)
        text = told("twin/finetune", "frozen", "--task", "pos")
        assert "twin/finetune: failed seeds left out: 1" in text
        assert "2 seeds, paired (2, 3)" in text
        for entry in changed["seeds"]:
            entry["status"] = "failed"
        write_json(file, changed)
        assert "of which 1, 2, 3 failed" in refused("twin/finetune", "frozen", "--task", "pos")
    finally:
        write_json(file, before)


def test_a_missing_evaluation_is_named(project: Path) -> None:
    file = project / "results" / "twin" / "evaluate" / "pos" / "predictions.parquet"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        line = refused("twin/finetune", "frozen", "--task", "pos")
        assert "langspec evaluate --task pos" in line
    finally:
        aside.rename(file)
